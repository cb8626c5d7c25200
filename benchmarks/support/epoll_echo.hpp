// SPDX-License-Identifier: BSL-1.0
//
// The floor of the echo workloads: epoll and the two calls. Sockets are edge-triggered, and are not asked again after
// they gave less than there was room for; what came is written at once.
#pragma once

#include "epoll_server.hpp"
#include "server.hpp"

#include <sys/epoll.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

namespace bench {

class epoll_echo_server : public epoll_server<epoll_echo_server> {
 public:
  explicit epoll_echo_server(std::uint16_t port, std::chrono::nanoseconds busy_poll = {})
      : epoll_server(port, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, busy_poll) {}

  void answer(int fd, std::uint32_t events) {
    std::string& unsent = kept(fd);  // what the socket had no room for
    for (;;) {
      if (!unsent.empty()) {  // reads no more before that has gone
        ssize_t const sent = write(fd, unsent.data(), unsent.size());
        if (sent < 0) return errno == EAGAIN ? void() : end(fd);
        unsent.erase(0, std::size_t(sent));
        if (!unsent.empty()) return;
      }
      ssize_t const got = read(fd, buffer_, sizeof buffer_);
      if (got <= 0) return got < 0 && errno == EAGAIN ? void() : end(fd);
      ssize_t const sent = write(fd, buffer_, std::size_t(got));
      if (sent < 0 && errno != EAGAIN) return end(fd);
      if (sent != got) unsent.assign(buffer_ + (sent < 0 ? 0 : sent), buffer_ + got);
      // Less than there was room for: nothing is left, and whatever comes later is an edge of its own.
      if (sent == got && std::size_t(got) < sizeof buffer_ && (events & EPOLLRDHUP) == 0) return;
    }
  }

 private:
  char buffer_[echo_buffer];
};

inline server epoll_echo() {
  return {"epoll", [](std::uint16_t port) { epoll_echo_server(port).serve(); }};
}
inline server epoll_busy_echo() {
  return {"epoll_busy", [](std::uint16_t port) { epoll_echo_server(port, busy_polling).serve(); }};
}

}  // namespace bench
