// SPDX-License-Identifier: BSL-1.0
//
// What runs work: an event loop, a thread pool, a test's own queue. Everything that is to happen "there" is posted.
//
//     class my_executor final : public executor { void post(work& item) noexcept override; … };
//     some_executor.post(item);      // item.run() happens later, on a thread of that executor
#pragma once

#include <concur/core/cancellation.hpp>
#include <concur/core/deadline.hpp>
#include <concur/core/os.hpp>

#include <cstdint>
#include <utility>

namespace concur::inline CONCUR_ABI {

class executor;
class party;
class task_context;

/// Who runs on a thread. One slot for all, since those who ask for one often ask for another.
struct running_parties {
  task_context* task = nullptr;
  party* fiber = nullptr;
  executor* place = nullptr;  // whose thread it is
  executor* loop = nullptr;   // the event loop that runs on it, of which it may be the guest of another executor
};
inline running_parties& this_threads_parties() noexcept { return os::thread_slot<running_parties, running_parties>(); }

/// One thing to run, linked into an executor's queue, or among its timers, without any allocation of its own. It must
/// stay alive and untouched from `post` until it runs, and from `arm` until it runs or was disarmed; it may be
/// destroyed, posted or armed again while it runs.
class work {
 public:
  using function = void (*)(work&) noexcept;

  constexpr explicit work(function what) noexcept : run_(what) {}
  work(work const&) = delete;
  work& operator=(work const&) = delete;

  /// For executors: runs the item. It may be gone afterwards.
  void run() noexcept { run_(*this); }

  /// For executors, which own these eight bytes while the item is queued, for its queue.
  work* next() const noexcept { return reinterpret_cast<work*>(link()); }
  void set_next(work* next) noexcept { set_link(reinterpret_cast<std::uintptr_t>(next)); }

 protected:
  ~work() = default;

  /// The same eight bytes for whoever runs it: while it does nobody else needs them.
  // relaxed: whoever hands an item over orders them. Atomic, since a timer that is taken back too late looks at them
  // when they are something else already (core/timer_heap.hpp).
  std::uintptr_t link() const noexcept { return link_.load(std::memory_order_relaxed); }
  void set_link(std::uintptr_t word) noexcept { link_.store(word, std::memory_order_relaxed); }

  /// What `run` does from now on. Not while it is queued.
  void set_function(function what) noexcept { run_ = what; }

 private:
  friend class timer_heap;

  // The link once more, for timers. In halves, since where one stands is written often, and nothing should be read for
  // that. Compilers define what is found here when the link was written last, and the other way round.
  struct halves {
    os::machine_atomic<std::uint32_t> index;
    os::machine_atomic<std::uint32_t> sequence;
  };
  union {
    os::machine_atomic<std::uintptr_t> link_{0};
    halves timer_;
  };
  function run_;
};

/// Requires of an implementation: `post` may be called from any thread, never runs the item inside the call, keeps
/// the order of posts made by one thread unless it is `newest_first`, and makes what happened before the post visible
/// to the item. It must not fail. An executor outlives every post: what a poster touches after its item is visible must
/// stay valid even if the item makes the executor's owner destroy it.
class executor {
 public:
  virtual void post(work& item) noexcept = 0;

  /// The same by an item that runs here and lets others go first: it is begun after what is queued, in the order of
  /// these posts. Returns false, and has not posted it, when there is nothing else to run: then the item goes on.
  virtual bool post_last(work& item) noexcept {
    post(item);
    return true;
  }

  /// The same for the last thing that an item does, which this executor runs: it may begin when that returns.
  virtual void post_next(work& item) noexcept { post(item); }

  /// The same for a task that was admitted and has not begun: an executor of one thread that has been closed since may
  /// refuse, by an exception, what comes from elsewhere. Then nothing was posted, and the task is not admitted any
  /// more.
  virtual void post_admitted(work& item) { post(item); }

  /// Whether each of its threads begins what it has posted itself newest first.
  virtual bool newest_first() const noexcept { return false; }

  /// Posts the item at `when`, or soon after; at once when that has passed. Requires: it is neither queued nor armed.
  /// Throws std::bad_alloc; then it is not armed, and untouched.
  virtual void arm(work& item, time_point when) = 0;

  /// Takes back an item that was armed here, and still exists. Returns false when it is not armed any more: it was
  /// posted, and will run, is running or has run.
  virtual bool disarm(work& item) noexcept = 0;

  /// What time it is for `arm`. An executor may have a time of its own, which its tests turn.
  virtual time_point now() const noexcept { return os::clock::now(); }

  /// The scope of the tasks that are spawned here: by cancelling it and waiting until it is empty whoever owns the
  /// executor ends them. With `sharing::one_thread` everything of its tasks happens on the executor's only thread, also
  /// their cancel. By default one scope for all executors, whose tasks can only be cancelled one by one.
  virtual cancellation& tasks() noexcept { return never_cancelled(); }

  /// Whether `tasks()` belongs to one thread, and that is not the calling one.
  virtual bool is_elsewhere() const noexcept { return false; }

  /// Whether it has one thread, and that is the calling one: then whoever blocks here waits for ever for its tasks, and
  /// what is done to a task here happens between two of its steps.
  virtual bool is_own_thread() const noexcept { return false; }

  /// Before a task is spawned here, or moves here from another executor: the executor refuses it by an exception, or
  /// knows of it until `task_ended`. Any thread.
  virtual void admit_task() {}

  /// Tells the executor, on a thread of its own, that a task that was admitted is no more here: it has left `tasks()`,
  /// or has moved away.
  virtual void task_ended() noexcept {}

  /// A scope for what nobody cancels as a whole; of any thread.
  static cancellation& never_cancelled() noexcept;

  /// this_threads_parties(), to be asked by items that run here.
  running_parties& parties_here() const noexcept {
    return only_thread_ != nullptr ? *only_thread_ : this_threads_parties();
  }

 protected:
  ~executor() = default;

  /// For an executor that has one thread at a time: `here` is that one's slot, or null while it has none. Asking for
  /// the slot takes a call, and each step of a task does. On that thread.
  void set_only_thread(running_parties* here) noexcept { only_thread_ = here; }

 private:
  running_parties* only_thread_ = nullptr;
};

inline cancellation& executor::never_cancelled() noexcept {
  // Never destroyed: coroutines may wait while the program ends.
  union eternal_scope {
    constexpr eternal_scope() noexcept : scope() {}
    ~eternal_scope() {}
    cancellation scope;
  };
  static constinit eternal_scope eternal;
  return eternal.scope;
}

/// The executor whose thread this is, or null. Any thread.
inline executor* current_executor() noexcept { return this_threads_parties().place; }

/// Says for its lifetime that this thread belongs to `which`; restores what was before. Made by executors while they
/// run their items.
class executor_scope {
 public:
  explicit executor_scope(executor& which) noexcept : executor_scope(which, this_threads_parties()) {}
  executor_scope(executor& which, running_parties& here) noexcept
      : slot_(here.place), outer_(std::exchange(slot_, &which)) {}
  ~executor_scope() { slot_ = outer_; }
  executor_scope(executor_scope const&) = delete;
  executor_scope& operator=(executor_scope const&) = delete;

 private:
  executor*& slot_;  // asked for once: it lives on the stack of one thread
  executor* const outer_;
};

}  // namespace concur::inline CONCUR_ABI
