// SPDX-License-Identifier: BSL-1.0
//
// The floor of the echo workloads: epoll and the two calls, in C style. Each socket is registered once, edge-triggered,
// and is not asked again after it gave less than there was room for; what came is written at once.
#pragma once

#include "server.hpp"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace bench {

class epoll_echo_server {
 public:
  explicit epoll_echo_server(std::uint16_t port) : listening_(listen_on(port)) {
    if (poll_ < 0) throw_errno("no epoll");
    add(listening_, EPOLLIN);
  }

  [[noreturn]] void serve() {
    ready_with(listening_);
    epoll_event events[256];
    for (;;) {
      int const found = epoll_wait(poll_, events, 256, -1);
      for (int n = 0; n < found; ++n) {
        if (events[n].data.fd == listening_) {
          accept_all();
        } else {
          echo(events[n].data.fd, events[n].events);
        }
      }
    }
  }

 private:
  void add(int fd, std::uint32_t wanted) {
    epoll_event event{};
    event.events = wanted | EPOLLET;
    event.data.fd = fd;
    if (epoll_ctl(poll_, EPOLL_CTL_ADD, fd, &event) != 0) throw_errno("epoll_ctl");
  }

  void accept_all() {
    int fd;
    while ((fd = accept4(listening_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
      if (std::size_t(fd) >= unsent_.size()) unsent_.resize(std::size_t(fd) + 64);
      add(fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP);
    }
    if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR) throw_errno("accept4");
  }

  void echo(int fd, std::uint32_t events) {
    std::string& unsent = unsent_[std::size_t(fd)];
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

  void end(int fd) {
    unsent_[std::size_t(fd)].clear();
    close(fd);
  }

  int const listening_;
  int const poll_ = epoll_create1(EPOLL_CLOEXEC);
  std::vector<std::string> unsent_;  // by file number: what the socket had no room for
  char buffer_[echo_buffer];
};

inline server epoll_echo() {
  return {"epoll", [](std::uint16_t port) { epoll_echo_server(port).serve(); }};
}

}  // namespace bench
