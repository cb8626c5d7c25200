// SPDX-License-Identifier: BSL-1.0
//
// Threads let loose on one object at the same time, disturbed by signals, and how often to do so.
//
//     support::hammer crowd;
//     crowd.add(4, [&] { for (int i = 0; i < support::rounds(10'000); ++i) … });
//     crowd.run();                                   // all start together; returns when all have ended
//
// The functions run on threads of their own, where Catch2's assertions must not be used: count, and check afterwards.
#pragma once

#include "sanitizers.hpp"

#include <concur/core/assert.hpp>

#include <atomic>
#include <csignal>
#include <functional>
#include <latch>
#include <optional>
#include <pthread.h>
#include <sys/time.h>
#include <thread>
#include <utility>
#include <vector>

namespace support::inline CONCUR_ABI {

#if defined(__OPTIMIZE__)
inline constexpr bool slow_build = thread_sanitizer || address_sanitizer;
#else
inline constexpr bool slow_build = true;
#endif

/// `count` in an optimised build, a tenth of it under sanitizers and without optimisation.
constexpr int rounds(int count) { return slow_build ? (count + 9) / 10 : count; }

/// Interrupts the threads of a hammer, or the only thread there is, a thousand times a second while it lives. Their
/// system calls are not restarted. One at a time in a process.
class signal_storm {
 public:
  signal_storm() {
    struct sigaction action{};
    action.sa_handler = [](int) { taken().fetch_add(1, std::memory_order_relaxed); };
    sigaction(SIGALRM, &action, nullptr);
    itimerval const every_millisecond{{0, 1000}, {0, 1000}};
    setitimer(ITIMER_REAL, &every_millisecond, nullptr);
  }
  ~signal_storm() {
    itimerval const off{};
    setitimer(ITIMER_REAL, &off, nullptr);
    // The handler stays: the last signal may still be on its way to a thread.
  }
  signal_storm(signal_storm const&) = delete;
  signal_storm& operator=(signal_storm const&) = delete;

  /// How many signals the program has had so far.
  static long count() noexcept { return taken().load(std::memory_order_relaxed); }

 private:
  static std::atomic<long>& taken() noexcept {
    static std::atomic<long> signals{0};
    return signals;
  }
};

/// A storm or none. Signals wake sleepers, which hides lost wakes; so what holds in a storm has to hold without it too.
class weather {
 public:
  explicit weather(bool stormy) {
    if (stormy) storm_.emplace();
  }

 private:
  std::optional<signal_storm> storm_;
};

/// Keeps signals of a storm away from the calling thread, so that they go to the others.
class sheltered_from_storm {
 public:
  sheltered_from_storm() {
    sigset_t storm;
    sigemptyset(&storm);
    sigaddset(&storm, SIGALRM);
    pthread_sigmask(SIG_BLOCK, &storm, &before_);
  }
  ~sheltered_from_storm() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  sheltered_from_storm(sheltered_from_storm const&) = delete;
  sheltered_from_storm& operator=(sheltered_from_storm const&) = delete;

 private:
  sigset_t before_;
};

class hammer {
 public:
  void add(std::function<void()> body) { bodies_.push_back(std::move(body)); }
  void add(int copies, std::function<void()> const& body) {
    for (int i = 0; i < copies; ++i) bodies_.push_back(body);
  }

  void run() {
    std::latch gate(std::ptrdiff_t(bodies_.size()));
    std::vector<std::thread> threads;
    for (auto const& body : bodies_) {
      threads.emplace_back([&gate, &body] {
        gate.arrive_and_wait();
        body();
      });
    }
    sheltered_from_storm const this_thread;
    for (auto& each : threads) each.join();
  }

 private:
  std::vector<std::function<void()>> bodies_;
};

/// What throwing_misuse_handler throws.
struct reported_misuse {
  char const* sentence;
};

/// While it lives, misuse is thrown instead of ending the program.
class throwing_misuse_handler {
 public:
  throwing_misuse_handler()
      : before_(concur::set_misuse_handler(
            [](concur::misuse_report const& report) { throw reported_misuse{report.sentence}; })) {}
  ~throwing_misuse_handler() { concur::set_misuse_handler(before_); }
  throwing_misuse_handler(throwing_misuse_handler const&) = delete;
  throwing_misuse_handler& operator=(throwing_misuse_handler const&) = delete;

 private:
  concur::misuse_handler before_;
};

}  // namespace support::inline CONCUR_ABI
