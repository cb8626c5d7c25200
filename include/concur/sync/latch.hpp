// SPDX-License-Identifier: BSL-1.0
//
// A count that goes down once: parties wait until so many things have happened. The standard's latch, for threads,
// fibers and coroutines.
//
//     concur::latch loaded(3);
//     loaded.count_down();              // each of the three
//     loaded.wait();                    // a thread or fiber
//     co_await loaded.async_wait();     // a coroutine
#pragma once

#include <concur/core/awaiter.hpp>
#include <concur/core/blocking.hpp>
#include <concur/core/deadline.hpp>
#include <concur/core/errors.hpp>
#include <concur/core/os.hpp>
#include <concur/core/spin.hpp>
#include <concur/core/wait_list.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace concur::inline CONCUR_ABI {

/// 16 bytes. The latch opens when the count is zero, lets everybody pass from then on, and is never closed again. What
/// happened before any count_down is visible after a wait, or try_wait, that found it open.
///
/// Counting down by less than nothing, or by more than is left, throws misuse, in every build, and changes nothing.
///
/// May be destroyed as soon as the parties that used it have returned from a wait that found it open: the last
/// count_down touches nothing of it after it has opened it. All members may be called from any thread. Static storage
/// is fine before main and after it.
class latch {
 public:
  /// The highest count there can be.
  static constexpr std::ptrdiff_t max() noexcept { return std::ptrdiff_t(SIZE_MAX >> count_shift); }

  /// Throws misuse unless `expected` is 1 … max().
  constexpr explicit latch(std::ptrdiff_t expected) : word_(within(expected)) {}
  latch(latch const&) = delete;
  latch& operator=(latch const&) = delete;

  /// Takes `count` from the count, and lets all waiting parties go on if nothing is left. O(parties woken).
  void count_down(std::ptrdiff_t count = 1);

  /// Whether the latch is open. Never says no spuriously.
  [[nodiscard]] bool try_wait() const noexcept { return is_open(word_.bits().load(std::memory_order_acquire)); }

  /// Waits until the latch is open. Returns at once if it is: one load.
  void wait() {
    if (!try_wait()) wait_slow({});
  }

  /// The same with a limit: returns whether it opened in time. A limit that has passed looks once.
  template <class Rep, class Period>
  [[nodiscard]] bool wait_for(std::chrono::duration<Rep, Period> const& limit) {
    return try_wait() || wait_slow({.deadline = deadline_after(limit)});
  }
  template <class Clock, class Duration>
  [[nodiscard]] bool wait_until(std::chrono::time_point<Clock, Duration> const& limit) {
    return try_wait() || wait_slow(limit_at(limit));
  }

  /// Waits until the latch is open or a stop is requested; returns whether it was open.
  [[nodiscard]] bool wait(os::stop_token const& stop) { return try_wait() || wait_slow({.stop = &stop}); }

  /// `count_down(count)` and `wait()`.
  void arrive_and_wait(std::ptrdiff_t count = 1) {
    count_down(count);
    wait();
  }

  /// `co_await l.async_wait();` waits without blocking the thread. Throws `cancelled`.
  [[nodiscard]] awaitable<void> auto async_wait() noexcept;

  /// The same after `count_down(count)`. A task that is cancelled before the await counts nothing down; what was
  /// counted stays counted, whatever the await throws then.
  [[nodiscard]] awaitable<void> auto async_arrive_and_wait(std::ptrdiff_t count = 1) noexcept;

 private:
  // The word holds the count, or else, with `waiting` set, the list of waiters; then the count stands in left_ and is
  // not zero. Open: no count and nobody waiting, though a party that gives up may hold the list for a moment.
  static constexpr std::uintptr_t waiting = wait_word::first_flag;
  using word_type = basic_wait_word<CONCUR_CHECKED, waiting>;
  using bits_type = word_type::bits_type;
  static constexpr int count_shift = 3;
  static constexpr bits_type one = bits_type{1} << count_shift;

  class async_wait_operation;

  static constexpr bits_type within(std::ptrdiff_t expected);
  static bool is_open(bits_type bits) noexcept { return (bits & ~word_type::list_lock) == 0; }
  static void require_left(std::size_t count, std::size_t left);
  void count_down_slow(std::size_t count);
  bool wait_slow(wait_limit const& limit);
  bool enqueue(waiter& arriving) noexcept;
  bool withdraw(waiter& leaving) noexcept;

  word_type word_;
  os::plain<std::size_t> left_;  // under the lock of the list; meaningful while somebody waits
};

