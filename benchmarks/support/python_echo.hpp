// SPDX-License-Identifier: BSL-1.0
//
// The echo servers of echo_server.py.
#pragma once

#include "server.hpp"

#include <string>

namespace bench {

inline server python_echo(std::string const& library) {
  return {library, nullptr, {"/usr/bin/python3", BENCHMARK_ECHO_SERVER, library}};
}

}  // namespace bench
