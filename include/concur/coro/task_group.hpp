// SPDX-License-Identifier: BSL-1.0
//
// Tasks that end before the block in which they were started. Python's asyncio.TaskGroup, Trio's nursery.
//
//     co_await with_group([&](task_group& group) -> task<> {
//       for (auto& url : urls) group.spawn(load(url));
//       co_return;
//     });
//     // all have ended
//
// For users of GCC 12: inside a co_await expression capture by reference, or name the lambda first.
#pragma once

#include <concur/core/assert.hpp>
#include <concur/core/await_link.hpp>
#include <concur/core/error_collector.hpp>
#include <concur/core/errors.hpp>
#include <concur/core/executor.hpp>
#include <concur/core/frame_recycler.hpp>
#include <concur/core/short_lock.hpp>
#include <concur/core/task_context.hpp>
#include <concur/core/task_origin.hpp>
#include <concur/coro/detail/nursery.hpp>
#include <concur/coro/detail/task_call.hpp>
#include <concur/coro/detail/task_result.hpp>
#include <concur/coro/owned_coroutine.hpp>
#include <concur/coro/task.hpp>

#include <cstddef>
#include <exception>
#include <functional>
#include <mutex>
#include <string_view>
#include <type_traits>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// Made by `with_group`. Used by its body and by its children, which may run on several threads.
class task_group {
 public:
  task_group(task_group const&) = delete;
  task_group& operator=(task_group const&) = delete;

  /// Starts a child: a task of its own, on the executor where the group was opened. It begins some time after the call,
  /// and what it returns is dropped. Children begin in order; on a pool those that no other worker takes over begin
  /// newest first, so that groups in groups go into the depth. A child may start siblings, also when the body has
  /// ended: the group waits for them too. In a group that was cancelled it never begins, and the call does nothing.
  ///
  /// Costs one recycled block, and one more for a name. Throws std::bad_alloc and, for a task without a coroutine,
  /// misuse; then `body` is destroyed.
  template <class T>
  void spawn(task<T> body, std::string_view name = {}, source_place place = __builtin_source_location()) {
    start(std::move(body), task_origin(place, name));
  }

  /// Runs `f()`, which gives a task, and keeps a copy of `f` until that has ended: for lambdas with captures, which
  /// otherwise die before their coroutine does.
  template <class Function>
    requires detail::gives_task<Function>
  void spawn(Function f, source_place place = __builtin_source_location()) {
    start(detail::call_task(std::move(f)), task_origin(place));
  }
  /// The same with a name. A text is the name if `f` cannot be called with it, and an argument otherwise.
  template <class Function, class Name>
    requires detail::names_task_of<Name const&, Function>
  void spawn(Function f, Name const& name, source_place place = __builtin_source_location()) {
    start(detail::call_task(std::move(f)), task_origin(place, name));
  }
  /// Runs `f(arguments…)` in the same way, with copies of the arguments. `spawn(call_task(f, arguments…), "name")` has
  /// a name as well, and the place of the call (coro/task_function.hpp).
  template <class Function, class First, class... Rest>
    requires detail::gives_task<Function, First, Rest...>
  void spawn(Function f, First first, Rest... rest) {
    start(detail::call_task(std::move(f), std::move(first), std::move(rest)...), task_origin());
  }

  /// Cancels the body and all children, also those to come. By itself that is no error: what ends with `cancelled` for
  /// it is as good as ended. Called on another thread than that of the group's loop, it takes effect a little later.
  void cancel() noexcept;

  /// Whether it was cancelled, by `cancel`, by an error, or from outside.
  bool cancelled() const noexcept { return children_.cancelled(); }

  /// How many children have not ended.
  std::size_t size() const noexcept { return children_.size(); }

 private:
  template <class T>
  class child;
  class cancel_message;
  friend struct task_group_access;

  explicit task_group(task_context& parent) noexcept
      : parent_(parent), children_(parent, detail::nursery::kind::plain), message_(*this) {}

  template <class T>
  void start(task<T>&& body, task_origin origin);

  // The error that left the body or a child.
  void note(std::exception_ptr error) noexcept {
    if (!children_.counts(error)) return;
    std::lock_guard const hold(adding_);
    errors_.add(std::move(error));
  }

  class cancel_message final : public work {
   public:
    explicit cancel_message(task_group& group) noexcept : work(&deliver), group_(group) {}

