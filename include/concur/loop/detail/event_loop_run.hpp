// SPDX-License-Identifier: BSL-1.0
//
// How an event loop runs, rests and ends: the functions of class event_loop.
#pragma once

#include <concur/core/assert.hpp>
#include <concur/core/cancellation.hpp>
#include <concur/core/deadline.hpp>
#include <concur/core/errors.hpp>
#include <concur/core/executor.hpp>
#include <concur/core/os.hpp>
#include <concur/core/registry.hpp>
#include <concur/core/spin.hpp>
#include <concur/core/task_origin.hpp>
#include <concur/core/task_report.hpp>
#include <concur/coro/owned_coroutine.hpp>
#include <concur/coro/task.hpp>
#include <concur/loop/detail/interrupt_watch.hpp>
#include <concur/loop/event_loop.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// This thread runs the loop.
class event_loop::session {
 public:
  session(event_loop& loop, running_parties& here) noexcept
      : loop_(loop), scope_(loop, here), slot_(here.loop), outer_(std::exchange(slot_, &loop)) {
    loop_.set_only_thread(&here);
    loop_.set_activity(activity::runs);
    loop_.poller_.enter_thread();
  }
  ~session() {
    loop_.poller_.leave_thread();
    slot_ = outer_;
    loop_.set_only_thread(nullptr);
    loop_.stopping_ = false;
    loop_.most_turns_ = most_turns;
    loop_.ready_count_.store(0, std::memory_order_relaxed);
    loop_.set_activity(activity::idle);
  }
  session(session const&) = delete;
  session& operator=(session const&) = delete;

 private:
  event_loop& loop_;
  executor_scope const scope_;
  executor*& slot_;
  executor* const outer_;
};

inline event_loop::event_loop(event_loop_options const& options)
    : registry_entry(process_wide::registry_kind::event_loop),
      name_(options.name()),
      contents_(),
      inbox_(detail::loop_inbox::acquire()),
      virtual_time_(options.virtual_time()),
      busy_poll_(options.busy_poll()),
      watched_(options),
      poller_(inbox_, options) {
  os::prepare_barriers();  // before a task pays for them with a locked instruction
  // The explorer's executions may fail and leave it behind.
  if constexpr (!CONCUR_EXPLORE) insert();
}

inline event_loop::~event_loop() {
  CONCUR_ASSERT(!is_running(), "an event loop was destroyed while it ran");
  remove();
  if (lost()) return;  // its tasks and its inbox are the parent's
  if (!is_closed()) close_here();
  anchor_.end();
  std::destroy_at(&contents_);
  detail::loop_inbox::release(inbox_);
}

[[gnu::cold, gnu::noinline]] inline void event_loop::throw_closed() {
  throw misuse("an event loop was used after it was closed");
}

inline void event_loop::require_open() const {
  if (is_closed()) [[unlikely]]
    throw_closed();
  if (lost()) [[unlikely]]
    throw misuse("an event loop was used in a child process, where its tasks do not exist");
}

// Returns what runs on this thread.
inline running_parties& event_loop::require_runnable() const {
  require_open();
  if (is_running()) [[unlikely]]
    throw misuse("an event loop that runs was run or closed once more");
  running_parties& here = this_threads_parties();
  if (here.loop != nullptr) [[unlikely]]
    throw misuse("an event loop was run in a callback or a task of another one; `co_await` instead");
  return here;
}

template <class Begin, class Done>
bool event_loop::run_until(Begin begin, Done done) {
  running_parties& here = require_runnable();
  most_turns_ = 0;  // `done` may become true in any step of any task
  return run_session(here, std::move(begin), std::move(done));
}

inline void event_loop::run_forever() {
  run_session(require_runnable(), []() noexcept {}, []() noexcept { return false; });
}

