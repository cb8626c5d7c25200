// SPDX-License-Identifier: BSL-1.0
//
// A file that is there when all of it is: written under another name beside it, and renamed at the end.
#pragma once

#include <concur/core/abi.hpp>
#include <concur/core/os.hpp>
#include <concur/coro/task.hpp>
#include <concur/io/file.hpp>
#include <concur/io/open_options.hpp>
#include <concur/pool/thread_pool.hpp>

#include <cerrno>
#include <cstdio>
#include <string>
#include <string_view>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace concur::inline CONCUR_ABI::detail {

/// Its errors are std::system_error with the path in their text. The verbs for coroutines do not block the thread; they
/// are to be used in `with`, at whose end nothing is left of a file that was not kept.
class download_file {
 public:
  explicit download_file(std::string path) noexcept : path_(std::move(path)) {}
  download_file(download_file const&) = delete;
  download_file& operator=(download_file const&) = delete;
  ~download_file() { remove(); }

  void create() {
    while (!created_) {
      try {
        file_ = file(next_part(), as_new());
        created_ = true;
      } catch (std::system_error const& error) {
        throw_unless_taken(error);
      }
    }
  }
  task<> async_create() {
    while (!created_) {
      try {
        file_ = co_await file::async_open(next_part(), as_new());
        created_ = true;
      } catch (std::system_error const& error) {
        throw_unless_taken(error);
      }
    }
  }

  void write(std::string_view bytes) { file_.write(bytes); }
  task<> async_write(std::string_view bytes) { return file_.async_write(bytes); }

  /// From now on it is there, in place of the one that there was.
  void keep() {
    file_.close();
    rename();
  }
  task<> async_keep() {
    co_await file_.async_close();
    auto renaming = default_pool().submit([this] { rename(); });
    co_await std::move(renaming);
  }

  task<> async_close() {
    if (settled_ || !created_) co_return;
    auto removing = default_pool().submit([this] { remove(); });
    co_await std::move(removing);
  }

 private:
  static open_options as_new() noexcept { return open_options().write().create_new(); }
  std::string next_part() {
    // relaxed: only to be different each time.
    auto const number = files.fetch_add(1, std::memory_order_relaxed);
    return path_ + '.' + std::to_string(::getpid()) + '-' + std::to_string(number) + ".part";
  }
  void throw_unless_taken(std::system_error const& error) const {
    if (error.code() != std::errc::file_exists) throw std::system_error(error.code(), "creating " + path_);
  }

  void rename() {
    if (::rename(file_.path().c_str(), path_.c_str()) != 0) {
      throw std::system_error(errno, std::generic_category(), "creating " + path_);
    }
    settled_ = true;
  }
  void remove() noexcept {
    static_cast<void>(file_.release());  // closed
    if (!settled_ && created_) ::unlink(file_.path().c_str());
    settled_ = true;
  }

  static inline os::machine_atomic<unsigned> files{0};

  std::string const path_;
  file file_;
  bool created_ = false;
  bool settled_ = false;  // kept, or removed
};

}  // namespace concur::inline CONCUR_ABI::detail
