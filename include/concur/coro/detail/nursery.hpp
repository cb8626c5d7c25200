// SPDX-License-Identifier: BSL-1.0
//
// Children of a task, which it waits for: what is behind gather, groups and the end of `with`.
//
//     nursery children(parent, nursery::kind::plain);     // in the parent
//     children.start(child, coroutine); …
//     nursery_await ended(children); co_await ended;      // always
//
// Each child is a task of its own, in the scope of the nursery, which is inside the parent's. The last one to end
// posts the parent.
#pragma once

#include <concur/core/awaiter.hpp>
#include <concur/core/cancellation.hpp>
#include <concur/core/error_collector.hpp>
#include <concur/core/executor.hpp>
#include <concur/core/os.hpp>
#include <concur/core/task_context.hpp>
#include <concur/core/task_origin.hpp>
#include <concur/coro/detail/giving_up.hpp>
#include <concur/coro/detail/task_root.hpp>

#include <coroutine>
#include <cstddef>
#include <exception>
#include <utility>

namespace concur::inline CONCUR_ABI::detail {

/// Made and awaited by the parent, and destroyed by it afterwards. Its children run on the executor on which the parent
/// was when it was made.
class nursery : public cancellation {
 public:
  enum class kind : unsigned char {
    plain,  // the first error cancels the rest
    collecting,  // an error cancels nothing
    shielded,  // a cancel of the parent does not come in
  };

  /// With so many children that are to be started together.
  nursery(task_context& parent, kind how, std::size_t children = 0) noexcept
      : cancellation(parent.scope(), how == kind::shielded ? shelter::shielded : shelter::none),
        parent_(parent),
        home_(parent.where()),
        word_(parent_is_busy + one_child * children),
        kind_(how),
        together_(children != 0) {}

  executor& home() const noexcept { return home_; }

  /// How many children have not ended.
  std::size_t size() const noexcept {
    // relaxed: a number.
    return word_.load(std::memory_order_relaxed) / one_child;
  }

  /// Whether children may be started: until the parent waits and the last child has ended.
  bool open() const noexcept { return word_.load(std::memory_order_relaxed) != 0; }

  /// Posts the child with its coroutine. The last access to the child. By the parent, or by a child.
  template <class Child, class Coroutine>
  void start(Child& child, Coroutine coroutine) noexcept {
    add(one_child);
    child.begin_with(coroutine);
  }

  /// Whether it has only children that were started together, which stand in its list until it goes.
  bool together() const noexcept { return together_; }

  /// Starts the children that the constructor was told of, on their executor: `prepare` for each, then `start_all`.
  /// `all.for_each(function)` calls `function(slot)` in their order, `all.for_each_backwards` in the other one, and
  /// `slot.child()` is the child. They begin in their order, as far as one thread begins them. `start_all` is the last
  /// thing that the parent does before `publish`.
  template <class Child, class Coroutine>
  void prepare(Child& child, Coroutine coroutine) noexcept {
    child.prepare(coroutine);
  }
  template <class Children>
  void start_all(Children& all) noexcept {
    add_all([&all](auto add) { all.for_each([add](auto& slot) { add(slot.child()); }); });
    if (home_.newest_first()) {
      std::size_t left = all.size();
      all.for_each_backwards([this, &left](auto& slot) {
        if (--left != 0) {
          home_.post(slot.child());
        } else {
          home_.post_next(slot.child());
        }
      });
    } else {
      all.for_each([this](auto& slot) { home_.post(slot.child()); });
    }
  }

  /// By a child that has left the scope, or ended in it: the last access to the nursery.
  void child_ended() noexcept { let_go(one_child); }

  /// Says what an error of a child, or of the parent's own part, means: cancels the rest if it is the first. Returns
  /// false for the `cancelled` of a task that was cancelled with the nursery.
  bool counts(std::exception_ptr const& error) noexcept {
    if (cancelled() && is_cancelled(error)) {
      note_stopped();
      return false;
    }
    if (kind_ == kind::plain) cancel();
    return true;
  }

  /// A cancel of the nursery has kept a task from its end.
  // relaxed: read when all have ended.
  void note_stopped() noexcept { stopped_.store(true, std::memory_order_relaxed); }
  bool stopped() const noexcept { return stopped_.load(std::memory_order_relaxed); }

