// SPDX-License-Identifier: BSL-1.0
//
// Requests to an HTTP server one by one, where wrk, which sends as many as it can, is of no use.
#pragma once

#include "client_socket.hpp"
#include "server.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <stdexcept>
#include <string>
#include <string_view>

namespace bench {

/// Every function throws std::runtime_error with a sentence when the server does not do what it should, or not within
/// five seconds.
class http_load {
 public:
  /// Connects, and exchanges one request on each connection.
  http_load(std::uint16_t port, int connections) {
    for (int n = 0; n < connections; ++n) all_.emplace_back(port);
    send_all();
    receive_all();
  }

  /// One request on each connection, and its answer.
  void send_all() {
    for (auto const& each : all_) {
      if (send(each.fd, request.data(), request.size(), MSG_NOSIGNAL) != ssize_t(request.size())) {
        throw_errno("cannot send a request");
      }
    }
  }
  void receive_all() {
    for (auto const& each : all_) receive(each);
  }

 private:
  // As short as wrk's.
  static constexpr std::string_view request = "GET /hello HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
  static constexpr std::string_view beginning = "HTTP/1.1 200 OK\r\n";
  static constexpr std::string_view end = "\r\n\r\nhello";

  struct connection {
    explicit connection(std::uint16_t port) : fd(connect_to(port)) {}
    ~connection() { close(fd); }
    connection(connection const&) = delete;
    connection& operator=(connection const&) = delete;
    int const fd;
  };

  static void receive(connection const& one) {
    std::string answer;
    std::array<char, 1024> some;
    while (!answer.ends_with(end)) {
      auto const got = recv(one.fd, some.data(), some.size(), 0);
      if (got < 0) throw_errno("cannot receive an answer");
      if (got == 0) throw std::runtime_error("the server closed a connection");
      answer.append(some.data(), std::size_t(got));
      if (answer.size() > some.size()) break;
    }
    if (!answer.starts_with(beginning) || !answer.ends_with(end)) {
      throw std::runtime_error("the server sent something else: " + answer);
    }
  }

  std::deque<connection> all_;
};

}  // namespace bench
