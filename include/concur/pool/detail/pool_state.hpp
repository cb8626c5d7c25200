// SPDX-License-Identifier: BSL-1.0
//
// What a pool is behind its handle: how work comes in, and what its workers do until they end.
//
// A worker that finds nothing (see pool_work.hpp) looks for some microseconds more, then sleeps. The workers end when
// the pool is closed, nothing is queued or runs, and no task is left that somebody might wake (see pool_counts.hpp).
// Whoever ends the last of that does so in an item of its own, and so comes to see it afterwards, and wakes the others.
#pragma once

#include <concur/core/assert.hpp>
#include <concur/core/blocking.hpp>
#include <concur/core/cancellation.hpp>
#include <concur/core/errors.hpp>
#include <concur/core/executor.hpp>
#include <concur/core/os.hpp>
#include <concur/core/registry.hpp>
#include <concur/core/task_report.hpp>
#include <concur/pool/detail/fork.hpp>
#include <concur/pool/detail/injection_queue.hpp>
#include <concur/pool/detail/pool_counts.hpp>
#include <concur/pool/detail/pool_guests.hpp>
#include <concur/pool/detail/pool_member.hpp>
#include <concur/pool/detail/pool_threads.hpp>
#include <concur/pool/detail/pool_work.hpp>
#include <concur/pool/thread_pool_options.hpp>
#include <concur/sync/event_count.hpp>

#include <cstddef>
#include <cstdio>
#include <exception>
#include <string>
#include <utility>

namespace concur::inline CONCUR_ABI::detail {

/// Counted: one reference for the handle, one for each worker. The last one to go destroys it, which may be a worker.
class pool_state final : public executor, public process_wide::registry_entry {
 public:
  /// Starts the workers, at least one; whoever made it has a reference. Throws what starting threads and the
  /// initializer throw; then every thread that was started has ended.
  static pool_state* start(std::size_t workers, thread_pool_options const& options);

