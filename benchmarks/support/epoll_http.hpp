// SPDX-License-Identifier: BSL-1.0
//
// The floor of the HTTP workloads: what raw epoll does at the least, with an answer that is the same each time. It
// looks for the end of a head and at nothing else in it.
#pragma once

#include "epoll_server.hpp"
#include "server.hpp"

#include <sys/epoll.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace bench {

class epoll_http_server : public epoll_server<epoll_http_server> {
 public:
  explicit epoll_http_server(std::uint16_t port) : epoll_server(port, EPOLLIN) {}

  void answer(int fd, std::uint32_t) {
    ssize_t const got = read(fd, buffer_, sizeof buffer_);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) return end(fd);
    std::string& begun = kept(fd);  // a part of a head
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

 private:
  static constexpr std::string_view canned =
      "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
      "Content-Length: 5\r\n\r\nhello";
  static constexpr std::string_view end_of_head = "\r\n\r\n";

  char buffer_[4096];
};

inline server epoll_http() {
  return {"epoll", [](std::uint16_t port) { epoll_http_server(port).serve(); }};
}

}  // namespace bench
