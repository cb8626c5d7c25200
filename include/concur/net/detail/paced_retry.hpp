// SPDX-License-Identifier: BSL-1.0
//
// For calls of Unix sockets that would have to wait for the other side, of which no descriptor tells: to connect when
// the backlog of the listener is full, or to send to a socket that is not the peer and whose queue is full.
#pragma once

#include <concur/core/blocking.hpp>
#include <concur/core/deadline.hpp>
#include <concur/core/errors.hpp>
#include <concur/core/os.hpp>
#include <concur/coro/sleep.hpp>
#include <concur/coro/task.hpp>
#include <concur/coro/this_task.hpp>
#include <concur/loop/io_call.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <optional>

namespace concur::inline CONCUR_ABI::detail {

/// Pauses that grow: a busy peer is asked often at first, one that hangs does not cost much.
class growing_pause {
 public:
  std::chrono::nanoseconds next() noexcept {
    auto const now = length_;
    length_ = std::min<std::chrono::nanoseconds>(2 * length_, std::chrono::milliseconds(50));
    return now;
  }

 private:
  std::chrono::nanoseconds length_ = std::chrono::microseconds(100);
};

/// Makes the call until that gives something else than -EAGAIN, which it returns; nothing when the limit was reached
/// first.
inline std::optional<std::int64_t> retry_within(io_call const& call, wait_limit const& limit) {
  growing_pause pause;
  for (auto deadline = limit.deadline;;) {
    auto const result = perform(call);
    if (result != -EAGAIN) return result;
    if (deadline <= os::clock::now()) {
      if (limit.ask_again != nullptr) deadline = limit.ask_again(limit.when);
      if (limit.ask_again == nullptr || deadline == at_once) return std::nullopt;
    }
    bool const go_on = sleep_within({.deadline = std::min(deadline, deadline_after(pause.next())), .stop = limit.stop});
    if (!go_on) return std::nullopt;
  }
}

/// The same in a task; a cancel ends it.
inline task<std::int64_t> async_retry(io_call call) {
  growing_pause pause;
  for (;;) {
    if (this_task::cancelled()) throw cancelled();
    auto const result = perform(call);
    if (result != -EAGAIN) co_return result;
    co_await sleep_for(pause.next());
  }
}

}  // namespace concur::inline CONCUR_ABI::detail
