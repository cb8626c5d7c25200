// SPDX-License-Identifier: BSL-1.0
//
// In a thread nobody awaits the task of a sink, and the body would be lost.
// expect: a thread cannot await what this sink gives: async_stream
#include <concur/http/client.hpp>

#include <string_view>

void read(concur::http_client& client) {
#if GOOD
  auto const sink = [](std::string_view) {};
#else
  auto const sink = [](std::string_view) -> concur::task<> { co_return; };
#endif
  client.stream(concur::client_request("GET", "http://example.org/"), sink);
}
