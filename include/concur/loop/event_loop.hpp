// SPDX-License-Identifier: BSL-1.0
//
// The event loop: runs tasks and callbacks on one thread, and sleeps when there is nothing to do. Python's asyncio
// loop.
//
//     concur::event_loop loop;
//     int const n = loop.run(count(words));   // a task, to its end
//     loop.call_later(2s, [&] { loop.stop(); });
//     loop.post([] { … });               // any thread
//     loop.run_forever();
//
// Each round: what other threads have posted, what is due, what descriptors are ready; then everything that is ready
// now, but nothing that becomes ready meanwhile. So nothing keeps anything else waiting for longer than one round.
// How it does so is in detail/event_loop_run.hpp and detail/event_loop_calls.hpp.
#pragma once

#include <concur/core/assert.hpp>
#include <concur/core/awaiter.hpp>
#include <concur/core/cancellation.hpp>
#include <concur/core/deadline.hpp>
#include <concur/core/errors.hpp>
#include <concur/core/executor.hpp>
#include <concur/core/hop.hpp>
#include <concur/core/os.hpp>
#include <concur/core/registry.hpp>
#include <concur/core/task_origin.hpp>
#include <concur/coro/main_task.hpp>
#include <concur/coro/owned_coroutine.hpp>
#include <concur/coro/spawn.hpp>
#include <concur/coro/task.hpp>
#include <concur/coro/task_function.hpp>
#include <concur/future/future.hpp>
#include <concur/loop/callback_handle.hpp>
#include <concur/loop/detail/file_await.hpp>
#include <concur/loop/detail/io_await.hpp>
#include <concur/loop/detail/loop_callback.hpp>
#include <concur/loop/detail/loop_inbox.hpp>
#include <concur/loop/detail/loop_poller.hpp>
#include <concur/loop/detail/loop_signals.hpp>
#include <concur/loop/detail/loop_timers.hpp>
#include <concur/loop/detail/readiness_await.hpp>
#include <concur/loop/detail/ready_queue.hpp>
#include <concur/loop/detail/task_inquiry.hpp>
#include <concur/loop/detail/watched_batch.hpp>
#include <concur/loop/event_loop_options.hpp>
#include <concur/loop/file_call.hpp>
#include <concur/loop/io_call.hpp>
#include <concur/loop/loop_reference.hpp>

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// In virtual time: nothing is left that could wake anyone, and what the loop runs for has not come. `what` lists the
/// tasks that wait.
class [[gnu::visibility("default")]] deadlock : public misuse {
 public:
  using misuse::misuse;
};

/// `post`, `stop`, `is_running` and `is_closed` may be called from any thread, and an item that was posted may destroy
/// the loop while its poster is still inside `post`. All else belongs to one thread at a time: the one that runs the
/// loop, or its owner's while it does not run, which may run it on another thread each time.
///
/// Tasks that were spawned here keep it until they have ended, in `run`, `close` and the destructor. Coroutines that
/// came from elsewhere by `schedule` do not: they must have gone before it is closed.
///
/// Callbacks get their arguments as rvalues, and are destroyed when they have been called. What one throws goes to the
/// hook for unhandled errors, and the loop goes on. Makes no descriptor until one is watched.
class event_loop final : public executor, private process_wide::registry_entry {
 public:
  using time_point = concur::time_point;

  /// Throw std::bad_alloc.
  event_loop() : event_loop(event_loop_options()) {}
  explicit event_loop(event_loop_options const& options);
  event_loop(event_loop const&) = delete;
  event_loop& operator=(event_loop const&) = delete;
  /// Closes it. Requires: it does not run.
  ~event_loop();

  /// The loop that runs on this thread, or null. Any thread.
  static event_loop* current() noexcept { return static_cast<event_loop*>(this_threads_parties().loop); }

  // ---- running it

