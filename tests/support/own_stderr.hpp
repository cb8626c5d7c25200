// SPDX-License-Identifier: BSL-1.0
//
// Standard error as a pipe that the process reads itself: what waits for a report that is printed. For a child process,
// since it stays so.
//
//     support::own_stderr printed;
//     ::raise(SIGQUIT);
//     auto const text = printed.read_until("asks for all tasks");
#pragma once

#include <concur/core/unique_fd.hpp>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <fcntl.h>
#include <poll.h>
#include <string>
#include <string_view>
#include <unistd.h>

namespace support::inline CONCUR_ABI {

class own_stderr {
 public:
  own_stderr() {
    int ends[2] = {};
    if (::pipe2(ends, O_CLOEXEC) != 0 || ::dup2(ends[1], STDERR_FILENO) < 0) std::abort();
    in_.reset(ends[0]);
    ::close(ends[1]);
  }
  int fd() const noexcept { return in_.get(); }

  /// All that is printed until `last` has been. One thread at a time.
  std::string read_until(std::string_view last) {
    std::string text;
    char piece[512];
    while (text.find(last) == std::string::npos) {
      auto const got = ::read(in_.get(), piece, sizeof piece);
      if (got > 0) text.append(piece, std::size_t(got));
      if (got == 0 || (got < 0 && errno != EINTR)) break;
    }
    return text;
  }

  /// All that is printed within a time: to see that nothing is.
  std::string read_for(std::chrono::milliseconds length) {
    auto const end = std::chrono::steady_clock::now() + length;
    std::string text;
    char piece[512];
    for (;;) {
      auto const left = std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
      pollfd wanted{in_.get(), POLLIN, 0};
      if (left.count() <= 0) return text;
      if (::poll(&wanted, 1, int(left.count())) <= 0) continue;
      auto const got = ::read(in_.get(), piece, sizeof piece);
      if (got <= 0) return text;
      text.append(piece, std::size_t(got));
    }
  }

 private:
  concur::unique_fd in_;
};

}  // namespace support::inline CONCUR_ABI
