// SPDX-License-Identifier: BSL-1.0
//
// A spawned task: its context, which is what its executor queues, and the state of its future, in one recycled block
// beside the coroutine's frame.
#pragma once

#include <concur/core/blocking.hpp>
#include <concur/core/errors.hpp>
#include <concur/core/executor.hpp>
#include <concur/core/frame_recycler.hpp>
#include <concur/core/task_context.hpp>
#include <concur/core/task_origin.hpp>
#include <concur/coro/detail/giving_up.hpp>
#include <concur/coro/detail/task_root.hpp>
#include <concur/coro/owned_coroutine.hpp>
#include <concur/future/future.hpp>
#include <concur/future/future_state.hpp>

#include <cstddef>
#include <exception>
#include <memory>
#include <new>
#include <utility>

namespace concur::inline CONCUR_ABI::detail {

/// A message to the one thread of an executor: cancel that task. Keeps the task's block alive on its way.
template <class Task>
class cancel_message final : public work {
 public:
  static void* operator new(std::size_t size, std::nothrow_t const&) noexcept {
    try {
      return frame_recycler::allocate(size);
    } catch (std::bad_alloc const&) {
      return nullptr;
    }
  }
  static void operator delete(void* block, std::size_t size) noexcept { frame_recycler::free(block, size); }

  explicit cancel_message(Task& task) noexcept : work(&deliver), task_(task) { task.add_reference(); }

 private:
  static void deliver(work& self) noexcept {
    auto& message = static_cast<cancel_message&>(self);
    Task& task = message.task_;
    delete &message;
    cancellation::cancel_alone(task);
    task.drop_reference();
  }

  Task& task_;
};

/// Starts with two references: the future's, and the task's own, which goes when it has ended.
///
/// It stands in the scope of its executor, and ends on the executor that it was spawned to, also when it has moved.
template <class T>
class spawned final : public future_state<T>, public task_root<spawned<T>, T> {
  using root = task_root<spawned, T>;

 public:
  /// Throws std::bad_alloc, and what the executor refuses it with; then the coroutine is destroyed.
  static future<T> start(executor& where, owned_coroutine<T> body, task_origin origin) {
    std::unique_ptr<spawned> fresh(new spawned(where, std::move(origin)));
    where.admit_task();
    auto* const made = fresh.release();
    future<T> result(adopt_state, *made);
    made->begin_with(body.release());  // the last access
    return result;
  }

 private:
  friend root;
  using typename root::handle_type;

  spawned(executor& where, task_origin origin) noexcept : root(where, where.tasks(), std::move(origin)), home_(where) {}

  bool starts() noexcept {
    if (!this->begin()) {
      end_unstarted();
    } else if (root::cancelled()) {
      refuse();
    } else {
      return true;
    }
    return false;
  }

  // The coroutine, with its arguments, is gone and the task has left the executor before anybody learns of the result.
  void complete(handle_type coroutine) noexcept {
    this->complete_with([this, coroutine]() -> T {
      departure const afterwards(*this, coroutine);
      return coroutine.promise().take();
    });
    this->drop_reference();
  }

  // Its scope was cancelled before it began.
  void refuse() noexcept {
    depart_unstarted();
    this->complete_error(std::make_exception_ptr(concur::cancelled()));
    this->drop_reference();
  }

  // Its future was cancelled before it began, and is done.
  void end_unstarted() noexcept {
    depart_unstarted();
    this->drop_reference();
  }

  void depart_unstarted() noexcept {
    giving_up const tasks_among_the_arguments;
    departure const now(*this, this->body());
  }

  class departure {
   public:
    departure(spawned& mine, handle_type coroutine) noexcept : mine_(mine), coroutine_(coroutine) {}
    ~departure() {
      coroutine_.destroy();
      executor& home = mine_.home_;
      mine_.leave_scope();
      home.task_ended();
    }
    departure(departure const&) = delete;
    departure& operator=(departure const&) = delete;

   private:
    spawned& mine_;
    handle_type const coroutine_;
  };

  void about_to_block(wait_limit const&) override {
    bool here = false;
    this->while_in_scope([this, &here] { here = home_.is_own_thread(); });
    if (here) {
      throw misuse("a thread blocked for a task that only it can run: use co_await instead of get or wait");
    }
  }

  // The task holds its executor alive as long as it stands in its scope.
  void request_cancel() noexcept override {
    bool elsewhere = false;
    this->while_in_scope([this, &elsewhere] {
      elsewhere = home_.is_elsewhere();
      if (!elsewhere) return;
      if (auto* const message = new (std::nothrow) cancel_message<spawned>(*this)) {
        home_.post(*message);
      } else {
        this->refuse_next_wait();
      }
    });
    if (!elsewhere) cancellation::cancel_alone(*this);
  }

  executor& home_;
};

}  // namespace concur::inline CONCUR_ABI::detail
