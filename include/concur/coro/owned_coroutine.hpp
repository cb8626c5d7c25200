// SPDX-License-Identifier: BSL-1.0
//
// A task on its way to whoever runs it, for those who build what starts tasks: destroyed on the way, it goes without a
// report, since nobody forgot it.
//
//     concur::owned_coroutine<T> owned(std::move(body));
//     …                                                       // what throws here destroys it
//     return concur::spawn(where, std::move(owned), concur::task_origin(place));
#pragma once

#include <concur/core/errors.hpp>
#include <concur/coro/detail/giving_up.hpp>
#include <concur/coro/task.hpp>

#include <utility>

namespace concur::inline CONCUR_ABI {

/// Moves only. Used by one thread at a time.
template <class T>
class owned_coroutine {
 public:
  using handle_type = typename task<T>::handle_type;

  /// Throws misuse for a task without a coroutine.
  explicit owned_coroutine(task<T>&& from) : coroutine_(from.release()) {
    if (!coroutine_) throw misuse("a task was started that was moved from, or awaited or spawned before");
  }
  owned_coroutine(owned_coroutine&& other) noexcept : coroutine_(std::exchange(other.coroutine_, nullptr)) {}
  owned_coroutine& operator=(owned_coroutine&&) = delete;
  ~owned_coroutine() {
    if (!coroutine_) return;
    detail::giving_up const it_and_its_arguments;
    coroutine_.destroy();
  }

  handle_type handle() const noexcept { return coroutine_; }
  handle_type release() noexcept { return std::exchange(coroutine_, nullptr); }

 private:
  handle_type coroutine_;
};

}  // namespace concur::inline CONCUR_ABI
