// SPDX-License-Identifier: BSL-1.0
//
// A mutual exclusion lock for threads, fibers and coroutines at the same time, eight bytes.
//
//     concur::mutex m;
//     { std::scoped_lock lock(m); ++count; }              // a thread or fiber
//     { auto lock = co_await m.async_lock(); ++count; }   // a coroutine; a std::unique_lock<mutex>
//
// Satisfies the standard's TimedLockable; the standard's guards and std::condition_variable_any work with it.
#pragma once

#include <concur/core/awaiter.hpp>
#include <concur/core/blocking.hpp>
#include <concur/core/deadline.hpp>
#include <concur/core/lock_owner.hpp>
#include <concur/core/os.hpp>
#include <concur/core/spin.hpp>
#include <concur/core/wait_list.hpp>

#include <chrono>
#include <mutex>

namespace concur::inline CONCUR_ABI {

/// Requires: not locked by a party that holds it already, unlocked by the party that locked it. The party is the task,
/// else the fiber, else the thread, so a guard may cross threads with its task. Checked builds report both through the
/// misuse handler; otherwise the first waits for ever and the second unlocks.
///
/// Guarantees: what happened before an unlock is visible after the next lock. No party starves: threads may overtake
/// each other, but a thread that has waited for more than a millisecond, and every coroutine, is handed the lock when
/// its turn comes. Whatever a time limit, a stop or a cancel does, the lock is never lost.
///
/// May be destroyed as soon as the last holder has unlocked it for the party that destroys it: the unlock touches
/// nothing of it after it has let go. All members but the constructor may be called from any thread. Nothing throws
/// but a replaced misuse handler, `cancelled` out of the awaited form, and what `async_lock` says. Static storage is
/// fine before main and after it.
///
/// Algorithm: barging lock with a queue in the lock word, after the parking lot of WebKit (F. Pizlo) and the word lock
/// before it, with timed hand-over.
class mutex {
 public:
  constexpr mutex() noexcept = default;
  mutex(mutex const&) = delete;
  mutex& operator=(mutex const&) = delete;

  /// Waits for the lock. Two uncontended operations, lock and unlock, cost one compare-exchange each.
  void lock() {
    if (!take_free()) [[unlikely]]
      lock_slow({});
    owner_.taken();
  }

  /// Takes the lock if it is free, without waiting. Never fails spuriously.
  [[nodiscard]] bool try_lock() noexcept {
    bool const taken = take_free() || take_queued();
    if (taken) owner_.taken();
    return taken;
  }

  /// Waits for the lock for so long, or until then. Returns whether it was locked; a limit that has passed tries once.
  template <class Rep, class Period>
  [[nodiscard]] bool try_lock_for(std::chrono::duration<Rep, Period> const& limit) {
    return try_lock() || lock_within({.deadline = deadline_after(limit)});
  }
  template <class Clock, class Duration>
  [[nodiscard]] bool try_lock_until(std::chrono::time_point<Clock, Duration> const& limit) {
    return try_lock() || lock_within(limit_at(limit));
  }

  /// Waits for the lock until a stop is requested. Returns whether it was locked; a free lock is taken in any case.
  [[nodiscard]] bool lock(os::stop_token const& stop) { return try_lock() || lock_within({.stop = &stop}); }

  /// `auto lock = co_await m.async_lock();` waits for the lock without blocking the thread and gives a
  /// std::unique_lock<mutex>. Throws `cancelled`.
  [[nodiscard]] awaitable<std::unique_lock<mutex>> auto async_lock() noexcept;

  /// Unlocks. Waiting parties go on in the order of their arrival, see above.
  void unlock() {
    owner_.require_mine("unlock() of a mutex by a party that does not hold it");
    owner_.given_up();
    wait_word::bits_type expected = locked;
    if (!word_.bits().compare_exchange_strong(expected, 0, std::memory_order_release, std::memory_order_relaxed))
        [[unlikely]] {
      unlock_slow(expected);
    }
  }