  /// Runs `body` on the calling thread and returns its value or throws its error. What it spawned and left behind is
  /// cancelled then, and has ended before this returns; a `stop` cancels `body` as well. May be called again and again.
  /// Throws as `run_forever` does, and then everything has ended too; `body` never begins if that could not.
  ///
  /// After a `deadlock` there may be tasks that not even a cancel ends, as behind a shield: they stay, cancelled, and
  /// so does all that is spawned here. The next run ends them before it begins, or throws `deadlock` again, as long as
  /// nobody wakes them.
  ///
  /// On the main thread an interrupt from the keyboard (SIGINT), if the program has not arranged otherwise, cancels
  /// `body` instead of ending the process, once; so this throws `cancelled` unless the task decides differently. That
  /// is no std::exception: loop/run.hpp shows a `main` for it. A signal that comes in the first round, or in the last
  /// one, too late for `body`, has its default effect: it ends the process, in the second case when `body` has ended.
  template <class T>
  T run(task<T> body, std::string_view name = {}, source_place place = __builtin_source_location());
  /// Runs `f()`, which gives a task, and keeps a copy of `f` until that has ended: for lambdas with captures, which
  /// otherwise die before their coroutine does.
  template <class Function>
    requires task_function<Function>
  decltype(auto) run(Function f, source_place place = __builtin_source_location()) {
    return run(call_task(std::move(f)), {}, place);
  }
  /// The same with a name. A text is the name if `f` cannot be called with it, and an argument otherwise.
  template <class Function, class Name>
    requires detail::names_task_of<Name const&, Function>
  decltype(auto) run(Function f, Name const& name, source_place place = __builtin_source_location()) {
    return run(call_task(std::move(f)), name, place);
  }
  /// Runs `f(arguments…)` in the same way, with copies of the arguments.
  template <class Function, class First, class... Rest>
    requires task_function<Function, First, Rest...>
  decltype(auto) run(Function f, First first, Rest... rest) {
    return run(call_task(std::move(f), std::move(first), std::move(rest)...), {}, nullptr);
  }

  /// As the free `spawn`, here, in each of its forms. Any thread.
  template <class T>
  auto spawn(task<T> body, std::string_view name = {}, source_place place = __builtin_source_location()) {
    return concur::spawn(static_cast<executor&>(*this), std::move(body), name, place);
  }
  template <class Function>
    requires task_function<Function>
  auto spawn(Function f, source_place place = __builtin_source_location()) {
    return spawn(call_task(std::move(f)), {}, place);
  }
  template <class Function, class Name>
    requires detail::names_task_of<Name const&, Function>
  auto spawn(Function f, Name const& name, source_place place = __builtin_source_location()) {
    return spawn(call_task(std::move(f)), name, place);
  }
  template <class Function, class First, class... Rest>
    requires task_function<Function, First, Rest...>
  auto spawn(Function f, First first, Rest... rest) {
    return spawn(call_task(std::move(f), std::move(first), std::move(rest)...), {}, nullptr);
  }

  /// `co_await loop.schedule()`: the coroutine goes on here; see `hop_to`. Any thread.
  hop_awaiter schedule() noexcept { return hop_to(*this); }

  /// Runs until `stop`. What is ready when that is called still runs, but nothing that this makes ready. A stop that
  /// comes before this call ends it after one round. Throws misuse when it runs already, when another loop runs on this
  /// thread, when it was closed, or in a child process; and `deadlock`, see event_loop_options::virtual_time.
  void run_forever();

  /// Makes `run_forever` return, which sees all that came before. Does nothing when it is closed. Any thread.
  void stop() noexcept;

  /// For those who run a loop until something has happened there: calls `begin()` on the loop's thread, with the loop
  /// as current executor, then runs until `done()`, which is asked once a round. Returns false if a stop came first.
  /// Throws as `run_forever` does, and what `begin` and `done` throw.
  template <class Begin, class Done>
  bool run_until(Begin begin, Done done);
  template <class Done>
  bool run_until(Done done) {
    return run_until([]() noexcept {}, std::move(done));
  }

  /// Cancels its tasks, and runs it until they have ended; callbacks are still called meanwhile, and those that are
  /// left then never will be. Afterwards the loop can do nothing any more. What other threads post or spawn meanwhile
  /// is either refused with misuse, or accepted: then a task is cancelled, and a function is destroyed, called or not,
  /// before this returns. Throws misuse while it runs, and in a child process. Does nothing when it is closed.
  void close();

  [[nodiscard]] bool is_running() const noexcept {
    activity const now = doing();
    return now == activity::runs || now == activity::sleeps;
  }
  [[nodiscard]] bool is_closed() const noexcept { return doing() == activity::closed; }

  // ---- callbacks. Throw std::bad_alloc, what copying or moving the function and its arguments throws, and misuse
  // when the loop was closed.

  /// As soon as possible, after what is ready already.
  template <class Function, class... Arguments>
  callback_handle call_soon(Function&& function, Arguments&&... arguments);

  /// After a time; at once when that is not positive. In the order of their deadlines, else of the calls.
  template <class Rep, class Period, class Function, class... Arguments>
  callback_handle call_later(std::chrono::duration<Rep, Period> const& delay, Function&& function,
                             Arguments&&... arguments) {
    return call_when_due(in_so_long(saturated(delay)), std::forward<Function>(function),
                         std::forward<Arguments>(arguments)...);
  }
  /// At a moment of the loop's clock, which `time` tells; that is the steady one, in any unit. Of any other clock: how
  /// far away it is is asked once, when this is called, and `max()` is never.
  template <class Clock, class Duration, class Function, class... Arguments>
  callback_handle call_at(std::chrono::time_point<Clock, Duration> const& when, Function&& function,
                          Arguments&&... arguments) {
    return call_when_due(moment_of(when), std::forward<Function>(function), std::forward<Arguments>(arguments)...);
  }

