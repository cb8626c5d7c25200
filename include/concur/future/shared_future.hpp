// SPDX-License-Identifier: BSL-1.0
//
// A future that any number of parties read: each copy gives the same value, by reference.
//
//     concur::shared_future<config> loaded = load().share();
//     config const& c = loaded.get();              // a thread or fiber
//     config const& d = co_await loaded;           // a coroutine
#pragma once

#include <concur/core/awaiter.hpp>
#include <concur/core/os.hpp>
#include <concur/core/waiter.hpp>
#include <concur/future/basic_future.hpp>
#include <concur/future/future_state.hpp>
#include <concur/future/outcome.hpp>

#include <optional>
#include <type_traits>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// Copies share one result, which lives as long as any of them; each copy belongs to one thread at a time. References
/// to the value are valid while a copy lives. What is said of errors and of letting go is as for `future`.
template <class T>
class [[nodiscard]] shared_future : public basic_future<T> {
  using base = basic_future<T>;

 public:
  /// What `get` gives: a reference to the value, nothing for void.
  using reference = std::conditional_t<std::is_void_v<T>, void, std::add_lvalue_reference_t<T const>>;

  /// Without a state.
  shared_future() noexcept = default;
  shared_future(shared_future&&) noexcept = default;
  shared_future& operator=(shared_future&&) noexcept = default;
  shared_future(shared_future const& other) noexcept : base(other.state_) {
    if (this->state_ != nullptr) this->state_->add_reference();
  }
  shared_future& operator=(shared_future const& other) noexcept {
    shared_future(other).swap(*this);
    return *this;
  }

  /// Takes over a reference.
  shared_future(adopt_state_t, future_state<T>& state) noexcept : base(&state) {}

  void swap(shared_future& other) noexcept { base::swap(other); }
  friend void swap(shared_future& a, shared_future& b) noexcept { a.swap(b); }

  /// Whether it has a state.
  [[nodiscard]] bool valid() const noexcept { return this->state_ != nullptr; }

  /// Waits until it is done, and gives the value or throws the error, as often as wanted.
  reference get() const {
    this->wait();
    return result();
  }

  /// The same until a stop is requested: then null. For void a pointer to an empty object or null.
  [[nodiscard]] stored_value<T> const* get(os::stop_token const& stop) const {
    if (!this->wait(stop)) return nullptr;
    note_error();
    return &this->state_->result().stored_or_throw();
  }

  /// `co_await f`: waits without blocking the thread, and gives what `get` gives. A cancel ends the wait only: it
  /// throws `cancelled`, and the work goes on.
  auto operator co_await() const { return shared_await(*this); }

 private:
  class shared_await;

  void note_error() const noexcept {
    if (this->state_->failed()) this->state_->note_error_taken();
  }
  reference result() const {
    note_error();
    return this->state_->result().value();
  }
};

/// Keeps the state alive while it waits, but not after it: the reference that it gives is the awaited copy's.
template <class T>
class [[nodiscard]] shared_future<T>::shared_await final : public waiting_awaiter<shared_await> {
 public:
  explicit shared_await(shared_future const& awaited) : future_(awaited) { awaited.state(); }

  reference await_resume() const {
    this->throw_if_stopped();
    return future_.result();
  }

 private:
  friend waiting_awaiter<shared_await>;
  bool attempt() const noexcept { return future_.state_->done(); }
  bool enqueue(waiter& arriving) const noexcept { return future_.state_->enqueue(arriving); }
  bool withdraw(waiter& leaving) const noexcept { return future_.state_->withdraw(leaving); }

  shared_future const& future_;
};

}  // namespace concur::inline CONCUR_ABI
