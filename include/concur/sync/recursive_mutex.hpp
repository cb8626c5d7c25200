// SPDX-License-Identifier: BSL-1.0
//
// A mutex that the party which holds it may lock again; it is free when it was unlocked as often. Python's RLock.
//
//     concur::recursive_mutex m;
//     void add(item i) { std::scoped_lock lock(m); … }
//     void add_all(items all) { std::scoped_lock lock(m); for (auto& i : all) add(i); }
//     auto lock = co_await m.async_lock();   // a coroutine; a std::unique_lock<recursive_mutex>
//
// Satisfies the standard's TimedLockable.
#pragma once

#include <concur/core/assert.hpp>
#include <concur/core/awaiter.hpp>
#include <concur/core/blocking.hpp>
#include <concur/core/deadline.hpp>
#include <concur/core/os.hpp>
#include <concur/core/task_context.hpp>
#include <concur/core/waiter.hpp>
#include <concur/sync/mutex.hpp>

#include <chrono>
#include <cstddef>
#include <mutex>

namespace concur::inline CONCUR_ABI {

/// Requires: unlocked by the party that locked it. The party is the task, else the fiber, else the thread: two tasks on
/// one thread exclude each other, and a task keeps the lock while it moves between threads. Checked builds report the
/// unlock of a party that does not hold it; otherwise it unlocks.
///
/// A coroutine of a foreign type has no identity by which it could be known again, unless it runs inside a task: it may
/// lock, by `async_lock` alone, but a second time it waits for itself, and the unlock is open to everybody.
///
/// All else is as for mutex: ordering, hand-over, limits, stops and cancels, and when it may be destroyed. Waiting on a
/// condition lets go of one level only.
class recursive_mutex {
 public:
  constexpr recursive_mutex() noexcept = default;
  recursive_mutex(recursive_mutex const&) = delete;
  recursive_mutex& operator=(recursive_mutex const&) = delete;

  /// Locks once more if the calling party holds it, else waits for it.
  void lock() {
    static_cast<void>(enter([this] {
      mutex_.lock();
      return true;
    }));
  }

  /// Takes the lock if it is free or the calling party's, without waiting. Never fails spuriously.
  [[nodiscard]] bool try_lock() noexcept {
    return enter([this] { return mutex_.try_lock(); });
  }

  /// Waits for the lock for so long, or until then. Returns whether it was locked; a limit that has passed tries once.
  template <class Rep, class Period>
  [[nodiscard]] bool try_lock_for(std::chrono::duration<Rep, Period> const& limit) {
    return enter([&] { return mutex_.try_lock_for(limit); });
  }
  template <class Clock, class Duration>
  [[nodiscard]] bool try_lock_until(std::chrono::time_point<Clock, Duration> const& limit) {
    return enter([&] { return mutex_.try_lock_until(limit); });
  }

  /// Waits for the lock until a stop is requested. Returns whether it was locked; one that is free or the caller's is
  /// taken in any case.
  [[nodiscard]] bool lock(os::stop_token const& stop) {
    return enter([&] { return mutex_.lock(stop); });
  }

  /// `auto lock = co_await m.async_lock();` locks once more if the task holds it, else waits for it without blocking
  /// the thread. Gives a std::unique_lock<recursive_mutex>. Throws `cancelled`.
  [[nodiscard]] awaitable<std::unique_lock<recursive_mutex>> auto async_lock() noexcept;

  /// Takes back one lock; the last unlocks.
  void unlock() {
    CONCUR_ASSERT(holds(current_party()) || holds(&foreign_coroutine_),
                  "unlock() of a recursive_mutex by a party that does not hold it");
    if (nested_.get() != 0) {
      nested_.set(nested_.get() - 1);
    } else {
      set_holder(nullptr);
      mutex_.unlock();
    }
  }

 private:
  class async_lock_operation;

  // Stands for a coroutine of a foreign type; the address of no party.
  static constexpr char foreign_coroutine_ = 0;

  // relaxed, here and below: a party looks only for itself, and of its own writes it sees the last. An address that
  // another party had before came to this one through the allocator, after that party's last write.
  bool holds(void const* party) const noexcept { return holder_.load(std::memory_order_relaxed) == party; }
  void set_holder(void const* party) noexcept { holder_.store(party, std::memory_order_relaxed); }

  template <class Lock>
  bool enter(Lock lock_mutex) {
    void const* const me = current_party();
    if (holds(me)) {
      nested_.set(nested_.get() + 1);
      return true;
    }
    if (!lock_mutex()) return false;
    set_holder(me);
    return true;
  }

  mutex mutex_;
  // Written by the party that holds the mutex, read by everybody, for comparison only.
  os::atomic<void const*> holder_{nullptr};
  // How often the holder has locked beyond the first time; 0 while it is free. The holder's own.
  os::plain<std::size_t> nested_;
};

class [[nodiscard]] recursive_mutex::async_lock_operation final : public waiting_awaiter<async_lock_operation> {
 public:
  explicit async_lock_operation(recursive_mutex& wanted) noexcept : wanted_(wanted) {}

  std::unique_lock<recursive_mutex> await_resume() {
    throw_if_stopped();
    if (is_mine()) {
      wanted_.nested_.set(wanted_.nested_.get() + 1);
    } else {
      task_context const* const task = current_task();
      wanted_.mutex_.owner_.taken_by_coroutine();
      wanted_.set_holder(task != nullptr ? static_cast<void const*>(task) : &foreign_coroutine_);
    }
    return std::unique_lock<recursive_mutex>(wanted_, std::adopt_lock);
  }

 private:
  friend waiting_awaiter<async_lock_operation>;

  // Not current_party: a coroutine of a foreign type is not the thread it runs on.
  bool is_mine() const noexcept {
    task_context const* const task = current_task();
    return task != nullptr && wanted_.holds(task);
  }
  bool attempt() noexcept { return is_mine() || wanted_.mutex_.take_free() || wanted_.mutex_.take_queued(); }
  bool enqueue(waiter& arriving) noexcept { return wanted_.mutex_.enqueue(arriving, false); }
  bool withdraw(waiter& leaving) noexcept { return wanted_.mutex_.withdraw(leaving); }

  recursive_mutex& wanted_;
};

inline awaitable<std::unique_lock<recursive_mutex>> auto recursive_mutex::async_lock() noexcept {
  return async_lock_operation(*this);
}

}  // namespace concur::inline CONCUR_ABI
