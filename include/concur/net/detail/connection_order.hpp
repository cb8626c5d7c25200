// SPDX-License-Identifier: BSL-1.0
//
// In which order to try the endpoints of a host, so that a family that does not work costs one attempt only: the
// sorting of RFC 8305 (Happy Eyeballs, version 2), section 4. When to begin the next attempt is not decided here.
//
//     for (endpoint const& each : detail::connection_order(found)) …
#pragma once

#include <concur/core/abi.hpp>
#include <concur/net/endpoint.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

namespace concur::inline CONCUR_ABI::detail {

/// The same endpoints: `first_count` of the family that comes first in `found`, then one of the others and one of that
/// family in turn, as long as there are both; within a family the order stays. `found` is in the order of preference,
/// as resolvers give it. The RFC advises one, or two for those who prefer the first family strongly; 0 counts as 1.
inline std::vector<endpoint> connection_order(std::span<endpoint const> found, std::size_t first_count = 1) {
  std::vector<endpoint> order;
  order.reserve(found.size());
  if (found.empty()) return order;
  auto const preferred = found.front().family();
  auto const next_from = [&found, preferred](std::size_t at, bool of_preferred) {
    while (at < found.size() && (found[at].family() == preferred) != of_preferred) ++at;
    return at;
  };
  std::size_t first = 0;
  std::size_t other = next_from(0, false);
  for (std::size_t lead = std::max<std::size_t>(first_count, 1); order.size() < found.size();) {
    bool const take_first = first < found.size() && (lead != 0 || other == found.size());
    auto& at = take_first ? first : other;
    order.push_back(found[at]);
    at = next_from(at + 1, take_first);
    // After one of the others it is the first family's turn again, for one.
    lead = take_first ? lead - (lead != 0) : 1;
  }
  return order;
}

}  // namespace concur::inline CONCUR_ABI::detail
