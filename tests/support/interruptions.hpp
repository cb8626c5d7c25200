// SPDX-License-Identifier: BSL-1.0
//
// Signals for every thread of the program, a thousand times a second each, whose system calls are not restarted. More
// than a signal_storm (hammer.hpp), which the kernel sends to one thread at a time.
//
//     support::interruptions const from_now_on;
#pragma once

#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <dirent.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <system_error>
#include <thread>
#include <unistd.h>

namespace support {

/// While it lives, every other thread is interrupted. One at a time in a process.
class interruptions {
 public:
  interruptions() : threads_(opendir("/proc/self/task")) {
    if (threads_ == nullptr) throw std::system_error(errno, std::generic_category(), "opendir /proc/self/task");
    struct sigaction action{};
    action.sa_handler = [](int) { taken().fetch_add(1, std::memory_order_relaxed); };
    sigaction(SIGUSR2, &action, nullptr);
    sender_ = std::thread([this] {
      sigset_t all;
      sigfillset(&all);
      pthread_sigmask(SIG_SETMASK, &all, nullptr);
      while (!over_.load()) {
        interrupt_others();
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
    });
  }
  ~interruptions() {
    over_.store(true);
    sender_.join();
    closedir(threads_);
    // The handler stays: the last signal may still be on its way.
  }
  interruptions(interruptions const&) = delete;
  interruptions& operator=(interruptions const&) = delete;

  /// How many there have been in this process.
  static long count() noexcept { return taken().load(std::memory_order_relaxed); }

 private:
  static std::atomic<long>& taken() noexcept {
    static std::atomic<long> signals{0};
    return signals;
  }

  void interrupt_others() noexcept {
    long const me = syscall(SYS_gettid);
    rewinddir(threads_);
    while (auto const* const entry = readdir(threads_)) {
      long const id = std::atol(entry->d_name);
      if (id > 0 && id != me) syscall(SYS_tgkill, getpid(), id, SIGUSR2);
    }
  }

  // Opened once: tests that count descriptors and memory must see the same all the time.
  DIR* const threads_;
  std::atomic<bool> over_{false};
  std::thread sender_;
};

}  // namespace support
