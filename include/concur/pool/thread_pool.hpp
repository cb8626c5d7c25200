// SPDX-License-Identifier: BSL-1.0
//
// Threads that wait for jobs, so that a job need not wait for a thread. Python's ThreadPoolExecutor.
//
//     concur::thread_pool pool(4);
//     concur::future<int> lines = pool.submit(count_lines, "a.txt");
//     pool.post([] { clean_up(); });                              // nobody waits for it
//     std::printf("%d\n", lines.get());                           // or co_await lines
//
// A coroutine awaits a job in two steps, because GCC 12 destroys twice what a temporary lambda in an await captures:
//
//     auto job = pool.submit([text] { return parse(text); });
//     auto tree = co_await job;
//
// and runs on the pool itself, where it is spawned there, or goes there:
//
//     concur::future<int> words = concur::spawn(pool, count_words(pages));   // coro/spawn.hpp
//     co_await pool.schedule();                                   // from here on on a worker
#pragma once

#include <concur/core/awaiter.hpp>
#include <concur/core/blocking.hpp>
#include <concur/core/deadline.hpp>
#include <concur/core/errors.hpp>
#include <concur/core/executor.hpp>
#include <concur/core/hop.hpp>
#include <concur/core/os.hpp>
#include <concur/core/process_lock.hpp>
#include <concur/core/process_object.hpp>
#include <concur/future/future.hpp>
#include <concur/pool/detail/job.hpp>
#include <concur/pool/detail/pool_end_await.hpp>
#include <concur/pool/detail/pool_state.hpp>
#include <concur/pool/mapped.hpp>
#include <concur/pool/thread_pool_options.hpp>
#include <concur/thread/cpu_count.hpp>
#include <concur/thread/thread.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <ranges>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace concur::inline CONCUR_ABI {

/// Which jobs are begun first. Those that have begun are not interrupted.
enum class job_priority : std::uint8_t {
  high,    ///< before all others
  normal,  ///< as without a priority
  low,     ///< when nothing else is there: it may wait for ever
};

/// What a pool is doing; see `thread_pool::stats`.
struct thread_pool_stats {
  std::size_t workers = 0;
  std::uint64_t queued = 0;   ///< jobs, and tasks that are to begin or to go on, that wait for a worker
  std::uint64_t running = 0;  ///< those that run
  std::uint64_t done = 0;     ///< those that have run, or were cancelled, since the pool was made; a task each time
  std::uint64_t tasks = 0;    ///< spawned there, or moved there, that have not ended; also those that wait
};

/// A fixed number of workers. Every job that was accepted runs once, on one of them, unless its future is cancelled
/// before it begins or `shutdown` cancels it. What happened before a job was given is visible to it.
///
/// Order: jobs from outside are begun about in the order in which they came. What a job gives by `submit`
/// or `post`, without a priority, is begun before those, newest first, by the same worker, or is taken over by an idle
/// one.
///
/// A job, or a function of a parallel algorithm, may wait for a job of its pool: `get`, `wait` and the like run it in
/// place unless it has begun elsewhere; so waiting cannot run the pool out of workers, though a long chain of jobs that
/// wait for each other takes as much stack. (A wait with a limit then takes as long as the job.) No
/// other job runs meanwhile, which could need a lock that the waiting one holds.
///
/// An exception that leaves a job goes to its future; without one, to the hook for unhandled errors (core/errors.hpp).
///
/// Tasks: `spawn(pool, …)` runs a coroutine on the workers, in parallel with others, and `co_await pool.schedule()`
/// moves one there. As long as one of them has not ended, or moved away, the pool does not end, also while it waits.
/// Those that are spawned or woken on a worker go on as its jobs do, newest first and before those from outside, by the
/// same worker or another that is idle; one that yields goes behind all that are queued. Each gets its turn, also where
/// others wake each other for ever.
///
/// A blocking wait for a task keeps its worker until the task has ended, unlike one for a job: a task may go on where
/// only its pool can resume it, so nothing is gained by beginning it in place. Others take over what that worker has
/// queued; but where all workers wait so, nobody is left. The only worker of a pool is refused such a wait with misuse.
/// Tasks use `co_await`, which keeps no worker.
///
/// The destructor runs what is queued, waits until all tasks have ended, and then for the workers; what runs may give
/// further jobs and spawn further tasks meanwhile. Called by a job or a task of this very pool it does not wait: the
/// pool ends after all that. Any thread may call any other member. In a child process made by fork the pool cannot be
/// used: what needs the workers throws misuse, and the destructor does nothing.
///
/// Idle workers use no processor time after some microseconds. A submit costs one recycled block, in which job, result
/// and shared state lie together, and one allocation more for a job that takes a stop token; a post, one recycled
/// block.
///
/// Algorithm: work stealing after R. Blumofe and C. Leiserson (1999), with a shared queue for what comes from outside.
class thread_pool {
 public:
  /// As many workers as there are processors for this process.
  thread_pool() : thread_pool(std::size_t(cpu_count())) {}

