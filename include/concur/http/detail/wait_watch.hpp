// SPDX-License-Identifier: BSL-1.0
//
// Ends the waits of one task that take too long, or when a stop is requested. What `move_on_after` does for one
// operation this does for one after the other, without a coroutine and a timer for each: a wait says until when it may
// last, and the timer, which is armed once in a long while, looks at that when it is due.
#pragma once

#include <concur/core/assert.hpp>
#include <concur/core/awaiter.hpp>
#include <concur/core/cancellation.hpp>
#include <concur/core/deadline.hpp>
#include <concur/core/errors.hpp>
#include <concur/core/executor.hpp>
#include <concur/core/os.hpp>
#include <concur/core/task_context.hpp>
#include <concur/core/time_limit.hpp>
#include <concur/core/wait_operation.hpp>

#include <coroutine>
#include <cstdint>
#include <new>
#include <optional>
#include <utility>

namespace concur::inline CONCUR_ABI::detail {

/// Of a task of an event loop, on whose thread all but `stop` is called: `begin`; for each wait `enter`, `suspended` if
/// it does, and `leave`; at last `co_await ended()`, behind which it may be destroyed.
class wait_watch {
 public:
  wait_watch() noexcept = default;
  wait_watch(wait_watch const&) = delete;
  wait_watch& operator=(wait_watch const&) = delete;
  ~wait_watch() { CONCUR_ASSERT(!has_items(), "a watch over waits was destroyed before it had ended"); }

  /// Throws misuse on a thread without an event loop.
  void begin() {
    home_ = current_executor();
    if (home_ == nullptr || !home_->is_own_thread()) throw misuse("an HTTP connection is served on an event loop only");
  }

  /// From now on the task can be ended from here.
  void enter(task_context& task) noexcept {
    task_ = &task;
    around_ = &task.scope();
    inside_.emplace(*around_);
    task.move_to_scope(*inside_);
  }

  /// It waits, and nobody else knows of that yet: until when, and whether a stop ends it.
  void suspended(time_limit const& limit, bool ends_at_stop) noexcept {
    ends_at_stop_ = ends_at_stop;
    deadline_ = limit.moment(*home_);
    // Unless the stack was too deep for the operation to begin.
    if (deadline_ == at_once && task_->waiting_in() != nullptr) return strike();
    arm();
  }

  /// It waits no more. Returns whether it was ended from here, and not from outside as well.
  bool leave() noexcept {
    task_->move_to_scope(*around_);
    inside_.reset();
    deadline_ = os::never;
    ends_at_stop_ = false;
    return std::exchange(struck_, false) && !task_->cancelled();
  }

  /// Ends the wait that a stop ends, if there is one, soon. Once; any thread, while the task has not begun to wait for
  /// the end.
  void stop() noexcept {
    // relaxed: whoever looks at it has waited until this was over.
    told_.store(true, std::memory_order_relaxed);
    home_->post(message_);
  }

  class end_await;
  end_await ended() noexcept;

 private:
  enum class alarm_state : std::uint8_t { idle, armed, posted };

  class item final : public work {
   public:
    explicit item(wait_watch& watch) noexcept : work(&arrive), watch_(watch) {}

   private:
    static void arrive(work& self) noexcept {
      auto& mine = static_cast<item&>(self);
      mine.watch_.arrived(mine);
    }
    wait_watch& watch_;
  };

  void arrived(item const& which) noexcept {
    if (&which == &message_) {
      heard_ = true;
      if (ends_at_stop_) strike();
    } else {
      alarm_state_ = alarm_state::idle;
      if (deadline_ != os::never && deadline_ <= home_->now()) {
        strike();
      } else {
        arm();
      }
    }
    if (leaver_ != nullptr && !has_items()) leaver_->where().post(*leaver_);  // this object may be gone soon
  }

  void strike() noexcept {
    if (!inside_ || struck_) return;
    struck_ = true;
    inside_->cancel();
  }

  /// Has the timer look at the deadline no later than that.
  void arm() noexcept {
    if (deadline_ == os::never || struck_ || alarm_state_ == alarm_state::posted) return;
    if (alarm_state_ == alarm_state::armed) {
      if (armed_for_ <= deadline_) return;
      if (!take_timer_back()) return;
    }
    try {
      home_->arm(alarm_, deadline_);
      armed_for_ = deadline_;
      alarm_state_ = alarm_state::armed;
    } catch (std::bad_alloc const&) {
      // It looks again, and again, until there is memory for a timer or the deadline has passed.
      alarm_state_ = alarm_state::posted;
      home_->post(alarm_);
    }
  }

  /// Returns false when its item will run.
  bool take_timer_back() noexcept {
    bool const back = home_->disarm(alarm_);
    alarm_state_ = back ? alarm_state::idle : alarm_state::posted;
    return back;
  }

  bool has_items() const noexcept {
    return alarm_state_ != alarm_state::idle || told_.load(std::memory_order_relaxed) != heard_;
  }

  executor* home_ = nullptr;
  task_context* task_ = nullptr;
  cancellation* around_ = nullptr;
  std::optional<cancellation> inside_;  // while it can be ended
  time_point deadline_ = os::never;
  time_point armed_for_ = os::never;
  task_context* leaver_ = nullptr;  // waits until no item is under way
  item alarm_{*this};
  item message_{*this};
  alarm_state alarm_state_ = alarm_state::idle;
  bool struck_ = false;
  bool ends_at_stop_ = false;
  bool heard_ = false;  // the message has arrived
  os::atomic<bool> told_{false};  // it was posted: written by whoever requests the stop
};

/// Not even a cancelled task may leave before its items have run.
class wait_watch::end_await final : public wait_operation {
 public:
  explicit end_await(wait_watch& watch) noexcept : watch_(watch) {}
  end_await(end_await const&) = delete;
  end_await& operator=(end_await const&) = delete;

  bool await_ready() noexcept {
    if (watch_.alarm_state_ == alarm_state::armed) static_cast<void>(watch_.take_timer_back());
    return !watch_.has_items();
  }
  template <promise_with_context Promise>
  void await_suspend(std::coroutine_handle<Promise> handle) noexcept {
    handle.promise().context().suspend_in(*this, handle);
  }
  void await_resume() const noexcept {}

  bool publish(task_context& task) noexcept override {
    if (!watch_.has_items()) return false;
    watch_.leaver_ = &task;
    return true;
  }
  void cancel() noexcept override {}

 private:
  wait_watch& watch_;
};

inline wait_watch::end_await wait_watch::ended() noexcept { return end_await(*this); }

}  // namespace concur::inline CONCUR_ABI::detail
