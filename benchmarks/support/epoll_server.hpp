// SPDX-License-Identifier: BSL-1.0
//
// What the floors share, epoll_echo.hpp and epoll_http.hpp: raw epoll in C style, with one thread. Each socket is
// registered once.
#pragma once

#include "server.hpp"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace bench {

/// `Answerer` derives from it and has `answer(fd, events)`, which reads and writes, and `end`s what has ended.
template <class Answerer>
class epoll_server {
 public:
  /// `interest`: in what happens to a connection. `busy_poll`: how long it looks again and again before it sleeps.
  epoll_server(std::uint16_t port, std::uint32_t interest, std::chrono::nanoseconds busy_poll = {})
      : interest_(interest), busy_poll_(busy_poll), listening_(listen_on(port)) {
    if (poll_ < 0) throw_errno("no epoll");
    add(listening_, EPOLLIN);
  }

  [[noreturn]] void serve() {
    ready_with(listening_);
    epoll_event events[256];
    for (;;) {
      int const found = wait(events);
      for (int n = 0; n < found; ++n) {
        if (events[n].data.fd == listening_) {
          accept_all();
        } else {
          static_cast<Answerer&>(*this).answer(events[n].data.fd, events[n].events);
        }
      }
    }
  }

 protected:
  /// A text that goes with the connection.
  std::string& kept(int fd) { return kept_[std::size_t(fd)]; }

  void end(int fd) {
    kept(fd).clear();
    close(fd);
  }

 private:
  template <int Size>
  int wait(epoll_event (&events)[Size]) {
    using clock = std::chrono::steady_clock;
    if (busy_poll_ > busy_poll_.zero()) {
      auto const until = clock::now() + busy_poll_;
      do {
        int const found = epoll_wait(poll_, events, Size, 0);
        if (found > 0) return found;
      } while (clock::now() < until);
    }
    return epoll_wait(poll_, events, Size, -1);
  }

  void add(int fd, std::uint32_t wanted) {
    epoll_event event{};
    event.events = wanted;
    event.data.fd = fd;
    if (epoll_ctl(poll_, EPOLL_CTL_ADD, fd, &event) != 0) throw_errno("epoll_ctl");
  }

  void accept_all() {
    int fd;
    while ((fd = accept4(listening_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
      if (std::size_t(fd) >= kept_.size()) kept_.resize(std::size_t(fd) + 64);
      add(fd, interest_);
    }
    if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR) throw_errno("accept4");
  }

  std::uint32_t const interest_;
  std::chrono::nanoseconds const busy_poll_;
  int const listening_;
  int const poll_ = epoll_create1(EPOLL_CLOEXEC);
  std::vector<std::string> kept_;  // by file number
};

}  // namespace bench
