// SPDX-License-Identifier: BSL-1.0
//
// The elements of a range on their way into a queue that may refuse them.
#pragma once

#include <concur/queue/ring.hpp>

#include <concepts>
#include <cstddef>
#include <iterator>
#include <memory>
#include <optional>
#include <ranges>
#include <type_traits>
#include <utility>

namespace concur::inline CONCUR_ABI::detail {

/// Whether they are moved out of a range that is passed as `Range&&`.
template <class T, class Range>
constexpr bool moves_out_of = !std::is_lvalue_reference_v<Range> && !std::ranges::borrowed_range<Range> &&
                              std::is_same_v<std::ranges::range_rvalue_reference_t<Range>, T&&>;

/// What they are made of.
template <class T, class Range>
using outgoing_reference = std::conditional_t<moves_out_of<T, Range>, std::ranges::range_rvalue_reference_t<Range>,
                                              std::ranges::range_reference_t<Range>>;

template <class Range, class T>
concept range_to_put = std::ranges::input_range<Range> && std::constructible_from<T, outgoing_reference<T, Range>>;

/// Refers to the range. An element that is refused stays where it is; one that the range makes as it goes is kept here,
/// to be offered again. One party.
template <class T, class Range>
class outgoing {
  using reference = outgoing_reference<T, Range>;
  using iterator = std::ranges::iterator_t<Range>;
  using sentinel = std::ranges::sentinel_t<Range>;
  // Else they stay in the range until they are put.
  static constexpr bool makes_elements = !moves_out_of<T, Range> && !std::is_same_v<reference, T&&>;

 public:
  /// Whether the store takes many at once.
  static constexpr bool in_bulk = std::contiguous_iterator<iterator> && std::sized_sentinel_for<sentinel, iterator> &&
                                  std::is_nothrow_constructible_v<T, reference>;

  explicit outgoing(std::remove_reference_t<Range>& range)
      : next_(std::ranges::begin(range)), last_(std::ranges::end(range)) {}
  outgoing(outgoing const&) = delete;
  outgoing& operator=(outgoing const&) = delete;

  bool none_left() const { return next_ == last_; }

  /// How many have been put in.
  std::size_t count() const noexcept { return count_; }

  /// Offers the next one to `give(T&)`, which moves from it only if that is done. Requires: there is one.
  template <class Give>
  ring_outcome offer(Give give) {
    auto outcome = ring_outcome::refused;
    if constexpr (moves_out_of<T, Range>) {
      T&& item = std::ranges::iter_move(next_);
      outcome = give(item);
    } else if constexpr (!makes_elements) {
      T&& item = *next_;
      outcome = give(item);
    } else {
      if (!made_) made_.emplace(*next_);
      outcome = give(*made_);
      if (outcome == ring_outcome::done) made_.reset();
    }
    if (outcome == ring_outcome::done) {
      ++count_;
      ++next_;
    }
    return outcome;
  }

  /// Puts as many into the store as there is room for; returns how many. Requires: there is one.
  template <class Store>
  std::size_t push_into(Store& store)
    requires in_bulk
  {
    auto* const from = std::to_address(next_);
    auto const left = std::size_t(last_ - next_);
    std::size_t put = 0;
    if constexpr (moves_out_of<T, Range>) {
      put = store.push_many(std::move_iterator(from), left);
    } else {
      put = store.push_many(from, left);
    }
    count_ += put;
    next_ += std::ranges::range_difference_t<Range>(put);
    return put;
  }

 private:
  iterator next_;
  [[no_unique_address]] sentinel const last_;
  std::size_t count_ = 0;
  struct nothing {};
  [[no_unique_address]] std::conditional_t<makes_elements, std::optional<T>, nothing> made_;
};

}  // namespace concur::inline CONCUR_ABI::detail
