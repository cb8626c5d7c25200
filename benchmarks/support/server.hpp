// SPDX-License-Identifier: BSL-1.0
//
// Servers that the programs measure, each in a process of its own. A program that has servers is started again for each
// of them, as `echo --serve=asio`; that also works by hand, with `--port=N` after it.
//
//     inline server asio_echo() { return {"asio", serve_asio}; }   // serve_asio(port): listens, calls ready(), serves
//
// The first line of its output says `listening on PORT`, or in words why it does not; `skipped: …` if this machine
// cannot run it at all.
#pragma once

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace bench {

struct server {
  std::string library;
  void (*serve)(std::uint16_t port) = nullptr;  // does not return
  std::vector<std::string> command = {};  // instead: a program of its own that does the same
};

/// All servers of the program. Written by static constructors, read by main.
inline std::vector<server>& registered_servers() {
  static std::vector<server> all;
  return all;
}

/// Every server of the echo workloads takes so much at a time at most.
inline constexpr std::size_t echo_buffer = 1024;

inline constexpr int backlog = 4096;

/// How long those that poll busily look again and again before they sleep.
inline constexpr std::chrono::microseconds busy_polling{50};

[[noreturn]] inline void throw_errno(std::string const& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

/// As many descriptors as `wanted`, if the process may have them; all that it may have otherwise.
inline void allow_descriptors(rlim_t wanted) {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur >= wanted) return;
  rlimit const more{wanted, std::max(wanted, limit.rlim_max)};
  if (setrlimit(RLIMIT_NOFILE, &more) == 0) return;
  limit.rlim_cur = std::min(limit.rlim_max, wanted);
  setrlimit(RLIMIT_NOFILE, &limit);
}

/// A non-blocking socket that listens on 127.0.0.1. What it accepts has TCP_NODELAY too.
inline int listen_on(std::uint16_t port) {
  int const on = 1;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int const fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) throw_errno("no socket");
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (bind(fd, reinterpret_cast<sockaddr const*>(&address), sizeof address) != 0 || listen(fd, backlog) != 0) {
    throw_errno("cannot listen on 127.0.0.1:" + std::to_string(port));
  }
  return fd;
}

/// Tells whoever started the server where it listens.
inline void ready(std::uint16_t port) {
  std::printf("listening on %d\n", port);
  std::fflush(stdout);
}
inline void ready_with(int listening) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  if (getsockname(listening, reinterpret_cast<sockaddr*>(&address), &size) != 0) throw_errno("getsockname");
  ready(ntohs(address.sin_port));
}

/// For main: does what `--serve=LIBRARY [--port=N]` asks for, and returns an exit status; -1 if nothing was asked for.
inline int serve_if_asked(int argc, char** argv) {
  constexpr std::string_view serve = "--serve=", at = "--port=";
  if (argc < 2 || !std::string_view(argv[1]).starts_with(serve)) return -1;
  std::string const library = argv[1] + serve.size();
  bool const has_port = argc > 2 && std::string_view(argv[2]).starts_with(at);
  auto const port = std::uint16_t(has_port ? std::atoi(argv[2] + at.size()) : 0);
  auto const& all = registered_servers();
  auto const found =
      std::ranges::find_if(all, [&](server const& each) { return each.library == library && each.serve; });
  std::signal(SIGPIPE, SIG_IGN);
  try {
    if (found == all.end()) throw std::runtime_error("this program has no server called " + library);
    found->serve(port);
  } catch (std::exception const& error) {
    std::printf("%s\n", error.what());
  }
  return 1;
}

}  // namespace bench
