// SPDX-License-Identifier: BSL-1.0
//
// A spawned task: its context, which is what its executor queues, and the state of its future, in one recycled block
// beside the coroutine's frame. The outcome lies where the work item was, if it is not bigger: the task runs no more.
#pragma once

#include <concur/core/assert.hpp>
#include <concur/core/blocking.hpp>
#include <concur/core/errors.hpp>
#include <concur/core/executor.hpp>
#include <concur/core/frame_recycler.hpp>
#include <concur/core/os.hpp>
#include <concur/core/spin.hpp>
#include <concur/core/task_context.hpp>
#include <concur/core/task_origin.hpp>
#include <concur/coro/detail/giving_up.hpp>
#include <concur/coro/detail/task_root.hpp>
#include <concur/coro/owned_coroutine.hpp>
#include <concur/future/future.hpp>
#include <concur/future/future_state.hpp>
#include <concur/future/outcome.hpp>
#include <concur/future/producer_stage.hpp>

#include <cstddef>
#include <exception>
#include <memory>
#include <new>
#include <type_traits>
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
    if (!task.done()) cancellation::cancel_alone(task);  // here, where it ends
    task.drop_reference();
  }

  Task& task_;
};

template <class T>
inline constexpr bool outcome_fits_item = sizeof(outcome<T>) <= sizeof(work) && alignof(outcome<T>) <= alignof(work);

template <class T>
using state_of_spawned = std::conditional_t<outcome_fits_item<T>, future_state<T>, future_state_with_room<T>>;

/// Starts with two references: the future's, and the task's own, which goes when it has ended.
///
/// It stands in the scope of its executor, and ends on the executor that it was spawned to, also when it has moved.
template <class T>
class spawned final : public state_of_spawned<T>, public task_root<spawned<T>, T> {
  using state = state_of_spawned<T>;
  using root = task_root<spawned, T>;

 public:
  /// Throws std::bad_alloc, and what the executor refuses it with; then the coroutine is destroyed. The second for
  /// those who run on it.
  static future<T> start(executor& where, owned_coroutine<T>&& body, task_origin&& origin) {
    spawned& made = admitted(where, std::move(origin));
    future<T> result(adopt_state, made);
    try {
      made.begin_admitted_with(body.handle());  // the last access
    } catch (...) {
      made.drop_reference();  // the task's own
      throw;
    }
    body.release();
    return result;
  }
  static future<T> start_here(executor& where, owned_coroutine<T>&& body, task_origin&& origin) {
    spawned& made = admitted(where, std::move(origin));
    future<T> result(adopt_state, made);
    made.begin_here_with(body.release());  // as above
    return result;
  }

 private:
  friend root;
  using typename root::handle_type;

  spawned(executor& where, task_origin origin) noexcept
      : state(producer_stage::manner::light), root(where, where.tasks(), std::move(origin)) {
    CONCUR_ASSERT(!outcome_fits_item<T> || reinterpret_cast<std::byte*>(static_cast<work*>(this)) ==
                                               reinterpret_cast<std::byte*>(this) + future_state<T>::room_begins,
                  "a compiler lays out a spawned task in another way");
  }

  // It is queued, so there is no room yet.
  void store_cancel() noexcept override { this->set_kind(spawned::kind::never_begun); }

  static spawned& admitted(executor& where, task_origin&& origin) {
    std::unique_ptr<spawned> fresh(new spawned(where, std::move(origin)));
    where.admit_task();
    return *fresh.release();
  }

  bool starts() noexcept {
    if (!this->stage().begin_lightly()) {
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
    this->store_result_of([this, coroutine]() -> T {
      departure const afterwards(*this, coroutine);
      return coroutine.promise().take();
    });
    this->publish_after_a_look();
    this->drop_reference();
  }

  // Its scope was cancelled before it began.
  void refuse() noexcept {
    depart_unstarted();
    this->store_error(std::make_exception_ptr(concur::cancelled()));
    this->publish();
    this->drop_reference();
  }

  // Its future was cancelled before it began, and is done, or is about to be: who runs the executor until it is done
  // must not go to sleep in between.
  void end_unstarted() noexcept {
    for (brief_wait canceller; !this->done(); canceller.pause()) {
    }
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
      executor& home = mine_.where();
      // Who has cancelled what never began has nothing to do with the task any more.
      if (mine_.stage().end_cancels() && !mine_.stage().completed_by_cancel()) [[unlikely]]
        mine_.stage().wait_for_canceller();
      mine_.scope().remove(mine_);
      home.task_ended();
    }
    departure(departure const&) = delete;
    departure& operator=(departure const&) = delete;

   private:
    spawned& mine_;
    handle_type const coroutine_;
  };

  void about_to_block(wait_limit const&) override {
    if (is_here()) {
      throw misuse("a thread blocked for a task that only it can run: use co_await instead of get or wait");
    }
  }

  // The thread on which it begins and ends; that may be gone, but then it is not the executor of this one.
  bool is_here() const noexcept {
    executor const* const here = current_executor();
    return here == &this->home() && here->is_own_thread();
  }

  void order_cancel() noexcept override {
    if (!is_here()) os::heavy_barrier();
  }

  // A task that has begun does not end meanwhile, and holds its executor alive.
  void request_cancel() noexcept override {
    if (this->stage().completed_by_cancel()) return;
    executor& home = this->home();
    if (!home.is_elsewhere()) {
      cancellation::cancel_alone(*this);
    } else if (auto* const message = new (std::nothrow) cancel_message<spawned>(*this)) {
      home.post(*message);
    } else {
      this->refuse_next_wait();
    }
    this->stage().note_cancel_over();
  }
};

}  // namespace concur::inline CONCUR_ABI::detail
