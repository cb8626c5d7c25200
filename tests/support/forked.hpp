// SPDX-License-Identifier: BSL-1.0
//
// A child process in a test, and how it ended. Not by its exit status: the thread sanitizer's own report at the exit of
// a child counts threads of the parent that had ended, but were not joined yet, when it forked.
//
//     pid_t const child = ::fork();
//     if (child == 0) support::end_child(all_right());
//     CHECK(support::child_was_right(child));
//
//     CHECK(support::right_in_child([] { return all_right(); }));      // the same in one
//     CHECK(support::end_in_child([] { aborts(); }).signal == SIGABRT);
#pragma once

#include "catch.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>
#include <sys/resource.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace support {

/// What the kernel says that a thread of this process does: R runs, S sleeps …; 0 if it is not there.
inline char state_of_thread(std::string const& native_id) {
  std::string line;
  std::getline(std::ifstream("/proc/self/task/" + native_id + "/stat") >> std::ws, line);
  auto const name_end = line.rfind(')');  // the state stands behind its name
  return name_end != line.npos && name_end + 2 < line.size() ? line[name_end + 2] : char(0);
}
inline bool sleeps(int native_id) { return state_of_thread(std::to_string(native_id)) == 'S'; }

/// Waits until every other thread sleeps. To be called before a fork whose child starts threads or allocates much: what
/// a running one holds at that moment, such as a lock of the sanitizers' allocator, the child would wait for in vain.
inline void wait_until_others_sleep() {
  auto const all_sleep = [] {
    std::filesystem::directory_iterator const threads("/proc/self/task");
    for (auto const& each : threads) {
      auto const name = each.path().filename();
      if (name == std::to_string(::gettid())) continue;
      char const state = state_of_thread(name);
      if (state != 0 && state != 'S') return false;
    }
    return true;
  };
  while (!all_sleep()) std::this_thread::yield();
}

/// In the child: ends it, at once and without a word, so that the parent learns whether all was right.
[[noreturn]] inline void end_child(bool right) {
  for (;;) ::kill(::getpid(), right ? SIGKILL : SIGTERM);
}

/// In the parent: waits for the child, whatever interrupts it, and returns how it ended, in waitpid's terms; -1 if it
/// is no child.
inline int end_of(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) != child) {
    if (errno != EINTR) return -1;
  }
  return status;
}

/// The same for a child that ends by `end_child`. Any other end of it, by an alarm or a crash, is not right.
inline bool child_was_right(pid_t child) {
  int const status = end_of(child);
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

/// Runs `body` in a child process, for a minute at the most, and returns whether it said that all was right.
template <class Body>
bool right_in_child(Body body) {
  pid_t const child = ::fork();
  if (child == 0) {
    ::alarm(60);
    bool const right = body();
    end_child(right);
  }
  return child_was_right(child);
}

struct child_end {
  int signal = 0;  // 0: it came to its end
  std::string printed;
};

/// Runs `body` in a child process, and returns how that ended and what it printed on standard error.
template <class Body>
child_end end_in_child(Body body) {
  std::array<int, 2> ends{};
  REQUIRE(::pipe(ends.data()) == 0);
  pid_t const child = ::fork();
  if (child == 0) {
    rlimit const no_core{};
    ::setrlimit(RLIMIT_CORE, &no_core);
    std::signal(SIGABRT, SIG_DFL);
    ::dup2(ends[1], STDERR_FILENO);
    body();
    ::_exit(0);
  }
  ::close(ends[1]);
  child_end result;
  std::array<char, 512> piece{};
  for (ssize_t got = 0; (got = ::read(ends[0], piece.data(), piece.size())) != 0;) {
    if (got > 0) result.printed.append(piece.data(), std::size_t(got));
    if (got < 0 && errno != EINTR) break;
  }
  ::close(ends[0]);
  int const status = end_of(child);
  if (WIFSIGNALED(status)) result.signal = WTERMSIG(status);
  return result;
}

}  // namespace support
