// SPDX-License-Identifier: BSL-1.0
//
// A child process in a test, and how it ended. Not by its exit status: the thread sanitizer's own report at the exit of
// a child counts threads of the parent that had ended, but were not joined yet, when it forked.
//
//     pid_t const child = ::fork();
//     if (child == 0) support::end_child(all_right());
//     CHECK(support::child_was_right(child));
#pragma once

#include <csignal>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

namespace support {

/// In the child: ends it, at once and without a word, so that the parent learns whether all was right.
[[noreturn]] inline void end_child(bool right) {
  for (;;) ::kill(::getpid(), right ? SIGKILL : SIGTERM);
}

/// In the parent: waits for the child. Any other end of it, by an alarm or a crash, is not right.
inline bool child_was_right(pid_t child) {
  int status = 0;
  return ::waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

}  // namespace support
