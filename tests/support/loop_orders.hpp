// SPDX-License-Identifier: BSL-1.0
//
// The orders of ready_orders.hpp for event loops.
//
//     support::in_every_order([](support::order which) {
//       event_loop loop(event_loop_options().ready_order(support::of_a_loop(which)));
//       …
//     });
#pragma once

#include "ready_orders.hpp"

#include <concur/loop/event_loop_options.hpp>

namespace support::inline CONCUR_ABI {

inline concur::ready_order of_a_loop(order which) {
  switch (which.kind) {
    case ready_order::first_in_first_out: return concur::ready_order::in_order();
    case ready_order::last_in_first_out: return concur::ready_order::reversed();
    case ready_order::shuffled: break;
  }
  return concur::ready_order::shuffled(which.seed);
}

}  // namespace support::inline CONCUR_ABI
