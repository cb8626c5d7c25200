// SPDX-License-Identifier: BSL-1.0
//
// What `future<T>` and `shared_future<T>` have in common: to ask, to wait, to cancel, to be called back.
//
//     if (!f.wait_for(2s)) f.cancel();
#pragma once

#include <concur/core/awaiter.hpp>
#include <concur/core/blocking.hpp>
#include <concur/core/deadline.hpp>
#include <concur/core/errors.hpp>
#include <concur/core/frame_recycler.hpp>
#include <concur/core/os.hpp>
#include <concur/future/detail/completion_await.hpp>
#include <concur/future/future_state.hpp>
#include <concur/future/outcome.hpp>

#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <type_traits>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// Says that a constructor takes over a reference instead of adding one.
struct adopt_state_t {
  explicit adopt_state_t() = default;
};
inline constexpr adopt_state_t adopt_state{};

/// Holds a reference to a state, or none. Every member but `valid` throws misuse without one. One thread at a time may
/// use a future, but any may call `cancel` while the object lives and keeps its state.
template <class T>
class basic_future {
  static_assert(!std::is_reference_v<T>,
                "futures and outcomes hold objects: take a pointer or std::reference_wrapper instead of a reference");

 public:
  using value_type = T;

  /// Whether the outcome is there: a value, an error or a cancel. One load.
  [[nodiscard]] bool done() const { return state().done(); }

  /// Waits until it is done. Throws misuse on the thread of an event loop, or on the only worker of a pool, that would
  /// have to go on with the task that it is the future of.
  void wait() const { wait_within({}); }

  /// The same with a limit: returns whether it was done in time. A limit that has passed looks once.
  template <class Rep, class Period>
  [[nodiscard]] bool wait_for(std::chrono::duration<Rep, Period> const& limit) const {
    return state().done() || wait_within({.deadline = deadline_after(limit)});
  }
  template <class Clock, class Duration>
  [[nodiscard]] bool wait_until(std::chrono::time_point<Clock, Duration> const& limit) const {
    return state().done() || wait_within(limit_at(limit));
  }

  /// Waits until it is done or a stop is requested; returns whether it was done.
  [[nodiscard]] bool wait(os::stop_token const& stop) const { return wait_within({.stop = &stop}); }

  /// `co_await f.async_wait()` waits without blocking the thread until it is done, however it ends: neither is the
  /// value taken, nor the error thrown or counted as taken. A cancel ends the wait only: it throws `cancelled`, and the
  /// work goes on; so `co_await move_on_after(2s, f.async_wait())` is a wait with a limit. The future may meanwhile be
  /// moved, read or let go of.
  [[nodiscard]] awaitable<void> auto async_wait() const { return detail::completion_await(state()); }

  /// Waits until it is done, and returns the error, null if it has a value. The error counts as taken.
  [[nodiscard]] std::exception_ptr error() const {
    wait();
    if (!state_->failed()) return nullptr;
    state_->note_error_taken();
    return state_->result().error();
  }

  /// Cancels the work. What has not begun never begins, and the future is done at once, with `cancelled` as its error;
  /// work that runs is asked to stop, and the future is done when it ends, however it ends. Returns whether the cancel
  /// came before the completion. Callbacks may run inside the call. Any thread; from another one than its loop's the
  /// first cancel of a task costs a barrier of all threads, some microseconds.
  bool cancel() const { return state().cancel(); }

  /// Has `f(outcome<T> const&)` called once, when it is done: on the completing thread, which may be one that cancels,
  /// in the order in which they were given; at once, here, if it is done already. It should be short: who waits for
  /// the value goes on after it. In it the future is done, but only its argument shows the value: what is left of it if
  /// it was taken before. What it throws goes to the hook for unhandled errors; an error that was given to it counts as
  /// taken. Takes one recycled block; throws std::bad_alloc and what copying `f` throws, and then nothing has changed.
  template <class Function>
  void on_done(Function&& f) const;

 protected:
  using state_type = future_state<T>;

  basic_future() noexcept = default;
  explicit basic_future(state_type* state) noexcept : state_(state) {}
  basic_future(basic_future&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
  basic_future& operator=(basic_future&& other) noexcept {
    basic_future(std::move(other)).swap(*this);
    return *this;
  }
  ~basic_future() {
    if (state_ != nullptr) state_->drop_reference();
  }
  void swap(basic_future& other) noexcept { std::swap(state_, other.state_); }

  state_type& state() const {
    if (state_ == nullptr) [[unlikely]]
      throw misuse("a future without a state was used: it was moved from, or never had one");
    return *state_;
  }
  state_type* release() noexcept { return std::exchange(state_, nullptr); }

  state_type* state_ = nullptr;

 private:
  friend struct future_access;
  bool wait_within(wait_limit const& limit) const { return state().done() || state_->wait_within(limit); }
};

/// For combinators: the state behind a future.
struct future_access {
  template <class T>
  static future_state<T>& state(basic_future<T> const& f) {
    return f.state();
  }
  template <class T>
  static future_state<T>* release(basic_future<T>& f) {
    f.state();
    return f.release();
  }
};

template <class T>
template <class Function>
void basic_future<T>::on_done(Function&& f) const {
  using function = std::decay_t<Function>;
  static_assert(std::is_invocable_v<function&, outcome<T> const&>, "on_done needs a function of outcome<T> const&");

  class callback final : public future_callback {
   public:
    static void* operator new(std::size_t size) { return frame_recycler::allocate(size); }
    static void operator delete(void* block, std::size_t size) noexcept { frame_recycler::free(block, size); }

    explicit callback(Function&& given) : function_(std::forward<Function>(given)) {}
    void run(future_state_base& done) noexcept override {
      auto& state = static_cast<state_type&>(done);
      if (state.failed()) state.note_error_taken();
      try {
        std::invoke(function_, state.result());
      } catch (...) {
        report_unhandled_error(std::current_exception(), "a callback of a future");
      }
      delete this;
    }

   private:
    function function_;
  };

  static_assert(alignof(callback) <= alignof(std::max_align_t), "a callback must not be over-aligned");
  auto& asked = state();
  auto* const mine = new callback(std::forward<Function>(f));
  if (asked.call(*mine)) return;
  asked.add_reference();  // the callback may destroy the future
  mine->run(asked);
  asked.drop_reference();
}

}  // namespace concur::inline CONCUR_ABI