  /// Starts the workers. Throws misuse for 0, std::system_error when a thread cannot be started, std::bad_alloc, and
  /// what the initializer throws; then no thread is left.
  explicit thread_pool(std::size_t workers, thread_pool_options const& options = thread_pool_options())
      : state_(detail::pool_state::start(at_least_one(workers), options)) {}
  thread_pool(thread_pool const&) = delete;
  thread_pool& operator=(thread_pool const&) = delete;
  ~thread_pool();

  /// Has `function(arguments…)` called by a worker, or `function(stop_token, arguments…)` if that is possible (a member
  /// function takes the token after its object), and returns the future of what it returns. Function and arguments are
  /// copied or moved in, and end when the job has run or is cancelled. A cancel stops the token.
  ///
  /// Throws `closed` after a shutdown, though to the pool's own jobs only after one that cancels; std::bad_alloc; and
  /// what copying throws. Then nothing was queued.
  template <class Function, class... Arguments>
    requires(!std::is_same_v<std::decay_t<Function>, job_priority>)
  auto submit(Function&& function, Arguments&&... arguments) {
    return submit(job_priority::normal, std::forward<Function>(function), std::forward<Arguments>(arguments)...);
  }
  template <class Function, class... Arguments>
  auto submit(job_priority urgency, Function&& function, Arguments&&... arguments);

  /// Has `function(arguments…)` called by a worker; nobody waits for it, and its error goes to the hook. There is no
  /// stop token: a function that could take one is refused. Throws as `submit` does.
  template <class Function, class... Arguments>
    requires(!std::is_same_v<std::decay_t<Function>, job_priority>)
  void post(Function&& function, Arguments&&... arguments) {
    post(job_priority::normal, std::forward<Function>(function), std::forward<Arguments>(arguments)...);
  }
  template <class Function, class... Arguments>
  void post(job_priority urgency, Function&& function, Arguments&&... arguments);

  /// A job `function(element)` for each element of the range, queued all at once; the futures in the order of the
  /// range. Each job has a copy of the function, and an element of its own: moved out of a range that is passed as an
  /// rvalue and owns them, copied out of every other. Either all are queued or none.
  template <class Function, std::ranges::input_range Range>
  auto submit_many(Function const& function, Range&& elements) {
    return submit_many(job_priority::normal, function, std::forward<Range>(elements));
  }
  template <class Function, std::ranges::input_range Range>
  auto submit_many(job_priority urgency, Function const& function, Range&& elements);

  /// A job `function(element)`, or `function(stop_token, element)`, for each element of the range; gives the results in
  /// the order of the range, to whoever iterates over it or calls `next` (see pool/mapped.hpp). Nothing begins before
  /// the first result is asked for. From then on at most `look_ahead` elements are taken beyond the one whose result is
  /// asked for: four per worker if it is 0.
  ///
  /// The result has the function, which several workers call at the same time, as a const object. A range given as an
  /// lvalue must outlive the result, and be left alone; one given as an rvalue is moved into it. The function gets the
  /// elements themselves: as lvalues, or as rvalues if a container was moved in. If the range makes them as it goes, or
  /// can be read only once, it gets copies, as rvalues.
  template <class Function, std::ranges::viewable_range Range>
    requires std::ranges::input_range<Range>
  auto map(Function&& function, Range&& range, std::size_t look_ahead = 0) {
    constexpr bool owned = !std::is_lvalue_reference_v<Range> && detail::owns_elements<std::remove_cvref_t<Range>>;
    return mapped<std::decay_t<Function>, std::views::all_t<Range>, owned>(usable(), std::forward<Function>(function),
                                                                           std::forward<Range>(range),
                                                                           look_ahead != 0 ? look_ahead : 4 * size());
  }