template <class Begin, class Done>
bool event_loop::run_session(running_parties& here, Begin begin, Done done) {
  session const now(*this, here);
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
  running_parties& here = require_runnable();
  if (contents_.tasks.cancelled()) [[unlikely]]
    cancel_and_run();  // those that an earlier run could not
  auto const mine = main_task<T>::make(main_room_, *this, std::move(owned), task_origin(place, name));
  try {
    session const now(*this, here);
    mine->enter();
    bool const alone = !has_other_work() && !watched_.wanted();
    if (alone) {
      mine->run_at_once();  // as the first round would
    } else {
      if (!inbox_.empty()) inbox_.take_into(ready_);  // what was posted before comes before it
      ready_.push(*mine);
    }
    if (!mine->has_ended()) run_rounds(*mine, alone);
  } catch (...) {
    if (!lost()) end_tasks();
    throw;
  }
  end_tasks();
  return mine->take();
}

// Apart from `run`, so that a task which ends in its first step pays nothing for it.
template <class T>
[[gnu::noinline]] void event_loop::run_rounds(main_task<T>& mine, bool begun) {
  detail::interrupt_watch interrupt(signals_, [&mine]() noexcept { mine.cancel(); });
  if (begun) interrupt.round();
  do {
    most_turns_ = interrupt.round() ? most_turns : 0;
    if (stopping_) return;
    round();
  } while (!mine.has_ended());
}

// Those that other threads have spawned may still lie in the inbox: they end without having begun.
inline void event_loop::end_tasks() {
  if (!contents_.tasks.empty() || !inbox_.empty()) [[unlikely]]
    cancel_and_run();
}

[[gnu::noinline]] inline void event_loop::cancel_and_run() {
  contents_.tasks.cancel();
  while (!run_until([this] { return contents_.tasks.empty() && inbox_.empty(); })) {
    // A stop does not stop this.
  }
  contents_.tasks.reopen();
}

inline void event_loop::round() {
  if (inbox_.signalled()) [[unlikely]]
    take_signals();
  if (!inbox_.empty()) {
    inbox_.take_into(ready_);
    in_talk_ = true;
  }
  if (!contents_.timers.empty() || poller_.watching()) look_around();
  if (ready_.empty()) return rest();
  run_ready();
}

[[gnu::noinline]] inline void event_loop::take_signals() noexcept {
  auto const arrived = signals_.deliver();
  if ((arrived & detail::loop_inbox::bit(detail::loop_inbox::request)) != 0) inquiry_.answer(contents_.tasks);
}

[[gnu::noinline]] inline void event_loop::look_around() {
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
  if (watched_.wanted()) [[unlikely]] {
    ready_count_.store(watched_.run(item, name_), std::memory_order_relaxed);
    return;
  }
  std::size_t count = 0;
  do {
    work* const next = item->next();
    if (next != nullptr) {
      __builtin_prefetch(next);  // of null it would cost a look at the page table
    } else {
      turns_left_ = most_turns_;
    }
    item->run();
    item = next;
    ++count;
  } while (item != nullptr);
  turns_left_ = 0;
  ready_count_.store(count, std::memory_order_relaxed);
}

// For a task that yields: whether the next round would do nothing but go on with it. Those who run the loop, and
// signals, may wait for some turns; whatever is to run first ends them at once.
inline bool event_loop::goes_on() noexcept {
  if (turns_left_ == 0 || stopping_ || has_other_work()) return false;
  --turns_left_;
  return true;
}

// Besides the item that runs, if one does.
inline bool event_loop::has_other_work() const noexcept {
  return !ready_.empty() || !inbox_.empty() || !contents_.timers.empty() || poller_.watching();
}

