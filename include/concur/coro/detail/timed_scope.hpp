// SPDX-License-Identifier: BSL-1.0
//
// The scope around one operation of a task, that can be cancelled by hand and by a time limit: what cancel_scope and
// timeout are made of. See scoped_operation.hpp for the coroutine that uses it.
//
// Everything happens on the executor on which the operation began, its home: the timer is armed there, and a cancel
// from a thread to which the home's tasks do not belong becomes a message to it. Timer and message are work items
// inside this object. So the task, which goes home when its operation has ended, leaves only when neither is under way:
// it takes the timer back, and if it comes too late for that, it waits until the item has run.
#pragma once

#include <concur/core/assert.hpp>
#include <concur/core/cancellation.hpp>
#include <concur/core/deadline.hpp>
#include <concur/core/errors.hpp>
#include <concur/core/executor.hpp>
#include <concur/core/os.hpp>
#include <concur/core/short_lock.hpp>
#include <concur/core/task_context.hpp>
#include <concur/core/time_limit.hpp>

#include <chrono>
#include <cstdint>
#include <mutex>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>

namespace concur::inline CONCUR_ABI::detail {

/// For one operation. `cancel`, `set_limit` and `cancel_called`: any thread, while the object lives. The rest: the
/// task, in this order, on its home.
class timed_scope {
 public:
  timed_scope() noexcept = default;
  explicit timed_scope(time_limit limit) noexcept : limit_(limit) {}
  timed_scope(timed_scope const&) = delete;
  timed_scope& operator=(timed_scope const&) = delete;
  ~timed_scope() {
    CONCUR_ASSERT(stage_.get() != stage::running, "a cancel_scope was destroyed while its operation ran");
  }

  void cancel() noexcept;
  void set_limit(time_limit limit) noexcept;

  // relaxed: it orders nothing.
  bool cancel_called() const noexcept { return called_.load(std::memory_order_relaxed); }

  /// The operation begins. Throws misuse if one did before.
  void begin(task_context& task);

  /// The operation has suspended for the first time, and nobody else knows of that yet. The timer is armed only now: an
  /// operation that ends at once needs none, and one whose limit has passed before it began waits for nothing.
  void suspended(task_context& task) noexcept;

  /// The operation has ended: the task leaves the scope, and nobody cancels it from here any more. Returns whether it
  /// has to wait for an item.
  bool end(task_context& task) noexcept;

  /// Has the task posted when the items have run; returns false if they have.
  bool wait_for_items(task_context& task) noexcept;

  /// Whether the operation was cancelled from here before it ended.
  bool struck() const noexcept { return struck_.get(); }

 private:
  enum class stage : std::uint8_t { fresh, running, ended };
  enum class item_state : std::uint8_t { idle, armed, posted };

  class item final : public work {
   public:
    explicit item(timed_scope& scope) noexcept : work(&arrive), scope_(scope) {}
    os::plain<item_state> state{item_state::idle};

   private:
    static void arrive(work& self) noexcept {
      auto& mine = static_cast<item&>(self);
      mine.scope_.arrived(mine);
    }
    timed_scope& scope_;
  };

  void arrived(item& which) noexcept;
  void look_at_home() noexcept;
  void look(bool due) noexcept;
  void set_deadline() noexcept {
    deadline_ = limit_.moment(*home_);
    limit_is_new_ = false;
  }
  void strike() noexcept;
  void arm() noexcept;
  void take_timer_back() noexcept;
  bool items_under_way() const noexcept {
    return alarm_.state.get() != item_state::idle || message_.state.get() != item_state::idle;
  }

