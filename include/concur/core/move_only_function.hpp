// SPDX-License-Identifier: BSL-1.0
//
// A function object that holds any callable, also one that cannot be copied: C++23's std::move_only_function, for
// plain signatures and with a guaranteed small buffer.
//
//     move_only_function<int(int)> f = [p = std::make_unique<int>(2)](int n) { return n * *p; };
//     int const six = f(3);
#pragma once

#include <concur/core/abi.hpp>
#include <concur/core/assert.hpp>

#include <concepts>
#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace concur::inline CONCUR_ABI {

template <class Signature>
class move_only_function;

/// Holds one callable or none; takes four pointers. A callable of up to three pointers whose move does not throw lies
/// within; any other is allocated with operator new. Moving never throws and never allocates. The callable is
/// destroyed exactly once, with the function object that holds it last. A signature `R(Args...) noexcept` accepts only
/// callables that do not throw. Members are called through a lambda. One thread at a time, unless the callable allows
/// more. Must not be destroyed or assigned to during a call.
template <class R, class... Args, bool NoExcept>
class move_only_function<R(Args...) noexcept(NoExcept)> {
  template <class F>
  static constexpr bool fits_signature = [] {
    if constexpr (std::is_invocable_r_v<R, F&, Args...>) {
      return !std::is_member_pointer_v<F> && (!NoExcept || std::is_nothrow_invocable_r_v<R, F&, Args...>);
    } else {
      return false;
    }
  }();

 public:
  using result_type = R;

  /// Holds none.
  constexpr move_only_function() noexcept = default;
  constexpr move_only_function(std::nullptr_t) noexcept {}

  /// Holds a decayed copy of `f`, or moves it in; none if `f` is a null function pointer. Throws std::bad_alloc and
  /// what that copy or move throws, and leaks nothing then.
  template <class F>
    requires(!std::same_as<std::remove_cvref_t<F>, move_only_function> && fits_signature<std::decay_t<F>>)
  move_only_function(F&& f) {
    store<std::decay_t<F>>(std::forward<F>(f));
  }

  move_only_function(move_only_function&& other) noexcept { take(other); }
  move_only_function& operator=(move_only_function&& other) noexcept;
  ~move_only_function() { reset(); }

  /// Whether it holds a callable.
  explicit operator bool() const noexcept { return operations_ != nullptr; }

  /// Calls it. Requires: it holds one.
  R operator()(Args... args) noexcept(NoExcept);

  /// Destroys the callable; does nothing when there is none.
  void reset() noexcept;

 private:
  static constexpr std::size_t capacity = 3 * sizeof(void*);

  template <class F>
  static constexpr bool lies_within =
      sizeof(F) <= capacity && alignof(F) <= alignof(void*) && std::is_nothrow_move_constructible_v<F>;

  // Small arguments travel in registers.
  template <class Arg>
  using passed = std::conditional_t<std::is_scalar_v<Arg>, Arg, Arg&&>;

  // What can be done with the callable in the buffer. A null `relocate` stands for copying the bytes, a null
  // `destroy` for nothing.
  struct operations {
    R (*call)(void* buffer, passed<Args>... args) noexcept(NoExcept);
    void (*relocate)(void* to, void* from) noexcept;
    void (*destroy)(void* buffer) noexcept;
  };

  template <class F>
  struct operations_within;
  template <class F>
  struct operations_allocated;

  template <class Target, class F>
  void store(F&& f);
  void take(move_only_function& other) noexcept;

  operations const* operations_ = nullptr;
  alignas(void*) std::byte buffer_[capacity];
};

template <class R, class... Args, bool NoExcept>
template <class F>
struct move_only_function<R(Args...) noexcept(NoExcept)>::operations_within {
  static F& target(void* buffer) noexcept { return *std::launder(static_cast<F*>(buffer)); }

  static R call(void* buffer, passed<Args>... args) noexcept(NoExcept) {
    return static_cast<R>(target(buffer)(std::forward<Args>(args)...));
  }
  static void relocate(void* to, void* from) noexcept {
    std::construct_at(static_cast<F*>(to), std::move(target(from)));
    std::destroy_at(&target(from));
  }
  static void destroy(void* buffer) noexcept { std::destroy_at(&target(buffer)); }

  static constexpr operations table{call, std::is_trivially_copyable_v<F> ? nullptr : relocate,
                                    std::is_trivially_destructible_v<F> ? nullptr : destroy};
};

// The buffer holds a pointer, so moving is copying its bytes.
template <class R, class... Args, bool NoExcept>
template <class F>
struct move_only_function<R(Args...) noexcept(NoExcept)>::operations_allocated {
  static F* target(void* buffer) noexcept { return *std::launder(static_cast<F**>(buffer)); }

  static R call(void* buffer, passed<Args>... args) noexcept(NoExcept) {
    return static_cast<R>((*target(buffer))(std::forward<Args>(args)...));
  }
  static void destroy(void* buffer) noexcept { delete target(buffer); }

  static constexpr operations table{call, nullptr, destroy};
};

template <class R, class... Args, bool NoExcept>
template <class Target, class F>
void move_only_function<R(Args...) noexcept(NoExcept)>::store(F&& f) {
  // Of pointers only: a function that decays to one here is never null, and GCC warns of the question.
  if constexpr (std::is_pointer_v<std::remove_reference_t<F>>) {
    if (f == nullptr) return;
  }
  if constexpr (lies_within<Target>) {
    ::new (static_cast<void*>(buffer_)) Target(std::forward<F>(f));
    operations_ = &operations_within<Target>::table;
  } else {
    ::new (static_cast<void*>(buffer_)) Target*(new Target(std::forward<F>(f)));
    operations_ = &operations_allocated<Target>::table;
  }
}

template <class R, class... Args, bool NoExcept>
auto move_only_function<R(Args...) noexcept(NoExcept)>::operator=(move_only_function&& other) noexcept
    -> move_only_function& {
  if (this == &other) return *this;
  reset();
  take(other);
  return *this;
}

template <class R, class... Args, bool NoExcept>
R move_only_function<R(Args...) noexcept(NoExcept)>::operator()(Args... args) noexcept(NoExcept) {
  CONCUR_ASSERT(operations_ != nullptr, "an empty function was called");
  return operations_->call(buffer_, std::forward<Args>(args)...);
}

template <class R, class... Args, bool NoExcept>
void move_only_function<R(Args...) noexcept(NoExcept)>::reset() noexcept {
  // Empty before the destructor runs, in case that looks at this object.
  auto const* const old = std::exchange(operations_, nullptr);
  if (old != nullptr && old->destroy != nullptr) old->destroy(buffer_);
}

// Requires: this holds none.
template <class R, class... Args, bool NoExcept>
void move_only_function<R(Args...) noexcept(NoExcept)>::take(move_only_function& other) noexcept {
  operations_ = std::exchange(other.operations_, nullptr);
  if (operations_ == nullptr) return;
  if (operations_->relocate != nullptr) {
    operations_->relocate(buffer_, other.buffer_);
  } else {
    std::memcpy(buffer_, other.buffer_, capacity);
  }
}

}  // namespace concur::inline CONCUR_ABI
