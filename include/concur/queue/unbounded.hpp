// SPDX-License-Identifier: BSL-1.0
//
// Says that a queue has no bound, which is a decision to be seen where it is made: what is put in faster than it is
// taken out fills the memory.
//
//     concur::queue<job> jobs(concur::unbounded);
#pragma once

#include <concur/core/abi.hpp>

namespace concur::inline CONCUR_ABI {

class unbounded_t {
 public:
  constexpr explicit unbounded_t(int) noexcept {}
};
inline constexpr unbounded_t unbounded{0};

}  // namespace concur::inline CONCUR_ABI
