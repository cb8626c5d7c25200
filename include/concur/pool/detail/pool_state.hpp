// SPDX-License-Identifier: BSL-1.0
//
// What a pool is behind its handle: its workers, how they find work, how they sleep and how they end.
//
// A worker looks for work in this order: its own jobs, newest first; what came from outside, in order; what others
// have, oldest first. Now and then what is oldest goes first, or jobs that post jobs would keep it waiting for ever. A
// worker that finds nothing looks for some microseconds more, then sleeps.
//
// The workers end when the pool is closed, nothing is queued or runs, and no task is left that somebody might wake.
// Whoever ends the last of that does so in an item of its own, and so comes to see it afterwards, and wakes the others.
//
// More than 400 lines because finding work, sleeping and ending are one protocol.
#pragma once

#include <concur/core/assert.hpp>
#include <concur/core/blocking.hpp>
#include <concur/core/cancellation.hpp>
#include <concur/core/errors.hpp>
#include <concur/core/executor.hpp>
#include <concur/core/os.hpp>
#include <concur/core/registry.hpp>
#include <concur/core/spin.hpp>
#include <concur/core/task_report.hpp>
#include <concur/pool/detail/fork.hpp>
#include <concur/pool/detail/injection_queue.hpp>
#include <concur/pool/detail/pool_guests.hpp>
#include <concur/pool/detail/pool_member.hpp>
#include <concur/pool/detail/pool_threads.hpp>
#include <concur/pool/detail/pool_timers.hpp>
#include <concur/pool/thread_pool_options.hpp>
#include <concur/sync/event_count.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <memory>
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

  std::size_t workers() const noexcept { return worker_count_; }
  std::string const& name() const noexcept { return name_; }

  // ---- work

  /// For jobs. Throws `closed`, std::bad_alloc, and misuse in a child process that was forked.
  void add(work& item, lane where);
  /// The same for `count` jobs that are linked.
  void add_many(work& first, std::size_t count);

  /// For tasks: never refused, run by a worker, from outside as from inside begun in the order of the posts.
  void post(work& item) noexcept override {
    CONCUR_ASSERT(!lost(), "a task was posted to a pool of the parent process");
    inlet_.push_linked(item, lane::tasks);
  }
  void arm(timer_node& node, time_point when) override {
    if (timers_.add(node, when)) inlet_.wake_one();
  }
  bool disarm(timer_node& node) noexcept override { return timers_.remove(node); }

  cancellation& tasks() noexcept override { return tasks_; }
  /// Throws as `add` does, but never on a worker: who runs here may have further tasks.
  void admit_task() override;
  void task_ended() noexcept override;

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
  /// Whether there was such a moment within the call.
  bool nothing_to_do() const noexcept;

  struct counts {
    std::uint64_t posted = 0;
    std::uint64_t started = 0;
    std::uint64_t done = 0;
  };
  counts counted() const noexcept;
  /// How many tasks are here: spawned here and not ended, or moved here and not away again.
  std::uint64_t task_count() const noexcept {
    auto const ended = ended_tasks();
    return admitted_tasks() - ended;
  }

  // ---- parallel algorithms: see participant.hpp

  pool_guests& guests() noexcept { return guests_; }

  /// A fork was made that a sleeping worker might take.
  void invite() noexcept {
    // A guest takes the place of a worker, which therefore goes on sleeping, so that threads do not outnumber workers.
    if (inlet_.asleep() != 0) [[unlikely]]
      inlet_.invite_one(guests_.count());
  }

  /// For a thief with a fork that it has no right to run: gives it to whoever may run anything. Its owner takes it back
  /// if nobody does; then it is the owner's to run.
  void hand_back(fork& part) noexcept { inlet_.push_linked(part, lane::forks); }
  bool take_back(fork& part) noexcept {
    if (!inlet_.take_back(part)) return false;
    discarded_.fetch_add(1, std::memory_order_release);
    idle_.notify_all();
    inlet_.wake_all();  // it may have been what kept sleeping workers from their end
    return true;
  }

 private:
  class is_idle {
   public:
    explicit is_idle(pool_state& pool) noexcept : pool_(&pool) {}
    bool operator()() const noexcept { return pool_->nothing_to_do(); }

   private:
    pool_state* pool_;
  };
  /// An item, and whether it counts as a job: forks do not.
  struct found {
    work* item = nullptr;
    bool counts = true;
  };

  pool_state(std::size_t workers, thread_pool_options const& options);
  ~pool_state() { remove(); }

  void describe(std::string& out) const override;
  void describe_tasks(std::string& out) const override { append_tasks(out, const_cast<pool_state&>(*this)); }

  void work_as(pool_worker& me);
  void require_outside() const {
    if (pool_member::in(*this)) throw misuse("a job of a pool waited for that pool to be idle");
  }
  found next(pool_worker& me) noexcept;
  found look_elsewhere(pool_worker& me, bool searching) noexcept;
  work* take_from_outside(pool_worker& me, bool searching, bool low_too) noexcept {
    return inlet_.empty() ? nullptr : inlet_.pop(me.jobs, worker_count_, searching, me.pace.share(), low_too);
  }
  found steal(pool_worker& me) noexcept;
  found wait_for_work(pool_worker& me);
  void run_timers() noexcept;
  bool over() const noexcept;
  std::uint64_t ended_tasks() const noexcept;
  std::uint64_t admitted_tasks() const noexcept { return admissions_.load(std::memory_order_relaxed) / one_admitted; }
  void discard(work& item) noexcept;
  static constexpr unsigned many_given = 64;  // jobs by jobs
  enum : std::uint64_t {
    only_from_inside = 1,
    one_admitted = 2,
  };

  std::string const name_;
  unsigned const forks_ = process_wide::forks.load(std::memory_order_relaxed);
  std::size_t const worker_count_;
  std::unique_ptr<pool_worker[]> const workers_;

  pool_guests guests_;
  injection_queue inlet_;
  pool_timers timers_;
  event_count idle_;
  os::atomic<bool> stopping_{false};  // written by close; workers look at it when they find no work
  os::atomic<bool> discarding_{false};  // written by close before the queue is emptied
  os::atomic<std::size_t> references_;
  os::atomic<std::uint64_t> discarded_{0};  // items from outside that no worker has run
  // Two times the tasks that ever came, and whether the pool is closed. relaxed everywhere: what orders a task's coming
  // and its end is that it was posted between, and what orders it and the close is `stopping_`.
  os::atomic<std::uint64_t> admissions_{0};
  cancellation tasks_{cancellation::sharing::many_threads};

  pool_threads threads_;
};