 private:
  using bits_type = wait_word::bits_type;
  friend class condition;
  friend class recursive_mutex;

  // The word: the list of waiters, its lock, and
  static constexpr bits_type locked = wait_word::first_flag;  // somebody holds the mutex
  static constexpr bits_type woken = wait_word::second_flag;  // a thread was woken with a hint and has not tried yet

  static constexpr std::chrono::microseconds patience{1000};  // how long a thread may be overtaken

  class async_lock_operation;

  bool take_free() noexcept {
    bits_type expected = 0;
    return word_.bits().compare_exchange_strong(expected, locked, std::memory_order_acquire, std::memory_order_relaxed);
  }
  bool take_queued() noexcept;
  bool spin() noexcept;
  bool lock_within(wait_limit const& limit) {
    if (!lock_slow(limit)) return false;
    owner_.taken();
    return true;
  }
  bool lock_slow(wait_limit const& limit);
  bool enqueue(waiter& arriving, bool returning) noexcept;
  bool withdraw(waiter& leaving) noexcept;
  void unlock_slow(bits_type seen) noexcept;
  void hand_on(bits_type bits) noexcept;

  wait_word word_;
  [[no_unique_address]] lock_owner owner_;
};

static_assert(CONCUR_EXPLORE || CONCUR_CHECKED || sizeof(mutex) == 8);

class [[nodiscard]] mutex::async_lock_operation final : public waiting_awaiter<async_lock_operation> {
 public:
  explicit async_lock_operation(mutex& wanted) noexcept : mutex_(wanted) {}

  std::unique_lock<mutex> await_resume() {
    throw_if_stopped();
    mutex_.owner_.taken_by_coroutine();
    return std::unique_lock<mutex>(mutex_, std::adopt_lock);
  }

 private:
  friend waiting_awaiter<async_lock_operation>;
  bool attempt() noexcept { return mutex_.take_free() || mutex_.take_queued(); }
  bool enqueue(waiter& arriving) noexcept { return mutex_.enqueue(arriving, false); }
  bool withdraw(waiter& leaving) noexcept { return mutex_.withdraw(leaving); }

