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
// More than 400 lines because one class is all of it; its parts stand in detail/.
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
#include <concur/core/spin.hpp>
#include <concur/core/task_origin.hpp>
#include <concur/core/task_report.hpp>
#include <concur/coro/owned_coroutine.hpp>
#include <concur/coro/spawn.hpp>
#include <concur/coro/task.hpp>
#include <concur/future/future.hpp>
#include <concur/loop/callback_handle.hpp>
#include <concur/loop/detail/epoll_poller.hpp>
#include <concur/loop/detail/interrupt_watch.hpp>
#include <concur/loop/detail/loop_callback.hpp>
#include <concur/loop/detail/loop_inbox.hpp>
#include <concur/loop/detail/loop_signals.hpp>
#include <concur/loop/detail/loop_timers.hpp>
#include <concur/loop/detail/readiness_await.hpp>
#include <concur/loop/detail/ready_queue.hpp>
#include <concur/loop/detail/watched_batch.hpp>
#include <concur/loop/event_loop_options.hpp>

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <memory>
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
  static event_loop* current() noexcept { return running_here(); }

  // ---- running it

  /// Runs `body` on the calling thread and returns its value or throws its error. What it spawned and left behind is
  /// cancelled then, and has ended before this returns; a `stop` cancels `body` as well. May be called again and again.
  /// Throws as `run_forever` does, and then everything has ended too; `body` never begins if that could not.
  ///
  /// On the main thread an interrupt from the keyboard (SIGINT), if the program has not arranged otherwise, cancels
  /// `body` instead of ending the process, once; so this throws `cancelled` unless the task decides differently.
  template <class T>
  T run(task<T> body, std::string_view name = {}, source_place place = __builtin_source_location());

  /// As the free `spawn`, here. Any thread.
  template <class T>
  future<T> spawn(task<T> body, std::string_view name = {}, source_place place = __builtin_source_location()) {
    return concur::spawn(static_cast<executor&>(*this), std::move(body), name, place);
  }

  /// `co_await loop.schedule()`: the coroutine goes on here; see `hop_to`. Any thread.
  hop_awaiter schedule() noexcept { return hop_to(*this); }

  /// Runs until `stop`. What is ready when that is called still runs, but nothing that this makes ready. A stop that
  /// comes before this call ends it after one round. Throws misuse when it runs already, when another loop runs on this
  /// thread, when it was closed, or in a child process; and `deadlock`, see event_loop_options::virtual_time.
  void run_forever() {
    run_until([]() noexcept { return false; });
  }

  /// Makes `run_forever` return. Any thread.
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
  /// left then never will be. Afterwards the loop can do nothing any more. Throws misuse while it runs, and in a child
  /// process. Does nothing when it is closed.
  void close();

  [[nodiscard]] bool is_running() const noexcept { return doing() == activity::runs || doing() == activity::sleeps; }
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
    return call_at(time_point(saturating_add(now().time_since_epoch(), saturated(delay))),
                   std::forward<Function>(function), std::forward<Arguments>(arguments)...);
  }
  /// At a moment of the loop's clock, which `time` tells.
  template <class Function, class... Arguments>
  callback_handle call_at(time_point when, Function&& function, Arguments&&... arguments);

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

  /// Lets go of a descriptor, to be called before it is closed while somebody may wait for it: they get a
  /// std::system_error (operation_canceled). One that nobody waits for may be closed without this.
  void forget(int fd) noexcept {
    assert_own_thread();
    poller_.forget(fd);
  }

  /// For `signal_set`: has it told of signals that its handlers note in the inbox. On the loop's thread, or while it
  /// does not run.
  detail::loop_signals& signals() noexcept { return signals_; }

  // ---- what it is

  /// What time it is for `call_at`, `call_later` and sleeps.
  time_point time() const noexcept { return now(); }
  /// How it waits for descriptors.
  [[nodiscard]] char const* backend() const noexcept { return detail::epoll_poller::name; }
  [[nodiscard]] std::string const& name() const noexcept { return name_; }

  // ---- as an executor

  void post(work& item) noexcept override;
  void arm(timer_node& node, time_point when) override;
  bool disarm(timer_node& node) noexcept override;
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

  static event_loop*& running_here() noexcept { return os::thread_slot<event_loop, event_loop*>(); }
  // relaxed, here and below: whoever decides by it is on the loop's thread; to others it is news.
  activity doing() const noexcept { return activity_.load(std::memory_order_relaxed); }
  void set_activity(activity now) noexcept { activity_.store(now, std::memory_order_relaxed); }

  void require_open() const;
  void require_runnable() const;
  bool lost() const noexcept { return forks_ != process_wide::forks.load(std::memory_order_relaxed); }
  void assert_own_thread() const {
    CONCUR_ASSERT(!is_running() || current_executor() == this,
                  "an event loop was used from a thread other than its own; `post` is for other threads");
  }

  template <class Function, class... Arguments>
  detail::loop_callback& make_callback(Function&& function, Arguments&&... arguments);

  void round();
  void look_around();
  void run_ready();
  void rest();
  void rest_in_virtual_time();
  bool answer_comes_soon() noexcept;
  void end_tasks();
  void close_here() noexcept;
  void describe(std::string& out) const override;
  void describe_tasks(std::string& out) const override { append_tasks(out, const_cast<event_loop&>(*this)); }

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
  bool const virtual_time_;
  bool closing_ = false;
  detail::watched_batch watched_;
  time_point virtual_now_ = os::clock::now();  // in virtual time
  time_point last_look_{};  // at descriptors
  detail::epoll_poller poller_;
  detail::loop_callbacks callbacks_{*this};
  stop_item stop_{*this};
  detail::loop_signals signals_{inbox_};
  unsigned const forks_ = process_wide::forks.load(std::memory_order_relaxed);
  os::machine_atomic<std::size_t> ready_count_{0};  // in the last batch, for reports
};

