// SPDX-License-Identifier: BSL-1.0
//
// The lock of state that belongs to the process: held for moments, never destroyed, usable before main and after
// static destruction, right in a forked child, and never explored.
//
//     inline constinit process_lock lock;
//     keep_over_fork<lock>();
//     process_lock::guard const held(lock);
#pragma once

#include <concur/core/abi.hpp>
#include <concur/core/os.hpp>

#include <pthread.h>

namespace concur {
namespace [[gnu::visibility("default")]] process_wide {

/// A mutex of one word; not recursive. Sleeps when it has to wait, so it does no harm under real-time priorities.
/// After Drepper, "Futexes are tricky" (2011), mutex 2.
class process_lock {
 public:
  constexpr process_lock() noexcept = default;
  process_lock(process_lock const&) = delete;
  process_lock& operator=(process_lock const&) = delete;

  void lock() noexcept;
  void unlock() noexcept;

  class guard {
   public:
    explicit guard(process_lock& lock) noexcept : lock_(lock) { lock_.lock(); }
    guard(guard const&) = delete;
    guard& operator=(guard const&) = delete;
    ~guard() { lock_.unlock(); }

   private:
    process_lock& lock_;
  };

 private:
  // 0 free; 1 held; 2 held, and somebody may sleep.
  os::machine_atomic<int> state_{0};
};

/// Sees to it that no other thread holds `Lock` while the process forks, so the child finds it free and what it
/// guards whole. `in_child` runs in the child, still under the lock. Any thread, any number of times.
template <process_lock& Lock>
void keep_over_fork(void (*in_child)() noexcept = nullptr) noexcept {
  static void (*const hook)() noexcept = in_child;
  // What it returns is the lack of memory for a handler: then a child forked at a bad moment has to bear it.
  static int const registered = pthread_atfork([] { Lock.lock(); }, [] { Lock.unlock(); },
                                               [] {
                                                 if (hook != nullptr) hook();
                                                 Lock.unlock();
                                               });
  static_cast<void>(registered);
}

inline void process_lock::lock() noexcept {
  int expected = 0;
  if (state_.compare_exchange_strong(expected, 1, std::memory_order_acquire, std::memory_order_relaxed)) return;
  // relaxed: the exchange takes the lock, the wait only sleeps.
  while (state_.exchange(2, std::memory_order_acquire) != 0) state_.wait(2, std::memory_order_relaxed);
}

inline void process_lock::unlock() noexcept {
  // seq_cst: notify_one then looks for sleepers, and a sleeper announces itself before it looks at the state.
  if (state_.exchange(0, std::memory_order_seq_cst) == 2) state_.notify_one();
}

}  // namespace process_wide
}  // namespace concur
