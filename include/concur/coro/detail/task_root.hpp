// SPDX-License-Identifier: BSL-1.0
//
// A task of its own and the outermost coroutine that it runs: how it is posted, begins, and comes home to end.
#pragma once

#include <concur/core/await_link.hpp>
#include <concur/core/cancellation.hpp>
#include <concur/core/executor.hpp>
#include <concur/core/hop.hpp>
#include <concur/core/task_context.hpp>
#include <concur/core/task_origin.hpp>
#include <concur/coro/task.hpp>

#include <coroutine>
#include <utility>

namespace concur::inline CONCUR_ABI::detail {

/// Derived gives, each called once, on the executor where the task was posted, and each free to destroy the task:
/// `starts()`: whether it may begin; if not, it has ended the task, whose coroutine is `body()`;
/// `complete(coroutine)`: the coroutine has ended.
///
/// It stands in its scope from the post on, or, if that is another thread's, from its first run on.
template <class Derived, class T>
class task_root : public task_context {
 protected:
  using handle_type = typename task<T>::handle_type;

  task_root(executor& where, cancellation& around, task_origin origin) noexcept
      : task_context(&run_first, where, around, std::move(origin)) {}
  ~task_root() = default;

  /// Gives it its coroutine. Who calls this adds it to its scope and posts it.
  void prepare(handle_type coroutine) noexcept {
    coroutine.promise().enter(*this);
    resume_next(coroutine);
  }

  /// Posts it. The last access: it may have ended before this returns.
  void begin_with(handle_type coroutine) noexcept {
    stand_by(coroutine);
    where().post(*this);
  }
  /// The same for one that was admitted. Throws what the executor refuses it with after all: then it has not begun, and
  /// the coroutine is the caller's.
  void begin_admitted_with(handle_type coroutine) {
    stand_by(coroutine);
    where().post_admitted(*this);
  }
  /// The same by one who runs on its executor.
  void begin_here_with(handle_type coroutine) noexcept {
    enter_with(coroutine);
    where().post(*this);
  }

  /// The same by one who then queues it there himself.
  void enter_with(handle_type coroutine) noexcept {
    prepare(coroutine);
    enter_scope();
  }

  /// After that, instead of queueing it: runs it up to its first wait.
  [[gnu::always_inline]] void run_at_once() noexcept {
    if (!derived().starts()) return;
    set_function(&run);
    go_on();
  }

  /// Until it has begun.
  handle_type body() const noexcept { return handle_type::from_address(next_handle().address()); }

 private:
  Derived& derived() noexcept { return static_cast<Derived&>(*this); }
  void enter_scope() noexcept { scope().add(*this); }

  void stand_by(handle_type coroutine) noexcept {
    if (where().is_elsewhere()) {
      prepare(coroutine);
      set_function(&enter_and_run_first);
    } else {
      enter_with(coroutine);
    }
  }

  static void enter_and_run_first(work& self) noexcept {
    static_cast<task_root&>(self).enter_scope();
    run_first(self);
  }

  static void run_first(work& self) noexcept {
    auto& mine = static_cast<task_root&>(self);
    if (!mine.derived().starts()) return;
    mine.set_function(&run);
    run(self);
  }

  static void run(work& self) noexcept { static_cast<task_root&>(self).go_on(); }

  [[gnu::always_inline]] void go_on() noexcept {
    if (auto const ended = drive()) finish(handle_type::from_address(ended.address()));
  }

  static void run_last(work& self) noexcept {
    auto& mine = static_cast<task_root&>(self);
    mine.derived().complete(mine.body());
  }

  // Not inlined: what it needs would be saved at each step.
  [[gnu::noinline]] void finish(handle_type coroutine) noexcept {
    if (auto* const move = coroutine.promise().moved()) [[unlikely]] {
      if (move_back(*this, *move)) {
        set_function(&run_last);
        resume_next(coroutine);
        return where().post(*this);
      }
    }
    derived().complete(coroutine);
  }
};

}  // namespace concur::inline CONCUR_ABI::detail
