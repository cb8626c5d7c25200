// SPDX-License-Identifier: BSL-1.0
//
// Goes through futures in the order in which they are done.
//
//     for (auto& f : as_completed(futures)) use(f.get());                  // a thread or fiber
//
//     auto c = as_completed(futures);                                      // a coroutine
//     while (auto* f = co_await c.next()) use(f->get());
//
//     for (auto& f : as_completed(futures, 2s)) use(f.get());              // throws timed_out after two seconds
#pragma once

#include <concur/core/blocking.hpp>
#include <concur/core/deadline.hpp>
#include <concur/core/errors.hpp>
#include <concur/core/os.hpp>
#include <concur/future/basic_future.hpp>
#include <concur/future/detail/arrivals.hpp>
#include <concur/future/detail/limited_await.hpp>

#include <chrono>
#include <cstddef>
#include <iterator>
#include <optional>
#include <ranges>
#include <type_traits>
#include <utility>
#include <vector>

namespace concur::inline CONCUR_ABI {

/// Goes through what is left, once, blocking at each step by `wait_next`.
template <class Completions>
class completions_iterator {
 public:
  using value_type = typename Completions::value_type;
  using difference_type = std::ptrdiff_t;
  using iterator_concept = std::input_iterator_tag;

  explicit completions_iterator(Completions& all) : all_(&all), now_(all.wait_next()) {}
  completions_iterator(completions_iterator&&) noexcept = default;
  completions_iterator& operator=(completions_iterator&&) noexcept = default;

  value_type& operator*() const noexcept { return *now_; }
  completions_iterator& operator++() {
    now_ = all_->wait_next();
    return *this;
  }
  void operator++(int) { ++*this; }
  bool operator==(std::default_sentinel_t) const noexcept { return now_ == nullptr; }

 private:
  Completions* all_;
  value_type* now_;
};

/// Made by `as_completed`. The futures stay the caller's, who keeps the range as it is, and leaves those alone that
/// were not given out, while this lives. One party at a time. Destroyed early it leaves the rest as they are.
template <class Future>
class [[nodiscard]] completions {
 public:
  using value_type = Future;
  using iterator = completions_iterator<completions>;

  template <class Range>
  explicit completions(Range& futures)
      : futures_(pointers_to(futures)), arrivals_(futures_.size(), detail::news_of::each) {
    for (Future* each : futures_) future_access::state(*each);  // throws misuse before it begins
    for (Future* each : futures_) arrivals_.add(future_access::state(*each));
  }

  /// `co_await c.next()` gives a pointer to the next future that is done, null after the last. A cancel ends the wait
  /// only: it throws `cancelled`, and nothing is skipped.
  [[nodiscard]] auto next() { return detail::arrivals_await<completions>(*this); }

  /// Blocks for the next one; null after the last.
  [[nodiscard]] Future* wait_next() {
    static_cast<void>(ready_within({}));
    return result();
  }

  /// The same with a limit: nothing if none is done in time, a null pointer after the last. A limit that has passed
  /// looks once.
  template <class Rep, class Period>
  [[nodiscard]] std::optional<Future*> wait_next_for(std::chrono::duration<Rep, Period> const& limit) {
    return next_within({.deadline = deadline_after(limit)});
  }
  template <class Clock, class Duration>
  [[nodiscard]] std::optional<Future*> wait_next_until(std::chrono::time_point<Clock, Duration> const& limit) {
    return next_within(limit_at(limit));
  }
  /// The same until a stop is requested.
  [[nodiscard]] std::optional<Future*> wait_next(os::stop_token const& stop) { return next_within({.stop = &stop}); }

  /// Goes through what is left, once, blocking at each step.
  iterator begin() { return iterator(*this); }
  std::default_sentinel_t end() const noexcept { return {}; }

 protected:
  detail::arrivals& arrived() noexcept { return arrivals_; }
  bool ready() noexcept {
    if (next_ == detail::arrivals::none) next_ = arrivals_.pop();
    return next_ != detail::arrivals::none || given_ == futures_.size();
  }
  bool ready_within(wait_limit const& limit) {
    while (!ready()) {
      if (!arrivals_.wait_for_news(limit)) return ready();
    }
    return true;
  }
  Future* result() noexcept {
    auto const which = std::exchange(next_, detail::arrivals::none);
    if (which == detail::arrivals::none) return nullptr;
    ++given_;
    return futures_[which];
  }

 private:
  friend class detail::arrivals_await<completions>;
  static constexpr bool owns_futures = false;

  template <class Range>
  static std::vector<Future*> pointers_to(Range& futures) {
    std::vector<Future*> all;
    for (Future& each : futures) all.push_back(&each);
    return all;
  }
  std::optional<Future*> next_within(wait_limit const& limit) {
    if (!ready_within(limit)) return std::nullopt;
    return result();
  }

  std::vector<Future*> const futures_;
  std::size_t next_ = detail::arrivals::none;  // arrived, and not given out
  std::size_t given_ = 0;
  detail::arrivals arrivals_;
};

/// The same with a limit for all of it: every form throws `timed_out` when that has passed and no future is done that
/// was not given out. What is done then is given out first.
template <class Future>
class [[nodiscard]] limited_completions : private completions<Future> {
  using base = completions<Future>;

 public:
  using value_type = Future;
  using iterator = completions_iterator<limited_completions>;

  /// `limit` is a duration, or a moment on any clock.
  template <class Range, class Limit>
  limited_completions(Range& futures, Limit const& limit) : base(futures), limit_(limit) {}

  /// As in `completions`, with a timer of the task's executor. Throws std::bad_alloc when there is no memory for it;
  /// then nothing is skipped.
  [[nodiscard]] auto next() { return detail::limited_arrivals_await<limited_completions>(*this, limit_.for_task()); }

  [[nodiscard]] Future* wait_next() {
    static_cast<void>(this->ready_within(limit_.for_thread()));
    return result();
  }

  iterator begin() { return iterator(*this); }
  std::default_sentinel_t end() const noexcept { return {}; }

 private:
  friend class detail::limited_arrivals_await<limited_completions>;
  using base::arrived;
  using base::ready;
  Future* result() {
    if (!ready()) throw timed_out();
    return base::result();
  }

  detail::arrivals_limit const limit_;
};

/// For the futures of a range, `future<T>` or `shared_future<T>`, that the caller keeps. Throws std::bad_alloc, and
/// misuse for a future without a state.
template <std::ranges::forward_range Range>
[[nodiscard]] auto as_completed(Range& futures) {
  return completions<std::remove_reference_t<std::ranges::range_reference_t<Range>>>(futures);
}

/// With a limit, which begins to run here and is measured as that of `wait`.
template <std::ranges::forward_range Range, class Rep, class Period>
[[nodiscard]] auto as_completed(Range& futures, std::chrono::duration<Rep, Period> const& limit) {
  return limited_completions<std::remove_reference_t<std::ranges::range_reference_t<Range>>>(futures, limit);
}
template <std::ranges::forward_range Range, class Clock, class Duration>
[[nodiscard]] auto as_completed(Range& futures, std::chrono::time_point<Clock, Duration> const& limit) {
  return limited_completions<std::remove_reference_t<std::ranges::range_reference_t<Range>>>(futures, limit);
}

}  // namespace concur::inline CONCUR_ABI