static_assert(CONCUR_EXPLORE || sizeof(latch) == 16);

class [[nodiscard]] latch::async_wait_operation final : public waiting_awaiter<async_wait_operation> {
 public:
  async_wait_operation(latch& waited_for, std::ptrdiff_t count) noexcept : latch_(waited_for), count_(count) {}
  void await_resume() const { throw_if_stopped(); }

 private:
  friend waiting_awaiter<async_wait_operation>;
  bool attempt() {
    latch_.count_down(count_);
    return latch_.try_wait();
  }
  bool enqueue(waiter& arriving) noexcept { return latch_.enqueue(arriving); }
  bool withdraw(waiter& leaving) noexcept { return latch_.withdraw(leaving); }

  latch& latch_;
  std::ptrdiff_t const count_;
};

inline awaitable<void> auto latch::async_wait() noexcept { return async_wait_operation(*this, 0); }
inline awaitable<void> auto latch::async_arrive_and_wait(std::ptrdiff_t count) noexcept {
  return async_wait_operation(*this, count);
}

constexpr latch::bits_type latch::within(std::ptrdiff_t expected) {
  if (expected <= 0) throw misuse("a latch was made with a count of zero or less");
  if (expected > max()) throw misuse("a latch was made with a count above latch::max()");
  return bits_type(expected) << count_shift;
}

inline void latch::require_left(std::size_t count, std::size_t left) {
  if (count > left) [[unlikely]]
    throw misuse("a latch was counted down by more than was left of its count");
}

inline void latch::count_down(std::ptrdiff_t count) {
  if (count < 0) [[unlikely]]
    throw misuse("a latch was counted down by less than nothing");
  if (count == 0) return;
  bits_type bits = word_.bits().load(std::memory_order_relaxed);
  while ((bits & word_type::all_flags) == 0) {
    require_left(std::size_t(count), bits >> count_shift);
    // release: whoever finds the latch open has seen what was done before every step down to zero, since all these are
    // read-modify-writes of one word, or were made under the lock of the list. The last access.
    if (word_.bits().compare_exchange_weak(bits, bits - std::size_t(count) * one, std::memory_order_release,
                                           std::memory_order_relaxed)) {
      return;
    }
  }
  count_down_slow(std::size_t(count));
}

// Parties wait, or the list was locked a moment ago.
[[gnu::noinline]] inline void latch::count_down_slow(std::size_t count) {
  bits_type const bits = word_.lock_list();
  bool const anybody = word_type::has_waiters(bits);
  std::size_t left = anybody ? left_.get() : bits >> count_shift;
  if (count > left) {
    word_.unlock_list(bits);
    require_left(count, left);
  }
  left -= count;
  if (!anybody) return word_.unlock_list(bits_type{left} << count_shift);
  if (left != 0) {
    left_.set(left);
    return word_.unlock_list(bits);
  }
  auto released = word_type::list_in(bits).split(SIZE_MAX);
  word_.unlock_list(0);  // open; the latch may be gone when the last of them has been woken
  released.wake_all(wake_reason::granted);
}

// Moves the count out of the word for the first to wait.
inline bool latch::enqueue(waiter& arriving) noexcept {
  bits_type bits = 0;
  if (!word_.lock_list_if(bits, [](bits_type now) { return !is_open(now); })) return false;
  if (arriving.refused()) {
    arriving.settle(wake_reason::stopped);
    word_.unlock_list(bits);
    return false;
  }
  if (!word_type::has_waiters(bits)) left_.set(bits >> count_shift);
  auto list = word_type::list_in(bits);
  list.push_back(arriving);
  word_.unlock_list(word_type::with_list(list, 0));
  return true;
}

// Moves the count back into the word when the last one leaves.
inline bool latch::withdraw(waiter& leaving) noexcept {
  bits_type const bits = word_.lock_list();
  auto list = word_type::list_in(bits);
  if (!list.remove(leaving)) {
    word_.unlock_list(bits);
    return false;
  }
  word_.unlock_list(list.empty() ? bits_type{left_.get()} << count_shift : word_type::with_list(list, 0));
  return true;
}

[[gnu::noinline]] inline bool latch::wait_slow(wait_limit const& limit) {
  if (limit.deadline == at_once) return try_wait();
  if (spin_until([this] { return try_wait(); })) return true;
  waiter me;
  if (!enqueue(me)) return true;
  return wait_in_list(me, limit, [&] { return withdraw(me); }, {0, 0}) == wake_reason::granted;
}

}  // namespace concur::inline CONCUR_ABI