inline pool_state::pool_state(std::size_t workers, thread_pool_options const& options)
    : registry_entry(process_wide::registry_kind::thread_pool),
      name_(pool_threads::name_for(options)),
      worker_count_(workers),
      workers_(new pool_worker[workers]),
      guests_(*this),
      references_(1 + workers),
      threads_(workers, options) {
  for (std::size_t i = 0; i < workers; ++i) {
    workers_[i].pool = this;
    workers_[i].worker = &workers_[i];
    workers_[i].random = std::uint32_t(2 * i + 1);
  }
  os::prepare_barriers();  // while there are few threads that it would have to wait for
  // The explorer's executions may fail and leave it behind.
  if constexpr (!CONCUR_EXPLORE) insert();
}

inline pool_state* pool_state::start(std::size_t workers, thread_pool_options const& options) {
  auto* const made = new pool_state(workers, options);
  try {
    made->threads_.start(made->name_, options.threads(), [made](std::size_t i) {
      made->work_as(made->workers_[i]);
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
    found that = next(me);
    if (that.item == nullptr) that = wait_for_work(me);
    if (that.item == nullptr) break;
    if (!that.counts) {
      idle_.notify_all();  // the last job may have been the last thing to do: forks do not count
      that.item->run();
      continue;
    }
    pool_worker::count(me.started);
    that.item->run();
    if (lost()) [[unlikely]]
      return;  // a job that forked has returned in the child, where nothing else is left of the pool
    pool_worker::count(me.done);
  }
  pool_member::current() = nullptr;
}

inline void pool_state::add(work& item, lane where) {
  require_own_process();
  if (pool_worker* const me = pool_worker::of(*this)) {
    if (discarding()) throw closed();
    // Its owner knows that there is room before it counts: others only take.
    if (where == lane::normal && me->jobs.size() < pool_worker::room_for_jobs) {
      pool_worker::count(me->posted);
      static_cast<void>(me->jobs.push(&item));
      ++me->given;
      return inlet_.wake_one();
    }
    inlet_.push_job(item, where, true);
    return;
  }
  inlet_.await_searcher(worker_count_);
  if (!inlet_.push_job(item, where, false)) throw closed();
}

inline void pool_state::add_many(work& first, std::size_t count) {
  require_own_process();
  bool const from_inside = pool_worker::of(*this) != nullptr && !discarding();
  if (!inlet_.push_jobs(first, count, lane::normal, from_inside)) throw closed();
}

inline void pool_state::admit_task() {
  require_own_process();
  if (pool_worker::of(*this) != nullptr) {
    admissions_.fetch_add(one_admitted, std::memory_order_relaxed);
    return;
  }
  auto now = admissions_.load(std::memory_order_relaxed);
  do {
    if ((now & only_from_inside) != 0) throw closed();
  } while (!admissions_.compare_exchange_weak(now, now + one_admitted, std::memory_order_relaxed,
                                              std::memory_order_relaxed));
}

inline void pool_state::task_ended() noexcept {
  pool_worker* const me = pool_worker::of(*this);
  CONCUR_ASSERT(me != nullptr, "a task ended on its pool, but not on a worker");
  pool_worker::count(me->tasks_ended);
}

inline void pool_state::run_timers() noexcept {
  time_point const now = os::clock::now();
  if (timers_.next() <= now) timers_.take_due(now, [this](work& item) { post(item); });
}

inline pool_state::found pool_state::next(pool_worker& me) noexcept {
  if (inlet_.has_urgent()) {
    if (work* const item = take_from_outside(me, false, false)) return {item};
  }
  if (me.given >= many_given) [[unlikely]] {
    me.given = 0;
    me.outside_next = !me.outside_next;
    if (work* const item = me.outside_next ? take_from_outside(me, false, false) : me.jobs.steal()) return {item};
  }
  if (timers_.next() != os::never) [[unlikely]]
    run_timers();
  if (work* const item = me.jobs.pop()) return {item};
  me.pace.before_look(inlet_);
  return look_elsewhere(me, false);
}

inline pool_state::found pool_state::look_elsewhere(pool_worker& me, bool searching) noexcept {
  if (work* const item = take_from_outside(me, searching, false)) return {item};
  found const stolen = steal(me);
  if (stolen.item == nullptr) return {take_from_outside(me, searching, true)};
  if (searching) inlet_.end_search();
  return stolen;
}

inline pool_state::found pool_state::steal(pool_worker& me) noexcept {
  // Begins somewhere else each time. The numbers of G. Marsaglia's xorshift.
  me.random ^= me.random << 13;
  me.random ^= me.random >> 17;
  me.random ^= me.random << 5;
  std::size_t victim = me.random % worker_count_;
  for (std::size_t i = 0; i < worker_count_; ++i, victim = victim + 1 == worker_count_ ? 0 : victim + 1) {
    pool_worker& other = workers_[victim];
    if (&other == &me) continue;
    if (fork* const part = other.forks.steal()) return {part, false};
    if (work* const item = other.jobs.steal()) return {item};
  }
  return {guests_.steal(), false};
}

// Returns nothing when the pool is over.
inline pool_state::found pool_state::wait_for_work(pool_worker& me) {
  idle_.notify_all();  // this may have been the last thing to do
  found that;
  auto const look = [&](bool searching) {
    if (timers_.next() != os::never) run_timers();
    that = look_elsewhere(me, searching);
    return that.item != nullptr || over();
  };
  inlet_.begin_search();
  me.pace.spin([&] { return look(true); }, [&] { return !inlet_.empty() || !me.jobs.empty(); });
  if (that.item != nullptr) return that;
  inlet_.end_search();
  while (!over()) {
    wait_limit limit;
    // After every look the next deadline may be another.
    auto const look_and_set = [&] {
      bool const yes = look(false);
      limit.deadline = timers_.next();
      return yes;
    };
    inlet_.sleep(look_and_set, limit);
    if (that.item == nullptr) continue;
    // Who goes to work watches the timers no more, and may have been woken to do so: then another has to.
    if (timers_.next() != os::never) inlet_.wake_one();
    return that;
  }
  inlet_.wake_all();  // for the others it is over too
  return {};
}

inline void pool_state::close(bool discard_jobs) {
  inlet_.close();
  admissions_.fetch_or(only_from_inside, std::memory_order_relaxed);
  if (discard_jobs) {
    discarding_.store(true, std::memory_order_relaxed);
    tasks_.cancel();
    while (work* const each = inlet_.pop_job()) discard(*each);
    // Only jobs are ever in there.
    for (std::size_t i = 0; i < worker_count_; ++i) {
      while (work* const each = workers_[i].jobs.steal()) discard(*each);
    }
    idle_.notify_all();
  }
  // release: what was accepted before; see over. The wakes make it visible in time.
  stopping_.store(true, std::memory_order_release);
  inlet_.wake_all();
}

inline void pool_state::discard(work& item) noexcept {
  item.run();  // sees that it is to be discarded
  discarded_.fetch_add(1, std::memory_order_release);
}

inline pool_state::counts pool_state::counted() const noexcept {
  counts all;
  // In this order: what is counted as done was counted as started before, and that as posted.
  // mutant: the same count is read again below, and that is read before any that says what was posted.
  all.done = discarded_.load(std::memory_order_acquire);
  for (std::size_t i = 0; i < worker_count_; ++i) all.done += workers_[i].done.load(std::memory_order_acquire);
  all.started = discarded_.load(std::memory_order_acquire);
  for (std::size_t i = 0; i < worker_count_; ++i) all.started += workers_[i].started.load(std::memory_order_acquire);
  // mutant: these are read last but for the posts from outside, and order nothing.
  for (std::size_t i = 0; i < worker_count_; ++i) all.posted += workers_[i].posted.load(std::memory_order_acquire);
  all.posted += inlet_.posted();
  return all;
}

inline std::uint64_t pool_state::ended_tasks() const noexcept {
  std::uint64_t all = 0;
  // acquire: a task that is counted here has come, and what comes later in the caller sees that.
  for (std::size_t i = 0; i < worker_count_; ++i) all += workers_[i].tasks_ended.load(std::memory_order_acquire);
  return all;
}

inline bool pool_state::over() const noexcept {
  // acquire: all that was accepted before the close is counted as posted, or as admitted.
  if (!stopping_.load(std::memory_order_acquire)) return false;
  // Both counts only grow. If as many had ended before the question between as have come after it, there was no task at
  // that moment; and where nothing runs, nothing comes.
  auto const ended = ended_tasks();
  return nothing_to_do() && ended == admitted_tasks();
}

inline bool pool_state::nothing_to_do() const noexcept {
  // The counts only grow. All that was done was read before anything that was posted; so if they are equal, nothing was
  // to be done at the moment between.
  counts const all = counted();
  return all.done == all.posted;
}

inline bool pool_state::wait_idle(wait_limit const& limit) {
  require_outside();
  is_idle const ready(*this);
  return ready() || idle_.wait_within(ready, limit);
}

inline void pool_state::describe(std::string& out) const {
  counts const all = counted();
  auto const tasks = task_count();
  out += '"' + name_ + "\", " + std::to_string(worker_count_) + (worker_count_ == 1 ? " worker, " : " workers, ") +
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
