// SPDX-License-Identifier: BSL-1.0
//
// Waits for several futures at once, and says which are done. Python's wait of both kinds.
//
//     auto [done, pending] = wait(futures, first_completed, 2s).get();     // a thread or fiber
//     auto [done, pending] = co_await wait(futures, first_completed, 2s);  // a coroutine
//     for (auto* f : done) use(f->get());
#pragma once

#include <concur/core/blocking.hpp>
#include <concur/core/os.hpp>
#include <concur/future/basic_future.hpp>
#include <concur/future/detail/arrivals.hpp>
#include <concur/future/detail/limited_await.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <ranges>
#include <type_traits>
#include <utility>
#include <vector>

namespace concur::inline CONCUR_ABI {

/// When a wait for several futures is over. An error, `cancelled` too, counts as a completion.
enum class return_when : std::uint8_t {
  first_completed,  ///< one at least is done
  first_error,      ///< one has ended with an error, or all are done
  all_completed,    ///< all are done
};
using enum return_when;

/// What such a wait finds: pointers to the caller's futures, each in one of the lists, in the caller's order.
template <class Future>
struct wait_result {
  std::vector<Future*> done;
  std::vector<Future*> pending;
};

/// The wait, made by `wait`. The futures stay the caller's, who must leave those alone that are not done, and keep the
/// range as it is, until the wait is over. It never cancels anything. One party at a time. On a worker of a pool it
/// first runs those of the pool's own jobs that have not begun, which may take longer than the first of the others.
template <class Future>
class [[nodiscard]] futures_wait {
 public:
  template <class Range>
  futures_wait(Range& futures, return_when when)
      : futures_(pointers_to(futures)), when_(when), arrivals_(futures_.size(), news_for(when)) {
    for (Future* each : futures_) future_access::state(*each);  // throws misuse before it begins
    for (Future* each : futures_) arrivals_.add(future_access::state(*each));
  }

  /// Blocks until it is over, and says what is done then.
  wait_result<Future> get() { return get_within({}); }

  /// The same until a stop is requested: then nothing.
  [[nodiscard]] std::optional<wait_result<Future>> get(os::stop_token const& stop) {
    if (!over_within({.stop = &stop})) return std::nullopt;
    return result();
  }

  /// `co_await` waits without blocking the thread. A cancel ends the wait only: it throws `cancelled`.
  auto operator co_await() & { return detail::arrivals_await<futures_wait>(*this); }
  auto operator co_await() && { return detail::arrivals_await<futures_wait>(*this); }

 protected:
  wait_result<Future> get_within(wait_limit const& limit) {
    over_within(limit);
    return result();
  }

 private:
  friend class detail::arrivals_await<futures_wait>;
  friend class detail::limited_arrivals_await<futures_wait>;
  static constexpr bool owns_futures = false;

  template <class Range>
  static std::vector<Future*> pointers_to(Range& futures) {
    std::vector<Future*> all;
    for (Future& each : futures) all.push_back(&each);
    return all;
  }
  static detail::news_of news_for(return_when when) noexcept {
    return when == first_completed ? detail::news_of::each
           : when == first_error   ? detail::news_of::error_or_last
                                   : detail::news_of::last;
  }

  detail::arrivals& arrived() noexcept { return arrivals_; }
  bool ready() noexcept {
    for (auto which = arrivals_.pop(); which != detail::arrivals::none; which = arrivals_.pop()) {
      ++ended_;
      failed_ = failed_ || arrivals_.state(which).failed();
    }
    return ended_ == futures_.size() || (when_ == first_completed && ended_ != 0) || (when_ == first_error && failed_);
  }
  bool over_within(wait_limit const& limit) {
    while (!ready()) {
      if (!arrivals_.wait_for_news(limit)) return ready();
    }
    return true;
  }
  wait_result<Future> result() const {
    wait_result<Future> found;
    for (Future* each : futures_) {
      (future_access::state(*each).takeable() ? found.done : found.pending).push_back(each);
    }
    return found;
  }

  std::vector<Future*> const futures_;
  return_when const when_;
  std::size_t ended_ = 0;
  bool failed_ = false;
  detail::arrivals arrivals_;
};

/// The same with a limit: it is also over when that has passed.
template <class Future>
class [[nodiscard]] limited_futures_wait : private futures_wait<Future> {
 public:
  /// `limit` is a duration, or a moment on any clock.
  template <class Range, class Limit>
  limited_futures_wait(Range& futures, return_when when, Limit const& limit)
      : futures_wait<Future>(futures, when), limit_(limit) {}

  /// Blocks until it is over, and says what is done then.
  wait_result<Future> get() { return this->get_within(limit_.for_thread()); }

  /// `co_await` waits without blocking the thread, with a timer of the task's executor. A cancel ends the wait only: it
  /// throws `cancelled`. Throws std::bad_alloc when there is no memory for the timer.
  auto operator co_await() & { return detail::limited_arrivals_await<futures_wait<Future>>(*this, limit_.for_task()); }
  auto operator co_await() && { return detail::limited_arrivals_await<futures_wait<Future>>(*this, limit_.for_task()); }

 private:
  detail::arrivals_limit const limit_;
};

/// Waits for the futures of a range, `future<T>` or `shared_future<T>`, that the caller keeps. Over at once if the
/// range is empty. Throws std::bad_alloc, and misuse for a future without a state.
template <std::ranges::forward_range Range>
[[nodiscard]] auto wait(Range& futures, return_when when = all_completed) {
  return futures_wait<std::remove_reference_t<std::ranges::range_reference_t<Range>>>(futures, when);
}

/// With a limit, which begins to run here: for `co_await` in the time of the executor that runs this, which in tests
/// may be a virtual one. A limit that has passed looks once.
template <std::ranges::forward_range Range, class Rep, class Period>
[[nodiscard]] auto wait(Range& futures, return_when when, std::chrono::duration<Rep, Period> const& limit) {
  return limited_futures_wait<std::remove_reference_t<std::ranges::range_reference_t<Range>>>(futures, when, limit);
}

/// The same until a moment. For `co_await` it is asked here how far away a moment of another clock than the steady one
/// is.
template <std::ranges::forward_range Range, class Clock, class Duration>
[[nodiscard]] auto wait(Range& futures, return_when when, std::chrono::time_point<Clock, Duration> const& limit) {
  return limited_futures_wait<std::remove_reference_t<std::ranges::range_reference_t<Range>>>(futures, when, limit);
}

}  // namespace concur::inline CONCUR_ABI
