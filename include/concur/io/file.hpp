// SPDX-License-Identifier: BSL-1.0
//
// Files, for threads and coroutines. Python's open; what it has aiofiles for.
//
//     auto in = co_await concur::file::async_open("words.txt");
//     concur::buffered_reader lines(in);
//     while (auto line = co_await lines.async_read_line()) …
//
//     concur::file out("log.txt", concur::open_options::for_appending());
//     out.write("a line\n");                       // without `async_` and `co_await` it blocks the thread
#pragma once

#include <concur/core/assert.hpp>
#include <concur/core/unique_fd.hpp>
#include <concur/coro/task.hpp>
#include <concur/io/buffer.hpp>
#include <concur/io/detail/file_work.hpp>
#include <concur/io/open_options.hpp>
#include <concur/loop/file_call.hpp>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <fcntl.h>
#include <stdexcept>
#include <string>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// An open file, or none. Its `async_` verbs never block the thread, and may be used on any executor: what has to wait
/// for a disk is done by a few threads that the process has for that; reads and syncs by the loop's io_uring, if it has
/// one. Verbs without a position go on where the last one stopped.
///
/// An operation under way cannot be taken back. So a cancel that comes after it was begun waits for it, and its outcome
/// counts: the cancel strikes at the next wait. One that comes before keeps it from beginning.
///
/// All verbs throw std::system_error with the path in its sentence; `async_` ones also `cancelled` and std::bad_alloc.
/// One verb at a time, but for those that have a position of their own (`…_at`), any number of which may be under way.
/// Meanwhile it must be neither moved nor closed, which checked builds report. One thread at a time.
///
/// For what has a beginning and an end. A named pipe or a terminal, which may wait for ever, keeps one of the threads
/// so long: use pipe_reader, pipe_writer and the standard streams.
class file {
 public:
  /// None: every verb fails with EBADF.
  file() noexcept = default;
  /// Opens it.
  explicit file(std::string path, open_options const& options = open_options());
  [[nodiscard]] static task<file> async_open(std::string path, open_options options = open_options());
  /// Takes over an open one. The name is for sentences.
  explicit file(unique_fd fd, std::string name = "a file") noexcept : fd_(std::move(fd)), path_(std::move(name)) {}
  file(file&& other) noexcept;
  file& operator=(file&& other) noexcept;
  /// Closes it, and ignores errors of that, which `close` does not.
  ~file() { require_idle(); }

  [[nodiscard]] int fd() const noexcept { return fd_.get(); }
  [[nodiscard]] bool is_open() const noexcept { return static_cast<bool>(fd_); }
  [[nodiscard]] std::string const& path() const noexcept { return path_; }
  /// Gives the descriptor away, as it is.
  [[nodiscard]] unique_fd release() noexcept {
    require_idle();
    return std::move(fd_);
  }

  // ---- reading. `read_some` reads what comes at once, `read` until the buffer is full or the file has ended. They
  // return how many bytes that were: 0 at the end.

  std::size_t read_some(mutable_buffer into) { return count(done(reading(into, here), when_reading)); }
  std::size_t read(mutable_buffer into) { return count(done(reading(into, here).all(), when_reading)); }
  std::size_t read_at(std::uint64_t position, mutable_buffer into) {
    return count(done(reading(into, there(position)).all(), when_reading));
  }
  [[nodiscard]] task<std::size_t> async_read_some(mutable_buffer into) {
    return async_count(reading(into, here), when_reading);
  }
  [[nodiscard]] task<std::size_t> async_read(mutable_buffer into) {
    return async_count(reading(into, here).all(), when_reading);
  }
  [[nodiscard]] task<std::size_t> async_read_at(std::uint64_t position, mutable_buffer into) {
    return async_count(reading(into, there(position)).all(), when_reading);
  }

  // ---- writing: all of it; `write_some` as much as goes at once. Of a file opened to append, always at its end. An
  // error may come after a part was written.

  std::size_t write_some(const_buffer from) { return count(done(writing(from, here), when_writing)); }
  void write(const_buffer from) { done(writing(from, here).all(), when_writing); }
  void write_at(std::uint64_t position, const_buffer from) { done(writing(from, there(position)).all(), when_writing); }
  [[nodiscard]] task<std::size_t> async_write_some(const_buffer from) {
    return async_count(writing(from, here), when_writing);
  }
  [[nodiscard]] task<> async_write(const_buffer from) { return async_done(writing(from, here).all(), when_writing); }
  [[nodiscard]] task<> async_write_at(std::uint64_t position, const_buffer from) {
    return async_done(writing(from, there(position)).all(), when_writing);
  }

  // ---- where it is. Not by way of the disk.

  /// Where the next verb without a position begins: there, so far from here, or at the end. Return the new place.
  std::uint64_t seek(std::uint64_t position) { return moved_to(static_cast<off_t>(position), SEEK_SET); }
  std::uint64_t seek_by(std::int64_t distance) { return moved_to(distance, SEEK_CUR); }
  std::uint64_t seek_to_end() { return moved_to(0, SEEK_END); }
  [[nodiscard]] std::uint64_t tell() { return moved_to(0, SEEK_CUR); }