/// This thread runs the loop.
class event_loop::session {
 public:
  explicit session(event_loop& loop) noexcept
      : loop_(loop), scope_(loop), slot_(running_here()), outer_(std::exchange(slot_, &loop)) {
    loop_.set_activity(activity::runs);
  }
  ~session() {
    slot_ = outer_;
    loop_.stopping_ = false;
    loop_.ready_count_.store(0, std::memory_order_relaxed);
    loop_.set_activity(activity::idle);
  }
  session(session const&) = delete;
  session& operator=(session const&) = delete;

 private:
  event_loop& loop_;
  executor_scope const scope_;
  event_loop*& slot_;
  event_loop* const outer_;
};

inline event_loop::event_loop(event_loop_options const& options)
    : registry_entry(process_wide::registry_kind::event_loop),
      name_(options.name()),
      contents_(),
      inbox_(detail::loop_inbox::acquire()),
      virtual_time_(options.virtual_time()),
      watched_(options),
      poller_(inbox_) {
  os::prepare_barriers();  // before a task pays for them with a locked instruction
  // The explorer's executions may fail and leave it behind.
  if constexpr (!CONCUR_EXPLORE) insert();
}

inline event_loop::~event_loop() {
  CONCUR_ASSERT(!is_running(), "an event loop was destroyed while it ran");
  remove();
  if (lost()) return;  // its tasks and its inbox are the parent's
  if (!is_closed()) close_here();
  std::destroy_at(&contents_);
  detail::loop_inbox::release(inbox_);
}

inline void event_loop::require_open() const {
  if (is_closed()) [[unlikely]]
    throw misuse("an event loop was used after it was closed");
  if (lost()) [[unlikely]]
    throw misuse("an event loop was used in a child process, where its tasks do not exist");
}

inline void event_loop::require_runnable() const {
  require_open();
  if (is_running()) [[unlikely]]
    throw misuse("an event loop that runs was run or closed once more");
  if (running_here() != nullptr) [[unlikely]]
    throw misuse("an event loop was run in a callback or a task of another one; `co_await` instead");
}

template <class Begin, class Done>
bool event_loop::run_until(Begin begin, Done done) {
  require_runnable();
  session const here(*this);
  begin();
  while (!done()) {
    if (stopping_) return false;
    round();
  }
  return true;
}

