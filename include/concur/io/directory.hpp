// SPDX-License-Identifier: BSL-1.0
//
// What is in a directory. Python's os.scandir.
//
//     for (auto const& entry : concur::list_directory("/etc")) std::puts(entry.name.c_str());
//
//     auto entries = concur::async_directory_entries("/usr/bin");       // as they come, for large ones
//     while (auto entry = co_await entries.next()) use(*entry);
#pragma once

#include <concur/core/abi.hpp>
#include <concur/coro/async_generator.hpp>
#include <concur/coro/task.hpp>
#include <concur/io/detail/file_work.hpp>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <dirent.h>
#include <fcntl.h>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <system_error>
#include <utility>
#include <vector>

namespace concur::inline CONCUR_ABI {

enum class file_kind : std::uint8_t { regular, directory, symbolic_link, other };

struct directory_entry {
  directory_entry(std::string what, file_kind which) noexcept : name(std::move(what)), kind(which) {}

  std::string name;  ///< without the path
  file_kind kind;    ///< of a link, not of what that stands for

  friend bool operator==(directory_entry const&, directory_entry const&) = default;
};

namespace detail {

class directory_reader {
 public:
  explicit directory_reader(std::string path) : path_(std::move(path)) {
    if (path_.find('\0') != path_.npos) throw std::invalid_argument("a zero byte in the path of a directory");
    stream_.reset(::opendir(path_.c_str()));
    if (!stream_) fail();
  }

  /// Appends the next ones, at most so many. Returns false at the end.
  bool read(std::vector<directory_entry>& into, std::size_t most) {
    for (std::size_t i = 0; i < most;) {
      errno = 0;
      dirent const* const next = ::readdir(stream_.get());
      if (next == nullptr) {
        if (errno != 0) fail();
        return false;
      }
      std::string_view const name = next->d_name;
      if (name == "." || name == "..") continue;
      into.emplace_back(std::string(name), kind_of(*next));
      ++i;
    }
    return true;
  }

 private:
  struct closing {
    void operator()(DIR* stream) const noexcept { ::closedir(stream); }
  };

  [[noreturn]] void fail() const { throw std::system_error(errno, std::generic_category(), "listing '" + path_ + "'"); }
  file_kind kind_of(dirent const& entry) const noexcept {
    auto type = entry.d_type;
    if (type == DT_UNKNOWN) {
      // Some file systems do not say. One that has gone meanwhile is anything.
      struct stat about{};
      if (::fstatat(::dirfd(stream_.get()), entry.d_name, &about, AT_SYMLINK_NOFOLLOW) == 0) {
        type = static_cast<unsigned char>(IFTODT(about.st_mode));
      }
    }
    switch (type) {
      case DT_REG: return file_kind::regular;
      case DT_DIR: return file_kind::directory;
      case DT_LNK: return file_kind::symbolic_link;
      default: return file_kind::other;
    }
  }

  std::string path_;
  std::unique_ptr<DIR, closing> stream_;
};

}  // namespace detail

/// All that is in it but "." and "..", in no order. Throws std::system_error with the path in its sentence.
[[nodiscard]] inline std::vector<directory_entry> list_directory(std::string path) {
  std::vector<directory_entry> all;
  detail::directory_reader(std::move(path)).read(all, SIZE_MAX);
  return all;
}
[[nodiscard]] inline task<std::vector<directory_entry>> async_list_directory(std::string path) {
  auto const list_it = [&path] { return list_directory(path); };
  co_return co_await detail::on_file_thread(list_it);
}

/// The same one by one, while more are read from the disk as they are wanted.
[[nodiscard]] inline async_generator<directory_entry> async_directory_entries(std::string path) {
  constexpr std::size_t batch = 256;
  std::unique_ptr<detail::directory_reader> reader;
  auto const open_it = [&path] { return std::make_unique<detail::directory_reader>(path); };
  reader = co_await detail::on_file_thread(open_it);
  std::vector<directory_entry> entries;
  auto const read_more = [&reader, &entries] { return reader->read(entries, batch); };
  for (bool more = true; more;) {
    entries.clear();
    more = co_await detail::on_file_thread(read_more);
    for (auto& each : entries) co_yield std::move(each);
  }
}

}  // namespace concur::inline CONCUR_ABI