[[gnu::noinline]] inline void event_loop::rest() {
  require_open();  // a callback that forked may have returned in the child
  ready_count_.store(0, std::memory_order_relaxed);
  set_activity(activity::sleeps);
  if (virtual_time_) {
    rest_in_virtual_time();
  } else if (poller_.watching()) {
    if (busy_poll_ <= busy_poll_.zero() || !polled_busily()) poller_.wait(contents_.timers.next_deadline());
    last_look_ = os::clock::now();  // or the next round would look once more
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

// Returns whether there is something to do now.
[[gnu::noinline]] inline bool event_loop::polled_busily() {
  auto const begin = os::clock::now().time_since_epoch();
  auto const end = std::min(time_point(saturating_add(begin, busy_poll_)), contents_.timers.next_deadline());
  do {
    poller_.look();
    if (!ready_.empty() || !inbox_.empty() || inbox_.signalled()) return true;
  } while (os::clock::now() < end);
  return contents_.timers.next_deadline() <= end;
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
    rest_for_good();
  } else if (inbox_.empty()) {
    throw deadlock(deadlock_sentence().c_str());
  }
}

// A destructor cannot throw, and must not leave its tasks to those who may wake them later: it waits, and says so.
inline void event_loop::rest_for_good() noexcept {
  using namespace std::chrono_literals;
  inbox_.sleep(os::clock::now() + 1s);
  if (!inbox_.empty() || std::exchange(told_of_deadlock_, true)) return;
  try {
    auto const text = "concur: an event loop cannot be closed: " + deadlock_sentence() + '\n';
    std::fputs(text.c_str(), stderr);
  } catch (std::bad_alloc const&) {
    std::fputs("concur: an event loop cannot be closed, since nothing is left that could wake its tasks\n", stderr);
  }
}

inline std::string event_loop::deadlock_sentence() {
  std::string text = "nothing is left that could wake the event loop";
  if (!contents_.tasks.empty()) text += " or its tasks:\n";
  append_tasks(text, contents_.tasks);
  if (text.back() == '\n') text.pop_back();
  return text;
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
    session const now(*this, this_threads_parties());
    contents_.tasks.cancel();
    // Tasks that came from elsewhere and have not begun are in the inbox, not among the tasks.
    do {
      while (!contents_.tasks.empty()) round();
      callbacks_.dropping = true;
      while (!callbacks_.timed.empty()) callbacks_.timed.front().cancel();
      inbox_.take_into(ready_);
      if (!ready_.empty()) run_ready();
      // What another thread posts from now on is either in the inbox before it closes, and is run here, or refused.
    } while (!ready_.empty() || !callbacks_.timed.empty() || !contents_.tasks.empty() || !inbox_.close());
  }
  set_activity(activity::closed);
}

inline void event_loop::stop() noexcept {
  if (current() == this) {
    stopping_ = true;
    return;
  }
  // From another thread it stands behind what that thread has posted. acq_rel: the loop has done with the item, and if
  // it has not, it will see what came before this stop too.
  // mutant: the link in the item, here and below, is nothing that the explorer sees.
  if (stop_.posted.exchange(true, std::memory_order_acq_rel)) return;
  static_cast<void>(inbox_.post(stop_));  // a loop that is closed has stopped for good
}

inline void event_loop::stop_item::run_item(work& self) noexcept {
  auto& mine = static_cast<stop_item&>(self);
  // acq_rel: see stop. An exchange: a store would not be ordered after the stops that have found the item posted.
  mine.posted.exchange(false, std::memory_order_acq_rel);  // mutant: see stop
  mine.loop_.stopping_ = true;
}

inline void event_loop::arm(work& item, time_point when) {
  assert_own_thread();
  // In a child process it is not refused here, since those who arm may not be able to bear that, but when the loop
  // would rest.
  CONCUR_ASSERT(!is_closed(), "a timer of an event loop was armed that is closed");
  contents_.timers.add(item, when);
}

inline bool event_loop::disarm(work& item) noexcept {
  // From elsewhere only by one who cancels a task in a scope that reaches beyond the loop.
  CONCUR_ASSERT(!is_running() || current_executor() == this || contents_.tasks.shared(),
                "a timer of an event loop was disarmed on a thread other than the loop's");
  return contents_.timers.remove(item);
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

inline void event_loop::describe_tasks(std::string& out) const {
  auto const found = is_elsewhere() ? inquiry_.take(out) : detail::task_inquiry::state::idle;
  if (found == detail::task_inquiry::state::answered) return;
  if (found == detail::task_inquiry::state::asked && is_running()) {
    out += "its thread did not come round to list its tasks: a callback or a task holds it\n";
  } else {
    append_tasks(out, const_cast<event_loop&>(*this));
  }
}

}  // namespace concur::inline CONCUR_ABI
