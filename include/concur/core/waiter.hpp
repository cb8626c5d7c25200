// SPDX-License-Identifier: BSL-1.0
//
// One suspended party: a thread parked on its own word, a task to be posted to its executor, or a party that suspends
// in a way of its own (a fiber, a callback). Every primitive keeps a list of these and knows nothing else about who
// waits.
//
//     waiter me;                       // the calling thread or fiber
//     if (enqueue(me)) me.park();      // sleeps until somebody calls me.wake(…)
//
// The lock of the list decides every race: whoever takes the waiter out of the list, waker or canceller, owes it
// exactly one wake, and nobody else may wake it.
#pragma once

#include <concur/core/os.hpp>
#include <concur/core/spin.hpp>
#include <concur/core/task_context.hpp>

#include <cstdint>

namespace concur::inline CONCUR_ABI {

class waiter;

/// What a wake says.
enum class wake_reason : std::uint32_t {
  none = 0,     ///< not woken
  parked = 1,   ///< not woken, and the thread sleeps in the kernel
  retry = 2,    ///< look again; who leaves instead of looking passes the hint on
  granted = 3,  ///< what was waited for has been handed over
  stopped = 4,  ///< cancelled, or a stop was requested
  failed = 5,   ///< what was waited for will not come: the barrier is broken, the queue is closed
};

/// A party that is neither thread nor task.
class party {
 public:
  /// Resumes it, or tells it. Called once for a wait, by whoever took the waiter out of its list; the waiter may be
  /// gone as soon as the party knows. Any thread; must not block.
  virtual void wake(waiter& woken, wake_reason reason) noexcept = 0;

  /// Suspends the calling fiber until its waiter is woken or `deadline` has passed; returns why, `none` for the
  /// deadline. Only called on the thread that runs it, for a party that `running_fiber()` names.
  virtual wake_reason park(waiter& parked, time_point deadline) noexcept = 0;

 protected:
  ~party() = default;
};

/// The fiber that runs on this thread, or null: blocking verbs suspend it instead of the thread. Schedulers of fibers
/// write it.
inline party*& running_fiber() noexcept { return this_threads_parties().fiber; }

/// Who owns a lock that is taken now: the task, else the fiber, else the thread. Compared, never dereferenced.
inline void const* current_party() noexcept {
  auto const& here = this_threads_parties();
  if (here.task != nullptr) return here.task;
  if (here.fiber != nullptr) return here.fiber;
  return &here;
}

/// 32 bytes, on the stack of a waiting thread or in the frame of a waiting coroutine; nobody allocates to wait. May be
/// destroyed when it has been woken, or by the party that took it out of its list. For the party that waits: `park`,
/// `finish`, `reuse`. For the one that took it out of the list: `wake`, once.
class waiter {
 public:
  /// The calling thread, or the fiber that runs on it.
  waiter() noexcept : waiter(running_fiber()) {}
  explicit waiter(task_context& task) noexcept { bind(task); }
  /// A callback or fiber; null for the calling thread.
  explicit waiter(party* other) noexcept
      : who_(other == nullptr ? thread : reinterpret_cast<std::uintptr_t>(other) | party_tag) {}

  waiter(waiter const&) = delete;
  waiter& operator=(waiter const&) = delete;

  /// How a task waits.
  enum class manner : std::uintptr_t {
    plain = 0,
    uncancellable = 2,  ///< also when its scope is cancelled
    announced = 4,      ///< it stands in the list before it has decided to sleep; see `sleep`
  };

  /// Makes it a waiter of this task. Requires: not in a list.
  void bind(task_context& task, manner how = manner::plain) noexcept {
    who_ = reinterpret_cast<std::uintptr_t>(&task) | std::uintptr_t(how);
  }

  /// For an announced task: it sleeps from now on unless it was woken before, in which case nobody posts it. Returns
  /// whether it sleeps; then it may run elsewhere already.
  bool sleep() noexcept;

  /// Wakes the party. It may run, and destroy the waiter, before this returns: nothing is touched after the wake but
  /// the waiter's address. What was written before is visible to the party.
  void wake(wake_reason reason, os::site at = os::site::here()) noexcept;

  /// For threads and fibers: sleeps until woken or until `deadline`, after some spinning; returns why, and `none` for
  /// the deadline, in which case it may still be in the list.
  wake_reason park(time_point deadline = os::never, spin_effort effort = {}) noexcept;

  /// For a party that does not sleep, or no longer, and found its waiter taken out of the list: waits for the wake that
  /// is under way, which uses the waiter until then.
  wake_reason finish() noexcept;

  /// Why the party was woken. For tasks: valid once the task runs again.
  wake_reason reason() const noexcept { return wake_reason{word_.load(std::memory_order_acquire)}; }

  /// For operations: records the outcome of a wait that never began.
  void settle(wake_reason reason) noexcept { word_.store(std::uint32_t(reason), std::memory_order_relaxed); }

  /// Makes it ready for another wait. Requires: not in a list.
  void reuse() noexcept { settle(wake_reason::none); }