  // ---- the whole of it

  [[nodiscard]] std::uint64_t size() { return static_cast<std::uint64_t>(done(call::file_size(fd()), "the size of")); }
  [[nodiscard]] task<std::uint64_t> async_size() { return async_count(call::file_size(fd()), "the size of"); }

  /// Makes it so long: what is beyond goes, or zeros come.
  void truncate(std::uint64_t size) { done(truncating(size), "truncating"); }
  [[nodiscard]] task<> async_truncate(std::uint64_t size) { return async_done(truncating(size), "truncating"); }

  /// Until all that was written is on the disk; `data_sync` leaves out what is not needed to read it, as its times.
  void sync() { done(call::sync(fd()), "syncing"); }
  void data_sync() { done(call::data_sync(fd()), "syncing"); }
  [[nodiscard]] task<> async_sync() { return async_done(call::sync(fd()), "syncing"); }
  [[nodiscard]] task<> async_data_sync() { return async_done(call::data_sync(fd()), "syncing"); }

  /// Closes it, in any case, and throws if that says that what was written is lost. Does nothing when it is closed.
  void close();
  [[nodiscard]] task<> async_close();

 private:
  using call = file_call;
  static constexpr auto here = call::here;
  static constexpr char const* when_reading = "reading";
  static constexpr char const* when_writing = "writing";

  class use {
   public:
    explicit use(file& used) noexcept : used_(used) { ++used_.uses_; }
    use(use const&) = delete;
    use& operator=(use const&) = delete;
    ~use() { --used_.uses_; }

   private:
    file& used_;
  };

  static unique_fd opened(std::string const& path, open_options const& options);
  // A position that no file has is the system's to refuse.
  static std::int64_t there(std::uint64_t position) noexcept {
    return static_cast<std::int64_t>(std::min<std::uint64_t>(position, INT64_MAX));
  }
  static std::string sentence(char const* what, std::string const& path) { return what + (" '" + path + "'"); }
  static std::size_t count(std::int64_t result) noexcept { return static_cast<std::size_t>(result); }

  call reading(mutable_buffer into, std::int64_t at) const noexcept {
    return call::read(fd(), into.data(), into.size(), at);
  }
  call writing(const_buffer from, std::int64_t at) const noexcept {
    return call::write(fd(), from.data(), from.size(), at);
  }
  call truncating(std::uint64_t size) const noexcept { return call::truncate(fd(), there(size)); }

  std::int64_t checked(std::int64_t result, char const* what) const {
    if (result >= 0) [[likely]]
      return result;
    throw std::system_error(static_cast<int>(-result), std::generic_category(), sentence(what, path_));
  }
  std::int64_t done(call const& wanted, char const* what) const { return checked(perform(wanted), what); }
  task<std::size_t> async_count(call wanted, char const* what) {
    use const in_use(*this);
    auto const result = co_await detail::async_perform(wanted, habits_);
    co_return count(checked(result, what));
  }
  task<> async_done(call wanted, char const* what) { co_await async_count(wanted, what); }
  std::uint64_t moved_to(off_t where, int from) {
    auto const place = ::lseek(fd(), where, from);
    return static_cast<std::uint64_t>(checked(place < 0 ? -errno : place, "seeking in"));
  }
  void require_idle() const noexcept {
    CONCUR_ASSERT(uses_ == 0, "a file was closed, moved or destroyed while an operation on it was under way");
  }

  unique_fd fd_;
  std::string path_ = "a file that is not open";
  detail::file_habits habits_;
  unsigned uses_ = 0;
};

inline file::file(std::string path, open_options const& options) : fd_(opened(path, options)), path_(std::move(path)) {}

inline file::file(file&& other) noexcept
    : fd_(std::move(other.fd_)), path_(std::move(other.path_)), habits_(other.habits_) {
  other.require_idle();
}

inline file& file::operator=(file&& other) noexcept {
  require_idle();
  other.require_idle();
  fd_ = std::move(other.fd_);
  path_ = std::move(other.path_);
  habits_ = other.habits_;
  return *this;
}

inline unique_fd file::opened(std::string const& path, open_options const& options) {
  if (path.find('\0') != path.npos) throw std::invalid_argument("a zero byte in the path of a file");
  for (;;) {
    unique_fd fd(::open(path.c_str(), options.flags(), options.permissions()));
    if (fd) return fd;
    if (errno != EINTR) throw std::system_error(errno, std::generic_category(), sentence("opening", path));
  }
}

inline task<file> file::async_open(std::string path, open_options options) {
  auto const open_it = [&path, &options] { return opened(path, options); };
  auto fd = co_await detail::on_file_thread(open_it);
  co_return file(std::move(fd), std::move(path));
}

inline void file::close() {
  require_idle();
  try {
    fd_.close();
  } catch (std::system_error const& error) {
    throw std::system_error(error.code(), sentence("closing", path_));
  }
}

inline task<> file::async_close() {
  if (!is_open()) co_return;
  auto const close_it = [this] { close(); };
  co_await detail::on_file_thread(close_it);
}

}  // namespace concur::inline CONCUR_ABI
