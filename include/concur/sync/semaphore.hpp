// SPDX-License-Identifier: BSL-1.0
//
// A counting semaphore: so many permits, taken and given back by threads, fibers and coroutines.
//
//     concur::semaphore at_most_three(3);
//     at_most_three.acquire();  …  at_most_three.release();
//     co_await at_most_three.async_acquire();
//
// semaphore s(3, 3) is Python's BoundedSemaphore: releasing above the bound throws misuse, in every build.
#pragma once

#include <concur/core/assert.hpp>
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

/// Permits go to waiting parties in the order in which they began to wait in earnest, which is after a few microseconds
/// of looking; nobody who has begun is overtaken. A permit is handed over with the wake, so a time limit, a stop or a
/// cancel that comes later cannot lose it. What happened before a release is visible after the acquire that got the
/// permit.
///
/// May be destroyed as soon as the parties that used it have returned; a release touches nothing of it after the permit
/// can be taken. All members may be called from any thread. Static storage is fine before main and after it.
class semaphore {
 public:
  /// The most permits there can be.
  static constexpr std::size_t max() noexcept { return SIZE_MAX >> count_shift; }

  /// `initial` permits, never more than `bound`. Throws misuse when `initial > bound` or `bound > max()`.
  constexpr explicit semaphore(std::size_t initial, std::size_t bound = max());
  semaphore(semaphore const&) = delete;
  semaphore& operator=(semaphore const&) = delete;

  /// Waits for a permit and takes it.
  void acquire() {
    if (!try_acquire()) acquire_slow({});
  }

  /// Takes a permit if there is one, without waiting. Never fails spuriously.
  [[nodiscard]] bool try_acquire() noexcept;

  /// Waits for a permit for so long, or until then. Returns whether it was taken; a limit that has passed tries once.
  template <class Rep, class Period>
  [[nodiscard]] bool try_acquire_for(std::chrono::duration<Rep, Period> const& limit) {
    return try_acquire() || acquire_slow({.deadline = deadline_after(limit)});
  }
  template <class Clock, class Duration>
  [[nodiscard]] bool try_acquire_until(std::chrono::time_point<Clock, Duration> const& limit) {
    return try_acquire() || acquire_slow(limit_at(limit));
  }

  /// Waits for a permit until a stop is requested. Returns whether it was taken; one that is there is taken in any
  /// case.
  [[nodiscard]] bool acquire(os::stop_token const& stop) { return try_acquire() || acquire_slow({.stop = &stop}); }

  /// `co_await s.async_acquire();` waits without blocking the thread. Throws `cancelled`, and then has no permit.
  [[nodiscard]] awaitable<void> auto async_acquire() noexcept;

  /// Gives `count` permits, to waiting parties first. Throws misuse, and gives none, when these and the permits that
  /// are there are more than the bound. O(parties woken).
  void release(std::size_t count = 1);

  /// The permits that could be taken when it was called. For statistics and tests: it may be wrong when it returns.
  [[nodiscard]] std::size_t available() const noexcept {
    return count_in(word_.bits().load(std::memory_order_relaxed));
  }

 private:
  // The word holds the permits, or else, with `waiting` set, the list of waiters; then there are no permits.
  static constexpr std::uintptr_t waiting = wait_word::first_flag;
  using word_type = basic_wait_word<CONCUR_CHECKED, waiting>;
  using bits_type = word_type::bits_type;
  static constexpr int count_shift = 3;
  static constexpr bits_type one = bits_type{1} << count_shift;

  static constexpr char const* above_bound = "a semaphore was released above its bound";

  class async_acquire_operation;

  static constexpr bits_type within(std::size_t initial, std::size_t bound);
  static std::size_t count_in(bits_type bits) noexcept { return (bits & waiting) != 0 ? 0 : bits >> count_shift; }
  bool acquire_slow(wait_limit const& limit);
  bool enqueue(waiter& arriving) noexcept;
  void release_slow(std::size_t count);

