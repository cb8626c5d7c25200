// SPDX-License-Identifier: BSL-1.0
//
// A lock that many readers share or one writer has alone, for threads, fibers and coroutines at the same time.
//
//     concur::shared_mutex m;
//     { std::shared_lock lock(m); look(table); }                       // a reader: a thread or fiber
//     { std::scoped_lock lock(m); change(table); }                     // a writer
//     { auto lock = co_await m.async_lock_shared(); look(table); }     // a coroutine; a std::shared_lock<shared_mutex>
//     { auto lock = co_await m.async_lock(); change(table); }          // … a std::unique_lock<shared_mutex>
//
// Satisfies the standard's SharedTimedMutex; its guards work.
// More than 400 lines because every form exists in two ways and both wait in one queue.
#pragma once

#include <concur/core/awaiter.hpp>
#include <concur/core/blocking.hpp>
#include <concur/core/deadline.hpp>
#include <concur/core/lock_owner.hpp>
#include <concur/core/os.hpp>
#include <concur/core/spin.hpp>
#include <concur/core/wait_list.hpp>
#include <concur/sync/detail/lock_sharers.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <shared_mutex>
#include <type_traits>

namespace concur::inline CONCUR_ABI {

/// Sixteen bytes. Requires: locked in neither way by a party that holds it in either; unlocked by the party that locked
/// it, in the way it was locked. The party is the task, else the fiber, else the thread. Checked builds report an
/// unlock in either way by a party that does not hold it so, and a lock in either way (not `async_`) by a party that
/// holds it and would wait for itself. They remember sixteen readers: while there are more, or readers in coroutines of
/// a foreign type, an `unlock_shared` too many may go unnoticed. Otherwise such a lock waits for ever, and after such
/// an unlock nothing of the lock can be relied upon.
///
/// Guarantees: what happened before an unlock in either way is visible after the next exclusive lock, and what happened
/// before an exclusive unlock after the next lock of either way.
///
/// Parties queue in the order of their arrival, and a reader queues behind a writer that waits, so neither starves.
/// When the lock becomes free, all readers at the front of the queue are let in together. A writer at the front is
/// handed the lock if it is a coroutine, a fiber, or a thread that has waited for more than a millisecond; a younger
/// thread is only woken, and until it has come others may overtake it. Whatever a time limit, a stop or a cancel does,
/// the lock is not lost, and those that waited behind the one that gives up go on if they may.
///
/// May be destroyed as soon as the last holder has unlocked it for the party that destroys it: an unlock touches
/// nothing of it after it has let go. All members but the constructor may be called from any thread. Nothing throws
/// but a replaced misuse handler, `cancelled` out of the awaited forms, and what `async_lock` of mutex says. Static
/// storage is fine before main and after it.
///
/// Algorithm: a queue in the lock word, after the readers-writer lock of parking_lot (A. d'Antras), with hand-over.
class shared_mutex {
 public:
  constexpr shared_mutex() noexcept = default;
  shared_mutex(shared_mutex const&) = delete;
  shared_mutex& operator=(shared_mutex const&) = delete;

  /// Waits until nobody holds it, and locks it for the caller alone.
  void lock() {
    if (!take_free()) [[unlikely]]
      lock_slow(way::exclusive, {});
    owner_.taken();
  }

  /// The same if nobody holds it now, without waiting. Never fails spuriously.
  [[nodiscard]] bool try_lock() noexcept {
    bool const taken = take_free() || take(way::exclusive);
    if (taken) owner_.taken();
    return taken;
  }

  /// Waits for so long, or until then. Returns whether it was locked; a limit that has passed tries once.
  template <class Rep, class Period>
  [[nodiscard]] bool try_lock_for(std::chrono::duration<Rep, Period> const& limit) {
    return try_lock() || lock_within({.deadline = deadline_after(limit)});
  }
  template <class Clock, class Duration>
  [[nodiscard]] bool try_lock_until(std::chrono::time_point<Clock, Duration> const& limit) {
    return try_lock() || lock_within(limit_at(limit));
  }

  /// Waits until a stop is requested. Returns whether it was locked; a free lock is taken in any case.
  [[nodiscard]] bool lock(os::stop_token const& stop) { return try_lock() || lock_within({.stop = &stop}); }

  /// `auto lock = co_await m.async_lock();` waits without blocking the thread and gives a
  /// std::unique_lock<shared_mutex>. Throws `cancelled`.
  [[nodiscard]] awaitable<std::unique_lock<shared_mutex>> auto async_lock() noexcept;

