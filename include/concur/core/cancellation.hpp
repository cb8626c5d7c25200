// SPDX-License-Identifier: BSL-1.0
//
// The scope of a cancellation: tasks that are to give up together, and the scopes inside it.
//
//     cancellation scope;                     // or scope(outer): cancelled with it
//     scope.add(task);  …  scope.remove(task);
//     scope.cancel();                         // every wait in it ends, every later one is refused
//
// It is level-triggered: once cancelled, every further wait of its tasks is refused until they leave the scope.
//
// The race between a cancel and a task that goes to sleep or wakes up elsewhere is closed by two light/heavy pairs:
//
//     task, going to sleep                     canceller (holds the lock)
//     operation = op; light barrier            state = cancelled | busy; heavy barrier
//     under the list's lock: cancelled?        operation? → op.cancel(): under the list's lock
//
//     task, woken
//     operation = null; light barrier
//     busy? → wait for the lock
//
// First pair: the canceller sees the operation or the task sees the cancel. If both, the lock of the list of waiters
// decides: withdrawing finds the task queued, or the task, queueing later, finds `cancelled`. Second pair: a task that
// does not see `busy` has hidden its operation from the canceller, so it may destroy it; otherwise it waits until the
// canceller has done with it.
#pragma once

#include <concur/core/intrusive_list.hpp>
#include <concur/core/os.hpp>
#include <concur/core/short_lock.hpp>

#include <cstdint>

namespace concur::inline CONCUR_ABI {

class task_context;

/// What a suspended coroutine is waiting in: it stands in the list of a primitive, among timers, or the like. Lives
/// in the awaiter, thus in the coroutine's frame.
class wait_operation {
 public:
  /// Called by the task's trampoline when the coroutine's whole stack has unwound: starts the wait, so that others may
  /// wake the task. Returns true when it waits; then nothing of the task may be touched any more. Returns false when
  /// there is nothing to wait for. An operation of several steps keeps the coroutine handle to itself: it is then
  /// called again after each wake, and gives the handle to the task when it returns false.
  virtual bool publish(task_context& task) noexcept = 0;

  /// Called by a canceller: ends the wait if it has not succeeded yet, and then posts the task. May come before
  /// `publish` and more than once.
  virtual void cancel() noexcept = 0;

 protected:
  ~wait_operation() = default;
};

/// The part of a task that a canceller sees: the operation it waits in.
class cancellable : public intrusive_list_node<> {
 public:
  constexpr cancellable() noexcept = default;

  /// Only the task itself may ask.
  wait_operation* waiting_in() const noexcept { return operation_.load(std::memory_order_relaxed); }

 protected:
  // release: a canceller that sees the operation sees it constructed.
  void show(wait_operation& operation) noexcept { operation_.store(&operation, std::memory_order_release); }
  // relaxed: ordered by the light barrier of pass_canceller.
  void hide() noexcept { operation_.store(nullptr, std::memory_order_relaxed); }

 private:
  friend class cancellation;
  // Written by the task, read by cancellers that hold the lock of its scope; see the head of this file.
  os::atomic<wait_operation*> operation_{nullptr};
};

/// Requires: its tasks have left it and the scopes inside it are gone when it is destroyed. `cancel` and `cancelled`
/// may be called from any thread while it lives. With `sharing::one_thread` everything, `cancel` too, happens on one
/// thread (an event loop's), and nothing of it costs a locked instruction.
class cancellation : public intrusive_list_node<> {
 public:
  enum class sharing : bool { one_thread, many_threads };

  /// A scope of its own, outermost.
  constexpr explicit cancellation(sharing use = sharing::many_threads) noexcept : use_(use) {}

  /// A scope inside `outer`, which must outlive it; cancelled from the start if `outer` is.
  explicit cancellation(cancellation& outer) noexcept;

  ~cancellation();
  cancellation(cancellation const&) = delete;
  cancellation& operator=(cancellation const&) = delete;

  /// Whether it, or a scope around it, was cancelled. A single relaxed load: it orders nothing.
  bool cancelled() const noexcept { return (state_.load(std::memory_order_relaxed) & requested) != 0; }

  /// Ends every wait of the tasks in it and in the scopes inside it that has not succeeded yet, and refuses every later
  /// one. Returns whether this was the first cancel. Nothing of the tasks runs inside the call: they are posted.
  /// O(tasks and scopes inside).
  bool cancel() noexcept;

  /// Puts a task under this scope, or takes it out. A task is in one scope at a time, the innermost. Called by the
  /// task itself, or before it runs and after it has ended.
  void add(cancellable& task) noexcept;
  void remove(cancellable& task) noexcept;