  void drop_reference() noexcept {
    // acq_rel: all uses of the others come before the destruction.
    // mutant: the joins in the destructor order all but its first steps, which the explorer does not see.
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

  std::size_t workers() const noexcept { return work_.worker_count(); }
  std::string const& name() const noexcept { return name_; }

  // ---- work

  /// For jobs. Throws `closed`, std::bad_alloc, and misuse in a child process that was forked.
  void add(work& item, lane where);
  /// The same for `count` jobs that are linked.
  void add_many(work& first, std::size_t count, lane where);

  /// For tasks: never refused, run by a worker. From outside they are begun in the order of the posts; what a worker
  /// posts it begins itself, newest first, unless another takes it over.
  void post(work& item) noexcept override;
  bool post_last(work& item) noexcept override {
    CONCUR_ASSERT(!lost(), "a task was posted to a pool of the parent process");
    inlet().push_linked(item, lane::tasks);
    return true;
  }
  void post_next(work& item) noexcept override;
  void post_admitted(work& item) override { pool_state::post(item); }
  bool newest_first() const noexcept override { return true; }
  void arm(work& item, time_point when) override {
    if (work_.timers().add(item, when)) inlet().wake_one();
  }
  bool disarm(work& item) noexcept override { return work_.timers().remove(item); }

  cancellation& tasks() noexcept override { return tasks_; }
  /// Throws as `add` does, but never on a worker: who runs here may have further tasks.
  void admit_task() override;
  void task_ended() noexcept override;
  bool is_own_thread() const noexcept override { return workers() == 1 && pool_worker::of(*this) != nullptr; }

  /// Whether jobs that have not begun are to be cancelled instead of run.
  // relaxed: it decides nothing but that.
  bool discarding() const noexcept { return discarding_.load(std::memory_order_relaxed); }

  /// Gives the error of a job that nobody waits for to the hook.
  void report(std::exception_ptr const& error) const noexcept;

  // ---- the end

  /// No jobs and tasks from outside any more, and the workers end when nothing is left to do and no task waits; with
  /// `discard` nothing that has not begun is left to do, and the tasks are cancelled. Any number of times.
  void close(bool discard);
  /// Waits until the workers have ended. Not on one of them.
  void join() { threads_.join(); }
  /// For other ways to wait for them.
  pool_threads& threads() noexcept { return threads_; }
  /// Whether that would be in vain, because this is one of them, or works for one.
  bool runs_here() const noexcept { return pool_member::in(*this) || threads_.include_this_one(); }

  /// In a child process forked by another thread: nothing of it works here.
  bool lost() const noexcept { return forks_ != process_wide::forks.load(std::memory_order_relaxed); }
  void require_own_process() const {
    if (lost()) throw misuse("a thread pool was used in a child process, where its threads do not exist");
  }

  /// Waits for a moment at which nothing is queued and nothing runs. Not on a worker.
  bool wait_idle(wait_limit const& limit);
  auto async_wait_idle() {
    require_outside();
    return idle_.async_wait(is_idle(*this));
  }
  pool_counts const& counts() const noexcept { return counts_; }

  // ---- parallel algorithms: see participant.hpp

  pool_guests& guests() noexcept { return work_.guests(); }

  /// A fork was made that a sleeping worker might take.
  void invite() noexcept { work_.invite(); }

  /// For a thief with a fork that it has no right to run: gives it to whoever may run anything. Its owner takes it back
  /// if nobody does; then it is the owner's to run.
  void hand_back(fork& part) noexcept { inlet().push_linked(part, lane::forks); }
  bool take_back(fork& part) noexcept {
    if (!inlet().take_back(part)) return false;
    counts_.add_discarded();
    idle_.notify_all();
    inlet().wake_all();  // it may have been what kept sleeping workers from their end
    return true;
  }

 private:
  class is_idle {
   public:
    explicit is_idle(pool_state& pool) noexcept : pool_(&pool) {}
    bool operator()() const noexcept { return pool_->counts_.nothing_to_do(); }

   private:
    pool_state* pool_;
  };

  pool_state(std::size_t workers, thread_pool_options const& options);
  ~pool_state() { remove(); }

  void describe(std::string& out) const override;
  void describe_tasks(std::string& out) const override { append_tasks(out, const_cast<pool_state&>(*this)); }

  void work_as(pool_worker& me);
  void require_outside() const {
    if (pool_member::in(*this)) throw misuse("a job of a pool waited for that pool to be idle");
  }
  found_work wait_for_work(pool_worker& me);
  bool over() const noexcept;
  void discard(work& item) noexcept;
  injection_queue& inlet() noexcept { return work_.inlet(); }

  std::string const name_;
  unsigned const forks_ = process_wide::forks.load(std::memory_order_relaxed);

  pool_work work_;
  event_count idle_;
  os::atomic<bool> stopping_{false};  // written by close; workers look at it when they find no work
  os::atomic<bool> discarding_{false};  // written by close before the queue is emptied
  os::atomic<std::size_t> references_;
  pool_counts counts_{work_};
  cancellation tasks_{cancellation::sharing::many_threads};

  pool_threads threads_;
};

inline pool_state::pool_state(std::size_t workers, thread_pool_options const& options)
    : registry_entry(process_wide::registry_kind::thread_pool),
      name_(pool_threads::name_for(options)),
      work_(*this, workers),
      references_(1 + workers),
      threads_(workers, options) {
  os::prepare_barriers();  // while there are few threads that it would have to wait for
  // The explorer's executions may fail and leave it behind.
  if constexpr (!CONCUR_EXPLORE) insert();
}

inline pool_state* pool_state::start(std::size_t workers, thread_pool_options const& options) {
  auto* const made = new pool_state(workers, options);
  try {
    made->threads_.start(made->name_, options.threads(), [made](std::size_t i) {
      made->work_as(made->work_.workers()[i]);
      made->drop_reference();
    });
  } catch (...) {
    made->close(false);
    made->join();
    delete made;  // with the references of workers that never were
    throw;
  }
  return made;
}

inline void pool_state::work_as(pool_worker& me) {
  executor_scope const here(*this);
  pool_member::current() = &me;
  for (;;) {
    found_work that = work_.next(me);
    if (that.item == nullptr) that = wait_for_work(me);
    if (that.item == nullptr) break;
    if (!that.counts) {
      idle_.notify_all();  // the last job may have been the last thing to do: forks do not count
      that.item->run();
      continue;
    }
    do {
      pool_worker::count(me.started);
      that.item->run();
      if (lost()) [[unlikely]]
        return;  // a job that forked has returned in the child, where nothing else is left of the pool
      pool_worker::count(me.done);
      that.item = std::exchange(me.following, nullptr);
    } while (that.item != nullptr);
  }
  pool_member::current() = nullptr;
}

inline void pool_state::add(work& item, lane where) {
  require_own_process();
  if (pool_worker* const me = pool_worker::of(*this)) {
    if (discarding()) throw closed();
    if (where == lane::normal && work_.give(*me, me->jobs, item)) return;
    inlet().push_job(item, where, true);
    return;
  }
  inlet().await_searcher(workers());
  if (!inlet().push_job(item, where, false)) throw closed();
}

inline void pool_state::post(work& item) noexcept {
  CONCUR_ASSERT(!lost(), "a task was posted to a pool of the parent process");
  pool_worker* const me = pool_worker::of(*this);
  if (me == nullptr || !work_.give(*me, me->tasks, item)) inlet().push_linked(item, lane::tasks);
}

inline void pool_state::post_next(work& item) noexcept {
  CONCUR_ASSERT(!lost(), "a task was posted to a pool of the parent process");
  pool_worker* const me = pool_worker::of(*this);
  if (me == nullptr || !work_.give_next(*me, item)) post(item);
}

inline void pool_state::add_many(work& first, std::size_t count, lane where) {
  require_own_process();
  bool const from_inside = pool_worker::of(*this) != nullptr && !discarding();
  if (!inlet().push_jobs(first, count, where, from_inside)) throw closed();
}

inline void pool_state::admit_task() {
  require_own_process();
  if (pool_worker* const me = pool_worker::of(*this)) return pool_worker::count(me->tasks_admitted);
  counts_.add_task();
}

inline void pool_state::task_ended() noexcept {
  pool_worker* const me = pool_worker::of(*this);
  CONCUR_ASSERT(me != nullptr, "a task ended on its pool, but not on a worker");
  pool_worker::count(me->tasks_ended);
}

// Returns nothing when the pool is over.
inline found_work pool_state::wait_for_work(pool_worker& me) {
  idle_.notify_all();  // this may have been the last thing to do
  found_work that;
  auto const look = [&](bool searching) {
    if (work_.timers().next() != os::never) work_.run_timers();
    that = work_.look_elsewhere(me, searching);
    return that.item != nullptr || over();
  };
  inlet().begin_search();
  me.pace.spin([&] { return look(true); }, [&] { return !inlet().empty() || !me.jobs.empty(); });
  if (that.item != nullptr) return that;
  inlet().end_search();
  while (!over()) {
    wait_limit limit;
    // After every look the next deadline may be another.
    auto const look_and_set = [&] {
      bool const yes = look(false);
      limit.deadline = work_.timers().next();
      return yes;
    };
    me.asleep = true;
    inlet().sleep(look_and_set, [&that] { return !that.counts; }, limit);
    me.asleep = false;
    if (that.item == nullptr) continue;
    // Who goes to work watches the timers no more, and may have been woken to do so: then another has to. It may have
    // found a guest's fork, for which nobody was woken.
    if (work_.timers().next() != os::never) inlet().wake_one();
    return that;
  }
  inlet().wake_all();  // for the others it is over too
  return {};
}

inline void pool_state::close(bool discard_jobs) {
  inlet().close();
  counts_.refuse_tasks();
  if (discard_jobs) {
    discarding_.store(true, std::memory_order_relaxed);
    tasks_.cancel();
    while (work* const each = inlet().pop_job()) discard(*each);
    for (pool_worker& worker : work_.workers()) {
      while (work* const each = worker.jobs.steal()) discard(*each);
    }
    idle_.notify_all();
  }
  // release: what was accepted before; see over. The wakes make it visible in time.
  stopping_.store(true, std::memory_order_release);
  inlet().wake_all();
}

inline void pool_state::discard(work& item) noexcept {
  item.run();  // sees that it is to be discarded
  counts_.add_discarded();
}

inline bool pool_state::over() const noexcept {
  // acquire: all that was accepted before the close is counted as posted, or as admitted.
  return stopping_.load(std::memory_order_acquire) && counts_.nothing_left();
}

inline bool pool_state::wait_idle(wait_limit const& limit) {
  require_outside();
  is_idle const ready(*this);
  return ready() || idle_.wait_within(ready, limit);
}

inline void pool_state::describe(std::string& out) const {
  auto const all = counts_.now();
  auto const tasks = counts_.tasks();
  out += '"' + name_ + "\", " + std::to_string(workers()) + (workers() == 1 ? " worker, " : " workers, ") +
         std::to_string(all.posted - all.started) + " queued, " + std::to_string(all.started - all.done) +
         " running, " + std::to_string(all.done) + " done, " + std::to_string(tasks) +
         (tasks == 1 ? " task" : " tasks");
}

inline void pool_state::report(std::exception_ptr const& error) const noexcept {
  char where[160];
  std::snprintf(where, sizeof where, "a job of thread pool \"%.120s\"", name_.c_str());
  report_unhandled_error(error, where);
}

}  // namespace concur::inline CONCUR_ABI::detail
