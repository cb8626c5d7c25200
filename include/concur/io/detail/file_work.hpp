// SPDX-License-Identifier: BSL-1.0
//
// Where coroutines have operations on files carried out: the one place that knows how.
//
// What may take as long as a disk is done by threads that are there for that, reads and syncs by the ring of the loop
// if it has one, and the coroutine waits. But most reads find what they want in memory, where the way to either and
// back costs more than the read itself; so they are tried at once, in a way that fails instead of waiting (RWF_NOWAIT),
// where the file system knows that. Writes too.
#pragma once

#include <concur/core/errors.hpp>
#include <concur/core/process_lock.hpp>
#include <concur/core/process_object.hpp>
#include <concur/coro/task.hpp>
#include <concur/coro/this_task.hpp>
#include <concur/coro/with.hpp>
#include <concur/coro/yield.hpp>
#include <concur/future/future.hpp>
#include <concur/loop/event_loop.hpp>
#include <concur/loop/file_call.hpp>
#include <concur/pool/thread_pool.hpp>
#include <concur/pool/thread_pool_options.hpp>
#include <concur/thread/thread_options.hpp>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <sys/uio.h>
#include <utility>

namespace concur::inline CONCUR_ABI::detail {

[[gnu::visibility("default")]] inline constinit process_wide::process_lock file_threads_lock;
[[gnu::visibility("default")]] inline constinit process_object<thread_pool> the_file_threads;

/// As many as libuv has: more would only have the disk seek. Not those of the default pool, which are one for each
/// processor, and would be away from it.
inline thread_pool& file_threads() {
  return object_of_process<file_threads_lock>(the_file_threads, [] {
    return std::make_unique<thread_pool>(4, thread_pool_options().name("files").threads(thread_options().daemon()));
  });
}

/// Has `function()` called by one of those threads. A cancel keeps it from beginning; once begun it is waited for, and
/// its outcome counts.
template <class Function>
auto on_file_thread(Function function) -> task<decltype(file_threads().submit(std::move(function)).get())> {
  if (this_task::cancelled()) throw cancelled();
  auto running = file_threads().submit(std::move(function));
  co_return co_await std::move(running);
}

/// What a file has learned about operations that are tried at once. Of one thread.
class file_habits {
 public:
  bool tries(file_call const& call) const noexcept {
    // Not large ones, which keep the thread from others also when they find all in memory.
    return call.moves_bytes() && call.size() <= file_call::most_at_once &&
           (call.what() == file_call::kind::read ? reads_ : writes_);
  }
  void give_up(file_call const& call) noexcept { (call.what() == file_call::kind::read ? reads_ : writes_) = false; }
  /// Whether it is the turn of others: so that who never has to wait starves nobody.
  bool others_turn() noexcept { return ++in_a_row_ % 32 == 0; }

 private:
  bool reads_ = true;
  bool writes_ = true;
  unsigned in_a_row_ = 0;
};

/// What is left of a call of which a part has happened: no cancel keeps the rest from it. To be used in `with`, whose
/// way out waits whatever happens.
class rest_of_call {
 public:
  explicit rest_of_call(file_call const& rest) : running_(file_threads().submit([rest] { return perform(rest); })) {}

  task<> async_close() { result_ = co_await std::move(running_); }
  std::int64_t result() const noexcept { return result_; }

 private:
  future<std::int64_t> running_;
  std::int64_t result_ = 0;
};

/// As `perform`, for coroutines.
inline task<std::int64_t> async_perform(file_call call, file_habits& habits) {
  if (habits.others_turn()) co_await yield();
  if (this_task::cancelled()) throw cancelled();
  std::int64_t moved = 0;
  while (habits.tries(call)) {
    auto const result = call.once(RWF_NOWAIT);
    if (result == -EINTR) continue;
    if (result == -EOPNOTSUPP || result == -ENOSYS) habits.give_up(call);
    if (result == -EAGAIN || result == -EOPNOTSUPP || result == -ENOSYS) break;
    if (result <= 0) co_return result < 0 ? result : moved;
    moved += result;
    call.advance(static_cast<std::size_t>(result));
    if (!call.wants_all() || call.size() == 0) co_return moved;
  }
  if (moved == 0) {
    auto* const loop = event_loop::current();
    if (loop != nullptr && current_executor() == loop && loop->carries(call)) {
      auto const result = co_await loop->async_call(call);
      if (result && (*result <= 0 || !call.moves_bytes())) co_return *result;
      if (result) {
        moved = *result;
        call.advance(static_cast<std::size_t>(moved));
        if (!call.wants_all() || call.size() == 0) co_return moved;
      }
    }
  }
  if (moved == 0) {
    auto const all_of_it = [call] { return perform(call); };
    co_return co_await on_file_thread(all_of_it);
  }
  rest_of_call rest(call);
  auto const nothing = [](rest_of_call&) -> task<> { co_return; };
  co_await with(rest, nothing);
  co_return rest.result() < 0 ? rest.result() : rest.result() + moved;
}

}  // namespace concur::inline CONCUR_ABI::detail