  /// Whether it is a task whose scope is cancelled, so that it must not wait. Asked under the lock of the list, by the
  /// party that enqueues it.
  bool refused() const noexcept { return is_task() && (who_ & uncancellable_tag) == 0 && task().cancelled(); }

  bool is_task() const noexcept { return who_ != thread && (who_ & party_tag) == 0; }
  bool is_thread() const noexcept { return who_ == thread; }

  /// When the wait began, for rules of fairness; written before the first enqueue.
  void set_since(time_point now) noexcept { since_.set(ticks(now)); }
  bool has_waited(std::chrono::microseconds limit, time_point now) const noexcept {
    return ticks(now) - since_.get() >= std::uint32_t(limit.count());
  }

 private:
  friend class wait_list;

  static constexpr std::uintptr_t thread = 0;
  static constexpr std::uintptr_t party_tag = 1;
  static constexpr auto uncancellable_tag = std::uintptr_t(manner::uncancellable);
  static constexpr auto announced_tag = std::uintptr_t(manner::announced);
  static constexpr std::uintptr_t all_tags = party_tag | uncancellable_tag | announced_tag;

  task_context& task() const noexcept { return *reinterpret_cast<task_context*>(who_ & ~all_tags); }
  party& other() const noexcept { return *reinterpret_cast<party*>(who_ & ~all_tags); }

  // Microseconds, modulo 71 minutes.
  static std::uint32_t ticks(time_point now) noexcept {
    return std::uint32_t(std::chrono::duration_cast<std::chrono::microseconds>(now.time_since_epoch()).count());
  }

  // Guarded by the lock of the list it stands in; see wait_list.
  os::plain<waiter*> next_;
  os::plain<waiter*> previous_;
  // 0 for a thread, a task_context, or a party with its tag. Written before it is enqueued.
  std::uintptr_t who_ = thread;
  // A wake_reason. Written by the party (none, parked) and once by its waker; see wake and park.
  os::atomic<std::uint32_t> word_{std::uint32_t(wake_reason::none)};
  os::plain<std::uint32_t> since_;
};

static_assert(CONCUR_EXPLORE || sizeof(waiter) == 32, "waiters live in every awaiter: keep them small");

inline void waiter::wake(wake_reason reason, os::site at) noexcept {
  if (os::drop_wake(at)) return;
  if (is_thread()) {
    // One word decides between going to sleep and waking: either the thread's compare-exchange to `parked` fails, or
    // this exchange sees `parked`. release: the party sees what was handed over. After it the waiter may be gone.
    if (word_.exchange(std::uint32_t(reason), std::memory_order_release) == std::uint32_t(wake_reason::parked)) {
      os::futex_wake(&word_);
    }
  } else if (is_task()) {
    auto& sleeper = task();
    auto& where = sleeper.where();
    if ((who_ & announced_tag) == 0) {
      settle(reason);  // made visible by the post
      // release: what was handed over. acquire: the post passes on all that the task did before it slept.
      // mutant: the task acquires it again from the word; this is for executors that look at the task before it runs.
    } else if (word_.exchange(std::uint32_t(reason), std::memory_order_acq_rel) != std::uint32_t(wake_reason::parked)) {
      return;  // it has not gone to sleep, and will see the word; the waiter may be gone
    }
    where.post(sleeper);
  } else {
    other().wake(*this, reason);
  }
}

inline wake_reason waiter::park(time_point deadline, spin_effort effort) noexcept {
  if (!is_thread()) return other().park(*this, deadline);
  if (spin_until([this] { return reason() > wake_reason::parked; }, effort)) return reason();
  auto expected = std::uint32_t(wake_reason::none);
  // The word says `parked` already when this follows a deadline. acquire on failure: what the waker handed over.
  // mutant: on success there is nothing to see, but compilers want it no weaker than the order of failure.
  if (!word_.compare_exchange_strong(expected, std::uint32_t(wake_reason::parked), std::memory_order_acquire,
                                     std::memory_order_acquire) &&
      wake_reason{expected} != wake_reason::parked) {
    return wake_reason{expected};
  }
  for (;;) {
    bool const in_time = os::futex_wait(word_, std::uint32_t(wake_reason::parked), deadline);
    if (auto const why = reason(); why != wake_reason::parked) return why;
    if (!in_time) return wake_reason::none;
  }
}

inline bool waiter::sleep() noexcept {
  auto expected = std::uint32_t(wake_reason::none);
  // release: whoever posts the task has seen it suspended, and so has the thread that runs it next. relaxed on failure:
  // the reason is read again, with acquire.
  return word_.compare_exchange_strong(expected, std::uint32_t(wake_reason::parked), std::memory_order_release,
                                       std::memory_order_relaxed);
}

inline wake_reason waiter::finish() noexcept {
  if (!is_task()) return park(os::never);
  // The waker is between the list and the word.
  for (brief_wait waker;; waker.pause()) {
    if (auto const why = reason(); why > wake_reason::parked) return why;
  }
}

}  // namespace concur::inline CONCUR_ABI
