// SPDX-License-Identifier: BSL-1.0
//
// The values of several futures, in the order of the arguments, whatever the order in which they come.
//
//     auto [a, b] = gather(pool.submit(x), pool.submit(y)).get();      // a thread or fiber
//     std::vector<int> all = co_await gather(std::move(futures));      // a coroutine
//     auto [a, b] = gather(collect_outcomes, std::move(f), std::move(g)).get();   // values and errors
#pragma once

#include <concur/core/blocking.hpp>
#include <concur/core/error_collector.hpp>
#include <concur/core/errors.hpp>
#include <concur/core/os.hpp>
#include <concur/future/detail/arrivals.hpp>
#include <concur/future/future.hpp>
#include <concur/future/outcome.hpp>

#include <cstddef>
#include <exception>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace concur::inline CONCUR_ABI {

/// Asks `gather` for every outcome instead of the values: then an error cancels nothing and is not thrown.
struct collect_outcomes_t {
  explicit collect_outcomes_t() = default;
};
inline constexpr collect_outcomes_t collect_outcomes{};

/// What all gathers do before they look at the results.
class gathering_base {
 public:
  gathering_base(gathering_base const&) = delete;
  gathering_base& operator=(gathering_base const&) = delete;

 protected:
  gathering_base(std::size_t count, bool collects)
      : count_(count),
        collects_(collects),
        arrivals_(count, collects ? detail::news_of::last : detail::news_of::error_or_last) {}
  ~gathering_base() = default;

  static constexpr bool owns_futures = true;
  detail::arrivals& arrived() noexcept { return arrivals_; }

  // The first error cancels the rest; all are waited for.
  bool ready() noexcept {
    for (auto which = arrivals_.pop(); which != detail::arrivals::none; which = arrivals_.pop()) {
      ++ended_;
      if (collects_ || failed_ || !arrivals_.state(which).failed()) continue;
      failed_ = true;
      arrivals_.want_last();
      arrivals_.cancel_all();
    }
    return ended_ == count_;
  }

  bool over_within(wait_limit const& limit) {
    while (!ready()) {
      if (!arrivals_.wait_for_news(limit)) return ready();
    }
    return true;
  }

  /// Gathers errors. `cancelled` counts only if there is nothing else, since it is what the first error made of the
  /// rest.
  class errors {
   public:
    template <class T>
    void look_at(future<T> const& f) {
      auto const error = f.error();
      if (error == nullptr) return;
      if (is_cancelled(error)) {
        cancelled_ = true;
      } else {
        found_.add(error);
      }
    }
    void throw_any() {
      found_.throw_any();
      if (cancelled_) throw cancelled();
    }

   private:
    error_collector found_;
    bool cancelled_ = false;
  };

  template <bool Collect, class T>
  static auto take(future<T>& f) {
    auto& state = future_access::state(f);
    if constexpr (Collect) {
      return outcome<T>(state.take_outcome());
    } else {
      return state.take_outcome().stored_or_throw();
    }
  }

 private:
  std::size_t const count_;
  bool const collects_;
  std::size_t ended_ = 0;
  bool failed_ = false;
  detail::arrivals arrivals_;
};

/// The wait, made by `gather`. It owns the futures. One party at a time. Destroyed early, it lets go of the futures,
/// whose work goes on.
template <class Futures>
class [[nodiscard]] gathering final : public gathering_base {
 public:
  template <class... Given>
  explicit gathering(std::size_t count, Given&&... futures)
      : gathering_base(count, Futures::collects), futures_(std::forward<Given>(futures)...) {
    futures_.for_each([](auto const& f) { future_access::state(f); });  // throws misuse before it begins
    futures_.for_each([this](auto const& f) { arrived().add(future_access::state(f)); });
  }

  /// Blocks until all are done. The first error cancels the rest, and is thrown when all have ended; if there are
  /// several, `multiple_errors`. Once: a second time throws misuse.
  auto get() {
    over_within({});
    return result();
  }

  /// The same until a stop is requested: then nothing. The futures go on, and it may be called again.
  [[nodiscard]] auto get(os::stop_token const& stop) {
    std::optional<decltype(result())> all;
    if (over_within({.stop = &stop})) all.emplace(result());
    return all;
  }

  /// `co_await` waits without blocking the thread, and gives what `get` gives. A cancel of the task cancels all the
  /// futures and waits until they have ended; if all ended with values, these are what the await gives.
  auto operator co_await() & { return detail::arrivals_await<gathering>(*this); }
  auto operator co_await() && { return detail::arrivals_await<gathering>(*this); }

 private:
  friend class detail::arrivals_await<gathering>;

  auto result() {
    if constexpr (!Futures::collects) {
      errors found;
      futures_.for_each([&found](auto const& f) { found.look_at(f); });
      found.throw_any();
    }
    return futures_.take([]<class T>(future<T>& f) { return take<Futures::collects>(f); });
  }

  Futures futures_;
};

/// Futures of several types.
template <bool Collect, class... Ts>
class gathered_tuple {
 public:
  static constexpr bool collects = Collect;
  explicit gathered_tuple(future<Ts>&&... futures) noexcept : all_(std::move(futures)...) {}

  template <class Each>
  void for_each(Each each) const {
    std::apply([&each](auto const&... f) { (each(f), ...); }, all_);
  }
  template <class Take>
  auto take(Take take_one) {
    // Braces: in order.
    return std::apply([&take_one](auto&... f) { return std::tuple<decltype(take_one(f))...>{take_one(f)...}; }, all_);
  }

 private:
  std::tuple<future<Ts>...> all_;
};

/// Any number of futures of one type.
template <bool Collect, class T>
class gathered_vector {
 public:
  static constexpr bool collects = Collect;
  explicit gathered_vector(std::vector<future<T>>&& futures) noexcept : all_(std::move(futures)) {}

  template <class Each>
  void for_each(Each each) const {
    for (auto const& f : all_) each(f);
  }
  template <class Take>
  auto take(Take take_one) {
    std::vector<decltype(take_one(all_.front()))> taken;
    taken.reserve(all_.size());
    for (auto& f : all_) taken.push_back(take_one(f));
    return taken;
  }

 private:
  std::vector<future<T>> all_;
};

/// Waits for all of them, which it takes over, and gives a tuple of their values, with std::monostate for void. Throws
/// std::bad_alloc, and misuse for a future without a state; then the futures are let go of.
template <class... Ts>
[[nodiscard]] auto gather(future<Ts>... futures) {
  return gathering<gathered_tuple<false, Ts...>>(sizeof...(Ts), std::move(futures)...);
}
/// The same with a tuple of outcomes.
template <class... Ts>
[[nodiscard]] auto gather(collect_outcomes_t, future<Ts>... futures) {
  return gathering<gathered_tuple<true, Ts...>>(sizeof...(Ts), std::move(futures)...);
}

/// The same for a vector of futures, with a vector of values or outcomes.
template <class T>
[[nodiscard]] auto gather(std::vector<future<T>> futures) {
  auto const count = futures.size();
  return gathering<gathered_vector<false, T>>(count, std::move(futures));
}
template <class T>
[[nodiscard]] auto gather(collect_outcomes_t, std::vector<future<T>> futures) {
  auto const count = futures.size();
  return gathering<gathered_vector<true, T>>(count, std::move(futures));
}

}  // namespace concur::inline CONCUR_ABI
