// SPDX-License-Identifier: BSL-1.0
//
// A pipe without a name: what is written into one end is read from the other. Python's os.pipe.
//
//     auto [reader, writer] = concur::make_pipe();
//     co_await writer.async_write("some text");
//     writer.close();                                          // the reader finds the end
//     auto const count = co_await reader.async_read(space);
#pragma once

#include <concur/core/unique_fd.hpp>
#include <concur/io/byte_stream.hpp>

#include <cerrno>
#include <fcntl.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// The end from which one reads. Its verbs are those of byte_stream.
class pipe_reader : private byte_stream {
 public:
  /// Closed.
  pipe_reader() noexcept = default;
  /// Takes over one that does not block, of a pipe or of anything else that is read by read(2) and can be waited for.
  explicit pipe_reader(unique_fd fd) noexcept : byte_stream(std::move(fd), kind::file) {}

  using byte_stream::async_read;
  using byte_stream::async_read_some;
  using byte_stream::read;
  using byte_stream::read_some;
  using byte_stream::try_read_some;
  using byte_stream::try_read_some_for;
  using byte_stream::try_read_some_until;

  using byte_stream::close;
  using byte_stream::fd;
  using byte_stream::is_open;
  using byte_stream::release;
};

/// The end into which one writes. Its verbs are those of byte_stream.
class pipe_writer : private byte_stream {
 public:
  /// Closed.
  pipe_writer() noexcept = default;
  /// As for the reader, by write(2).
  explicit pipe_writer(unique_fd fd) noexcept : byte_stream(std::move(fd), kind::file) {}

  using byte_stream::async_write;
  using byte_stream::async_write_some;
  using byte_stream::try_write_for;
  using byte_stream::try_write_some;
  using byte_stream::try_write_some_for;
  using byte_stream::try_write_some_until;
  using byte_stream::try_write_until;
  using byte_stream::write;
  using byte_stream::write_some;

  using byte_stream::close;
  using byte_stream::fd;
  using byte_stream::is_open;
  using byte_stream::release;
};

/// Both.
struct pipe_ends {
  pipe_ends(pipe_reader from, pipe_writer into) noexcept : reader(std::move(from)), writer(std::move(into)) {}
  pipe_reader reader;
  pipe_writer writer;
};

/// A new pipe, of which programs that are executed inherit nothing. Throws std::system_error.
[[nodiscard]] inline pipe_ends make_pipe() {
  int ends[2] = {unique_fd::none, unique_fd::none};
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) throw std::system_error(errno, std::generic_category(), "pipe2");
  return {pipe_reader(unique_fd(ends[0])), pipe_writer(unique_fd(ends[1]))};
}

}  // namespace concur::inline CONCUR_ABI