  /// Ends an exclusive lock.
  void unlock() {
    owner_.require_mine("unlock() of a shared_mutex by a party that does not hold it exclusively");
    owner_.given_up();
    bits_type expected = exclusive;
    // The last access if it succeeds, and so in unlock_shared: the next holder may destroy the lock.
    if (!word_.bits().compare_exchange_strong(expected, 0, std::memory_order_release, std::memory_order_relaxed))
        [[unlikely]] {
      unlock_slow();
    }
  }

  /// Waits until no writer holds it or waits for it, and shares it with other readers.
  void lock_shared() {
    if (!share_open()) [[unlikely]]
      lock_slow(way::shared, {});
    sharers_.joined();
  }

  /// The same if no writer holds it or waits for it now, without waiting. Never fails spuriously.
  [[nodiscard]] bool try_lock_shared() noexcept {
    bool const shared = share_open() || take(way::shared);
    if (shared) sharers_.joined();
    return shared;
  }

  /// Waits for so long, or until then. Returns whether it is shared now; a limit that has passed tries once.
  template <class Rep, class Period>
  [[nodiscard]] bool try_lock_shared_for(std::chrono::duration<Rep, Period> const& limit) {
    return try_lock_shared() || share_within({.deadline = deadline_after(limit)});
  }
  template <class Clock, class Duration>
  [[nodiscard]] bool try_lock_shared_until(std::chrono::time_point<Clock, Duration> const& limit) {
    return try_lock_shared() || share_within(limit_at(limit));
  }

  /// Waits until a stop is requested. Returns whether it is shared now; a lock that is open to readers is taken in any
  /// case.
  [[nodiscard]] bool lock_shared(os::stop_token const& stop) {
    return try_lock_shared() || share_within({.stop = &stop});
  }

  /// `auto lock = co_await m.async_lock_shared();` waits without blocking the thread and gives a
  /// std::shared_lock<shared_mutex>. Throws `cancelled`.
  [[nodiscard]] awaitable<std::shared_lock<shared_mutex>> auto async_lock_shared() noexcept;

  /// Ends a shared lock.
  void unlock_shared();

 private:
  // The word: `waiting` is set while somebody queues; then the word holds the list, and how many readers there are
  // stands in aside_. Otherwise the word holds their number. Beside it `exclusive`: a writer holds the lock.
  static constexpr std::uintptr_t waiting = wait_word::first_flag;
  using word_type = basic_wait_word<CONCUR_CHECKED, waiting>;
  using bits_type = word_type::bits_type;
  static constexpr bits_type exclusive = word_type::second_flag;
  static constexpr int count_shift = 3;
  static constexpr bits_type one_reader = bits_type{1} << count_shift;

  static constexpr std::chrono::microseconds patience{1000};  // how long a writer thread may be overtaken

  enum class way : bool { exclusive, shared };
  class queued;
  class section;
  template <class Guard>
  class async_operation;

  bool take_free() noexcept {
    bits_type expected = 0;
    return word_.bits().compare_exchange_strong(expected, exclusive, std::memory_order_acquire,
                                                std::memory_order_relaxed);
  }
  bool share_open() noexcept;
  bool take(way how) noexcept;
  bool spin(way how) noexcept;
  bool lock_within(wait_limit const& limit) {
    if (!lock_slow(way::exclusive, limit)) return false;
    owner_.taken();
    return true;
  }
  bool share_within(wait_limit const& limit) {
    if (!lock_slow(way::shared, limit)) return false;
    sharers_.joined();
    return true;
  }
  void require_no_hold(way how) const;
  bool lock_slow(way how, wait_limit const& limit);
  bool enqueue(queued& arriving, bool returning) noexcept;
  bool withdraw(queued& leaving) noexcept;
  void unlock_slow() noexcept;
  void unlock_shared_slow() noexcept;

  word_type word_;
  // Twice the number of readers, valid while somebody waits, and 1 for a writer that was woken with a hint and has not
  // come back. Guarded by the lock of the list; see section.
  os::plain<std::size_t> aside_;
  [[no_unique_address]] lock_owner owner_;
  [[no_unique_address]] detail::lock_sharers sharers_;
};

static_assert(CONCUR_EXPLORE || CONCUR_CHECKED || sizeof(shared_mutex) == 16);

/// A waiting party; every element of the list is one.
class shared_mutex::queued : public waiter {
 public:
  explicit queued(way how) noexcept : how_(how) {}
  /// For an awaiter, which says how.
  explicit queued(party* other) noexcept : waiter(other) {}