template <class T>
T event_loop::run(task<T> body, std::string_view name, source_place place) {
  owned_coroutine<T> owned(std::move(body));
  require_runnable();
  future<T> result;
  detail::interrupt_watch interrupt(signals_, [&result]() noexcept { result.cancel(); });
  auto const begin = [&] {
    result = concur::spawn(static_cast<executor&>(*this), std::move(owned), task_origin(place, name));
  };
  auto const done = [&] {
    if (result.done()) return true;
    interrupt.round();
    return false;
  };
  try {
    run_until(begin, done);
  } catch (...) {
    if (!lost()) end_tasks();
    throw;
  }
  end_tasks();
  return result.get();
}

// Those that other threads have spawned may still lie in the inbox: they end without having begun.
inline void event_loop::end_tasks() {
  if (contents_.tasks.empty() && inbox_.empty()) return;
  contents_.tasks.cancel();
  while (!run_until([this] { return contents_.tasks.empty() && inbox_.empty(); })) {
    // A stop does not stop this.
  }
  contents_.tasks.reopen();
}

inline void event_loop::round() {
  if (inbox_.signalled()) [[unlikely]]
    signals_.deliver();
  if (!inbox_.empty()) {
    inbox_.take_into(ready_);
    in_talk_ = true;
  }
  if (!contents_.timers.empty() || poller_.watching()) look_around();
  if (ready_.empty()) return rest();
  run_ready();
}

inline void event_loop::look_around() {
  if (!contents_.timers.empty()) {
    contents_.timers.take_due(now(), ready_);
  }
  if (poller_.watching() && !ready_.empty()) {
    auto const time = os::clock::now();
    if (time - last_look_ < longest_blindness) return;
    last_look_ = time;
    poller_.look();
  }
}

inline void event_loop::run_ready() {
  work* item = ready_.take_all();
  std::size_t count = 0;
  if (watched_.wanted()) [[unlikely]] {
    count = watched_.run(item, name_);
  } else {
    do {
      work* const next = item->next();
      if (next != nullptr) __builtin_prefetch(next);  // of null it would cost a look at the page table
      item->run();
      item = next;
      ++count;
    } while (item != nullptr);
  }
  ready_count_.store(count, std::memory_order_relaxed);
}

inline void event_loop::rest() {
  require_open();  // a callback that forked may have returned in the child
  ready_count_.store(0, std::memory_order_relaxed);
  set_activity(activity::sleeps);
  if (virtual_time_) {
    rest_in_virtual_time();
  } else if (poller_.watching()) {
    poller_.wait(contents_.timers.next_deadline());
  } else if (!answer_comes_soon()) {
    inbox_.sleep(contents_.timers.next_deadline());
  }
  set_activity(activity::runs);
}

// Where other threads have posted a moment ago they often do so again: through the kernel it takes a hundred times as
// long. After one wait in vain the loop goes straight to sleep until the next post.
inline bool event_loop::answer_comes_soon() noexcept {
  return std::exchange(in_talk_, false) && spin_until([this] { return !inbox_.empty(); });
}

inline void event_loop::rest_in_virtual_time() {
  auto const next = contents_.timers.next_deadline();
  if (poller_.watching()) {
    auto const begin = os::clock::now();
    poller_.wait(next == os::never ? next : time_point(saturating_add(begin.time_since_epoch(), next - virtual_now_)));
    virtual_now_ = std::min(next, virtual_now_ + (os::clock::now() - begin));
  } else if (next != os::never) {
    virtual_now_ = std::max(virtual_now_, next);
  } else if (closing_) {
    inbox_.sleep(next);  // a destructor has nobody to tell
  } else if (inbox_.empty()) {
    std::string text = "nothing is left that could wake the event loop";
    if (!contents_.tasks.empty()) text += " or its tasks:\n";
    append_tasks(text, contents_.tasks);
    if (!text.empty() && text.back() == '\n') text.pop_back();
    throw deadlock(text.c_str());
  }
}

