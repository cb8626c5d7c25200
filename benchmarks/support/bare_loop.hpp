// SPDX-License-Identifier: BSL-1.0
//
// The floor, under the same words: the least that a coroutine can be. Frames come from a free list, coroutines resume
// each other by symmetric transfer, and what is ready stands in a ring of handles. There are no executors, no errors,
// no cancellation, no limit of the stack, and there is one thread.
#pragma once

#include <array>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <new>
#include <utility>
#include <vector>

namespace bench {

/// Free frames, by size.
class bare_frames {
 public:
  static void* allocate(std::size_t size) {
    if (size > largest) return ::operator new(size);
    auto& first = free_[place_of(size)];
    if (first == nullptr) return ::operator new(place_of(size) * unit);
    return std::exchange(first, first->next);
  }
  static void free(void* frame, std::size_t size) noexcept {
    if (size > largest) return ::operator delete(frame);
    auto& first = free_[place_of(size)];
    first = ::new (frame) block{first};
  }

 private:
  struct block {
    block* next;
  };
  static constexpr std::size_t unit = 16;
  static constexpr std::size_t largest = 1024;
  static std::size_t place_of(std::size_t size) { return (size + unit - 1) / unit; }
  static inline constinit thread_local std::array<block*, largest / unit + 1> free_{};
};

template <class T>
class bare_task {
 public:
  class promise_type;
  using handle_type = std::coroutine_handle<promise_type>;

  explicit bare_task(handle_type coroutine) noexcept : coroutine_(coroutine) {}
  bare_task(bare_task&& other) noexcept : coroutine_(std::exchange(other.coroutine_, nullptr)) {}
  ~bare_task() {
    if (coroutine_) coroutine_.destroy();
  }

  bool await_ready() const noexcept { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiting) noexcept {
    coroutine_.promise().next = awaiting;
    return coroutine_;
  }
  T await_resume() const noexcept { return coroutine_.promise().take(); }

  handle_type handle() const noexcept { return coroutine_; }

 private:
  handle_type coroutine_;
};

template <class T>
struct bare_result {
  T value;
  void return_value(T result) noexcept { value = result; }
  T take() const noexcept { return value; }
};
template <>
struct bare_result<void> {
  void return_void() const noexcept {}
  void take() const noexcept {}
};

struct bare_end {
  bool await_ready() const noexcept { return false; }
  template <class Promise>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> ended) const noexcept {
    return ended.promise().next;
  }
  void await_resume() const noexcept {}
};

template <class T>
class bare_task<T>::promise_type : public bare_result<T> {
 public:
  static void* operator new(std::size_t size) { return bare_frames::allocate(size); }
  static void operator delete(void* frame, std::size_t size) noexcept { bare_frames::free(frame, size); }
  bare_task get_return_object() noexcept { return bare_task(handle_type::from_promise(*this)); }
  std::suspend_always initial_suspend() const noexcept { return {}; }
  bare_end final_suspend() const noexcept { return {}; }
  [[noreturn]] void unhandled_exception() const noexcept { std::terminate(); }

  std::coroutine_handle<> next = std::noop_coroutine();
};

class bare_loop {
 public:
  template <class T>
  using task = bare_task<T>;

  template <class T>
  T run(bare_task<T> body) {
    body.handle().resume();
    while (taken_ != added_) ring_[taken_++ % capacity].resume();
    return body.await_resume();
  }

  class yield_awaiter {
   public:
    explicit yield_awaiter(bare_loop& loop) noexcept : loop_(loop) {}
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> handle) const noexcept { loop_.add(handle); }
    void await_resume() const noexcept {}

   private:
    bare_loop& loop_;
  };
  yield_awaiter yield() noexcept { return yield_awaiter(*this); }

  void start(bare_task<void> body) {
    add(body.handle());
    started_.push_back(std::move(body));
  }

 private:
  static constexpr std::size_t capacity = 1024;  // more than any of the programs has ready
  void add(std::coroutine_handle<> handle) noexcept { ring_[added_++ % capacity] = handle; }

  std::array<std::coroutine_handle<>, capacity> ring_;
  std::size_t added_ = 0;
  std::size_t taken_ = 0;
  std::vector<bare_task<void>> started_;
};

}  // namespace bench
