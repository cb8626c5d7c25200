// SPDX-License-Identifier: BSL-1.0
//
// A server that runs: a process of its own on the first CPU. It ends with this object, and with the process that
// started it, however that ends.
#pragma once

#include "cpus.hpp"
#include "server.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <fstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace bench {

class server_process {
 public:
  /// Starts it, and does not wait for it. `prefix`: a command that runs it, such as valgrind.
  explicit server_process(server const& which, std::vector<std::string> prefix = {});
  ~server_process() { stop(); }
  server_process(server_process const&) = delete;
  server_process& operator=(server_process const&) = delete;

  /// Where it listens. Waits for that; throws what the server says if it cannot.
  std::uint16_t port();

  pid_t pid() const { return pid_; }

  /// The CPU time it has used.
  clockid_t clock() const;

  /// As the kernel tells it in one letter: S sleeps, T is stopped, R runs.
  char state() const;

  /// Ends it, and returns when it has ended.
  void stop();

 private:
  using clock_type = std::chrono::steady_clock;
  static constexpr auto patience = std::chrono::seconds(20);

  std::string first_line();

  std::string const library_;
  pid_t pid_ = -1;
  int output_ = -1;
  std::uint16_t port_ = 0;
  std::string failure_;
};

inline server_process::server_process(server const& which, std::vector<std::string> prefix) : library_(which.library) {
  std::vector<std::string> words = std::move(prefix);
  if (which.serve != nullptr) {
    std::string self(4096, '\0');
    self.resize(std::size_t(std::max<ssize_t>(readlink("/proc/self/exe", self.data(), self.size()), 0)));
    words.insert(words.end(), {self, "--serve=" + which.library});
  } else {
    words.insert(words.end(), which.command.begin(), which.command.end());
  }
  std::vector<char*> arguments;
  for (auto& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);

  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) throw_errno("no pipe");
  int const nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
  int const cpu = cpus().first;
  pid_t const parent = getpid();
  pid_ = fork();
  if (pid_ == 0) {  // only what may be called between fork and exec
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    pin_to(cpu);
    dup2(nothing, STDIN_FILENO);
    dup2(ends[1], STDOUT_FILENO);
    execvp(arguments[0], arguments.data());
    constexpr std::string_view sorry = "its program cannot be started\n";
    static_cast<void>(!write(STDOUT_FILENO, sorry.data(), sorry.size()));
    _exit(1);
  }
  int const error = errno;
  close(nothing);
  close(ends[1]);
  output_ = ends[0];
  if (pid_ < 0) {
    close(output_);
    throw std::system_error(error, std::generic_category(), "no process for " + library_);
  }
}

inline std::string server_process::first_line() {
  auto const end = clock_type::now() + patience;
  std::string line;
  for (char next = 0;;) {
    auto const left = std::chrono::ceil<std::chrono::milliseconds>(end - clock_type::now());
    pollfd readable{output_, POLLIN, 0};
    if (left.count() <= 0 || poll(&readable, 1, int(left.count())) == 0) return "it says nothing";
    auto const got = read(output_, &next, 1);
    if (got < 0 && errno == EINTR) continue;
    if (got != 1) return line.empty() ? "it ended at once" : line;
    if (next == '\n') return line;
    line += next;
  }
}

inline std::uint16_t server_process::port() {
  constexpr std::string_view beginning = "listening on ";
  if (port_ == 0 && failure_.empty()) {
    auto const line = first_line();
    if (line.starts_with(beginning)) std::from_chars(line.data() + beginning.size(), line.data() + line.size(), port_);
    if (port_ == 0) {
      failure_ = line.starts_with("skipped: ") ? line : library_ + ": " + line;
      stop();
    }
  }
  if (port_ == 0) throw std::runtime_error(failure_);
  return port_;
}

inline clockid_t server_process::clock() const {
  clockid_t result{};
  if (clock_getcpuclockid(pid_, &result) != 0) throw std::runtime_error(library_ + ": the server has ended");
  return result;
}

inline char server_process::state() const {
  std::ifstream file("/proc/" + std::to_string(pid_) + "/stat");
  std::string line;
  std::getline(file, line);
  auto const end_of_name = line.rfind(')');
  return end_of_name == std::string::npos || end_of_name + 2 >= line.size() ? '?' : line[end_of_name + 2];
}

inline void server_process::stop() {
  using namespace std::chrono_literals;
  if (pid_ < 0) return;
  kill(pid_, SIGTERM);
  kill(pid_, SIGCONT);
  auto const end = clock_type::now() + patience;
  while (waitpid(pid_, nullptr, WNOHANG) == 0) {
    if (clock_type::now() > end) kill(pid_, SIGKILL);
    std::this_thread::sleep_for(1ms);
  }
  close(output_);
  pid_ = output_ = -1;
}

}  // namespace bench
