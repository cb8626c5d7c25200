// SPDX-License-Identifier: BSL-1.0
//
// What a parallel loop runs over: integers, or elements with random access, found by their distance from the first.
#pragma once

#include <concur/core/abi.hpp>
#include <concur/core/errors.hpp>

#include <concepts>
#include <cstdint>
#include <iterator>
#include <ranges>
#include <type_traits>
#include <utility>

namespace concur::inline CONCUR_ABI::detail {

template <class T>
concept loop_integer = std::integral<T> && !std::same_as<std::remove_cv_t<T>, bool> && sizeof(T) <= 8;

template <class T>
concept loop_elements = std::ranges::random_access_range<T> && std::ranges::sized_range<T>;

/// Integers from `first` on. Nothing is computed that the type cannot hold.
template <class Integer>
class integers_from {
 public:
  using element = Integer;

  explicit integers_from(Integer first) noexcept : first_(first) {}

  element at(std::uint64_t offset) const noexcept {
    using bits = std::make_unsigned_t<Integer>;
    return static_cast<Integer>(static_cast<bits>(static_cast<bits>(first_) + static_cast<bits>(offset)));
  }
  /// Calls `visit` for those from offset `begin` up to offset `end`, in order.
  template <class Visit>
  void each(std::uint64_t begin, std::uint64_t end, Visit&& visit) const {
    Integer const stop = at(end);
    for (Integer i = at(begin); i != stop; ++i) visit(i);
  }

 private:
  Integer first_;
};

/// Elements of a range, from an iterator on.
template <class Iterator>
class elements_from {
 public:
  using element = std::iter_reference_t<Iterator>;

  explicit elements_from(Iterator first) : first_(std::move(first)) {}

  element at(std::uint64_t offset) const { return *(first_ + distance(offset)); }
  template <class Visit>
  void each(std::uint64_t begin, std::uint64_t end, Visit&& visit) const {
    Iterator const stop = first_ + distance(end);
    for (Iterator i = first_ + distance(begin); i != stop; ++i) visit(*i);
  }

 private:
  static auto distance(std::uint64_t offset) noexcept { return static_cast<std::iter_difference_t<Iterator>>(offset); }

  Iterator first_;
};

/// A beginning, and how many from there.
template <class Source>
struct loop_range {
  Source source;
  std::uint64_t size;
};

template <loop_integer First, loop_integer Last>
auto range_between(First first, Last last) {
  using integer = std::common_type_t<First, Last>;
  if constexpr (std::is_unsigned_v<integer> && std::is_signed_v<First>) {
    if (first < 0) throw misuse("a loop from a negative number to an unsigned one");
  }
  // Differences modulo 2^64: right also where the type could not hold them.
  auto const size = static_cast<std::uint64_t>(last) - static_cast<std::uint64_t>(first);
  return loop_range<integers_from<integer>>{integers_from<integer>(static_cast<integer>(first)),
                                            std::cmp_less(+first, +last) ? size : 0};
}

template <std::random_access_iterator First, std::sized_sentinel_for<First> Last>
auto range_between(First first, Last last) {
  auto const size = last - first;
  return loop_range<elements_from<First>>{elements_from<First>(std::move(first)), static_cast<std::uint64_t>(size)};
}

template <loop_elements Range>
auto range_of(Range&& range) {
  auto const size = static_cast<std::uint64_t>(std::ranges::size(range));
  using iterator = std::ranges::iterator_t<Range>;
  return loop_range<elements_from<iterator>>{elements_from<iterator>(std::ranges::begin(range)), size};
}

template <class First, class Last>
concept loop_bounds = requires(First first, Last last) { detail::range_between(first, last); };

}  // namespace concur::inline CONCUR_ABI::detail