  // What follows is used under the lock. Taken before the locks of cancellation scopes and of executors.
  short_lock lock_;
  os::plain<stage> stage_{stage::fresh};
  os::plain<bool> struck_{false};  // constant once it has ended
  os::atomic<bool> called_{false};  // written under the lock, read by anybody
  time_limit limit_;
  bool limit_is_new_ = true;  // until the home has made a moment of it, which is the deadline
  time_point deadline_ = os::never;
  time_point armed_for_ = os::never;
  executor* home_ = nullptr;
  cancellation* outer_ = nullptr;
  std::optional<cancellation> inner_;  // while it runs
  os::plain<task_context*> leaver_{nullptr};  // waits until the items have run
  item alarm_{*this};
  item message_{*this};
};

inline void timed_scope::cancel() noexcept {
  std::lock_guard const held(lock_);
  called_.store(true, std::memory_order_relaxed);
  if (stage_.get() == stage::running && !struck_.get()) look_at_home();
}

inline void timed_scope::set_limit(time_limit limit) noexcept {
  std::lock_guard const held(lock_);
  limit_ = limit;
  limit_is_new_ = true;
  if (stage_.get() == stage::running && !struck_.get()) look_at_home();
}

inline void timed_scope::begin(task_context& task) {
  {
    std::lock_guard const held(lock_);
    if (stage_.get() != stage::fresh) throw misuse("a cancel_scope was run twice");
    stage_.set(stage::running);
    home_ = &task.where();
    outer_ = &task.scope();
    inner_.emplace(*outer_);
    set_deadline();
    if (cancel_called()) strike();
  }
  task.move_to_scope(*inner_);  // only the task itself destroys it
}

inline void timed_scope::suspended(task_context& task) noexcept {
  // Without a limit there is nothing to arm. Who sets one meanwhile arms the timer.
  std::lock_guard const held(lock_);
  if (struck_.get() || deadline_ == os::never) return;
  // Unless the stack was too deep for it to begin.
  if (deadline_ == at_once && task.waiting_in() != nullptr) return strike();
  arm();
}

inline bool timed_scope::end(task_context& task) noexcept {
  CONCUR_ASSERT(&task.where() == home_, "a task left a cancel_scope on another executor than it had entered it");
  bool wait = false;
  {
    std::lock_guard const held(lock_);
    stage_.set(stage::ended);
    take_timer_back();
    wait = items_under_way();
  }
  task.move_to_scope(*outer_);
  inner_.reset();  // who finds the stage `ended` leaves it alone
  return wait;
}

inline bool timed_scope::wait_for_items(task_context& task) noexcept {
  std::lock_guard const held(lock_);
  if (!items_under_way()) return false;
  leaver_.set(&task);
  return true;
}

// On the home's thread.
inline void timed_scope::arrived(item& which) noexcept {
  task_context* ready = nullptr;
  {
    std::lock_guard const held(lock_);
    which.state.set(item_state::idle);
    if (stage_.get() == stage::running) look(&which == &alarm_ && armed_for_ == deadline_);
    if (!items_under_way()) ready = leaver_.get();
  }
  // The task may have left and destroyed the scope, unless it waits for this.
  if (ready != nullptr) ready->where().post(*ready);
}

// The lock holds the task in its scope, and thereby its home alive.
inline void timed_scope::look_at_home() noexcept {
  if (!home_->is_elsewhere()) return look(false);
  if (message_.state.get() != item_state::idle) return;  // it will see this too
  message_.state.set(item_state::posted);
  home_->post(message_);
}

// `due`: the timer said that the deadline has come.
inline void timed_scope::look(bool due) noexcept {
  if (struck_.get()) return;
  if (limit_is_new_) {
    set_deadline();
    due = false;
  }
  if (cancel_called() || due || (deadline_ != os::never && deadline_ <= home_->now())) return strike();
  arm();
}

inline void timed_scope::strike() noexcept {
  struck_.set(true);
  called_.store(true, std::memory_order_relaxed);
  inner_->cancel();
}

inline void timed_scope::arm() noexcept {
  if (alarm_.state.get() == item_state::armed && armed_for_ != deadline_) take_timer_back();
  // An item that is posted looks again when it runs.
  if (alarm_.state.get() != item_state::idle || deadline_ == os::never) return;
  try {
    home_->arm(alarm_, deadline_);
    alarm_.state.set(item_state::armed);
    armed_for_ = deadline_;
  } catch (std::bad_alloc const&) {
    // It looks again, and again, until there is memory for a timer or the limit has passed.
    armed_for_ = at_once;
    alarm_.state.set(item_state::posted);
    home_->post(alarm_);
  }
}

inline void timed_scope::take_timer_back() noexcept {
  if (alarm_.state.get() != item_state::armed) return;
  alarm_.state.set(home_->disarm(alarm_) ? item_state::idle : item_state::posted);
}

}  // namespace concur::inline CONCUR_ABI::detail
