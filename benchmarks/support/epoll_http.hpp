// SPDX-License-Identifier: BSL-1.0
//
// The floor of the HTTP workload: what raw epoll does at the least, with an answer that is the same each time. It looks
// for the end of a head and at nothing else in it.
#pragma once

#include "server.hpp"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace bench {

class epoll_http_server {
 public:
  explicit epoll_http_server(std::uint16_t port) : listening_(listen_on(port)) {
    if (poll_ < 0) throw_errno("no epoll");
    add(listening_);
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
          answer(events[n].data.fd);
        }
      }
    }
  }

 private:
  static constexpr std::string_view canned =
      "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
      "Content-Length: 5\r\n\r\nhello";
  static constexpr std::string_view end_of_head = "\r\n\r\n";

  void add(int fd) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    if (epoll_ctl(poll_, EPOLL_CTL_ADD, fd, &event) != 0) throw_errno("epoll_ctl");
  }

  void accept_all() {
    int fd;
    while ((fd = accept4(listening_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
      if (std::size_t(fd) >= begun_.size()) begun_.resize(std::size_t(fd) + 64);
      add(fd);
    }
    if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR) throw_errno("accept4");
  }

  void answer(int fd) {
    ssize_t const got = read(fd, buffer_, sizeof buffer_);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) return end(fd);
    std::string& begun = begun_[std::size_t(fd)];
    std::string_view bytes(buffer_, std::size_t(got));
    if (!begun.empty()) bytes = begun += bytes;
    std::size_t heads = 0;
    for (std::size_t at; (at = bytes.find(end_of_head)) != bytes.npos; ++heads) {
      bytes.remove_prefix(at + end_of_head.size());
    }
    std::string rest(bytes);
    begun.swap(rest);
    for (; heads > 0; --heads) {
      // Never so many that the socket has no room for it.
      if (write(fd, canned.data(), canned.size()) != ssize_t(canned.size())) return end(fd);
    }
  }

  void end(int fd) {
    begun_[std::size_t(fd)].clear();
    close(fd);
  }

  int const listening_;
  int const poll_ = epoll_create1(EPOLL_CLOEXEC);
  std::vector<std::string> begun_;  // by file number: a part of a head
  char buffer_[4096];
};

inline server epoll_http() {
  return {"epoll", [](std::uint16_t port) { epoll_http_server(port).serve(); }};
}

}  // namespace bench