  // Written before it is enqueued.
  way how_ = way::exclusive;
};

/// All that is done while somebody waits is done in one of these, under the lock of the list: it takes the state out of
/// the word, and `end` puts it back.
///
/// What holds between two of them: while the lock is free and parties wait, a writer is on its way that was woken with
/// a hint. It comes back through a section, in which it takes the lock, or finds it taken and queues at the front.
class shared_mutex::section {
 public:
  explicit section(shared_mutex& mutex) noexcept : section(mutex, mutex.word_.lock_list()) {}
  /// The list is locked already; `bits` is the word without that lock.
  section(shared_mutex& mutex, bits_type bits) noexcept
      : list(word_type::list_in(bits)),
        written((bits & exclusive) != 0),
        hinted((mutex.aside_.get() & 1) != 0),
        readers(word_type::has_waiters(bits) ? mutex.aside_.get() >> 1 : bits >> count_shift),
        mutex_(mutex) {}
  section(section const&) = delete;
  section& operator=(section const&) = delete;

  bool may_take(way how) const noexcept {
    if (written) return false;
    // A hint lets readers, too, overtake those that wait.
    return how == way::shared ? list.empty() || hinted : readers == 0;
  }
  void take(way how) noexcept {
    if (how == way::shared) {
      ++readers;
    } else {
      written = true;
    }
  }

  /// Lets the first ones go on if they may now. Once in a section.
  void serve_front() noexcept;

  /// Lets go of the list, the last access to the mutex, and wakes those that were served.
  void end() noexcept {
    mutex_.aside_.set(readers << 1 | std::size_t{hinted});
    bits_type const flag = written ? exclusive : 0;
    mutex_.word_.unlock_list(list.empty() ? (bits_type{readers} << count_shift) | flag
                                          : word_type::with_list(list, flag));
    served_.wake_all(reason_);
  }

  wait_list list;
  bool written;  // a writer holds the lock
  bool hinted;  // a writer was woken with a hint and has not come back yet
  std::size_t readers;  // that hold the lock

 private:
  static way way_of(waiter const& each) noexcept { return static_cast<queued const&>(each).how_; }

  shared_mutex& mutex_;
  wait_list served_;
  wake_reason reason_ = wake_reason::granted;
};

/// Gives a Guard, which says how it locks.
template <class Guard>
class [[nodiscard]] shared_mutex::async_operation final : public waiting_awaiter<async_operation<Guard>, queued> {
 public:
  explicit async_operation(shared_mutex& wanted) noexcept : mutex_(wanted) { this->waiter_.how_ = how; }

  Guard await_resume() {
    this->throw_if_stopped();
    if constexpr (how == way::exclusive) {
      mutex_.owner_.taken_by_coroutine();
    } else {
      mutex_.sharers_.joined_by_coroutine();
    }
    return Guard(mutex_, std::adopt_lock);
  }

 private:
  friend waiting_awaiter<async_operation, queued>;
  static constexpr way how = std::is_same_v<Guard, std::shared_lock<shared_mutex>> ? way::shared : way::exclusive;

  bool attempt() noexcept { return mutex_.take(how); }
  bool enqueue(queued& arriving) noexcept { return mutex_.enqueue(arriving, false); }
  bool withdraw(queued& leaving) noexcept { return mutex_.withdraw(leaving); }

