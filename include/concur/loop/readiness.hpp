// SPDX-License-Identifier: BSL-1.0
//
// Waiting for descriptors on the loop that runs: how a library that brings its own descriptors is used from coroutines.
//
//     co_await concur::wait_readable(connection.fd());
//     connection.read_what_there_is();
#pragma once

#include <concur/core/awaiter.hpp>
#include <concur/core/errors.hpp>
#include <concur/loop/event_loop.hpp>

namespace concur::inline CONCUR_ABI {

namespace detail {

inline event_loop& running_loop() {
  event_loop* const loop = event_loop::current();
  if (loop == nullptr) throw misuse("a descriptor was waited for on a thread that runs no event loop");
  return *loop;
}

}  // namespace detail

/// See event_loop::wait_readable and wait_writable. Throw misuse on a thread that runs no loop.
[[nodiscard]] inline awaitable<void> auto wait_readable(int fd) { return detail::running_loop().wait_readable(fd); }
[[nodiscard]] inline awaitable<void> auto wait_writable(int fd) { return detail::running_loop().wait_writable(fd); }

}  // namespace concur::inline CONCUR_ABI
