// SPDX-License-Identifier: BSL-1.0
//
// The 'hello' server with concur: a router, as a user would write it, with all of the server's limits as they are. With
// io_uring in files that are compiled with CONCUR_IO_URING=1.
#pragma once

#include "server.hpp"

#include <concur/concur.hpp>
#include <concur/http/server.hpp>

#include <cstdint>
#include <stdexcept>
#include <string_view>

namespace bench::inline CONCUR_ABI {

inline server concur_http() {
  return {CONCUR_IO_URING ? "concur_io_uring" : "concur", [](std::uint16_t port) {
            if (CONCUR_IO_URING && concur::event_loop().backend() == std::string_view("epoll")) {
              throw std::runtime_error("skipped: no io_uring here");
            }
            concur::http_router router;
            router.get("/hello", [](concur::http_request&) { return concur::http_response::text("hello"); });
            concur::tcp_listener listener(concur::endpoint(concur::ip_address::loopback_v4(), port),
                                          concur::listen_options().backlog(backlog));
            ready(listener.local_endpoint().port());
            concur::run(concur::serve_http(listener, router));
          }};
}

}  // namespace bench::inline CONCUR_ABI
