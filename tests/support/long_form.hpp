// SPDX-License-Identifier: BSL-1.0
//
// Whether the forms are wanted that take hours: with CONCUR_LONG=1 in the environment, as `tests/run --long` sets it.
#pragma once

#include <cstdlib>
#include <string>

namespace support {

inline bool long_form() {
  char const* const wish = std::getenv("CONCUR_LONG");
  return wish != nullptr && *wish != '\0' && std::string(wish) != "0";
}

}  // namespace support
