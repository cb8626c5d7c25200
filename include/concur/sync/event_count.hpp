// SPDX-License-Identifier: BSL-1.0
//
// Lets parties sleep until something non-blocking succeeds: it makes a blocking, awaitable thing out of a lock-free
// one.
//
//     concur::event_count not_empty;
//     not_empty.wait([&] { return ring.try_pop(item); });            // consumer: a thread or fiber
//     auto pop = [&] { return ring.try_pop(item); };
//     co_await not_empty.async_wait(pop);                            // consumer: a coroutine
//     ring.push(item); not_empty.notify_one();                       // producer: one load while nobody sleeps
#pragma once

#include <concur/core/awaiter.hpp>
#include <concur/core/blocking.hpp>
#include <concur/core/deadline.hpp>
#include <concur/core/os.hpp>
#include <concur/core/spin.hpp>
#include <concur/core/wait_list.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// Eight bytes. Parties wait with a function `ready` that says whether they have what they want, and may take it. It is
/// called often and from the waiting party only, must not block, and should read with acquire what producers wrote with
/// release or stronger. What it throws comes out of the wait.
///
/// Guarantees: a party sleeps only if `ready` was false after everything that any notify it did not get stands for. A
/// notify is a hint: the party that gets it calls `ready` again; a party that leaves otherwise passes it on. So with
/// one notify_one for each item put in, no item is left lying while a party sleeps.
///
/// May be destroyed as soon as all waiting parties and all notifies have returned. All members may be called from any
/// thread. Static storage is fine before main and after it.
///
/// Algorithm: event count (D. Reed, R. Kanodia; D. Vyukov's form), with an asymmetric barrier: who goes to sleep pays,
/// by `membarrier` where the kernel has it.
class event_count {
 public:
  constexpr event_count() noexcept = default;
  event_count(event_count const&) = delete;
  event_count& operator=(event_count const&) = delete;

  /// Waits until `ready()` is true.
  template <class Ready>
  void wait(Ready ready) {
    if (!ready()) wait_within(ready, {});
  }

  /// The same with a limit: returns what `ready()` said last. A limit that has passed asks once or twice.
  template <class Rep, class Period, class Ready>
  [[nodiscard]] bool wait_for(std::chrono::duration<Rep, Period> const& limit, Ready ready) {
    return ready() || wait_within(ready, {.deadline = deadline_after(limit)});
  }
  template <class Clock, class Duration, class Ready>
  [[nodiscard]] bool wait_until(std::chrono::time_point<Clock, Duration> const& limit, Ready ready) {
    return ready() || wait_within(ready, limit_at(limit));
  }

  /// Waits until `ready()` is true or a stop is requested; returns what `ready()` said last.
  template <class Ready>
  [[nodiscard]] bool wait(os::stop_token const& stop, Ready ready) {
    return ready() || wait_within(ready, {.stop = &stop});
  }

  /// For primitives built on it: waits within a limit of any kind, and spins first for so long; returns what `ready()`
  /// said last. `at_once` asks once.
  template <class Ready>
  bool wait_within(Ready& ready, wait_limit const& limit, spin_effort effort = {});

  /// `co_await e.async_wait(ready);` waits until `ready()`, asked on the task's executor, is true. Throws `cancelled`,
  /// and then `ready` has said false. Name the lambda if it captures anything but references: GCC 12 destroys twice
  /// what a temporary lambda in an await expression holds.
  template <class Ready>
  [[nodiscard]] awaitable<void> auto async_wait(Ready ready);

  /// Tells up to `count` sleeping parties to look again, in the order in which they went to sleep. What was written
  /// before is taken into account, whatever its memory order. Without sleepers it costs one load.
  void notify(std::size_t count, os::site at = os::site::here()) noexcept {
    os::light_barrier();
    // relaxed: the barrier orders it after what the caller wrote.
    if (wait_word::has_waiters(word_.bits().load(std::memory_order_relaxed))) [[unlikely]]
      notify_slow(count, at);
  }
  void notify_one(os::site at = os::site::here()) noexcept { notify(1, at); }
  void notify_all(os::site at = os::site::here()) noexcept { notify(SIZE_MAX, at); }

  /// For a caller that must be done with everything around it before it wakes anybody: as `notify`, but the parties are
  /// only taken out of the list, and the caller owes each of them a wake: `list.wake_all(wake_reason::retry)`.
  [[nodiscard]] wait_list take(std::size_t count) noexcept {
    os::light_barrier();
    // relaxed: as in notify.
    return wait_word::has_waiters(word_.bits().load(std::memory_order_relaxed)) ? take_slowly(count) : wait_list();
  }

  /// As `take`, for the one that went to sleep last, if more than `reserved` are in the list.
  [[nodiscard]] wait_list take_newest(std::size_t reserved) noexcept {
    // mutant: its only user invites to a fork, and does the fork itself if the hint is missed.
    os::light_barrier();
    // relaxed: as in notify.
    return wait_word::has_waiters(word_.bits().load(std::memory_order_relaxed)) ? take_newest_slowly(reserved)
                                                                                : wait_list();
  }

