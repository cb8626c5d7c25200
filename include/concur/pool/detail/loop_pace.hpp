// SPDX-License-Identifier: BSL-1.0
//
// How long the elements of a loop take, and so how many to do before looking at the clock again.
#pragma once

#include <concur/core/os.hpp>

#include <algorithm>
#include <cstdint>

namespace concur::inline CONCUR_ABI::detail {

/// After the chunk that was measured last. One thread.
class loop_pace {
 public:
  using duration = os::clock::duration;

  void measured(std::uint64_t elements, duration took) noexcept {
    elements_ = elements;
    took_ = std::max(took, duration(1));
  }

  /// How many elements may take so long, at least one; and not many times as many as last time, because the next ones
  /// may be of another kind.
  std::uint64_t fitting(duration limit) const noexcept {
    if (took_.count() <= limit.count() / growth) return std::min(elements_ * growth, most);
    return std::max<std::uint64_t>(
        1, elements_ * static_cast<std::uint64_t>(limit.count()) / static_cast<std::uint64_t>(took_.count()));
  }

 private:
  static constexpr unsigned growth = 8;
  // So that products with a limit of some microseconds do not overflow.
  static constexpr std::uint64_t most = std::uint64_t(1) << 44;

  std::uint64_t elements_ = 1;
  duration took_{1};
};

}  // namespace concur::inline CONCUR_ABI::detail