  /// Lets `cancel` be called by a message that is posted to `home`. Returns false if one is under way.
  bool begin_message() noexcept {
    // relaxed: the post orders what matters.
    return (word_.fetch_or(one_message, std::memory_order_relaxed) & one_message) == 0;
  }
  /// By the message, when it is done: the last access to the nursery.
  void message_ended() noexcept { let_go(one_message); }

  // The parent's wait, see nursery_await.
  bool publish() noexcept {
    if (parent_.cancelled()) cancel_from_parent();
    return subtract(parent_is_busy) != 0;  // then the last access
  }
  // A canceller of the parent's scope has marked this one already, and holds its lock.
  void cancel_from_parent() noexcept {
    if (kind_ != kind::shielded && !cancelled()) cancel();
  }

 private:
  using count = std::size_t;
  static constexpr count parent_is_busy = 1;
  static constexpr count one_message = 2;
  static constexpr count one_child = 4;

  // While the scope belongs to one thread, so does the word.
  void add(count units) noexcept {
    // relaxed: whoever adds has a share, so the word cannot become 0 meanwhile.
    if (shared()) {
      word_.fetch_add(units, std::memory_order_relaxed);
    } else {
      word_.store(word_.load(std::memory_order_relaxed) + units, std::memory_order_relaxed);
    }
  }
  count subtract(count units) noexcept {
    // release: what the child did is visible to the parent; acquire: by way of the last child, which posts it.
    if (shared()) return word_.fetch_sub(units, std::memory_order_acq_rel) - units;
    count const left = word_.load(std::memory_order_relaxed) - units;
    word_.store(left, std::memory_order_relaxed);
    return left;
  }
  // Only the last one touches anything afterwards: the parent sleeps until it is posted.
  void let_go(count units) noexcept {
    if (subtract(units) == 0) parent_.where().post_next(parent_);
  }

  task_context& parent_;
  executor& home_;
  // Four for each child that has not ended, two while a message is under way, and one until the parent waits. Who makes
  // it 0 wakes the parent, or is the parent and does not sleep.
  os::atomic<count> word_;
  os::atomic<bool> stopped_{false};
  kind const kind_;
  bool const together_;
};

/// What a parent waits in for its children. It must do so, once, whatever happens: it cannot be cancelled, but a cancel
/// goes on to the children.
class [[nodiscard]] nursery_await final : public wait_operation {
 public:
  explicit nursery_await(nursery& children) noexcept : children_(children) {}
  nursery_await(nursery_await const&) = delete;
  nursery_await& operator=(nursery_await const&) = delete;

  bool await_ready() const noexcept { return false; }
  template <promise_with_context Promise>
  void await_suspend(std::coroutine_handle<Promise> handle) noexcept {
    handle.promise().context().suspend_in(*this, handle);
  }
  void await_resume() const noexcept {}

  bool publish(task_context&) noexcept override { return children_.publish(); }
  void cancel() noexcept override { children_.cancel_from_parent(); }

 private:
  nursery& children_;
};

/// What children have in common. Derived gives `take(coroutine, nursery)`, which keeps the value or the error of a
/// coroutine that has ended, and `leave()`, after which the child is not touched.
template <class Derived, class T>
class nursery_child : public task_root<Derived, T> {
 protected:
  using typename task_root<Derived, T>::handle_type;

  nursery_child(nursery& around, task_origin origin) noexcept
      : task_root<Derived, T>(around.home(), around, std::move(origin)) {}
  ~nursery_child() = default;

 private:
  friend class task_root<Derived, T>;
  friend class nursery;

  Derived& derived() noexcept { return static_cast<Derived&>(*this); }

  bool starts() noexcept {
    if (!this->cancelled()) return true;
    around().note_stopped();
    giving_up const tasks_among_the_arguments;
    end(this->body());
    return false;
  }

  void complete(handle_type coroutine) noexcept {
    derived().take(coroutine, around());
    end(coroutine);
  }

  // The coroutine, with its arguments, is gone before the parent can go on.
  void end(handle_type coroutine) noexcept {
    nursery& children = around();
    coroutine.destroy();
    if (children.together()) {
      this->end_in_scope();
    } else {
      children.remove(*this);
    }
    derived().leave();
    children.child_ended();
  }

  // A task that has not begun, or has ended, stands in no other scope.
  nursery& around() const noexcept { return static_cast<nursery&>(this->scope()); }
};

}  // namespace concur::inline CONCUR_ABI::detail
