// SPDX-License-Identifier: BSL-1.0
//
// A server of echoes and two clients, while a call of the system may fail: for tcp_faults and unix_faults.
#pragma once

#include "../support/failing_calls.hpp"
#include "echo.hpp"

#include <concur/coro/task.hpp>
#include <concur/coro/task_group.hpp>
#include <concur/net/endpoint.hpp>
#include <concur/net/serve.hpp>

#include <exception>
#include <stdexcept>
#include <system_error>

namespace support {

/// Two clients, one after the other: whatever happens to the first, the second one is served, unless the server has
/// ended by an error or the failure comes so late that it is the second's. `is_served(at)`: what a client does. Throws
/// what ended the server, or else what the first client got.
template <class Listener, class Client>
concur::task<> serve_two_clients(Listener& listener, Client is_served) {
  using stream = typename Listener::stream_type;
  auto const at = listener.local_endpoint();
  std::exception_ptr error_of_first;
  auto const all = [&](concur::task_group& group) -> concur::task<> {
    group.spawn(concur::serve(listener, echo<stream>));
    bool first = false;
    try {
      first = co_await is_served(at);
    } catch (std::system_error const&) {
      error_of_first = std::current_exception();
    }
    bool const already = failing_call::happened();
    if (!first && !already) throw std::logic_error("the first client was not served");
    bool const second = co_await is_served(at);
    if (!second && (already || !failing_call::happened())) throw std::logic_error("the second client was not served");
    group.cancel();
  };
  co_await concur::with_group(all);
  if (error_of_first != nullptr) std::rethrow_exception(error_of_first);
}

}  // namespace support