  shared_mutex& mutex_;
};

inline awaitable<std::unique_lock<shared_mutex>> auto shared_mutex::async_lock() noexcept {
  return async_operation<std::unique_lock<shared_mutex>>(*this);
}
inline awaitable<std::shared_lock<shared_mutex>> auto shared_mutex::async_lock_shared() noexcept {
  return async_operation<std::shared_lock<shared_mutex>>(*this);
}

inline bool shared_mutex::share_open() noexcept {
  // relaxed: the compare-exchange decides.
  bits_type bits = word_.bits().load(std::memory_order_relaxed);
  while ((bits & word_type::all_flags) == 0) {
    if (word_.bits().compare_exchange_weak(bits, bits + one_reader, std::memory_order_acquire,
                                           std::memory_order_relaxed)) {
      return true;
    }
  }
  return false;
}

inline void shared_mutex::unlock_shared() {
  sharers_.require_mine("unlock_shared() of a shared_mutex by a party that does not share it");
  sharers_.left();
  bits_type bits = word_.bits().load(std::memory_order_relaxed);
  while ((bits & (waiting | word_type::list_lock)) == 0) {
    // release: the next writer sees that this reader has done with what the lock protects.
    if (word_.bits().compare_exchange_weak(bits, bits - one_reader, std::memory_order_release,
                                           std::memory_order_relaxed)) {
      return;
    }
  }
  unlock_shared_slow();
}

// Takes the lock if it may be taken now.
inline bool shared_mutex::take(way how) noexcept {
  brief_wait holder_of_list;
  auto& word = word_.bits();
  bits_type bits = word.load(std::memory_order_relaxed);
  for (;;) {
    if ((bits & exclusive) != 0) return false;
    if ((bits & word_type::list_lock) != 0) {
      holder_of_list.pause();
      bits = word.load(std::memory_order_relaxed);
    } else if ((bits & waiting) != 0) {
      if (word.compare_exchange_weak(bits, bits | word_type::list_lock, std::memory_order_acquire,
                                     std::memory_order_relaxed)) {
        break;
      }
    } else if (how == way::exclusive && bits != 0) {
      return false;
    } else if (word.compare_exchange_weak(bits, how == way::shared ? bits + one_reader : exclusive,
                                          std::memory_order_acquire, std::memory_order_relaxed)) {
      return true;
    }
  }
  section now(*this, bits);
  bool const taken = now.may_take(how);
  if (taken) now.take(how);
  now.end();
  return taken;
}

// As mutex::spin, but with more looks.
inline bool shared_mutex::spin(way how) noexcept {
  constexpr int shortest_pause = 8;
  constexpr int longest_pause = 64;
  constexpr int yields = 8;
  if (os::may_spin()) {
    for (int length = shortest_pause; length <= os::spin_rounds(longest_pause); length *= 2) {
      for (int i = 0; i < length; ++i) os::spin_pause();
      if (take(how)) return true;
    }
  }
  for (int i = 0; i < os::spin_rounds(yields); ++i) {
    os::yield();
    if (take(how)) return true;
  }
  return false;
}

// Of a party that would have to wait.
inline void shared_mutex::require_no_hold(way how) const {
  bool const sharing = how == way::shared;
  owner_.require_not_mine(
      sharing ? "lock_shared() of a shared_mutex by the party that holds it exclusively; it would wait for itself"
              : "lock() of a shared_mutex by the party that holds it already; it would wait for itself");
  sharers_.require_not_mine(
      sharing ? "lock_shared() of a shared_mutex by a party that shares it already; it would wait for a writer that "
                "waits for it"
              : "lock() of a shared_mutex by a party that shares it; it would wait for itself");
}

[[gnu::noinline]] inline bool shared_mutex::lock_slow(way how, wait_limit const& limit) {
  if (limit.deadline == at_once) return take(how);
  require_no_hold(how);
  if (spin(how)) return true;
  queued me(how);
  me.set_since(os::clock::now());
  for (bool returning = false;; returning = true) {
    if (!enqueue(me, returning)) return true;
    // No spinning here: that was done above.
    switch (wait_in_list(me, limit, [&] { return withdraw(me); }, {0, 0})) {
      case wake_reason::granted: return true;
      case wake_reason::retry: break;
      default: return false;
    }
    me.reuse();
    // The hint is still ours, whatever the limit says: enqueue gives it back.
  }
}

// Queues the party unless it may take the lock, at the front when it was there before. Returns false if it took the
// lock instead, or if it is a cancelled task.
inline bool shared_mutex::enqueue(queued& arriving, bool returning) noexcept {
  section now(*this);
  if (returning) now.hinted = false;
  bool const taken = now.may_take(arriving.how_);
  bool const refused = !taken && arriving.refused();
  if (taken) {
    now.take(arriving.how_);
    arriving.settle(wake_reason::granted);
  } else if (refused) {
    arriving.settle(wake_reason::stopped);
  } else if (returning) {
    now.list.push_front(arriving);
  } else {
    now.list.push_back(arriving);
  }
  now.end();
  return !taken && !refused;
}

inline bool shared_mutex::withdraw(queued& leaving) noexcept {
  section now(*this);
  bool const waited = now.list.remove(leaving);
  // It may have been a writer that kept readers behind it from joining those that hold the lock.
  if (waited) now.serve_front();
  now.end();
  return waited;
}

[[gnu::noinline]] inline void shared_mutex::unlock_slow() noexcept {
  section now(*this);
  now.written = false;
  now.serve_front();
  now.end();
}

[[gnu::noinline]] inline void shared_mutex::unlock_shared_slow() noexcept {
  section now(*this);
  if (--now.readers == 0) now.serve_front();
  now.end();
}

inline void shared_mutex::section::serve_front() noexcept {
  if (written || list.empty()) return;
  if (way_of(*list.front()) == way::shared) {
    std::size_t const run = list.count_while([](waiter const& each) { return way_of(each) == way::shared; });
    readers += run;
    served_ = list.split(run);
  } else if (readers == 0) {
    waiter const& first = *list.front();
    // A coroutine is always handed the lock: with a hint, a busy executor would leave it free while threads sleep.
    bool const give = !first.is_thread() || first.has_waited(patience, os::clock::now());
    // One hint at a time: the writer that has it will serve this one.
    if (!give && hinted) return;
    if (give) {
      written = true;
    } else {
      hinted = true;
      reason_ = wake_reason::retry;
    }
    served_ = list.split(1);
  }
}

}  // namespace concur::inline CONCUR_ABI
