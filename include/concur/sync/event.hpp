// SPDX-License-Identifier: BSL-1.0
//
// A flag that parties wait for: set, it lets everybody pass until it is cleared. Python's threading.Event.
//
//     concur::event ready;
//     ready.wait();                     // a thread or fiber
//     co_await ready.async_wait();      // a coroutine
//     ready.set();                      // lets all of them go
#pragma once

#include <concur/core/awaiter.hpp>
#include <concur/core/blocking.hpp>
#include <concur/core/deadline.hpp>
#include <concur/core/os.hpp>
#include <concur/core/spin.hpp>
#include <concur/core/wait_list.hpp>

#include <chrono>
#include <cstdint>

namespace concur::inline CONCUR_ABI {

/// Eight bytes. Every party that waits when `set` is called goes on, even if `clear` follows at once. What happened
/// before `set` is visible after a wait that it ended and after an `is_set` that saw it.
///
/// May be destroyed as soon as the parties that used it have returned from a wait that `set` ended: `set` touches
/// nothing of it after it has let them go. All members may be called from any thread; nothing throws but `cancelled`
/// out of the awaited form and what `async_wait` says. Static storage is fine before main and after it.
class event {
 public:
  /// Not set, unless `initially_set`.
  constexpr explicit event(bool initially_set = false) noexcept : word_(initially_set ? set_flag : 0) {}
  event(event const&) = delete;
  event& operator=(event const&) = delete;

  /// Sets the flag and lets all waiting parties go on. O(waiting parties). Costs a locked operation even if it is set.
  void set() noexcept;

  /// Clears the flag; who waits from now on waits for the next `set`. What was done before the sets that it undoes is
  /// visible afterwards, so `wait`, `clear`, look, in a loop, misses nothing.
  void clear() noexcept;

  [[nodiscard]] bool is_set() const noexcept { return (word_.bits().load(std::memory_order_acquire) & set_flag) != 0; }

  /// Waits until the flag is set. Returns at once if it is.
  void wait() {
    if (!is_set()) wait_slow({});
  }

  /// The same with a limit: returns whether the flag was set in time. A limit that has passed looks once.
  template <class Rep, class Period>
  [[nodiscard]] bool wait_for(std::chrono::duration<Rep, Period> const& limit) {
    return is_set() || wait_slow({.deadline = deadline_after(limit)});
  }
  template <class Clock, class Duration>
  [[nodiscard]] bool wait_until(std::chrono::time_point<Clock, Duration> const& limit) {
    return is_set() || wait_slow(limit_at(limit));
  }

  /// Waits until the flag is set or a stop is requested; returns whether it was set.
  [[nodiscard]] bool wait(os::stop_token const& stop) { return is_set() || wait_slow({.stop = &stop}); }

  /// `co_await e.async_wait();` waits without blocking the thread. Throws `cancelled`.
  [[nodiscard]] awaitable<void> auto async_wait() noexcept;

  /// For awaiters of the layers above, that wait for several things: waits unless it is set, as in wait_word.
  bool enqueue(waiter& arriving) noexcept;
  bool withdraw(waiter& leaving) noexcept { return word_.withdraw(leaving); }

 private:
  using bits_type = wait_word::bits_type;
  class async_wait_operation;

  // The word: the list of waiters, its lock, and this flag, which is only set while nobody waits.
  static constexpr bits_type set_flag = wait_word::first_flag;

  bool wait_slow(wait_limit const& limit);

  wait_word word_;
};

static_assert(CONCUR_EXPLORE || sizeof(event) == 8);

class [[nodiscard]] event::async_wait_operation final : public waiting_awaiter<async_wait_operation> {
 public:
  explicit async_wait_operation(event& waited_for) noexcept : event_(waited_for) {}
  void await_resume() const { throw_if_stopped(); }

 private:
  friend waiting_awaiter<async_wait_operation>;
  bool attempt() const noexcept { return event_.is_set(); }
  bool enqueue(waiter& arriving) noexcept { return event_.enqueue(arriving); }
  bool withdraw(waiter& leaving) noexcept { return event_.withdraw(leaving); }

  event& event_;
};

inline awaitable<void> auto event::async_wait() noexcept { return async_wait_operation(*this); }

inline void event::set() noexcept {
  brief_wait holder_of_list;
  bits_type bits = 0;
  while (!word_.lock_list_if(bits, [](bits_type now) { return (now & set_flag) == 0; })) {
    // It is set. Written once more all the same: a party that clears it, and looks then, must see what was done before
    // this call, or find the event set. release, and the last access. Not over a locked list: the store that unlocks it
    // would come between this write and the one that clears.
    if ((bits & wait_word::list_lock) != 0) {
      holder_of_list.pause();
    } else if (word_.bits().compare_exchange_strong(bits, bits, std::memory_order_release, std::memory_order_relaxed)) {
      return;
    }
  }
  auto released = wait_word::list_in(bits).split(SIZE_MAX);
  word_.unlock_list(set_flag);  // the event may be gone now
  released.wake_all(wake_reason::granted);
}

inline void event::clear() noexcept {
  brief_wait holder_of_list;
  bits_type bits = word_.bits().load(std::memory_order_relaxed);
  while ((bits & set_flag) != 0) {
    if ((bits & wait_word::list_lock) != 0) {
      holder_of_list.pause();  // a party that gives up finds that it is not in the list
      bits = word_.bits().load(std::memory_order_relaxed);
    } else if (word_.bits().compare_exchange_weak(bits, 0, std::memory_order_acquire, std::memory_order_relaxed)) {
      // acquire: what was done before the sets that this undoes is visible to the caller.
      return;
    }
  }
}

inline bool event::enqueue(waiter& arriving) noexcept {
  return word_.enqueue(arriving, [](bits_type bits) { return (bits & set_flag) == 0; });
}

[[gnu::noinline]] inline bool event::wait_slow(wait_limit const& limit) {
  if (limit.deadline == at_once) return is_set();
  if (spin_until([this] { return is_set(); })) return true;
  waiter me;
  if (!enqueue(me)) return true;
  return wait_in_list(me, limit, [&] { return word_.withdraw(me); }, {0, 0}) == wake_reason::granted;
}

}  // namespace concur::inline CONCUR_ABI