  word_type word_;
  std::size_t const bound_;
};

class [[nodiscard]] semaphore::async_acquire_operation final : public waiting_awaiter<async_acquire_operation> {
 public:
  explicit async_acquire_operation(semaphore& source) noexcept : semaphore_(source) {}
  void await_resume() const { throw_if_stopped(); }

 private:
  friend waiting_awaiter<async_acquire_operation>;
  bool attempt() noexcept { return semaphore_.try_acquire(); }
  bool enqueue(waiter& arriving) noexcept { return semaphore_.enqueue(arriving); }
  bool withdraw(waiter& leaving) noexcept { return semaphore_.word_.withdraw(leaving); }

  semaphore& semaphore_;
};

inline awaitable<void> auto semaphore::async_acquire() noexcept { return async_acquire_operation(*this); }

constexpr semaphore::bits_type semaphore::within(std::size_t initial, std::size_t bound) {
  if (initial > bound) throw misuse("a semaphore was made with more permits than its bound");
  if (bound > max()) throw misuse("a semaphore was made with a bound above semaphore::max()");
  return bits_type{initial} << count_shift;
}

constexpr semaphore::semaphore(std::size_t initial, std::size_t bound) : word_(within(initial, bound)), bound_(bound) {}

inline bool semaphore::try_acquire() noexcept {
  brief_wait holder_of_list;
  // relaxed: the compare-exchange decides, and a refusal gives nothing that would need an order.
  bits_type bits = word_.bits().load(std::memory_order_relaxed);
  while (count_in(bits) != 0) {
    if ((bits & word_type::list_lock) != 0) {
      holder_of_list.pause();  // a party that gives up finds that it is not in the list
      bits = word_.bits().load(std::memory_order_relaxed);
    } else if (word_.bits().compare_exchange_weak(bits, bits - one, std::memory_order_acquire,
                                                  std::memory_order_relaxed)) {
      return true;
    }
  }
  return false;
}

inline bool semaphore::enqueue(waiter& arriving) noexcept {
  for (;;) {
    if (word_.enqueue(arriving, [](bits_type bits) { return count_in(bits) == 0; })) return true;
    if (arriving.reason() == wake_reason::stopped) return false;
    if (try_acquire()) {
      arriving.settle(wake_reason::granted);
      return false;
    }
  }
}

[[gnu::noinline]] inline bool semaphore::acquire_slow(wait_limit const& limit) {
  if (limit.deadline == at_once) return try_acquire();
  if (spin_until([this] { return try_acquire(); })) return true;
  waiter me;
  if (!enqueue(me)) return true;
  return wait_in_list(me, limit, [&] { return word_.withdraw(me); }, {0, 0}) == wake_reason::granted;
}

inline void semaphore::release(std::size_t count) {
  bits_type bits = word_.bits().load(std::memory_order_relaxed);
  while ((bits & word_type::all_flags) == 0) {
    if (count > bound_ - count_in(bits)) [[unlikely]]
      throw misuse(above_bound);
    // release, and the last access: with the permit the semaphore itself may be given up.
    if (word_.bits().compare_exchange_weak(bits, bits + count * one, std::memory_order_release,
                                           std::memory_order_relaxed)) {
      return;
    }
  }
  release_slow(count);
}

// Parties wait, or the list was locked a moment ago.
[[gnu::noinline]] inline void semaphore::release_slow(std::size_t count) {
  bits_type const bits = word_.lock_list();
  auto list = word_type::list_in(bits);
  if (count > bound_ - count_in(bits)) {
    word_.unlock_list(bits);
    throw misuse(above_bound);
  }
  std::size_t const handed_over = list.count_up_to(count);
  std::size_t const kept = count - handed_over;
  auto served = list.split(handed_over);
  word_.unlock_list(list.empty() ? (bits_type{count_in(bits)} + kept) << count_shift : word_type::with_list(list, 0));
  served.wake_all(wake_reason::granted);
}

}  // namespace concur::inline CONCUR_ABI
