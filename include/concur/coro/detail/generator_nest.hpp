// SPDX-License-Identifier: BSL-1.0
//
// What the promises of generators have in common: how a generator that delegates to another, which delegates to a
// third, and so on, is driven from one loop that always resumes the innermost of them.
//
// The frames of such a nest form a ring: the root, which the user iterates over; the innermost; the one around that;
// and so on, back to the root. A generator that stands alone is a ring of one. No coroutine resumes or destroys
// another: it returns to the loop in advance(), so neither iterating nor destroying a deep nest grows the stack, in
// any build (GCC resumes a coroutine from another in constant stack only when it optimises).
#pragma once

#include <concur/core/abi.hpp>

#include <coroutine>
#include <exception>
#include <type_traits>
#include <utility>

namespace concur::inline CONCUR_ABI::detail {

/// Base of the promises whose generators yield as `Yielded`, a reference. One thread at a time.
template <class Yielded>
class generator_nest {
 public:
  using pointer = std::add_pointer_t<Yielded>;

  generator_nest(generator_nest const&) = delete;
  generator_nest& operator=(generator_nest const&) = delete;

  /// Whether it is a root that was begun, or part of another's nest.
  bool begun() const noexcept { return root_ != nullptr; }

  /// Makes it a root; once, before advance(), and not after delegate() to it.
  void begin() noexcept { root_ = this; }

  /// Of a root that was begun and has not ended: runs the nest up to the next value and returns its address, or null
  /// at the end. Throws what left the body of the root; that is an end, too.
  pointer advance() {
    for (;;) {
      // Still there after the call: only a frame around it destroys it, and only when it is resumed itself.
      generator_nest& running = *next_;
      running.self_.resume();
      if (running.value_ != nullptr) [[likely]]
        return running.value_;
      if (next_ == this && self_.done()) break;
      // Else `running` has delegated, or has ended and the one around it goes on.
    }
    throw_error();
    return nullptr;
  }

  /// By the innermost: the elements of `inner`, which was not begun, come next. Its frame belongs to the nest until
  /// end_delegation().
  void delegate(generator_nest& inner) noexcept {
    value_ = nullptr;
    inner.root_ = root_;
    inner.next_ = std::exchange(root_->next_, &inner);
  }

  /// When it has ended, and the one that delegated to it is resumed: destroys the frame, and throws what left its body.
  void end_delegation() {
    std::exception_ptr const error = std::exchange(error_.held, nullptr);
    self_.destroy();
    if (error) std::rethrow_exception(error);
  }

  /// Destroys the frame, and those of the nest if it is a root, the innermost first.
  void destroy() noexcept {
    while (next_ != this) {
      generator_nest& innermost = *next_;
      next_ = innermost.next_;
      innermost.self_.destroy();
    }
    self_.destroy();
  }

 protected:
  constexpr generator_nest() noexcept = default;
  ~generator_nest() {
    // Inlined into what destroys a frame: GCC then lays out the way of resuming it without a jump.
    [[unlikely]];
  }

  void set_handle(std::coroutine_handle<> self) noexcept { self_ = self; }

  /// The value to be seen when the coroutine suspends next.
  void set_value(pointer value) noexcept { value_ = value; }

  void set_error(std::exception_ptr error) noexcept { error_.held = std::move(error); }

  /// When the body has been left and its variables are destroyed.
  void leave() noexcept {
    value_ = nullptr;
    root_->next_ = next_;  // nothing new if it is the root
  }

 private:
  void throw_error() {
    if (error_.held) std::rethrow_exception(std::exchange(error_.held, nullptr));
  }

  // Null again before the frame goes: whoever sees the end of the body takes it. So the promise needs no destructor,
  // for which GCC would save registers in each resumption.
  union last_error {
    constexpr last_error() noexcept : held() {}
    ~last_error() {}
    std::exception_ptr held;
  };

  pointer value_ = nullptr;  // null when it has suspended without one
  generator_nest* next_ = this;  // of the root: the innermost; of the others: the one around it
  generator_nest* root_ = nullptr;  // null until it has begun
  std::coroutine_handle<> self_;
  last_error error_;  // what left its body
};

}  // namespace concur::inline CONCUR_ABI::detail
