// SPDX-License-Identifier: BSL-1.0
//
// A condition variable: parties wait, with a mutex given up meanwhile, until they are notified. Never wakes spuriously.
//
//     std::unique_lock lock(m);
//     changed.wait(lock, [&] { return !items.empty(); });               // a thread or fiber
//
//     auto guard = co_await m.async_lock();
//     co_await changed.async_wait(guard, [&] { return !items.empty(); });  // a coroutine; name the lambda on GCC 12
//                                                                          // if it captures anything but references
//     changed.notify_one();
#pragma once

#include <concur/core/assert.hpp>
#include <concur/core/awaiter.hpp>
#include <concur/core/blocking.hpp>
#include <concur/core/deadline.hpp>
#include <concur/core/os.hpp>
#include <concur/core/wait_list.hpp>
#include <concur/sync/mutex.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <type_traits>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// Eight bytes. Requires: a wait is called with its lock held, and all parties that wait at the same time use the same
/// mutex. Checked builds report a lock that is not held.
///
/// A notify lets the parties go on that wait at that moment, in the order of their arrival, and is remembered for
/// nobody. A party that a notify has chosen has succeeded, also if its time limit, stop or cancel comes before it has
/// the lock again. Every wait returns, or throws, with the lock held. What is changed under the mutex before a notify
/// is visible to whom it lets go on.
///
/// May be destroyed as soon as the last party has returned from its wait, and a thread that waits without a limit
/// counts as returned once it was notified. All members may be called from any thread. Static storage is fine before
/// main and after it.
class condition {
 public:
  constexpr condition() noexcept = default;
  condition(condition const&) = delete;
  condition& operator=(condition const&) = delete;

  /// Waits for a notify. `Lock` is a std::unique_lock, or anything with lock and unlock.
  template <class Lock>
  void wait(Lock& lock) {
    wait_notified(lock, {});
  }
  /// Waits until `ready()`, asked with the lock held, is true.
  template <class Lock, class Predicate>
  void wait(Lock& lock, Predicate ready) {
    while (!ready()) wait(lock);
  }

  /// Waits for a notify, but only so long, or until then; returns whether there was one.
  template <class Lock, class Rep, class Period>
  [[nodiscard]] bool wait_for(Lock& lock, std::chrono::duration<Rep, Period> const& limit) {
    return wait_notified(lock, {.deadline = deadline_after(limit)});
  }
  template <class Lock, class Clock, class Duration>
  [[nodiscard]] bool wait_until(Lock& lock, std::chrono::time_point<Clock, Duration> const& limit) {
    return wait_notified(lock, limit_at(limit));
  }

  /// Waits until `ready()` is true, but only so long, or until then; returns what it said last.
  template <class Lock, class Rep, class Period, class Predicate>
  [[nodiscard]] bool wait_for(Lock& lock, std::chrono::duration<Rep, Period> const& limit, Predicate ready) {
    return wait_ready(lock, {.deadline = deadline_after(limit)}, ready);
  }
  template <class Lock, class Clock, class Duration, class Predicate>
  [[nodiscard]] bool wait_until(Lock& lock, std::chrono::time_point<Clock, Duration> const& limit, Predicate ready) {
    return wait_ready(lock, limit_at(limit), ready);
  }

  /// Waits for a notify, or until `ready()` is true, or until a stop is requested. Returns whether there was a notify,
  /// or what `ready()` said last.
  template <class Lock>
  [[nodiscard]] bool wait(Lock& lock, os::stop_token const& stop) {
    return wait_notified(lock, {.stop = &stop});
  }
  template <class Lock, class Predicate>
  [[nodiscard]] bool wait(Lock& lock, os::stop_token const& stop, Predicate ready) {
    return wait_ready(lock, {.stop = &stop}, ready);
  }

  /// `co_await c.async_wait(lock);` waits for a notify without blocking the thread. Throws `cancelled`, with the lock
  /// held.
  [[nodiscard]] awaitable<void> auto async_wait(std::unique_lock<mutex>& lock) noexcept;
  /// The same until `ready()` is true. It is asked with the lock held, on the task's executor; what it throws comes out
  /// of the await.
  template <class Predicate>
  [[nodiscard]] awaitable<void> auto async_wait(std::unique_lock<mutex>& lock, Predicate ready);

  /// Lets up to `count` waiting parties go on. With nobody waiting it costs one load. O(parties woken).
  void notify(std::size_t count) noexcept;
  void notify_one() noexcept { notify(1); }
  void notify_all() noexcept { notify(SIZE_MAX); }

 private:
  template <class Predicate>
  class async_wait_operation;

  static bool anybody(wait_word::bits_type) noexcept { return true; }
  template <class Lock>
  static void require_held(Lock const& lock);
  template <class Lock>
  bool wait_notified(Lock& lock, wait_limit const& limit);
  template <class Lock, class Predicate>
  bool wait_ready(Lock& lock, wait_limit const& limit, Predicate& ready);

