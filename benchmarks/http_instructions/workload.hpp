// SPDX-License-Identifier: BSL-1.0
//
// How many instructions a server of the workload http_hello spends on a request: see support/instructions.hpp.
#pragma once

#include "../support/cases.hpp"
#include "../support/http_load.hpp"
#include "../support/instructions.hpp"
#include "../support/server.hpp"

#include <string>

inline bench::cases instructions_of(bench::server const& which, std::string const& kind = {},
                                    std::string const& name = {}) {
  return bench::instructions_with<bench::http_load>("http_instructions", which, kind, name);
}
