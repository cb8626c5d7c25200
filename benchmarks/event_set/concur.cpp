// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

#include <concur/sync/event.hpp>

class set_event : public concur::event {
 public:
  set_event() { set(); }
};

bench::cases const here = wait_for_set_event_of<set_event>("concur");
