// SPDX-License-Identifier: BSL-1.0
//
// For those who build what runs tasks: a task whose starter runs its executor until it has ended, and then takes the
// result. It needs no future: nothing of it is counted or locked.
//
//     main_task_room room;                        // of the executor
//     auto const body = main_task<T>::make(room, loop, std::move(coroutine), task_origin(place));
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

/// Where one main_task lies without taking a block; others take one meanwhile. Lives as long as they do.
class main_task_room {
 public:
  main_task_room() noexcept = default;
  main_task_room(main_task_room const&) = delete;
  main_task_room& operator=(main_task_room const&) = delete;

 private:
  template <class T>
  friend class main_task;

  void* take(std::size_t size) { return std::exchange(taken_, true) ? frame_recycler::allocate(size) : bytes_; }
  void give_back(void* place, std::size_t size) noexcept {
    if (place != bytes_) [[unlikely]]
      return frame_recycler::free(place, size);
    taken_ = false;
  }

  alignas(void*) std::byte bytes_[14 * sizeof(void*)];
  bool taken_ = false;
};

/// Everything but the task itself happens on the one thread that its executor has. From `enter` on it stands in the
/// scope of the executor, and must be queued there.
template <class T>
class main_task final : public detail::task_root<main_task<T>, T> {
  using root = detail::task_root<main_task, T>;
  enum class stage : unsigned char {
    fresh,
    entered,
    abandoned,  // entered, and nobody owns it
    ended,
    refused,  // ended, without having begun
  };

 public:
  struct let_go {
    /// One that has not ended destroys itself when it has.
    void operator()(main_task* owned) const noexcept {
      if (owned->stage_ == stage::entered) [[unlikely]] {
        owned->stage_ = stage::abandoned;
      } else {
        owned->destroy();
      }
    }
  };
  using owner = std::unique_ptr<main_task, let_go>;

  /// Throws std::bad_alloc if the room is taken.
  static owner make(main_task_room& room, executor& where, owned_coroutine<T>&& body, task_origin&& origin) {
    static_assert(sizeof(main_task) <= sizeof room.bytes_ && alignof(main_task) <= alignof(main_task_room));
    return owner(::new (room.take(sizeof(main_task))) main_task(room, where, std::move(body), std::move(origin)));
  }

  void enter() noexcept {
    stage_ = stage::entered;
    root::enter_with(coroutine_.handle());
  }
  /// After `enter`, by one who has nothing else to run: instead of queueing it.
  void run_at_once() noexcept { root::run_at_once(); }

  [[nodiscard]] bool has_ended() const noexcept { return stage_ >= stage::ended; }

  /// Ends its present wait, and refuses every later one.
  void cancel() noexcept {
    if (!has_ended()) cancellation::cancel_alone(*this);
  }

  /// Once, when it has ended: its value, or throws its error, `cancelled` if it was cancelled before it began.
  T take() {
    if (stage_ == stage::refused) [[unlikely]]
      throw concur::cancelled();
    return coroutine_.handle().promise().take();
  }

 private:
  friend root;
  using typename root::handle_type;

  main_task(main_task_room& room, executor& where, owned_coroutine<T>&& body, task_origin&& origin) noexcept
      : root(where, where.tasks(), std::move(origin)), coroutine_(std::move(body)), room_(room) {}
  ~main_task() {
    if (stage_ == stage::fresh || stage_ == stage::refused) [[unlikely]]
      return;  // it goes without having begun
    auto const coroutine = coroutine_.release();
    if (coroutine.promise().has_failed()) [[unlikely]]
      static_cast<void>(coroutine.promise().take_error());  // unless somebody did
    coroutine.destroy();
  }

  void destroy() noexcept {
    main_task_room& room = room_;
    this->~main_task();
    room.give_back(this, sizeof(main_task));
  }

  [[gnu::always_inline]] bool starts() noexcept {
    if (!root::cancelled()) return true;
    end(stage::refused);
    return false;
  }
  void complete(handle_type) noexcept { end(stage::ended); }

  void end(stage which) noexcept {
    this->scope().remove(*this);
    bool const abandoned = stage_ == stage::abandoned;
    stage_ = which;
    if (abandoned) [[unlikely]]
      destroy();
  }

  owned_coroutine<T> coroutine_;
  main_task_room& room_;
  stage stage_ = stage::fresh;
};

}  // namespace concur::inline CONCUR_ABI
