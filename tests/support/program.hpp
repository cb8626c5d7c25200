// SPDX-License-Identifier: BSL-1.0
//
// Runs a program as a user would: with arguments and standard input, until it ends or its time is over.
//
//     auto const result = support::run_program("/bin/cat", {"-n"}, "some text\n");
//     CHECK(result.status == 0);
//     CHECK(result.output == "     1\tsome text\n");
#pragma once

#include <concur/core/unique_fd.hpp>

#include <chrono>
#include <csignal>
#include <cstddef>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <string>
#include <sys/types.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>
#include <vector>

namespace support {

struct program_result {
  int status = 0;          ///< the exit status, or the number of the signal that ended it, negative
  bool timed_out = false;  ///< it had to be killed
  std::string output;
  std::string errors;
};

struct both_ends {
  concur::unique_fd read, write;
};
inline both_ends make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category(), "pipe2");
  return {concur::unique_fd(ends[0]), concur::unique_fd(ends[1])};
}

/// Runs the program at `path`. The input has to fit into a pipe, 64 KiB. Throws std::system_error if it cannot be
/// started.
inline program_result run_program(std::string const& path, std::vector<std::string> const& arguments,
                                  std::string const& input = "",
                                  std::chrono::steady_clock::duration limit = std::chrono::seconds(60)) {
  auto in = make_pipe(), out = make_pipe(), err = make_pipe();
  if (::write(in.write.get(), input.data(), input.size()) != static_cast<ssize_t>(input.size())) {
    throw std::system_error(errno, std::generic_category(), "the input of " + path);
  }
  in.write.reset();

  std::vector<char*> words{const_cast<char*>(path.c_str())};
  for (auto const& argument : arguments) words.push_back(const_cast<char*>(argument.c_str()));
  words.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, in.read.get(), STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, out.write.get(), STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, err.write.get(), STDERR_FILENO);
  pid_t child = 0;
  int const error = ::posix_spawn(&child, path.c_str(), &actions, nullptr, words.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) throw std::system_error(error, std::generic_category(), path);
  in.read.reset();
  out.write.reset();
  err.write.reset();

  program_result result;
  auto const end = std::chrono::steady_clock::now() + limit;
  pollfd streams[] = {{out.read.get(), POLLIN, 0}, {err.read.get(), POLLIN, 0}};
  std::string* const texts[] = {&result.output, &result.errors};
  for (int open = 2; open > 0;) {
    auto const left = std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
    int const ready = left.count() <= 0 ? 0 : ::poll(streams, 2, static_cast<int>(left.count()));
    if (ready == 0) {
      result.timed_out = true;
      ::kill(child, SIGKILL);
      break;
    }
    for (std::size_t i = 0; i < 2; ++i) {
      if (ready < 0 || streams[i].revents == 0) continue;
      char buffer[4096];
      auto const length = ::read(streams[i].fd, buffer, sizeof buffer);
      if (length > 0) texts[i]->append(buffer, static_cast<std::size_t>(length));
      if (length == 0) {
        streams[i].fd = -1;  // poll leaves it out
        --open;
      }
    }
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  result.status = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  return result;
}

}  // namespace support
