// SPDX-License-Identifier: BSL-1.0
//
// The producer's end of a future: whoever has it sets the value or the error, once, from any thread.
//
//     concur::promise<int> p;
//     concur::future<int> f = p.get_future();
//     …  p.set_value(42);  or  p.set_error(std::runtime_error("no answer"));
#pragma once

#include <concur/core/errors.hpp>
#include <concur/core/os.hpp>
#include <concur/future/future.hpp>
#include <concur/future/future_state.hpp>
#include <concur/future/outcome.hpp>

#include <concepts>
#include <exception>
#include <type_traits>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// Owns the duty to complete one future. Moves only. Destroyed without a result, it gives the future the error
/// `broken_promise`, or `cancelled` if it was asked to give up, so nobody hangs.
///
/// A future that is cancelled before `begin` is done at once; what is set afterwards is dropped without a word, since
/// nobody could have known. After `begin` a cancel only asks: see `cancelled` and `get_stop_token`.
///
/// Setting, `begin`, `cancelled` and `get_stop_token` may be called from any thread, at the same time as well, while
/// the object lives; it may be destroyed as soon as somebody has found the future done, unless another of these calls,
/// one that came too late, is still under way. The rest, moves and destruction belong to one thread. Every member
/// throws misuse on a promise that was moved from. Costs one recycled block.
template <class T>
class promise {
 public:
  /// Throws std::bad_alloc.
  promise() : state_(new shared_state()) {}
  promise(promise&& other) noexcept : state_(std::exchange(other.state_, nullptr)), future_made_(other.future_made_) {}
  promise& operator=(promise&& other) noexcept {
    promise(std::move(other)).swap(*this);
    return *this;
  }
  ~promise() {
    if (state_ == nullptr) return;
    if (!state_->done()) break_promise();
    if (!future_made_) state_->drop_reference();
    state_->drop_reference();
  }

  void swap(promise& other) noexcept {
    std::swap(state_, other.state_);
    std::swap(future_made_, other.future_made_);
  }
  friend void swap(promise& a, promise& b) noexcept { a.swap(b); }

  /// Whether it has a state: it was not moved from.
  [[nodiscard]] bool valid() const noexcept { return state_ != nullptr; }

  /// The future. A second time throws misuse.
  future<T> get_future() {
    auto& made = state();
    if (future_made_) throw misuse("get_future() was called twice on one promise");
    future_made_ = true;
    return future<T>(adopt_state, made);
  }

  /// Completes the future with a value made of the arguments, or of nothing for void. Throws misuse if it was set
  /// before. What making the value throws becomes the error of the future.
  template <class... Arguments>
    requires std::is_constructible_v<stored_value<T>, Arguments...>
  void set_value(Arguments&&... arguments) {
    auto& mine = state();
    if (!mine.complete_value(std::forward<Arguments>(arguments)...)) mine.require_cancelled();
  }

  /// Completes it with an error, not null. Throws misuse if it was set before or the error is null.
  void set_error(std::exception_ptr error) {
    auto& mine = state();
    if (!mine.complete_error(not_null(std::move(error)))) mine.require_cancelled();
  }
  template <class Error>
    requires(!std::same_as<std::decay_t<Error>, std::exception_ptr>)
  void set_error(Error&& error) {
    set_error(std::make_exception_ptr(std::forward<Error>(error)));
  }

  /// The same, but they return whether it was not set or cancelled before. The arguments are left alone if it was.
  template <class... Arguments>
    requires std::is_constructible_v<stored_value<T>, Arguments...>
  [[nodiscard]] bool try_set_value(Arguments&&... arguments) {
    return state().complete_value(std::forward<Arguments>(arguments)...);
  }
  [[nodiscard]] bool try_set_error(std::exception_ptr error) {
    return state().complete_error(not_null(std::move(error)));
  }
  template <class Error>
    requires(!std::same_as<std::decay_t<Error>, std::exception_ptr>)
  [[nodiscard]] bool try_set_error(Error&& error) {
    return try_set_error(std::make_exception_ptr(std::forward<Error>(error)));
  }

  /// Says that the work begins: from now on a cancel only asks. Returns false if it must not begin, because the future
  /// was cancelled or set. Once; Python's set_running_or_notify_cancel.
  [[nodiscard]] bool begin() { return state().begin(); }

  /// Whether the future was cancelled before it was set.
  [[nodiscard]] bool cancelled() const { return state().cancel_requested(); }

  /// A token that is stopped when the future is cancelled. The first call allocates; throws std::bad_alloc.
  [[nodiscard]] os::stop_token get_stop_token() { return state().stop_token(); }

 private:
  class shared_state;

  shared_state& state() const {
    if (state_ == nullptr) [[unlikely]]
      throw misuse("a promise was used that was moved from");
    return *state_;
  }
  static std::exception_ptr not_null(std::exception_ptr error) {
    if (error == nullptr) [[unlikely]]
      throw misuse("a promise was given an error that is null");
    return error;
  }
  [[gnu::cold, gnu::noinline]] void break_promise() noexcept {
    bool const gave_up = state_->cancel_requested();
    state_->complete_error(gave_up ? std::make_exception_ptr(concur::cancelled())
                                   : std::make_exception_ptr(broken_promise()));
  }

  shared_state* state_;
  bool future_made_ = false;  // before that, both references are the promise's
};

/// With a stop source, which is made when somebody asks for a token.
template <class T>
class promise<T>::shared_state final : public future_state_with_room<T> {
 public:
  shared_state() noexcept = default;

  /// For a result that came too late.
  void require_cancelled() const {
    if (!this->stage().completed_by_cancel()) throw misuse("a promise was set twice");
  }

  os::stop_token stop_token() {
    os::stop_source fresh;
    auto token = this->with_list_locked([&] {
      if (!stop_.stop_possible()) stop_.swap(fresh);
      return stop_.get_token();
    });
    // A cancel that came before found no source, or it finds this one.
    if (this->cancel_requested()) request_cancel();
    return token;
  }

 private:
  void request_cancel() noexcept override {
    auto asked = this->with_list_locked([this] { return stop_; });
    asked.request_stop();
  }

  os::stop_source stop_{std::nostopstate};  // under the lock of the list
};

}  // namespace concur::inline CONCUR_ABI