   private:
    static void deliver(work& self) noexcept {
      task_group& group = static_cast<cancel_message&>(self).group_;
      group.children_.cancel();
      group.children_.message_ended();
    }
    task_group& group_;
  };

  task_context& parent_;
  detail::nursery children_;
  cancel_message message_;
  short_lock adding_;
  error_collector errors_;  // under adding_ while children run
};

/// A child lives in a block of its own, which goes with it.
template <class T>
class task_group::child final : public detail::nursery_child<child<T>, T> {
 public:
  static void* operator new(std::size_t size) { return frame_recycler::allocate(size); }
  static void operator delete(void* block, std::size_t size) noexcept { frame_recycler::free(block, size); }

  child(task_group& group, task_origin origin) noexcept : base(group.children_, std::move(origin)), group_(group) {}

 private:
  using base = detail::nursery_child<child, T>;
  friend base;

  void take(typename base::handle_type coroutine, detail::nursery&) noexcept {
    if (coroutine.promise().has_failed()) [[unlikely]]
      group_.note(coroutine.promise().take_error());
  }
  void leave() noexcept { delete this; }

  task_group& group_;
};

template <class T>
void task_group::start(task<T>&& body, task_origin origin) {
  owned_coroutine<T> owned(std::move(body));
  CONCUR_ASSERT(children_.open(), "a task was spawned into a group that has ended");
  if (children_.cancelled()) return children_.note_stopped();
  auto* const made = new child<T>(*this, std::move(origin));
  children_.start(*made, owned.release());
}

inline void task_group::cancel() noexcept {
  if (children_.cancelled()) return;
  if (!children_.home().is_elsewhere()) {
    children_.cancel();
  } else if (children_.begin_message()) {
    children_.home().post(message_);
  }
}

/// For `with_group`.
struct task_group_access {
  /// The body's part of the group: the task is in its scope.
  class membership {
   public:
    explicit membership(task_group& group) noexcept : parent_(group.parent_), outer_(parent_.scope()) {
      parent_.move_to_scope(group.children_);
    }
    ~membership() { parent_.move_to_scope(outer_); }
    membership(membership const&) = delete;
    membership& operator=(membership const&) = delete;

   private:
    task_context& parent_;
    cancellation& outer_;
  };

  static task_group open(task_context& parent) noexcept { return task_group(parent); }
  static detail::nursery& children(task_group& group) noexcept { return group.children_; }
  static void note(task_group& group, std::exception_ptr error) noexcept { group.note(std::move(error)); }

  /// When all have ended.
  static void throw_any(task_group& group, bool has_value) {
    group.errors_.throw_any();
    // Whose cancel: the group's own is done with here, one from outside goes on.
    if (group.children_.stopped() && group.parent_.cancelled()) throw concur::cancelled();
    if (!has_value) throw concur::cancelled();
  }
};

/// `co_await with_group(body)`: runs `body(group)`, which gives a task, in the task that awaits, then waits until all
/// children have ended, and gives what the body returned. So no child outlives it, on no way out.
///
/// The first error of the body or of a child cancels the others, and is thrown when all have ended; if there are
/// several, `multiple_errors`. That those that were cancelled for it end with `cancelled` is no error; a `cancelled`
/// that comes out of something else, while nobody cancelled the group, is one. A cancel of the task that awaits cancels
/// the body and the children, and `cancelled` goes on from here if it has kept any of them from its end. After
/// `group.cancel()` it does not, unless the body should have returned a value and did not.
///
/// Keeps the callable until then. Throws std::bad_alloc when it is called.
template <class Body>
  requires detail::gives_task<Body, task_group&>
std::invoke_result_t<Body&, task_group&> with_group(Body body) {
  using value = typename std::invoke_result_t<Body&, task_group&>::value_type;
  task_group group = task_group_access::open(*current_task());
  detail::task_result<value> result;
  bool has_value = false;
  try {
    task_group_access::membership const member(group);
    auto running = std::invoke(body, group);
    if constexpr (std::is_void_v<value>) {
      co_await std::move(running);
    } else {
      result.return_value(co_await std::move(running));
    }
    has_value = true;
  } catch (...) {
    task_group_access::note(group, std::current_exception());
  }
  detail::nursery_await ended(task_group_access::children(group));
  co_await ended;
  task_group_access::throw_any(group, has_value || std::is_void_v<value>);
  co_return result.take_value();
}

}  // namespace concur::inline CONCUR_ABI
