// SPDX-License-Identifier: BSL-1.0
//
// A server: accepts connections and gives each to a handler, a task of its own. Python's asyncio.start_server and
// serve_forever.
//
//     task<> shout(tcp_stream client) {
//       std::array<char, 4096> space;
//       while (auto const count = co_await client.async_read_some(space)) {
//         for (char& c : std::span(space).first(count)) c = char(std::toupper(c));
//         co_await client.async_write(std::span(space).first(count));
//       }
//     }
//     tcp_listener listener(endpoint(ip_address::loopback_v4(), 8899));
//     run(serve(listener, shout));
#pragma once

#include <concur/core/os.hpp>
#include <concur/coro/cancel_scope.hpp>
#include <concur/coro/task.hpp>
#include <concur/coro/task_function.hpp>
#include <concur/coro/task_group.hpp>
#include <concur/coro/timeout.hpp>
#include <concur/net/detail/connections.hpp>
#include <concur/net/serve_options.hpp>
#include <concur/net/socket_listener.hpp>

#include <utility>

namespace concur::inline CONCUR_ABI {

/// `handler(stream)` gives a task, for each connection. Calls of it are not ordered, and run on this loop.
///
/// Goes on until it is cancelled, which cancels the handlers as well; or until its end is asked for by the stop token
/// of the options or by closing the listener on this loop's thread. Then it accepts no more, and closes the listener;
/// the connections that are served go on to their end, within the grace period of the options. In every case all
/// handlers have ended when it does.
///
/// A handler that throws harms nobody else: a connection that its peer has broken off (connection_reset, broken_pipe)
/// is no news, and every other error goes to the hook for unhandled errors, also a `cancelled` of what somebody else
/// has cancelled. When descriptors or memory run out, the server waits until a connection has ended, or a moment, and
/// goes on. Other errors of the listener are thrown, when the handlers have been cancelled and have ended.
///
/// Requires: the listener outlives it.
template <class Stream, class Handler>
  requires task_function<Handler&, Stream>
task<> serve(socket_listener<Stream>& listener, Handler handler, serve_options options = serve_options()) {
  detail::connections<Stream, Handler> serving(listener, handler, options.connection_limit());
  auto const serve_all = [&](task_group& group) -> task<> {
    {
      cancel_scope accepting;
      auto const end = [&accepting]() noexcept { accepting.cancel(); };
      os::stop_callback<decltype(end) const&> const on_stop(options.stop(), end);
      co_await accepting.run(serving.accept_into(group));
    }
    listener.close();
    bool const in_time = co_await move_on_after(options.grace(), serving.all_ended());
    if (!in_time) group.cancel();
  };
  co_await with_group(serve_all);
}

}  // namespace concur::inline CONCUR_ABI
