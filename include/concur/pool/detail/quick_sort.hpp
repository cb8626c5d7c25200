// SPDX-License-Identifier: BSL-1.0
//
// Quicksort whose right sides are forks.
#pragma once

#include <concur/pool/detail/fork.hpp>
#include <concur/pool/detail/part_errors.hpp>
#include <concur/pool/detail/participant.hpp>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <functional>
#include <iterator>
#include <ranges>
#include <utility>

namespace concur::inline CONCUR_ABI::detail {

/// See parallel_sort.
template <class Iterator, class Less, class Projection>
class quick_sort {
 public:
  quick_sort(pool_state& pool, Less& less, Projection& projection) noexcept
      : pool_(pool), less_(less), projection_(projection) {}

  /// Throws what was thrown, when nothing runs any more.
  void run(Iterator first, Iterator last) {
    auto const size = static_cast<std::size_t>(last - first);
    if (size <= small) return sort_alone(first, last);
    // Mostly known after two or three comparisons.
    if (std::ranges::is_sorted(first, last, std::ref(less_), std::ref(projection_))) return;
    {
      participant here(pool_);
      sort_part(here, first, last, 2 * static_cast<int>(std::bit_width(size)));
    }
    errors_.rethrow_any();
  }

 private:
  // Sorted in some fifty microseconds, if a comparison takes a few nanoseconds.
  static constexpr std::size_t small = 2048;

  class part;

  void sort_alone(Iterator first, Iterator last) {
    std::ranges::sort(first, last, std::ref(less_), std::ref(projection_));
  }
  void sort_part(participant& here, Iterator first, Iterator last, int divisions_left) noexcept;
  Iterator divide(Iterator first, Iterator last);
  Iterator median(Iterator a, Iterator b, Iterator c);

  bool is_less(Iterator const& a, Iterator const& b) {
    return std::invoke(less_, std::invoke(projection_, *a), std::invoke(projection_, *b));
  }

  pool_state& pool_;
  Less& less_;
  Projection& projection_;
  part_errors errors_;
};

/// Elements that somebody else may sort.
template <class Iterator, class Less, class Projection>
class quick_sort<Iterator, Less, Projection>::part final : public fork {
 public:
  part(quick_sort& sort, Iterator first, Iterator last, int divisions_left)
      : fork([](work& self) noexcept {
          auto& mine = static_cast<part&>(self);
          mine.run_stolen([&mine] {
            participant here(mine.sort_.pool_);
            mine.sort_.sort_part(here, mine.first_, mine.last_, mine.divisions_left_);
          });
        }),
        sort_(sort),
        first_(std::move(first)),
        last_(std::move(last)),
        divisions_left_(divisions_left) {}

 private:
  quick_sort& sort_;
  Iterator const first_;
  Iterator const last_;
  int const divisions_left_;
};

// A part that was divided as often as twice the logarithm of its size has met values that quicksort does badly with.
template <class Iterator, class Less, class Projection>
void quick_sort<Iterator, Less, Projection>::sort_part(participant& here, Iterator first, Iterator last,
                                                       int divisions_left) noexcept {
  while (!errors_.any()) {
    try {
      if (!here || divisions_left == 0 || static_cast<std::size_t>(last - first) <= small) {
        return sort_alone(first, last);
      }
      --divisions_left;
      Iterator const middle = divide(first, last);
      part right(*this, middle + 1, last, divisions_left);
      bool const offered = here.offer(right);
      sort_part(here, first, middle, divisions_left);
      if (offered && !here.take_back(right)) return here.await(right);
      first = middle + 1;
    } catch (...) {
      errors_.add();
    }
  }
}

// Returns the place of an element that nothing to its left is greater than, and nothing to its right less. Elements
// equal to it go to both sides about evenly.
template <class Iterator, class Less, class Projection>
Iterator quick_sort<Iterator, Less, Projection>::divide(Iterator first, Iterator last) {
  auto const eighth = (last - first) / 8;
  auto const a = median(first, first + eighth, first + 2 * eighth);
  auto const b = median(first + 3 * eighth, first + 4 * eighth, first + 5 * eighth);
  auto const c = median(first + 6 * eighth, first + 7 * eighth, last - 1);
  std::ranges::iter_swap(first, median(a, b, c));

  // Each loop ends within the range. The first ones at an element out of which the median was chosen, or at the median
  // itself; the later ones at an element that was swapped.
  Iterator i = first, j = last;
  for (;;) {
    do ++i;
    while (is_less(i, first));
    do --j;
    while (is_less(first, j));
    if (i >= j) break;
    std::ranges::iter_swap(i, j);
  }
  std::ranges::iter_swap(first, j);
  return j;
}

template <class Iterator, class Less, class Projection>
Iterator quick_sort<Iterator, Less, Projection>::median(Iterator a, Iterator b, Iterator c) {
  if (is_less(b, a)) std::swap(a, b);
  if (!is_less(c, b)) return b;
  return is_less(c, a) ? a : c;
}

}  // namespace concur::inline CONCUR_ABI::detail
