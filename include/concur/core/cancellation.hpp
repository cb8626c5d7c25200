// SPDX-License-Identifier: BSL-1.0
//
// The scope of a cancellation: tasks that are to give up together, and the scopes inside it.
//
//     cancellation scope;                     // or scope(outer): cancelled with it
//     scope.add(task);  …  scope.remove(task);
//     scope.cancel();                         // every wait in it ends, every later one is refused
//     cancellation::cancel_alone(task);       // the same for one task
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
//
// A report looks at tasks by the same rules, as a canceller that cancels nothing (`inspect`): a task whose operation it
// sees does not get past pass_canceller, so its coroutines stay as they are, and may be read.
#pragma once

#include <concur/core/intrusive_list.hpp>
#include <concur/core/os.hpp>
#include <concur/core/short_lock.hpp>
#include <concur/core/spin.hpp>
#include <concur/core/wait_operation.hpp>

#include <cstdint>

namespace concur::inline CONCUR_ABI {

class cancellation;

/// The part of a task that a canceller sees: the scope it stands in, and the operation it waits in.
class cancellable : public intrusive_list_node<> {
 public:
  cancellable() noexcept = default;
  /// To be added to `around`, or never cancelled from there.
  explicit cancellable(cancellation& around) noexcept : scope_(&around) {}

  /// Only the task itself may ask.
  wait_operation* waiting_in() const noexcept { return operation_.load(std::memory_order_relaxed); }

  /// The innermost scope around it. Only the task itself may ask.
  cancellation& scope() const noexcept { return *scope_; }

  /// Whether its next wait will be refused, because its scope was cancelled or it alone. Orders nothing.
  bool cancelled() const noexcept;

  /// Moves it from its scope to another, inwards or outwards. Called by the task itself, which is in its scope's list.
  void move_to_scope(cancellation& next) noexcept;

  /// Where nothing better is possible: its next wait will be refused, but no wait is ended. Any thread.
  // relaxed: it is a hint, and orders nothing.
  void refuse_next_wait() noexcept { word_.fetch_or(alone, std::memory_order_relaxed); }

 protected:
  /// The same, with an operation shown from the start, and a constant of the deriving class that leaves
  /// `constant_bits`.
  cancellable(cancellation& around, wait_operation& shown, std::uintptr_t constant) noexcept
      : operation_(&shown), scope_(&around), word_(constant) {}
  static constexpr std::uintptr_t constant_bits = 6;
  std::uintptr_t constant() const noexcept { return word_.load(std::memory_order_relaxed) & ~constant_bits; }

  // release: a canceller that sees the operation sees it constructed.
  void show(wait_operation& operation) noexcept { operation_.store(&operation, std::memory_order_release); }
  // relaxed: ordered by the light barrier of pass_canceller.
  void hide() noexcept { operation_.store(nullptr, std::memory_order_relaxed); }

  /// For one that has ended: leaves it in the list of its scope, which goes before it does. Spares the lock.
  void end_in_scope() noexcept { show(has_ended); }

 private:
  friend class cancellation;
  friend class held_in_scope;

  // The bits of the word beside the constant.
  enum : std::uintptr_t {
    alone = 2,  // it alone is cancelled
    held = 4,  // somebody holds it in its scope
  };
  static_assert((alone | held) == constant_bits);

  // Written by the task, read by cancellers that hold the lock of its scope; see the head of this file.
  os::atomic<wait_operation*> operation_{nullptr};
  // Written by the task; read by it, and by those who cancel it alone: where several threads do, all while it is held.
  cancellation* scope_ = nullptr;
  // `alone`: set once, under the scope's lock. relaxed, but for `held`: ordered like the state of the scope.
  os::atomic<std::uintptr_t> word_{0};
};

/// Keeps a task in its scope for its lifetime, while it alone is cancelled, or moves where several threads can cancel
/// it. Taken before the lock of the scope. A lock for some dozen instructions, and a barrier of all threads.
class held_in_scope {
 public:
  explicit held_in_scope(cancellable& task, bool needed = true) noexcept : task_(needed ? &task : nullptr) {
    if (!needed) return;
    // acquire: the last holder has done with the scope.
    while ((task.word_.fetch_or(cancellable::held, std::memory_order_acquire) & cancellable::held) != 0) wait(task);
  }
  ~held_in_scope() {
    if (task_ != nullptr) task_->word_.fetch_and(~std::uintptr_t{cancellable::held}, std::memory_order_release);
  }
  held_in_scope(held_in_scope const&) = delete;
  held_in_scope& operator=(held_in_scope const&) = delete;