  /// Any thread: has the loop call `function(arguments…)`. Posts of one thread are run in order.
  template <class Function, class... Arguments>
    requires(!std::derived_from<std::remove_cvref_t<Function>, work>)
  void post(Function&& function, Arguments&&... arguments);

  // ---- descriptors

  /// For `co_await` in a coroutine of this loop: until a read, or a write, on the descriptor would not block, or would
  /// fail, or the other side has hung up. Any number of coroutines may wait for the same one. May come back for no
  /// reason: others may have read what there was. Regular files are always ready. Throws std::system_error when it
  /// cannot be waited for, `cancelled`, and misuse when the coroutine does not run on this loop.
  [[nodiscard]] awaitable<void> auto wait_readable(int fd) {
    return detail::readiness_await(*this, poller_, fd, detail::descriptor_waiter::what::readable);
  }
  [[nodiscard]] awaitable<void> auto wait_writable(int fd) {
    return detail::readiness_await(*this, poller_, fd, detail::descriptor_waiter::what::writable);
  }

  /// For `co_await` in a coroutine of this loop: carries out a call on a descriptor that does not block; gives what
  /// `finish` makes of what the system returned, or of minus an error number. Tries it at once; calls that wait on one
  /// descriptor in one direction are made in order. After many in a row that did not have to wait, others run first.
  /// A cancel ends a call that waits, which then has not happened. Whoever calls this owns the descriptor, and has to
  /// `forget` it before it is closed. Throws as `wait_readable` does, and what `finish` throws.
  template <class Finish>
  [[nodiscard]] auto async_io(io_call const& call, Finish finish) {
    return detail::io_await<Finish>(*this, poller_, call, std::move(finish));
  }

  /// Whether it has the system carry out such calls on files while its tasks go on: some, where it goes by io_uring.
  /// On its thread, while it runs.
  [[nodiscard]] bool carries(file_call const& call) noexcept { return poller_.carries(call); }
  /// For `co_await` in a coroutine of this loop: has that done, once, even if the call wants all; gives what the system
  /// returned, or minus an error number; nothing when it has not happened, since the loop has ceased to run or the
  /// system could not: then it has to be done in another way. A cancel that comes after it was begun waits for it.
  [[nodiscard]] awaitable<std::optional<std::int64_t>> auto async_call(file_call const& call) {
    return detail::file_await(*this, poller_, call);
  }

  /// For objects that may outlive it. Throws std::bad_alloc.
  loop_reference reference() {
    if (anchor_.get() == nullptr) anchor_ = loop_reference(*new loop_reference::anchor(*this));
    return anchor_;
  }

  /// Lets go of a descriptor, to be called before it is closed while somebody may wait for it: they get a
  /// std::system_error (operation_canceled). One that nobody waits for, and that was used by `wait_readable` and
  /// `wait_writable` only, may be closed without this.
  void forget(int fd) noexcept {
    assert_own_thread();
    if (!lost()) poller_.forget(fd);  // what it watches in the parent process is the parent's
  }

  /// For `signal_set`: has it told of signals that its handlers note in the inbox. On the loop's thread, or while it
  /// does not run.
  detail::loop_signals& signals() noexcept { return signals_; }

  // ---- what it is

  /// What time it is for `call_at`, `call_later` and sleeps.
  time_point time() const noexcept { return now(); }
  /// How it waits for descriptors: "epoll" or "io_uring". The first question, or the first wait, decides.
  [[nodiscard]] char const* backend() noexcept { return poller_.name(); }
  [[nodiscard]] std::string const& name() const noexcept { return name_; }

  // ---- as an executor

  /// Requires: it is not closed; what came before that is run.
  void post(work& item) noexcept override;
  void post_admitted(work& item) override;
  bool post_last(work& item) noexcept override {
    if (goes_on()) return false;
    ready_.push(item);
    return true;
  }
  void arm(work& item, time_point when) override;
  bool disarm(work& item) noexcept override;
  time_point now() const noexcept override { return virtual_time_ ? virtual_now_ : os::clock::now(); }
  cancellation& tasks() noexcept override { return contents_.tasks; }
  // Elsewhere is also whoever uses it while it does not run: another thread may begin to run it at any moment.
  bool is_elsewhere() const noexcept override { return current_executor() != this; }
  bool is_own_thread() const noexcept override { return current_executor() == this; }
  void admit_task() override { require_open(); }

