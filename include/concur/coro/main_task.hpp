// SPDX-License-Identifier: BSL-1.0
//
// For those who build what runs tasks: a task whose starter runs its executor until it has ended, and then takes the
// result. It needs no future: nothing of it is counted or locked.
//
//     main_task<T>::owner body(new main_task<T>(loop, std::move(coroutine), task_origin(place)));
//     body->enter();  ready.push(*body);
//     while (!body->has_ended()) …;               // runs what is ready
//     return body->take();
#pragma once

#include <concur/core/cancellation.hpp>
#include <concur/core/errors.hpp>
#include <concur/core/executor.hpp>
#include <concur/core/frame_recycler.hpp>
#include <concur/core/task_origin.hpp>
#include <concur/coro/detail/task_root.hpp>
#include <concur/coro/owned_coroutine.hpp>

#include <cstddef>
#include <memory>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// Everything but the task itself happens on the one thread that its executor has. From `enter` on it stands in the
/// scope of the executor, and must be queued there.
template <class T>
class main_task final : public detail::task_root<main_task<T>, T> {
  using root = detail::task_root<main_task, T>;

 public:
  struct let_go {
    /// One that has not ended destroys itself when it has.
    void operator()(main_task* owned) const noexcept {
      if (owned->entered_ && !owned->ended_) {
        owned->abandoned_ = true;
      } else {
        delete owned;
      }
    }
  };
  using owner = std::unique_ptr<main_task, let_go>;

  static void* operator new(std::size_t size) { return frame_recycler::allocate(size); }
  static void operator delete(void* block, std::size_t size) noexcept { frame_recycler::free(block, size); }

  main_task(executor& where, owned_coroutine<T> body, task_origin origin) noexcept
      : root(where, where.tasks(), std::move(origin)), coroutine_(std::move(body)) {}

  void enter() noexcept {
    entered_ = true;
    root::enter_with(coroutine_.handle());
  }

  [[nodiscard]] bool has_ended() const noexcept { return ended_; }

  /// Ends its present wait, and refuses every later one.
  void cancel() noexcept {
    if (!ended_) cancellation::cancel_alone(*this);
  }

  /// Once, when it has ended: its value, or throws its error, `cancelled` if it was cancelled before it began.
  T take() {
    if (refused_) throw concur::cancelled();
    return coroutine_.handle().promise().take();
  }

 private:
  friend root;
  using typename root::handle_type;

  ~main_task() {
    if (!ended_ || refused_) return;  // it goes without having begun
    auto const coroutine = coroutine_.release();
    if (coroutine.promise().has_failed()) [[unlikely]]
      static_cast<void>(coroutine.promise().take_error());  // unless somebody did
    coroutine.destroy();
  }

  bool starts() noexcept {
    if (!root::cancelled()) return true;
    refused_ = true;
    end();
    return false;
  }
  void complete(handle_type) noexcept { end(); }

  void end() noexcept {
    this->scope().remove(*this);
    ended_ = true;
    if (abandoned_) delete this;
  }

  owned_coroutine<T> coroutine_;
  bool entered_ = false;
  bool ended_ = false;
  bool refused_ = false;
  bool abandoned_ = false;
};

}  // namespace concur::inline CONCUR_ABI
