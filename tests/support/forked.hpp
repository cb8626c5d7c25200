// SPDX-License-Identifier: BSL-1.0
//
// A child process in a test, and how it ended. Not by its exit status: the thread sanitizer's own report at the exit of
// a child counts threads of the parent that had ended, but were not joined yet, when it forked.
//
//     pid_t const child = ::fork();
//     if (child == 0) support::end_child(all_right());
//     CHECK(support::child_was_right(child));
#pragma once

#include <cerrno>
#include <csignal>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

namespace support {

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

}  // namespace support