  /// For a task that was woken in this scope and has hidden its operation: waits until no canceller can still be using
  /// it.
  void pass_canceller() noexcept;

 private:
  enum : std::uint32_t {
    requested = 1,  // cancelled
    busy = 2,  // a canceller looks at operations of tasks in it
  };

  // Locks only what several threads can reach.
  class hold;
  cancellation* mark(cancellation* last) noexcept;
  void sweep() noexcept;

  sharing const use_ = sharing::many_threads;
  // Guards the two lists, and held by a canceller from mark to sweep. Taken from the outer scope inwards.
  short_lock lock_;
  // Written under the lock; read by tasks after a light barrier, see above.
  os::atomic<std::uint32_t> state_{0};
  cancellation* outer_ = nullptr;
  cancellation* next_marked_ = nullptr;  // the canceller's own list, under the lock
  intrusive_list<cancellation> inner_;
  intrusive_list<cancellable> tasks_;
};

class cancellation::hold {
 public:
  explicit hold(cancellation& scope) noexcept : scope_(scope) {
    if (scope_.use_ == sharing::many_threads) scope_.lock_.lock();
  }
  ~hold() {
    if (scope_.use_ == sharing::many_threads) scope_.lock_.unlock();
  }
  hold(hold const&) = delete;
  hold& operator=(hold const&) = delete;

 private:
  cancellation& scope_;
};

inline cancellation::cancellation(cancellation& outer) noexcept : use_(outer.use_), outer_(&outer) {
  hold const outer_held(outer);
  outer.inner_.push_back(*this);
  // relaxed: nobody else knows this scope yet. A canceller of the outer one is done with it, or comes later and finds
  // this scope in the list.
  if (outer.cancelled()) state_.store(requested, std::memory_order_relaxed);
}

inline cancellation::~cancellation() {
  if (outer_ != nullptr) {
    hold const outer_held(*outer_);
    unlink();
  }
  // A canceller of the outer scope that found this one in the list may still be at work in it; it had marked this one
  // before it let go of the outer lock, which is why relaxed sees it.
  if (cancelled()) hold const until_done(*this);
  CONCUR_ASSERT(tasks_.empty(), "a cancellation scope was destroyed while tasks were in it");
  CONCUR_ASSERT(inner_.empty(), "a cancellation scope was destroyed before a scope inside it");
}

inline void cancellation::add(cancellable& task) noexcept {
  hold const held(*this);
  tasks_.push_back(task);
}

inline void cancellation::remove(cancellable& task) noexcept {
  hold const held(*this);
  tasks_.erase(task);
}

inline void cancellation::pass_canceller() noexcept {
  os::light_barrier();
  // acquire: what a canceller that has done with the operation read of it, it read before the operation goes.
  if ((state_.load(std::memory_order_acquire) & busy) != 0) hold const until_done(*this);
}

inline bool cancellation::cancel() noexcept {
  if (use_ == sharing::many_threads) lock_.lock();
  if (cancelled()) {
    if (use_ == sharing::many_threads) lock_.unlock();
    return false;
  }
  next_marked_ = nullptr;
  // The marked scopes form a list, outer ones first, so that no depth of nesting can exhaust the stack.
  for (cancellation *scope = this, *last = this; scope != nullptr; scope = scope->next_marked_)
    last = scope->mark(last);
  if (use_ == sharing::many_threads) os::heavy_barrier();
  for (cancellation* scope = this; scope != nullptr;) {
    cancellation* const next = scope->next_marked_;
    scope->sweep();  // the scope may be gone afterwards
    scope = next;
  }
  return true;
}

// Marks this scope, whose lock is held, and appends the scopes inside it, locked, to the list that ends with `last`.
inline cancellation* cancellation::mark(cancellation* last) noexcept {
  // relaxed: the heavy barrier after the marking is what orders it.
  state_.store(use_ == sharing::many_threads ? requested | busy : requested, std::memory_order_relaxed);
  for (cancellation& scope : inner_) {
    if (use_ == sharing::many_threads) scope.lock_.lock();
    if (scope.cancelled()) {
      if (use_ == sharing::many_threads) scope.lock_.unlock();
      continue;
    }
    last->next_marked_ = &scope;
    scope.next_marked_ = nullptr;
    last = &scope;
  }
  return last;
}

inline void cancellation::sweep() noexcept {
  for (cancellable& task : tasks_) {
    if (auto* const operation = task.operation_.load(std::memory_order_acquire)) operation->cancel();
  }
  // release: a task that sees `busy` gone destroys its operation.
  state_.store(requested, std::memory_order_release);
  if (use_ == sharing::many_threads) lock_.unlock();
}

}  // namespace concur::inline CONCUR_ABI
