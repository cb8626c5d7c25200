// SPDX-License-Identifier: BSL-1.0
//
// Goes through futures in the order in which they are done.
//
//     for (auto& f : as_completed(futures)) use(f.get());                  // a thread or fiber
//
//     auto c = as_completed(futures);                                      // a coroutine
//     while (auto* f = co_await c.next()) use(f->get());
#pragma once

#include <concur/core/os.hpp>
#include <concur/future/basic_future.hpp>
#include <concur/future/detail/arrivals.hpp>

#include <cstddef>
#include <iterator>
#include <ranges>
#include <type_traits>
#include <utility>
#include <vector>

namespace concur::inline CONCUR_ABI {

/// Made by `as_completed`. The futures stay the caller's, who keeps the range as it is, and leaves those alone that
/// were not given out, while this lives. One party at a time. Destroyed early it leaves the rest as they are.
template <class Future>
class [[nodiscard]] completions {
 public:
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
    while (!ready()) arrivals_.wait_for_news({});
    return result();
  }

  /// Goes through what is left, once, blocking at each step.
  class iterator {
   public:
    using value_type = Future;
    using difference_type = std::ptrdiff_t;
    using iterator_concept = std::input_iterator_tag;

    explicit iterator(completions& all) : all_(&all), now_(all.wait_next()) {}
    iterator(iterator&&) noexcept = default;
    iterator& operator=(iterator&&) noexcept = default;

    Future& operator*() const noexcept { return *now_; }
    iterator& operator++() {
      now_ = all_->wait_next();
      return *this;
    }
    void operator++(int) { ++*this; }
    bool operator==(std::default_sentinel_t) const noexcept { return now_ == nullptr; }

   private:
    completions* all_;
    Future* now_;
  };
  iterator begin() { return iterator(*this); }
  std::default_sentinel_t end() const noexcept { return {}; }

 private:
  friend class detail::arrivals_await<completions>;
  static constexpr bool owns_futures = false;

  template <class Range>
  static std::vector<Future*> pointers_to(Range& futures) {
    std::vector<Future*> all;
    for (Future& each : futures) all.push_back(&each);
    return all;
  }

  detail::arrivals& arrived() noexcept { return arrivals_; }
  bool ready() noexcept {
    if (next_ == detail::arrivals::none) next_ = arrivals_.pop();
    return next_ != detail::arrivals::none || given_ == futures_.size();
  }
  Future* result() noexcept {
    auto const which = std::exchange(next_, detail::arrivals::none);
    if (which == detail::arrivals::none) return nullptr;
    ++given_;
    return futures_[which];
  }

  std::vector<Future*> const futures_;
  std::size_t next_ = detail::arrivals::none;  // arrived, and not given out
  std::size_t given_ = 0;
  detail::arrivals arrivals_;
};

/// For the futures of a range, `future<T>` or `shared_future<T>`, that the caller keeps. Throws std::bad_alloc, and
/// misuse for a future without a state.
template <std::ranges::forward_range Range>
[[nodiscard]] auto as_completed(Range& futures) {
  return completions<std::remove_reference_t<std::ranges::range_reference_t<Range>>>(futures);
}

}  // namespace concur::inline CONCUR_ABI
