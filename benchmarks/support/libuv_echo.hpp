// SPDX-License-Identifier: BSL-1.0
//
// The echo server with libuv: what comes is written at once with uv_try_write, and only the rest, if there is one, is
// queued. All connections read into the same buffer, as nothing of it is needed after the callback.
#pragma once

#include "server.hpp"

#include <uv.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>

namespace bench {

class libuv_echo_server {
 public:
  [[noreturn]] static void serve(std::uint16_t port) {
    int const listening = listen_on(port);
    uv_loop_t* const loop = uv_default_loop();
    uv_tcp_t acceptor;
    check(uv_tcp_init(loop, &acceptor), "uv_tcp_init");
    check(uv_tcp_open(&acceptor, listening), "uv_tcp_open");
    check(uv_listen(as_stream(&acceptor), backlog, on_connection), "uv_listen");
    ready_with(listening);
    uv_run(loop, UV_RUN_DEFAULT);
    throw std::runtime_error("the loop has ended");
  }

 private:
  struct rest {
    uv_write_t request;
    std::string bytes;
  };

  static void check(int status, char const* what) {
    if (status < 0) throw std::runtime_error(std::string(what) + ": " + uv_strerror(status));
  }
  static uv_stream_t* as_stream(uv_tcp_t* of) { return reinterpret_cast<uv_stream_t*>(of); }
  static void end(uv_stream_t* stream) {
    auto* const handle = reinterpret_cast<uv_handle_t*>(stream);
    if (uv_is_closing(handle) == 0)
      uv_close(handle, [](uv_handle_t* closed) { delete reinterpret_cast<uv_tcp_t*>(closed); });
  }

  static void on_connection(uv_stream_t* acceptor, int status) {
    check(status, "accept");
    auto* const socket = new uv_tcp_t;
    check(uv_tcp_init(acceptor->loop, socket), "uv_tcp_init");
    if (uv_accept(acceptor, as_stream(socket)) < 0) return end(as_stream(socket));
    uv_read_start(as_stream(socket), give_buffer, on_read);
  }

  static void give_buffer(uv_handle_t*, std::size_t, uv_buf_t* buffer) {
    *buffer = uv_buf_init(bytes_.data(), bytes_.size());
  }

  static void on_read(uv_stream_t* stream, ssize_t got, uv_buf_t const* buffer) {
    if (got < 0) return end(stream);
    uv_buf_t all = uv_buf_init(buffer->base, unsigned(got));
    int const sent = uv_try_write(stream, &all, 1);  // fails while a rest is queued, so the order is kept
    if (sent == got) return;
    if (sent < 0 && sent != UV_EAGAIN) return end(stream);
    auto const begin = std::size_t(std::max(sent, 0));
    auto* const left = new rest{{}, std::string(buffer->base + begin, std::size_t(got) - begin)};
    left->request.data = left;
    all = uv_buf_init(left->bytes.data(), unsigned(left->bytes.size()));
    uv_write(&left->request, stream, &all, 1, on_written);
    uv_read_stop(stream);  // until that has gone
  }

  static void on_written(uv_write_t* request, int status) {
    uv_stream_t* const stream = request->handle;
    delete static_cast<rest*>(request->data);
    if (status < 0) return end(stream);
    uv_read_start(stream, give_buffer, on_read);
  }

  static inline std::array<char, echo_buffer> bytes_;
};

inline server libuv_echo() {
  return {"libuv", [](std::uint16_t port) { libuv_echo_server::serve(port); }};
}

}  // namespace bench
