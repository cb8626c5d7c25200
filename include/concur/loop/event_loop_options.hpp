// SPDX-License-Identifier: BSL-1.0
//
// How an event loop is to be made: its name, its clock, and what tests want of it.
//
//     concur::event_loop loop(concur::event_loop_options().name("main").slow_callback(20ms));
//     concur::event_loop
//     tested(concur::event_loop_options().virtual_time().ready_order(concur::ready_order::reversed()));
#pragma once

#include <concur/core/deadline.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// In which order a loop runs what was ready at the same time. Any order but the first breaks the promise that posts of
/// one thread run in order, on purpose: nothing that is right only by that order survives it.
class ready_order {
 public:
  enum class kind : unsigned char { in_order, reversed, shuffled };

  /// First in, first out.
  static constexpr ready_order in_order() noexcept { return ready_order(kind::in_order, 0); }
  static constexpr ready_order reversed() noexcept { return ready_order(kind::reversed, 0); }
  /// The same seed gives the same order.
  static constexpr ready_order shuffled(std::uint64_t seed) noexcept { return ready_order(kind::shuffled, seed); }

  constexpr kind which() const noexcept { return which_; }
  constexpr std::uint64_t seed() const noexcept { return seed_; }

 private:
  constexpr ready_order(kind which, std::uint64_t seed) noexcept : which_(which), seed_(seed) {}

  kind which_;
  std::uint64_t seed_;
};

/// A callback or a step of a task that kept its loop from everything else.
struct slow_callback_report {
  char const* loop;  ///< the loop's name
  std::chrono::nanoseconds held;
};

/// Is told of it, on the loop's thread, after the callback. If it throws, the program ends.
using slow_callback_handler = void (*)(slow_callback_report const&);

/// With what a loop waits for descriptors.
enum class loop_backend : unsigned char {
  best,  ///< io_uring, if the program was compiled for it and the kernel permits it; otherwise epoll
  epoll,
};

/// A value, made by chained calls.
class event_loop_options {
 public:
  event_loop_options() = default;

  /// For reports. Throws std::bad_alloc.
  event_loop_options& name(std::string value) {
    name_ = std::move(value);
    return *this;
  }

  /// Reports every callback and every step of a task that takes longer than this, which costs a look at the clock for
  /// each. Zero or less: never. In checked builds 100 ms unless it is set, else never. Not in virtual time.
  template <class Rep, class Period>
  event_loop_options& slow_callback(std::chrono::duration<Rep, Period> const& longest) {
    slow_callback_ = saturated(longest);
    return *this;
  }
  /// Who is told; null for a line on standard error.
  event_loop_options& on_slow_callback(slow_callback_handler handler) noexcept {
    on_slow_callback_ = handler;
    return *this;
  }

  /// For tests: the clock stands still while there is work, and jumps to the next timer when there is none. When there
  /// is no timer either, nothing could wake anyone, and `deadlock` is thrown. Other threads are not waited for; only
  /// the end of the loop waits for them if its tasks do, and after a second says so on standard error. While a
  /// descriptor is watched the clock runs, for as long as the loop sleeps.
  event_loop_options& virtual_time(bool value = true) noexcept {
    virtual_time_ = value;
    return *this;
  }

  /// How long the loop looks at descriptors again and again before it sleeps, where it watches any: an answer that
  /// comes in that time is seen some microseconds sooner, and the CPU is not free meanwhile. Zero, which is usual, or
  /// less: never. Some ten microseconds are what may pay. Not in virtual time.
  template <class Rep, class Period>
  event_loop_options& busy_poll(std::chrono::duration<Rep, Period> const& length) {
    busy_poll_ = saturated(length);
    return *this;
  }

  event_loop_options& backend(loop_backend value) noexcept {
    backend_ = value;
    return *this;
  }
  /// How many operations are handed over to io_uring with one system call; not how many may wait.
  event_loop_options& io_uring_entries(unsigned value) noexcept {
    io_uring_entries_ = value;
    return *this;
  }

  /// For tests: see there.
  event_loop_options& ready_order(concur::ready_order value) noexcept {
    ready_order_ = value;
    return *this;
  }

  std::string const& name() const noexcept { return name_; }
  std::chrono::nanoseconds slow_callback() const noexcept { return slow_callback_; }
  slow_callback_handler on_slow_callback() const noexcept { return on_slow_callback_; }
  bool virtual_time() const noexcept { return virtual_time_; }
  std::chrono::nanoseconds busy_poll() const noexcept { return busy_poll_; }
  loop_backend backend() const noexcept { return backend_; }
  unsigned io_uring_entries() const noexcept { return io_uring_entries_; }
  concur::ready_order ready_order() const noexcept { return ready_order_; }

 private:
  // The explorer would see every look at the clock.
  static constexpr auto slow_by_default = std::chrono::milliseconds(CONCUR_CHECKED && !CONCUR_EXPLORE ? 100 : 0);

  std::string name_;
  std::chrono::nanoseconds slow_callback_ = slow_by_default;
  slow_callback_handler on_slow_callback_ = nullptr;
  bool virtual_time_ = false;
  std::chrono::nanoseconds busy_poll_{};
  loop_backend backend_ = loop_backend::best;
  unsigned io_uring_entries_ = 256;
  concur::ready_order ready_order_ = concur::ready_order::in_order();
};

}  // namespace concur::inline CONCUR_ABI
