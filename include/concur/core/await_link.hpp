// SPDX-License-Identifier: BSL-1.0
//
// What the promises of the library's coroutines begin with: the link from a coroutine to its task and to the coroutine
// that awaits it. Reports follow these links from the place where a task waits up to the place where it was spawned.
//
//     class promise_type : public await_link { … };
#pragma once

#include <concur/core/abi.hpp>
#include <concur/core/assert.hpp>
#include <concur/core/os.hpp>

#include <bit>
#include <concepts>
#include <coroutine>
#include <cstdint>
#include <exception>
#include <new>
#include <source_location>
#include <utility>

namespace concur::inline CONCUR_ABI {

class executor;
class task_context;

/// A place in the source: eight bytes, where std::source_location as a default argument would stay in a coroutine's
/// frame for good. `void f(source_place where = __builtin_source_location());`
using source_place = decltype(__builtin_source_location());

/// The same, to be read.
inline std::source_location location_of(source_place place) noexcept {
  static_assert(sizeof(source_place) == sizeof(std::source_location), "a source_location is this pointer");
  return std::bit_cast<std::source_location>(place);
}

/// The handle of a coroutine in a word that remembers whether its promise begins with a link. Two more bits are the
/// user's.
class tagged_frame {
 public:
  constexpr tagged_frame() noexcept = default;

  template <class Promise>
  explicit tagged_frame(std::coroutine_handle<Promise> handle) noexcept;

  std::coroutine_handle<> handle() const noexcept {
    return std::coroutine_handle<>::from_address(reinterpret_cast<void*>(word_ & ~all_tags));
  }

  /// Null if it is not a coroutine of the library.
  inline class await_link const* link() const noexcept;

  explicit operator bool() const noexcept { return word_ != 0; }

  /// The user's bits.
  void mark() noexcept { word_ |= marked; }
  bool is_marked() const noexcept { return (word_ & marked) != 0; }
  void note() noexcept { word_ |= noted; }
  bool is_noted() const noexcept { return (word_ & noted) != 0; }
  bool is_plain() const noexcept { return (word_ & (marked | noted)) == 0; }
  tagged_frame without_note() const noexcept {
    tagged_frame plain = *this;
    plain.word_ &= ~noted;
    return plain;
  }

  /// Any other pointer in its place, marked.
  static tagged_frame marked_pointer(void* other) noexcept {
    tagged_frame made;
    made.word_ = reinterpret_cast<std::uintptr_t>(other) | marked;
    return made;
  }
  void* pointer() const noexcept { return reinterpret_cast<void*>(word_ & ~all_tags); }

 private:
  static constexpr std::uintptr_t marked = 1;
  static constexpr std::uintptr_t linked = 2;
  static constexpr std::uintptr_t noted = 4;
  static constexpr std::uintptr_t all_tags = marked | linked | noted;  // frames are aligned to as much

  std::uintptr_t word_ = 0;
};

/// Requires: it is the first base of the promise, and the promise is not over-aligned, so that a handle of the
/// coroutine leads to its link. Used by the coroutine's task only, and by reports while the task is held where it
/// waits (cancellation::inspect).
class await_link {
 public:
  await_link(await_link const&) = delete;
  await_link& operator=(await_link const&) = delete;

  /// The task that the coroutine belongs to. Requires: `enter` was called.
  task_context& context() const noexcept { return *context_; }
  void enter(task_context& task) noexcept { context_ = &task; }

  /// The coroutine that goes on when this one has ended; null for an outermost one, or while this one has not suspended
  /// yet and would return to it.
  tagged_frame awaiting() const noexcept {
    tagged_frame const next = awaiting_.load(std::memory_order_relaxed);
    if (next.is_marked()) return static_cast<move*>(next.pointer())->awaiting.load(std::memory_order_relaxed);
    return next.without_note();
  }
  /// The same for one that has ended, if that is all there is to it: it has neither moved nor failed.
  bool ends_plainly(tagged_frame& next) const noexcept {
    next = awaiting_.load(std::memory_order_relaxed);
    return next.is_plain();
  }
  template <class Promise>
  void set_awaiting(std::coroutine_handle<Promise> next) noexcept {
    move* const made = moved();
    (made == nullptr ? awaiting_ : made->awaiting).store(tagged_frame(next), std::memory_order_relaxed);
  }
  /// Nobody does any more, and it has not moved: for a coroutine that is resumed by one after the other.
  void forget_awaiting() noexcept { awaiting_.store(tagged_frame(), std::memory_order_relaxed); }

  /// What a coroutine that has moved to another executor keeps: who awaits it, and where that is to go on.
  struct move {
    os::atomic<tagged_frame> awaiting;  // as awaiting_
    executor* from;
  };

  /// The move of this coroutine, or null.
  move* moved() const noexcept {
    tagged_frame const made = awaiting_.load(std::memory_order_relaxed);
    return made.is_marked() ? static_cast<move*>(made.pointer()) : nullptr;
  }
  /// Once: `from` is set; takes over `mine`.
  void set_moved(move& mine) noexcept {
    mine.awaiting.store(awaiting_.load(std::memory_order_relaxed), std::memory_order_relaxed);
    awaiting_.store(tagged_frame::marked_pointer(&mine), std::memory_order_relaxed);
  }

  /// The co_await at which it stands, or null. Until it has ended.
  source_place stands_at() const noexcept { return place_; }
  void stand_at(source_place place) noexcept { place_ = place; }

  /// It has ended with an error, which somebody has to take before it is destroyed. Once.
  void fail(std::exception_ptr error) noexcept {
    ::new (static_cast<void*>(&error_)) std::exception_ptr(std::move(error));
    tagged_frame failed = awaiting_.load(std::memory_order_relaxed);
    failed.note();
    awaiting_.store(failed, std::memory_order_relaxed);
  }
  bool has_failed() const noexcept { return awaiting_.load(std::memory_order_relaxed).is_noted(); }
  /// Null if there is none, or no more.
  std::exception_ptr take_error() noexcept { return has_failed() ? std::move(error_) : std::exception_ptr(); }

 protected:
  await_link() noexcept {}
  // Each coroutine is destroyed in two places at least, so what is nearly always in vain is not done here.
  ~await_link() { CONCUR_ASSERT(!has_failed() || error_ == nullptr, "nobody took the error of a coroutine"); }

  /// Eight bytes for the result of a coroutine that stands nowhere any more.
  void* end_room() noexcept { return &place_; }

 private:
  task_context* context_ = nullptr;
  // Or, marked, a move; noted: it has failed. Written by the task, also when its wait is shown already and its stack
  // unwinds; so whoever reports of the task may find it null there. relaxed: plain moves; a wait that is shown orders
  // what they lead to.
  os::atomic<tagged_frame> awaiting_{tagged_frame()};
  union {
    source_place place_ = nullptr;
    std::exception_ptr error_;  // once it has failed: then it stands nowhere
  };
};

template <class Promise>
tagged_frame::tagged_frame(std::coroutine_handle<Promise> handle) noexcept
    : word_(reinterpret_cast<std::uintptr_t>(handle.address())) {
  if constexpr (std::derived_from<Promise, await_link>) {
    static_assert(alignof(Promise) <= 2 * sizeof(void*), "a promise with a link must not be over-aligned");
    word_ |= linked;
  }
}

inline await_link const* tagged_frame::link() const noexcept {
  if ((word_ & linked) == 0) return nullptr;
  return &std::coroutine_handle<await_link>::from_address(handle().address()).promise();
}

}  // namespace concur::inline CONCUR_ABI