  /// From now on jobs and tasks from outside are refused with `closed`. Those that were accepted run, unless
  /// `cancel_pending`: then jobs that have not begun are cancelled, and jobs can give no more jobs either; tasks that
  /// were spawned here are cancelled, and those that they spawn here never begin. With `wait`, waits until all tasks
  /// and then the workers have ended; that throws misuse in a job or task of this pool. Any number of times.
  ///
  /// A task that was spawned elsewhere and moved here belongs to its own executor: it is not cancelled, but waited for.
  /// The futures of jobs that are cancelled have their callbacks run inside this call, which must not destroy the pool.
  void shutdown(bool wait = true, bool cancel_pending = false);

  /// A shutdown that waits so long, until then, or until a stop is requested: returns whether tasks and workers have
  /// ended. If not, the shutdown stands, and one may ask or wait again by any form. A limit that has passed looks once.
  /// All of them throw misuse in a job or task of this pool, and change nothing then.
  template <class Rep, class Period>
  [[nodiscard]] bool try_shutdown_for(std::chrono::duration<Rep, Period> const& limit, bool cancel_pending = false) {
    return try_shutdown_until(deadline_after(limit), cancel_pending);
  }
  template <class Clock, class Duration>
  [[nodiscard]] bool try_shutdown_until(std::chrono::time_point<Clock, Duration> const& limit,
                                        bool cancel_pending = false) {
    return end_within(cancel_pending, [&limit](thread& each) { return each.try_join_until(limit); });
  }
  [[nodiscard]] bool shutdown(os::stop_token const& stop, bool cancel_pending = false) {
    return end_within(cancel_pending, [&stop](thread& each) { return each.join(stop); });
  }
  /// `co_await pool.async_shutdown();` shuts it down when it is awaited, and waits without blocking the thread. Throws
  /// `cancelled`, which ends the wait only, and std::bad_alloc.
  [[nodiscard]] awaitable<void> auto async_shutdown(bool cancel_pending = false) {
    return detail::pool_end_await(usable_outside(), cancel_pending);
  }

  /// Waits until nothing is queued and nothing runs; a short moment of that may be missed. Tasks that wait, timers that
  /// are not due, and what a parallel algorithm does for a caller from outside, do not count. All forms throw misuse in
  /// a job or task that runs on this pool, which would wait for itself.
  void wait_idle() { idle_within({}); }
  template <class Rep, class Period>
  [[nodiscard]] bool wait_idle_for(std::chrono::duration<Rep, Period> const& limit) {
    return idle_within({.deadline = deadline_after(limit)});
  }
  template <class Clock, class Duration>
  [[nodiscard]] bool wait_idle_until(std::chrono::time_point<Clock, Duration> const& limit) {
    return idle_within(limit_at(limit));
  }
  [[nodiscard]] bool wait_idle(os::stop_token const& stop) { return idle_within({.stop = &stop}); }
  [[nodiscard]] awaitable<void> auto async_wait_idle() { return usable().async_wait_idle(); }

  [[nodiscard]] std::size_t size() const noexcept { return state_->workers(); }
  [[nodiscard]] std::string const& name() const noexcept { return state_->name(); }

  /// Figures of about the same moment; they may be out of date when they arrive. A job that was cancelled, or run by
  /// one that waited for it, counts as queued until a worker comes across it.
  [[nodiscard]] thread_pool_stats stats() const noexcept {
    auto const now = state_->counts().now();
    return {state_->workers(), now.posted - now.started, now.started - now.done, now.done, state_->counts().tasks()};
  }

  /// Whether the calling thread is one of its workers.
  [[nodiscard]] bool is_worker() const noexcept { return detail::pool_worker::of(*state_) != nullptr; }

  /// `co_await pool.schedule()`: the coroutine goes on on a worker, after what is queued. Throws `cancelled`; `closed`
  /// from outside after a shutdown; and std::bad_alloc. See core/hop.hpp.
  [[nodiscard]] hop_awaiter schedule() noexcept { return hop_to(*state_); }

  /// For `spawn`, and for work items and timers of one's own. These do not keep the pool as tasks do: what is posted
  /// when a shutdown or the destructor has let the workers end is not run, and no timer rings any more.
  executor& get_executor() noexcept { return *state_; }
  operator executor&() noexcept { return *state_; }

 private:
  friend struct thread_pool_access;

