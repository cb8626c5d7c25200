// SPDX-License-Identifier: BSL-1.0
//
// What moves all of a buffer, made of what moves some of it: written once for every stream.
//
//     std::size_t read(mutable_buffer into) {
//       return read_all_by(into, [this](mutable_buffer rest) { return read_some(rest); });
//     }
#pragma once

#include <concur/core/abi.hpp>
#include <concur/coro/task.hpp>
#include <concur/io/buffer.hpp>

#include <cstddef>
#include <optional>

namespace concur::inline CONCUR_ABI {

/// Calls `read_some(rest)`, which returns a count, until the buffer is full or that is 0. Returns how many bytes were
/// read. It is called once with a buffer of no size, so that what is wrong with the stream shows; and never with what
/// is left of one that is full, where a cancel would take away what was read.
template <class ReadSome>
std::size_t read_all_by(mutable_buffer into, ReadSome read_some) {
  std::size_t done = 0;
  std::size_t count = 0;
  do {
    count = read_some(into.after(done));
    done += count;
  } while (count != 0 && done < into.size());
  return done;
}

/// Calls `write_some(rest)`, which returns a count or nothing, until all is written; once if there is nothing to write.
/// Returns false when it returned nothing: the limit was reached, and a part may have been written.
template <class WriteSome>
bool write_all_by(const_buffer from, WriteSome write_some) {
  std::size_t done = 0;
  do {
    std::optional<std::size_t> const count = write_some(from.after(done));
    if (!count) return false;
    done += *count;
  } while (done < from.size());
  return true;
}

/// The same for coroutines: what is called returns what is awaited, and stays until the end.
template <class ReadSome>
task<std::size_t> async_read_all_by(mutable_buffer into, ReadSome read_some) {
  std::size_t done = 0;
  std::size_t count = 0;
  do {
    count = co_await read_some(into.after(done));
    done += count;
  } while (count != 0 && done < into.size());
  co_return done;
}
template <class WriteSome>
task<> async_write_all_by(const_buffer from, WriteSome write_some) {
  std::size_t done = 0;
  do {
    auto const count = co_await write_some(from.after(done));
    done += count;
  } while (done < from.size());
}

}  // namespace concur::inline CONCUR_ABI