inline void event_loop::close() {
  if (is_closed() && !lost()) return;
  require_open();
  if (is_running()) throw misuse("an event loop that runs was run or closed once more");
  close_here();
}

inline void event_loop::close_here() noexcept {
  closing_ = true;
  {
    session const here(*this);
    contents_.tasks.cancel();
    // Tasks that came from elsewhere and have not begun are in the inbox, not among the tasks.
    do {
      while (!contents_.tasks.empty()) round();
      callbacks_.dropping = true;
      while (!callbacks_.timed.empty()) callbacks_.timed.front().cancel();
      inbox_.take_into(ready_);
      if (!ready_.empty()) run_ready();
    } while (!ready_.empty() || !inbox_.empty() || !callbacks_.timed.empty() || !contents_.tasks.empty());
  }
  set_activity(activity::closed);
}

inline void event_loop::stop() noexcept {
  if (running_here() == this) {
    stopping_ = true;
    return;
  }
  // From another thread it stands behind what that thread has posted. relaxed: the post publishes.
  if (!stop_.posted.exchange(true, std::memory_order_relaxed)) inbox_.post(stop_);
}

inline void event_loop::stop_item::run_item(work& self) noexcept {
  auto& mine = static_cast<stop_item&>(self);
  mine.posted.store(false, std::memory_order_relaxed);
  mine.loop_.stopping_ = true;
}

inline void event_loop::post(work& item) noexcept {
  if (current_executor() == this) return ready_.push(item);
  CONCUR_ASSERT(!is_closed() && !lost(), "work was posted to an event loop that is closed, or of the parent process");
  inbox_.post(item);
}

inline void event_loop::arm(timer_node& node, time_point when) {
  assert_own_thread();
  require_open();
  contents_.timers.add(node, when);
}

inline bool event_loop::disarm(timer_node& node) noexcept {
  // From elsewhere only by one who cancels a task in a scope that reaches beyond the loop.
  CONCUR_ASSERT(!is_running() || current_executor() == this || contents_.tasks.shared(),
                "a timer of an event loop was disarmed on a thread other than the loop's");
  return contents_.timers.remove(node);
}

template <class Function, class... Arguments>
detail::loop_callback& event_loop::make_callback(Function&& function, Arguments&&... arguments) {
  require_open();
  return *new detail::bound_callback<std::decay_t<Function>, std::decay_t<Arguments>...>(
      callbacks_, std::forward<Function>(function), std::forward<Arguments>(arguments)...);
}

template <class Function, class... Arguments>
callback_handle event_loop::call_soon(Function&& function, Arguments&&... arguments) {
  assert_own_thread();
  auto& made = make_callback(std::forward<Function>(function), std::forward<Arguments>(arguments)...);
  callback_handle handle(made);
  post(made);
  return handle;
}

template <class Function, class... Arguments>
callback_handle event_loop::call_at(time_point when, Function&& function, Arguments&&... arguments) {
  assert_own_thread();
  auto& made = make_callback(std::forward<Function>(function), std::forward<Arguments>(arguments)...);
  callback_handle handle(made);
  try {
    contents_.timers.add(made, when);
  } catch (...) {
    made.cancel();
    made.drop_reference();
    throw;
  }
  callbacks_.timed.push_back(made);
  return handle;
}

template <class Function, class... Arguments>
  requires(!std::derived_from<std::remove_cvref_t<Function>, work>)
void event_loop::post(Function&& function, Arguments&&... arguments) {
  post(make_callback(std::forward<Function>(function), std::forward<Arguments>(arguments)...));
}

inline void event_loop::describe(std::string& out) const {
  if (name_.empty()) {
    char text[32];
    std::snprintf(text, sizeof text, "%p", static_cast<void const*>(this));
    out += text;
  } else {
    out += '"' + name_ + '"';
  }
  constexpr char const* words[] = {"does not run", "runs", "sleeps", "closed"};
  out += ", " + std::to_string(ready_count_.load(std::memory_order_relaxed)) + " ready, " +
         std::to_string(contents_.timers.size()) + " timers, " + words[static_cast<unsigned>(doing())];
}

}  // namespace concur::inline CONCUR_ABI