  static std::size_t at_least_one(std::size_t workers) {
    if (workers == 0) throw misuse("a thread pool needs at least one worker");
    return workers;
  }
  static constexpr detail::lane lane_for(job_priority urgency) noexcept {
    return urgency == job_priority::high  ? detail::lane::high
           : urgency == job_priority::low ? detail::lane::low
                                          : detail::lane::normal;
  }
  detail::pool_state& usable() const {
    state_->require_own_process();
    return *state_;
  }
  detail::pool_state& usable_outside() const {
    auto& mine = usable();
    if (mine.runs_here()) throw misuse("a job of a pool waited for that pool to end");
    return mine;
  }
  template <class Join>
  bool end_within(bool cancel_pending, Join join) {
    auto& mine = usable_outside();
    mine.close(cancel_pending);
    return mine.threads().join_each(join);
  }
  bool idle_within(wait_limit const& limit) { return usable().wait_idle(limit); }

  detail::pool_state* const state_;
};

/// For parallel algorithms: the state behind a pool.
struct thread_pool_access {
  static detail::pool_state& state(thread_pool& pool) { return pool.usable(); }
};

/// The pool of the process, made on first use with as many workers as there are processors, and never destroyed: at the
/// end of the process its workers are where they are. Nobody should shut it down, since others use it too. A child
/// process forked from this one gets one of its own. Shared by everything in the process that was built with the same
/// switches. Throws as the constructor does. Any thread.
thread_pool& default_pool();

inline thread_pool::~thread_pool() {
  if (state_->lost()) return;  // others may have held its locks, and hold them for ever
  state_->close(false);
  if (!state_->runs_here()) state_->join();
  state_->drop_reference();
}

template <class Function, class... Arguments>
auto thread_pool::submit(job_priority urgency, Function&& function, Arguments&&... arguments) {
  return detail::submit_job(*state_, lane_for(urgency), std::forward<Function>(function),
                            std::forward<Arguments>(arguments)...);
}

template <class Function, class... Arguments>
void thread_pool::post(job_priority urgency, Function&& function, Arguments&&... arguments) {
  using job = detail::posted_job<std::decay_t<Function>, std::decay_t<Arguments>...>;
  auto made = std::make_unique<job>(*state_, std::forward<Function>(function), std::forward<Arguments>(arguments)...);
  state_->add(*made, lane_for(urgency));
  static_cast<void>(made.release());
}

template <class Function, std::ranges::input_range Range>
auto thread_pool::submit_many(job_priority urgency, Function const& function, Range&& elements) {
  using job = detail::job<std::decay_t<Function>, std::ranges::range_value_t<Range>>;
  constexpr bool moves_out =
      !std::is_lvalue_reference_v<Range> && !std::ranges::borrowed_range<Range> &&
      std::is_same_v<std::ranges::range_rvalue_reference_t<Range>, std::ranges::range_value_t<Range>&&>;
  std::vector<future<typename job::result_type>> results;
  if constexpr (std::ranges::sized_range<Range>) results.reserve(std::size_t(std::ranges::size(elements)));
  work* first = nullptr;
  work* last = nullptr;
  auto const give_up = [&] {
    while (first != nullptr) {
      auto& each = static_cast<job&>(*first);
      first = first->next();
      each.drop_reference();  // the queue's
    }
  };
  try {
    for (auto&& each : elements) {
      results.emplace_back();
      auto* const made = [&] {
        if constexpr (moves_out) return new job(*state_, function, std::move(each));
        else return new job(*state_, function, std::forward<decltype(each)>(each));
      }();
      results.back() = future<typename job::result_type>(adopt_state, *made);
      made->set_next(nullptr);
      if (first == nullptr) {
        first = made;
      } else {
        last->set_next(made);
      }
      last = made;
    }
    if (first != nullptr) state_->add_many(*first, results.size(), lane_for(urgency));
  } catch (...) {
    give_up();
    throw;
  }
  return results;
}

inline void thread_pool::shutdown(bool wait, bool cancel_pending) {
  auto& mine = wait ? usable_outside() : usable();
  mine.close(cancel_pending);
  if (wait) mine.join();
}

namespace detail {

[[gnu::visibility("default")]] inline constinit process_wide::process_lock default_pool_lock;
[[gnu::visibility("default")]] inline constinit process_object<thread_pool> the_default_pool;

}  // namespace detail

inline thread_pool& default_pool() {
  return object_of_process<detail::default_pool_lock>(detail::the_default_pool, [] {
    return std::make_unique<thread_pool>(std::size_t(cpu_count()),
                                         thread_pool_options().name("default").threads(thread_options().daemon()));
  });
}

}  // namespace concur::inline CONCUR_ABI