 private:
  enum class activity : unsigned char { idle, runs, sleeps, closed };
  class session;

  class stop_item final : public work {
   public:
    explicit stop_item(event_loop& loop) noexcept : work(&run_item), loop_(loop) {}
    static void run_item(work& self) noexcept;

    event_loop& loop_;
    os::atomic<bool> posted{false};  // set by whoever posts it, cleared by the loop
  };

  // relaxed, here and below: whoever decides by it is on the loop's thread; to others it is news.
  activity doing() const noexcept { return activity_.load(std::memory_order_relaxed); }
  void set_activity(activity now) noexcept { activity_.store(now, std::memory_order_relaxed); }

  [[noreturn]] static void throw_closed();
  void require_open() const;
  running_parties& require_runnable() const;
  bool lost() const noexcept { return forks_ != process_wide::forks.load(std::memory_order_relaxed); }
  void assert_own_thread() const {
    CONCUR_ASSERT(!is_running() || current_executor() == this,
                  "an event loop was used from a thread other than its own; `post` is for other threads");
  }

  time_point in_so_long(std::chrono::nanoseconds length) const noexcept {
    return time_point(saturating_add(now().time_since_epoch(), length));
  }
  template <class Clock, class Duration>
  time_point moment_of(std::chrono::time_point<Clock, Duration> const& when) const {
    if constexpr (std::is_same_v<Clock, time_point::clock>) {
      return time_point(saturated(when.time_since_epoch()));
    } else {
      return in_so_long(distance_to(when));
    }
  }
  template <class Function, class... Arguments>
  callback_handle call_when_due(time_point when, Function&& function, Arguments&&... arguments);
  template <class Function, class... Arguments>
  detail::loop_callback& make_callback(Function&& function, Arguments&&... arguments);

  template <class Begin, class Done>
  bool run_session(running_parties& here, Begin begin, Done done);
  template <class T>
  void run_rounds(main_task<T>& mine, bool begun);
  void round();
  bool goes_on() noexcept;
  bool has_other_work() const noexcept;
  void take_signals() noexcept;
  void look_around();
  void run_ready();
  void rest();
  void rest_in_virtual_time();
  void rest_for_good() noexcept;
  std::string deadlock_sentence();
  bool answer_comes_soon() noexcept;
  bool polled_busily();
  void end_tasks();
  void cancel_and_run();
  void close_here() noexcept;
  void describe(std::string& out) const override;
  void describe_tasks(std::string& out) const override;
  bool ask_for_tasks() const override { return is_own_thread() || !is_running() || inquiry_.ask(inbox_); }

  // How often a task that yields goes on at once in a round in which it is the last.
  static constexpr unsigned char most_turns = 32;
  // How long descriptors may go unseen while there is always work: a look costs a system call.
  static constexpr auto longest_blindness = std::chrono::microseconds(50);

  std::string const name_;
  struct contents {
    cancellation tasks{cancellation::sharing::one_thread};
    detail::loop_timers timers{tasks};
  };
  union {
    contents contents_;  // never destroyed in a child process: what is in there belongs to the parent's tasks
  };
  detail::ready_queue ready_;
  detail::loop_inbox& inbox_;
  os::machine_atomic<activity> activity_{activity::idle};
  bool stopping_ = false;
  bool in_talk_ = false;  // with other threads: see answer_comes_soon
  unsigned char most_turns_ = most_turns;  // in this session
  unsigned char turns_left_ = 0;  // how often the item that runs may go on instead of a yield: see goes_on
  bool const virtual_time_;
  std::chrono::nanoseconds const busy_poll_;
  bool closing_ = false;
  bool told_of_deadlock_ = false;
  detail::watched_batch watched_;
  time_point virtual_now_ = os::clock::now();  // in virtual time
  time_point last_look_{};  // at descriptors
  detail::loop_poller poller_;
  loop_reference anchor_;
  main_task_room main_room_;
  detail::loop_callbacks callbacks_{*this};
  stop_item stop_{*this};
  detail::loop_signals signals_{inbox_};
  detail::task_inquiry mutable inquiry_;
  unsigned const forks_ = process_wide::forks.load(std::memory_order_relaxed);
  os::machine_atomic<std::size_t> ready_count_{0};  // in the last batch, for reports
};

}  // namespace concur::inline CONCUR_ABI

#include <concur/loop/detail/event_loop_calls.hpp>
#include <concur/loop/detail/event_loop_run.hpp>