  mutex& mutex_;
};

inline awaitable<std::unique_lock<mutex>> auto mutex::async_lock() noexcept { return async_lock_operation(*this); }

// The lock may be free while parties queue: then it may be taken past them.
inline bool mutex::take_queued() noexcept {
  // relaxed: the compare-exchange decides.
  bits_type bits = word_.bits().load(std::memory_order_relaxed);
  while ((bits & locked) == 0) {
    if (word_.bits().compare_exchange_weak(bits, bits | locked, std::memory_order_acquire, std::memory_order_relaxed)) {
      return true;
    }
  }
  return false;
}

// Looks twice, then yields between looks. A look in vain takes the line from the holder, who must fetch it again: with
// four of them two threads that do nothing else lose a sixth of their throughput. The first is for short sections.
inline bool mutex::spin() noexcept {
  constexpr int shortest_pause = 16;
  constexpr int longest_pause = 80;
  constexpr int growth = longest_pause / shortest_pause;
  constexpr int yields = 8;
  if (os::may_spin()) {
    for (int length = shortest_pause; length <= os::spin_rounds(longest_pause); length *= growth) {
      for (int i = 0; i < length; ++i) os::spin_pause();
      if (take_queued()) return true;
    }
  }
  for (int i = 0; i < os::spin_rounds(yields); ++i) {
    os::yield();
    if (take_queued()) return true;
  }
  return false;
}

[[gnu::noinline]] inline bool mutex::lock_slow(wait_limit const& limit) {
  if (limit.deadline == at_once) return take_queued();
  owner_.require_not_mine("lock() of a mutex by the party that holds it already; it would wait for itself");
  if (spin()) return true;
  waiter me;
  me.set_since(os::clock::now());
  for (bool returning = false;; returning = true) {
    if (!enqueue(me, returning)) return true;
    // No spinning here: that was done above, where it can catch the lock whoever lets go of it.
    switch (wait_in_list(me, limit, [&] { return withdraw(me); }, {0, 0})) {
      case wake_reason::granted: return true;
      case wake_reason::retry: break;
      default: return false;
    }
    me.reuse();
    // The hint is still ours (`woken` is set): either the lock is taken now, or enqueue passes the hint on.
  }
}

// Queues the waiter if the mutex is locked, at the front when it was there before. Returns false if it took the lock
// instead, or if the waiter is a cancelled task.
inline bool mutex::enqueue(waiter& arriving, bool returning) noexcept {
  bits_type const hint = returning ? woken : 0;
  brief_wait other_holder;
  auto& word = word_.bits();
  bits_type bits = word.load(std::memory_order_relaxed);
  for (;;) {
    if ((bits & locked) == 0) {
      if (word.compare_exchange_weak(bits, (bits | locked) & ~hint, std::memory_order_acquire,
                                     std::memory_order_relaxed)) {
        arriving.settle(wake_reason::granted);
        return false;
      }
    } else if ((bits & wait_word::list_lock) != 0) {
      other_holder.pause();
      bits = word.load(std::memory_order_relaxed);
    } else if (word.compare_exchange_weak(bits, bits | wait_word::list_lock, std::memory_order_acquire,
                                          std::memory_order_relaxed)) {
      break;
    }
  }
  // The mutex is locked and so is the list: the holder cannot unlock now, so nobody else changes the word.
  if (arriving.refused()) {
    arriving.settle(wake_reason::stopped);
    word_.unlock_list(bits);
    return false;
  }
  auto list = wait_word::list_in(bits);
  if (returning) {
    list.push_front(arriving);
  } else {
    list.push_back(arriving);
  }
  word_.unlock_list(wait_word::with_list(list, bits & ~hint));
  return true;
}

inline bool mutex::withdraw(waiter& leaving) noexcept {
  auto& word = word_.bits();
  bits_type bits = word_.lock_list();
  auto list = wait_word::list_in(bits);
  bool const waited = list.remove(leaving);
  // The mutex may be locked or unlocked by others meanwhile: keep what the flags say now.
  bits = word.load(std::memory_order_relaxed);
  while (!word.compare_exchange_weak(bits, wait_word::with_list(list, bits), std::memory_order_release,
                                     std::memory_order_relaxed)) {
  }
  return waited;
}

[[gnu::noinline]] inline void mutex::unlock_slow(bits_type bits) noexcept {
  brief_wait other_holder;
  auto& word = word_.bits();
  for (;;) {
    if ((bits & wait_word::list_lock) != 0) {
      other_holder.pause();
      bits = word.load(std::memory_order_relaxed);
    } else if (!wait_word::has_waiters(bits) || (bits & woken) != 0) {
      // Nobody to wake, or somebody is on the way already.
      if (word.compare_exchange_weak(bits, bits & ~locked, std::memory_order_release, std::memory_order_relaxed)) {
        return;
      }
    } else if (word.compare_exchange_weak(bits, bits | wait_word::list_lock, std::memory_order_acquire,
                                          std::memory_order_relaxed)) {
      return hand_on(bits);
    }
  }
}

// With mutex and list locked: takes the first waiter out and lets go of both, or of the list alone if the waiter is to
// have the mutex.
inline void mutex::hand_on(bits_type bits) noexcept {
  auto list = wait_word::list_in(bits);
  waiter& first = list.pop_front();
  // A coroutine is always handed the lock: with a hint, a busy executor would leave it free while threads sleep.
  bool const give = !first.is_thread() || first.has_waited(patience, os::clock::now());
  word_.unlock_list(wait_word::with_list(list, give ? bits : (bits & ~locked) | woken));
  first.wake(give ? wake_reason::granted : wake_reason::retry);
}

}  // namespace concur::inline CONCUR_ABI
