// SPDX-License-Identifier: BSL-1.0
//
// Sorts in place, on the workers of a pool and the calling thread.
//
//     concur::parallel_sort(pool, names);
//     concur::parallel_sort(pool, files, std::ranges::greater(), &file::size);
#pragma once

#include <concur/pool/detail/quick_sort.hpp>
#include <concur/pool/thread_pool.hpp>

#include <functional>
#include <iterator>
#include <ranges>
#include <type_traits>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// Sorts a range with random access by `less(projection(a), projection(b))`, a strict weak order. Not stable. Elements
/// need only be movable. Functions are called by several threads at once. See parallel_for for who may call it.
///
/// O(n log n) comparisons in the worst case, equal and sorted elements included. Parts are divided one after the other,
/// each by one thread, so it is never faster than dividing the whole: many threads help less than with parallel_for. A
/// range of some thousand elements is sorted by the calling thread alone.
///
/// When a comparison or a move throws, nothing new is begun, and that error is thrown when nothing runs any more,
/// several as multiple_errors. Then the elements are in no particular order, and as with std::sort one for each error
/// may have been lost: all are valid objects. Allocates nothing unless one throws.
///
/// Algorithm: C. A. R. Hoare, "Quicksort" (1962), around the median of medians of three by J. Tukey ("ninther"); what
/// is small, or was divided badly too often, is left to std::ranges::sort.
template <std::ranges::random_access_range Range, class Less = std::ranges::less, class Projection = std::identity>
  requires std::sortable<std::ranges::iterator_t<Range>, Less, Projection>
void parallel_sort(thread_pool& pool, Range&& range, Less less = {}, Projection projection = {}) {
  using iterator = std::ranges::iterator_t<Range>;
  iterator const first = std::ranges::begin(range);
  static_assert(std::is_nothrow_copy_constructible_v<iterator>,
                "parallel_sort needs iterators that are copied without exceptions");
  detail::quick_sort<iterator, Less, Projection> sort(thread_pool_access::state(pool), less, projection);
  sort.run(first, std::ranges::next(first, std::ranges::end(range)));
}

}  // namespace concur::inline CONCUR_ABI
