// SPDX-License-Identifier: BSL-1.0
//
// A process whose threads use every primitive, stopped and continued at random moments as by a debugger or a shell: it
// loses no wake and comes to its end.
#include "../support/catch.hpp"
#include "../support/forked.hpp"
#include "../support/hammer.hpp"
#include "every_primitive.hpp"

#include <chrono>
#include <csignal>
#include <random>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace {

// Threads that cannot go on without each other.
bool use_in_turns(int turns) {
  concur::semaphore ping(0), pong(0);
  concur::event go;
  concur::barrier<> meeting(3);
  concur::mutex m;
  concur::condition changed;
  int turn = 0;
  support::every_primitive all;
  support::hammer crowd;
  crowd.add([&] {
    for (int i = 0; i < turns; ++i) {
      ping.release();
      pong.acquire();
      meeting.arrive_and_wait();
    }
    go.set();
  });
  crowd.add([&] {
    for (int i = 0; i < turns; ++i) {
      ping.acquire();
      pong.release();
      meeting.arrive_and_wait();
    }
    go.wait();
  });
  crowd.add([&] {
    for (int i = 0; i < turns; ++i) meeting.arrive_and_wait();
    go.wait();
  });
  for (int parity : {0, 1}) {
    crowd.add([&, parity] {
      std::unique_lock hold(m);
      while (turn < turns) {
        changed.wait(hold, [&] { return turn >= turns || turn % 2 == parity; });
        ++turn;
        changed.notify_all();
      }
    });
  }
  crowd.add(2, [&] {
    for (int i = 0; i < turns; ++i) all.use_beside_others(i);
  });
  crowd.run();
  return turn >= turns && all.counted.with([](int value) { return value; }) == 2 * turns;
}

}  // namespace

TEST_CASE("a process that is stopped and continued at any moment loses no wake", "[stopped_process]") {
  pid_t const child = ::fork();  // before this process has other threads
  if (child == 0) support::end_child(use_in_turns(support::rounds(5'000)));
  // The parent disturbs, and is the watchdog.
  std::mt19937 random(1);
  auto const limit = std::chrono::steady_clock::now() + std::chrono::seconds(120);
  siginfo_t ended{};
  int stops = 0;
  while (::waitid(P_PID, id_t(child), &ended, WEXITED | WNOHANG | WNOWAIT) == 0 && ended.si_pid == 0) {
    if (std::chrono::steady_clock::now() > limit) {
      ::kill(child, SIGABRT);  // it has come to a halt
      break;
    }
    ::kill(child, SIGSTOP);
    ++stops;
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 300));
    ::kill(child, SIGCONT);
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 2000));
  }
  CHECK(support::child_was_right(child));
  WARN("stopped and continued " << stops << " times");
}