 private:
  [[gnu::noinline]] static void wait(cancellable const& task) noexcept {
    brief_wait holder;
    while ((task.word_.load(std::memory_order_relaxed) & cancellable::held) != 0) holder.pause();
  }

  cancellable* const task_;
};

/// Requires: its tasks have left it, or ended in it, and the scopes inside it are gone when it is destroyed. `cancel`
/// and `cancelled` may be called from any thread while it lives. With `sharing::one_thread` everything, `cancel` too,
/// happens on one thread (an event loop's), and nothing of it costs a locked instruction.
class cancellation : public intrusive_list_node<> {
 public:
  enum class sharing : bool { one_thread, many_threads };

  /// A scope of its own, outermost.
  constexpr explicit cancellation(sharing use = sharing::many_threads) noexcept : use_(use) {}

  /// Whether a cancel of the scope around reaches a scope.
  enum class shelter : bool { none, shielded };

  /// A scope inside `outer`, which must outlive it; cancelled from the start if `outer` is, unless it is shielded.
  explicit cancellation(cancellation& outer, shelter how = shelter::none) noexcept;

  ~cancellation();
  cancellation(cancellation const&) = delete;
  cancellation& operator=(cancellation const&) = delete;

  /// Whether it, or a scope around it, was cancelled. A single relaxed load: it orders nothing.
  bool cancelled() const noexcept { return (state_.load(std::memory_order_relaxed) & requested) != 0; }

  /// Ends every wait of the tasks in it and in the scopes inside it that has not succeeded yet, and refuses every later
  /// one. Returns whether this was the first cancel. Nothing of the tasks runs inside the call: they are posted.
  /// O(tasks and scopes inside).
  bool cancel() noexcept;

  /// The same for one task, in whatever scope it stands. With `sharing::one_thread` on that thread, otherwise on any.
  /// It must not leave its outermost scope while this lasts.
  static bool cancel_alone(cancellable& task) noexcept;

  /// Puts a task under this scope, which is the task's own, or takes it out. A task is in one scope at a time, the
  /// innermost. Called by the task itself, or before it runs and after it has ended.
  void add(cancellable& task) noexcept;
  void remove(cancellable& task) noexcept;

  /// The same for several: calls `function(add)`, which calls `add(task)` for each of them.
  template <class Function>
  void add_all(Function function) noexcept;

  /// Whether no task and no scope is in it. What happened in those that have left is visible then.
  bool empty() noexcept;

  /// Makes it as new. Requires: nothing is in it, and nobody uses it meanwhile.
  void reopen() noexcept {
    CONCUR_ASSERT(tasks_.empty() && inner_.empty(), "a cancellation scope was reopened that is in use");
    state_.store(0, std::memory_order_relaxed);  // relaxed: nobody else
  }

  /// From now on several threads may use it and the scopes around it. Called on the one thread that does until now.
  void share() noexcept;

  /// Whether that is so. For the one thread, and for those that came to use it later.
  bool shared() const noexcept { return use_ == sharing::many_threads; }

  /// Calls `function()` while no canceller is at work in the scope; a task starts a wait in it that its operation's
  /// `cancel` could not end before.
  template <class Function>
  decltype(auto) undisturbed(Function function);

  /// Calls `function(cancellable&, wait_operation*)` for every task in this scope and in those inside it. With an
  /// operation the task waits there, or is about to, or was woken: it does not go on before `function` returns, and it,
  /// its coroutines and the operation may be read. With null the task runs: nothing of it may be read but what is
  /// constant, though it stays. A task that moves between two of the scopes meanwhile may be left out.
  ///
  /// Tasks that wake up or end, and cancellers, wait until their scope is done with: `function` must not wait for them,
  /// nor touch the scopes. It may allocate, since nobody waits for these locks who holds one that it needs. What it
  /// throws goes to the caller, with everything let go. Any thread; with `sharing::one_thread` that one.
  // In core/scope_inspection.hpp.
  template <class Function>
  void inspect(Function function);

  /// For a task that was woken in this scope and has hidden its operation: waits until no canceller can still be using
  /// it.
  void pass_canceller() noexcept;

 private:
  friend class cancellable;
  enum : std::uint32_t {
    requested = 1,  // cancelled
    busy = 2,  // a canceller looks at operations of tasks in it
  };

