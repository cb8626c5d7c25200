// SPDX-License-Identifier: BSL-1.0
//
// Into how large parts a parallel algorithm divides its work.
//
//     concur::parallel_for(pool, 0, rows, draw_row, concur::grain(16));
#pragma once

#include <concur/core/errors.hpp>

#include <cstdint>

namespace concur::inline CONCUR_ABI {

/// Last argument of parallel_for and parallel_reduce. With `grain(n)` the whole is halved until a half would have fewer
/// than n elements: every part of n to 2n - 1 elements is there for whoever wants it, at once and whatever it costs.
///
/// Without one, up to 32 elements are all on offer at once, as with grain(1). For more of them time decides: a loop
/// that ends within some ten microseconds stays on the calling thread, and a longer one is divided only where another
/// thread has come for a part, as long as a half would take it ten microseconds or so. How long elements take is
/// measured all the time; but long ones that suddenly follow thousands of very short ones may all be visited by one
/// thread, unless there is a grain.
class grain {
 public:
  /// Throws misuse for 0.
  explicit grain(std::uint64_t elements) : elements_(elements) {
    if (elements == 0) throw misuse("a part of a parallel algorithm has at least one element");
  }
  static grain automatic() noexcept { return grain(); }

  bool is_automatic() const noexcept { return elements_ == 0; }
  /// Whether so many elements are divided. Not for an automatic one.
  bool divides(std::uint64_t elements) const noexcept { return elements / 2 >= elements_; }

 private:
  grain() noexcept = default;

  std::uint64_t elements_ = 0;
};

}  // namespace concur::inline CONCUR_ABI
