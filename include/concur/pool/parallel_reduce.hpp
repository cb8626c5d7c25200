// SPDX-License-Identifier: BSL-1.0
//
// One value out of many, made by the workers of a pool and the calling thread.
//
//     double sum = concur::parallel_reduce(pool, samples, 0.0, std::plus());
//     long bytes = concur::parallel_reduce(pool, files, 0L, std::plus(), [](file const& each) { return each.size(); });
#pragma once

#include <concur/pool/detail/loop_range.hpp>
#include <concur/pool/detail/split_loop.hpp>
#include <concur/pool/grain.hpp>
#include <concur/pool/thread_pool.hpp>

#include <concepts>
#include <cstdint>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// Returns init ∘ t(a) ∘ t(b) ∘ …, where ∘ is `combine` and t is `transform`, over the integers from `first` up to, not
/// including, `last`, or over what is between two iterators with random access. The order of the operands is kept, so
/// `combine` need not be commutative; where the brackets stand differs from run to run, so it has to be associative.
/// (With floating-point numbers it nearly is: the last digits may differ.) `init` is used exactly once.
///
/// `combine(T, x)` and `combine(T, T)` give something that can be assigned to a T, where x is what `transform` returns,
/// from which a T can be made; a T is moved into the call. Both functions are called by several threads at once.
///
/// For all else see parallel_for: threads, exceptions, grain. Nothing is allocated but what T allocates.
template <class First, class Last, class T, class Combine, class Transform = std::identity>
  requires(detail::loop_bounds<First, Last> && !std::same_as<std::remove_cvref_t<Transform>, grain>)
[[nodiscard]] T parallel_reduce(thread_pool& pool, First first, Last last, T init, Combine&& combine,
                                Transform&& transform = {}, grain const& parts = grain::automatic());
template <class First, class Last, class T, class Combine>
  requires detail::loop_bounds<First, Last>
[[nodiscard]] T parallel_reduce(thread_pool& pool, First first, Last last, T init, Combine&& combine,
                                grain const& parts) {
  return parallel_reduce(pool, first, last, std::move(init), combine, std::identity(), parts);
}

/// The same over the elements of a range.
template <detail::loop_elements Range, class T, class Combine, class Transform = std::identity>
  requires(!std::same_as<std::remove_cvref_t<Transform>, grain>)
[[nodiscard]] T parallel_reduce(thread_pool& pool, Range&& range, T init, Combine&& combine, Transform&& transform = {},
                                grain const& parts = grain::automatic());
template <detail::loop_elements Range, class T, class Combine>
[[nodiscard]] T parallel_reduce(thread_pool& pool, Range&& range, T init, Combine&& combine, grain const& parts) {
  return parallel_reduce(pool, range, std::move(init), combine, std::identity(), parts);
}

namespace detail {

template <class Source, class T, class Combine, class Transform>
class reduce_job {
 public:
  using result = std::optional<T>;

  reduce_job(Source const& source, Combine& combine, Transform& transform) noexcept
      : source_(source), combine_(combine), transform_(transform) {}

  void run(result& so_far, std::uint64_t begin, std::uint64_t end) {
    if (!so_far) so_far.emplace(std::invoke(transform_, source_.at(begin++)));
    // On the stack, where nobody else can see it, so that it may stay in a register.
    T value(std::move(*so_far));
    source_.each(begin, end, [&value, &combine = combine_, &transform = transform_](auto&& element) {
      value = static_cast<T>(
          std::invoke(combine, std::move(value), std::invoke(transform, std::forward<decltype(element)>(element))));
    });
    *so_far = std::move(value);
  }
  void join(result& left, result& right) {
    *left = static_cast<T>(std::invoke(combine_, std::move(*left), std::move(*right)));
  }

 private:
  Source const& source_;
  Combine& combine_;
  Transform& transform_;
};

template <class Source, class T, class Combine, class Transform>
T reduce_in(thread_pool& pool, loop_range<Source> const& range, T&& init, Combine& combine, Transform& transform,
            grain const& parts) {
  using job_type = reduce_job<Source, T, Combine, Transform>;
  job_type job(range.source, combine, transform);
  typename job_type::result result(std::move(init));
  run_loop(thread_pool_access::state(pool), job, result, range.size, parts);
  return std::move(*result);
}

}  // namespace detail

template <class First, class Last, class T, class Combine, class Transform>
  requires(detail::loop_bounds<First, Last> && !std::same_as<std::remove_cvref_t<Transform>, grain>)
T parallel_reduce(thread_pool& pool, First first, Last last, T init, Combine&& combine, Transform&& transform,
                  grain const& parts) {
  return detail::reduce_in(pool, detail::range_between(first, last), std::move(init), combine, transform, parts);
}

template <detail::loop_elements Range, class T, class Combine, class Transform>
  requires(!std::same_as<std::remove_cvref_t<Transform>, grain>)
T parallel_reduce(thread_pool& pool, Range&& range, T init, Combine&& combine, Transform&& transform,
                  grain const& parts) {
  return detail::reduce_in(pool, detail::range_of(range), std::move(init), combine, transform, parts);
}

}  // namespace concur::inline CONCUR_ABI