  // Locks only what several threads can reach.
  class hold;
  void wait_for_canceller() noexcept;
  cancellation* mark(cancellation* last) noexcept;
  void sweep() noexcept;
  class inspection;

  sharing use_ = sharing::many_threads;  // see share
  shelter const shelter_ = shelter::none;
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

template <class Function>
decltype(auto) cancellation::undisturbed(Function function) {
  hold const held(*this);
  return function();
}

inline cancellation::cancellation(cancellation& outer, shelter how) noexcept
    : use_(outer.use_), shelter_(how), outer_(&outer) {
  hold const outer_held(outer);
  outer.inner_.push_back(*this);
  // relaxed: nobody else knows this scope yet. A canceller of the outer one is done with it, or comes later and finds
  // this scope in the list.
  if (outer.cancelled() && how == shelter::none) state_.store(requested, std::memory_order_relaxed);
}

inline cancellation::~cancellation() {
  if (outer_ != nullptr) {
    hold const outer_held(*outer_);
    unlink();
  }
  // A canceller of the outer scope that found this one in the list may still be at work in it; it had marked this one
  // before it let go of the outer lock, which is why relaxed sees it. A report is not: it keeps the outer lock.
  if (cancelled()) hold const until_done(*this);
  // So nobody else can come to the list.
  while (cancellable* const task = tasks_.pop_front()) {
    CONCUR_ASSERT(task->waiting_in() == &has_ended, "a cancellation scope was destroyed while tasks were in it");
  }
  CONCUR_ASSERT(inner_.empty(), "a cancellation scope was destroyed before a scope inside it");
}

inline void cancellation::add(cancellable& task) noexcept {
  hold const held(*this);
  task.scope_ = this;
  tasks_.push_back(task);
}

template <class Function>
void cancellation::add_all(Function function) noexcept {
  hold const held(*this);
  function([this](cancellable& task) {
    task.scope_ = this;
    tasks_.push_back(task);
  });
}

inline void cancellation::remove(cancellable& task) noexcept {
  hold const held(*this);
  tasks_.erase(task);
}

inline bool cancellation::empty() noexcept {
  hold const held(*this);
  return tasks_.empty() && inner_.empty();
}

inline void cancellation::share() noexcept {
  // What several threads use already has only such scopes around it.
  for (auto* scope = this; scope != nullptr && scope->use_ == sharing::one_thread; scope = scope->outer_) {
    scope->use_ = sharing::many_threads;
  }
}

// Each wait asks.
[[gnu::always_inline]] inline bool cancellable::cancelled() const noexcept {
  return (word_.load(std::memory_order_relaxed) & alone) != 0 || scope_->cancelled();
}

[[gnu::always_inline]] inline void cancellation::pass_canceller() noexcept {
  os::light_barrier();
  // acquire: what a canceller that has done with the operation read of it, it read before the operation goes.
  if ((state_.load(std::memory_order_acquire) & busy) != 0) [[unlikely]]
    wait_for_canceller();
}

[[gnu::noinline]] inline void cancellation::wait_for_canceller() noexcept { hold const until_done(*this); }

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
    if (scope.shelter_ == shelter::shielded) continue;
    if (scope.use_ == sharing::many_threads) scope.lock_.lock();
    if (scope.cancelled()) {
      if (scope.use_ == sharing::many_threads) scope.lock_.unlock();
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

// The task cannot leave its scope while it is held: so the scope stays too.
inline bool cancellation::cancel_alone(cancellable& task) noexcept {
  held_in_scope const here(task);
  cancellation& scope = *task.scope_;
  hold const held(scope);
  // relaxed: under the lock, and against the task ordered by the barriers, as in cancel.
  auto const state = scope.state_.load(std::memory_order_relaxed);
  if ((task.word_.fetch_or(cancellable::alone, std::memory_order_relaxed) & cancellable::alone) != 0) return false;
  if (scope.use_ == sharing::many_threads) {
    scope.state_.store(state | busy, std::memory_order_relaxed);
    os::heavy_barrier();
  }
  if (auto* const operation = task.operation_.load(std::memory_order_acquire)) operation->cancel();
  // release: as in sweep.
  if (scope.use_ == sharing::many_threads) scope.state_.store(state, std::memory_order_release);
  return true;
}

inline void cancellable::move_to_scope(cancellation& next) noexcept {
  held_in_scope const here(*this, scope().shared());
  scope().remove(*this);
  next.add(*this);
}

}  // namespace concur::inline CONCUR_ABI