  /// For a party that waits for several at once. `enqueue` puts it into the list, unless it is a task that is
  /// cancelled; then it makes a heavy barrier and asks once more for what it wants before it sleeps. Who finds by
  /// `withdraw` that a notify has taken it out owes that hint: it asks again or calls `notify_one`.
  bool enqueue(waiter& arriving) noexcept {
    return word_.enqueue(arriving, [](wait_word::bits_type) { return true; });
  }
  bool withdraw(waiter& leaving) noexcept { return word_.withdraw(leaving); }

 private:
  template <class Ready>
  class async_wait_operation;

  void leave(waiter& leaving) noexcept;
  template <class Ready>
  bool announced(waiter& me, Ready& ready);
  template <class Ready>
  bool hinted(Ready& ready);
  wait_list take_slowly(std::size_t count) noexcept;
  wait_list take_newest_slowly(std::size_t reserved) noexcept;
  void notify_slow(std::size_t count, os::site at) noexcept;

  wait_word word_;
};

static_assert(CONCUR_EXPLORE || sizeof(event_count) == 8);

/// Waits in steps: each wake asks `ready` again.
template <class Ready>
class [[nodiscard]] event_count::async_wait_operation final : public stepping_awaiter<async_wait_operation<Ready>> {
 public:
  async_wait_operation(event_count& waited_for, Ready ready) : event_count_(waited_for), ready_(std::move(ready)) {}

  void cancel() noexcept override {
    if (event_count_.word_.withdraw(waiter_)) waiter_.wake(wake_reason::stopped);
  }

 private:
  friend stepping_awaiter<async_wait_operation>;
  bool attempt() { return ready_(); }
  bool step(task_context& task);

  event_count& event_count_;
  Ready ready_;
  waiter waiter_{nullptr};
};

template <class Ready>
awaitable<void> auto event_count::async_wait(Ready ready) {
  return async_wait_operation<Ready>(*this, std::move(ready));
}

template <class Ready>
bool event_count::async_wait_operation<Ready>::step(task_context& task) {
  for (;;) {
    if (auto const why = waiter_.reason(); why != wake_reason::none) {
      if (event_count_.hinted(ready_)) return false;
      this->stopped_ = why == wake_reason::stopped;
      if (this->stopped_) return false;
      waiter_.reuse();
    }
    waiter_.bind(task, waiter::manner::announced);
    this->stopped_ = !event_count_.enqueue(waiter_);
    if (this->stopped_ || event_count_.announced(waiter_, ready_)) return false;
    if (waiter_.sleep()) return true;
  }
}

// Takes a party out of the list that has what it wants. If a notify has chosen it already, the hint goes to another.
inline void event_count::leave(waiter& leaving) noexcept {
  if (word_.withdraw(leaving)) return;
  leaving.finish();
  notify_one();
}

// Asks once more, now that every notify can see `me` in the list. If it says yes, `me` has left the list.
template <class Ready>
bool event_count::announced(waiter& me, Ready& ready) {
  os::heavy_barrier();
  try {
    if (!ready()) return false;
  } catch (...) {
    leave(me);
    throw;
  }
  leave(me);
  return true;
}

// Asks because of a hint, and passes the hint on if that throws.
template <class Ready>
bool event_count::hinted(Ready& ready) {
  try {
    return ready();
  } catch (...) {
    notify_one();
    throw;
  }
}

template <class Ready>
bool event_count::wait_within(Ready& ready, wait_limit const& limit, spin_effort effort) {
  if (limit.deadline == at_once) return ready();
  if (spin_until([&ready] { return ready(); }, effort)) return true;
  for (;;) {
    waiter me;
    enqueue(me);
    if (announced(me, ready)) return true;
    auto const why = wait_in_list(me, limit, [&] { return word_.withdraw(me); }, {0, 0});
    if (hinted(ready)) return true;
    if (why != wake_reason::retry) return false;
  }
}

inline wait_list event_count::take_slowly(std::size_t count) noexcept {
  wait_word::bits_type const bits = word_.lock_list();
  auto list = wait_word::list_in(bits);
  auto const chosen = list.split(count);
  word_.unlock_list(wait_word::with_list(list, bits));
  return chosen;
}

inline wait_list event_count::take_newest_slowly(std::size_t reserved) noexcept {
  wait_word::bits_type const bits = word_.lock_list();
  auto list = wait_word::list_in(bits);
  auto const chosen = list.count_up_to(reserved + 1) > reserved ? list.split_last() : wait_list();
  word_.unlock_list(wait_word::with_list(list, bits));
  return chosen;
}

[[gnu::noinline]] inline void event_count::notify_slow(std::size_t count, os::site at) noexcept {
  if (os::drop_wake(at)) return;
  take_slowly(count).wake_all(wake_reason::retry);
}

}  // namespace concur::inline CONCUR_ABI
