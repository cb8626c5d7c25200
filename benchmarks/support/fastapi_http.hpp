// SPDX-License-Identifier: BSL-1.0
//
// The server of http_server.py.
#pragma once

#include "server.hpp"

namespace bench {

inline server fastapi_http() { return {"fastapi", nullptr, {"/usr/bin/python3", BENCHMARK_HTTP_SERVER}}; }

}  // namespace bench
