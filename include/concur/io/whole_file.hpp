// SPDX-License-Identifier: BSL-1.0
//
// Reads or writes a file as a whole. Python's Path.read_bytes and write_bytes.
//
//     std::string const text = co_await concur::async_read_file("config.json");
//     co_await concur::async_write_file("copy.json", text);
//
// The same without `async_` and `co_await` blocks the calling thread.
#pragma once

#include <concur/core/errors.hpp>
#include <concur/core/os.hpp>
#include <concur/coro/task.hpp>
#include <concur/io/buffer.hpp>
#include <concur/io/detail/file_work.hpp>
#include <concur/io/file.hpp>
#include <concur/io/open_options.hpp>

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>

namespace concur::inline CONCUR_ABI {

namespace detail {

/// `stopped()` is asked now and then.
template <class Stopped>
std::string whole_content(std::string path, Stopped stopped) {
  file from(std::move(path));
  constexpr std::size_t piece = 1024 * 1024;
  // What the size is not known of, as of files in /proc, has 0; and a file may have grown when its end is reached.
  std::string text(static_cast<std::size_t>(from.size()) + 1, '\0');
  for (std::size_t there = 0;;) {
    if (stopped()) throw cancelled();
    if (there == text.size()) text.resize(2 * there + 4096);
    auto const count = from.read_some({text.data() + there, std::min(piece, text.size() - there)});
    there += count;
    if (count == 0) {
      text.resize(there);
      return text;
    }
  }
}

}  // namespace detail

/// All that is in it. Throws std::system_error with the path in its sentence, and std::bad_alloc.
[[nodiscard]] inline std::string read_file(std::string path) {
  return detail::whole_content(std::move(path), [] { return false; });
}
/// A cancel ends it, soon.
[[nodiscard]] inline task<std::string> async_read_file(std::string path) {
  auto const read_it = [&path](os::stop_token const& stop) {
    return detail::whole_content(path, [&stop] { return stop.stop_requested(); });
  };
  co_return co_await detail::on_file_thread(read_it);
}

/// Writes all of it, in place of what was there if nothing else is said. Throws std::system_error, also for what
/// closing finds; then a part may be there.
inline void write_file(std::string path, const_buffer content,
                       open_options const& options = open_options::for_writing()) {
  file to(std::move(path), options);
  to.write(content);
  to.close();
}
/// The content has to stay until it has ended. A cancel comes before it has begun, or too late.
[[nodiscard]] inline task<> async_write_file(std::string path, const_buffer content,
                                             open_options options = open_options::for_writing()) {
  auto const write_it = [&path, content, &options] { write_file(path, content, options); };
  co_await detail::on_file_thread(write_it);
}

}  // namespace concur::inline CONCUR_ABI