  wait_word word_;
};

static_assert(CONCUR_EXPLORE || sizeof(condition) == 8);

/// Waits in steps: for the notify, then for the mutex, and again if the predicate is not content.
template <class Predicate>
class [[nodiscard]] condition::async_wait_operation final : public stepping_awaiter<async_wait_operation<Predicate>> {
 public:
  async_wait_operation(condition& waited_for, std::unique_lock<mutex>& lock, Predicate ready)
      : condition_(waited_for), lock_(lock), ready_(std::move(ready)) {}

  void cancel() noexcept override {
    if (condition_.word_.withdraw(notified_)) notified_.wake(wake_reason::stopped);
  }

 private:
  friend stepping_awaiter<async_wait_operation>;
  enum class stage : unsigned char { begin, notified, locked };

  bool attempt() {
    require_held(lock_);
    return ready_();
  }
  bool step(task_context& task);

  condition& condition_;
  std::unique_lock<mutex>& lock_;
  Predicate ready_;
  waiter notified_{nullptr};  // in the condition's list
  waiter locked_{nullptr};  // in the mutex's list; apart, because a canceller asks for the other one at any time
  stage stage_ = stage::begin;  // what has happened when the task runs next
};

template <class Predicate>
bool condition::async_wait_operation<Predicate>::step(task_context& task) {
  mutex& m = *lock_.mutex();
  if (stage_ == stage::notified) {
    this->stopped_ = notified_.reason() == wake_reason::stopped;
    stage_ = stage::locked;
    locked_.reuse();
    // The lock is needed on every way out, so this wait cannot be cancelled.
    locked_.bind(task, waiter::manner::uncancellable);
    if (m.enqueue(locked_, false)) return true;
  }
  if (stage_ == stage::locked) m.owner_.taken_by_coroutine();
  if (stage_ == stage::begin || (!this->stopped_ && !ready_())) {
    notified_.reuse();
    notified_.bind(task);
    stage_ = stage::notified;
    if (condition_.word_.enqueue(notified_, anybody)) {
      // From here on the next step may run elsewhere: only the mutex, which this task still holds, may be touched.
      m.unlock();
      return true;
    }
    this->stopped_ = true;
  }
  return false;
}

inline awaitable<void> auto condition::async_wait(std::unique_lock<mutex>& lock) noexcept {
  // Not content before the wait, content after any notify.
  auto notified = [asked = false]() mutable noexcept { return std::exchange(asked, true); };
  return async_wait_operation<decltype(notified)>(*this, lock, notified);
}

template <class Predicate>
inline awaitable<void> auto condition::async_wait(std::unique_lock<mutex>& lock, Predicate ready) {
  return async_wait_operation<Predicate>(*this, lock, std::move(ready));
}

inline void condition::notify(std::size_t count) noexcept {
  // relaxed: a party that must be woken queued before it gave up the mutex, and what it is to be told of was changed
  // under the mutex after that; so the mutex has made the word visible here.
  if (word_.bits().load(std::memory_order_relaxed) == 0) return;
  wait_word::bits_type const bits = word_.lock_list();
  auto list = wait_word::list_in(bits);
  auto chosen = list.split(count);
  word_.unlock_list(wait_word::with_list(list, bits));
  chosen.wake_all(wake_reason::granted);
}

template <class Lock>
void condition::require_held([[maybe_unused]] Lock const& lock) {
  constexpr auto sentence = "a wait on a condition by a party that does not hold its lock";
  if constexpr (requires { lock.owns_lock(); }) CONCUR_ASSERT(lock.owns_lock(), sentence);
  if constexpr (std::is_same_v<Lock, mutex>) lock.owner_.require_mine(sentence);
  if constexpr (std::is_same_v<Lock, std::unique_lock<mutex>>) lock.mutex()->owner_.require_mine(sentence);
}

template <class Lock>
bool condition::wait_notified(Lock& lock, wait_limit const& limit) {
  require_held(lock);
  waiter me;
  word_.enqueue(me, anybody);
  try {
    lock.unlock();
  } catch (...) {
    // A lock that is not held may say so: std::unique_lock does.
    if (!word_.withdraw(me) && me.finish() == wake_reason::granted) notify_one();
    throw;
  }
  auto const why = wait_in_list(me, limit, [&] { return word_.withdraw(me); });
  lock.lock();
  return why == wake_reason::granted;
}

template <class Lock, class Predicate>
bool condition::wait_ready(Lock& lock, wait_limit const& limit, Predicate& ready) {
  while (!ready()) {
    if (!wait_notified(lock, limit)) return ready();
  }
  return true;
}

}  // namespace concur::inline CONCUR_ABI
