// SPDX-License-Identifier: BSL-1.0
//
// A process whose threads and tasks use every primitive, stopped and continued at random moments as by a debugger or a
// shell: it loses no wake and comes to its end. With CONCUR_LONG=1 for half an hour instead of some seconds.
#include "../support/catch.hpp"
#include "../support/forked.hpp"
#include "../support/hammer.hpp"
#include "../support/long_form.hpp"
#include "../support/test_executor.hpp"
#include "../support/test_task.hpp"
#include "every_primitive.hpp"

#include <chrono>
#include <csignal>
#include <deque>
#include <mutex>
#include <random>
#include <shared_mutex>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace {

using std::chrono::seconds;
using std::chrono::steady_clock;

// Two threads and a task that cannot go on without each other, by way of every primitive that waits.
class mill {
 public:
  explicit mill(int turns) : turns_(turns) {}

  void add_to(support::hammer& crowd) {
    crowd.add([this] {
      for (int i = 0; i < turns_; ++i) {
        ping_.release();
        pong_.acquire();
        meeting_.arrive_and_wait();
        take_turns_at_the_locks(i);
        ground_.store(i + 1);
        heard_.notify_all();
      }
      go_.set();
    });
    crowd.add([this] {
      for (int i = 0; i < turns_; ++i) {
        ping_.acquire();
        pong_.release();
        meeting_.arrive_and_wait();
        take_turns_at_the_locks(i);
        heard_.wait([&] { return ground_.load() > i; });
      }
      go_.wait();
    });
    for (int parity : {0, 1}) {
      crowd.add([this, parity] {
        std::unique_lock hold(m_);
        while (turn_ < turns_) {
          changed_.wait(hold, [&] { return turn_ >= turns_ || turn_ % 2 == parity; });
          ++turn_;
          changed_.notify_all();
        }
      });
    }
  }

  support::test_task<> work_along() {
    for (int i = 0; i < turns_; ++i) {
      co_await meeting_.async_arrive_and_wait();
      {
        auto const hold = co_await written_.async_lock();
        ++written_count_;
      }
      auto const nested = co_await counted_.async_lock();
      auto const twice = co_await counted_.async_lock();
      ++count_;
    }
    co_await go_.async_wait();
  }

  bool finished() const { return turn_ >= turns_ && count_ == 3 * turns_ && written_count_ == 2 * turns_; }

 private:
  void take_turns_at_the_locks(int i) {
    if (i % 2 == 0) {
      std::unique_lock const hold(written_);
      ++written_count_;
    } else {
      std::shared_lock const hold(written_);
    }
    std::scoped_lock const nested(counted_), twice(counted_);
    ++count_;
  }

  int const turns_;
  concur::semaphore ping_{0}, pong_{0};
  concur::event go_;
  concur::barrier<> meeting_{3};
  concur::event_count heard_;
  concur::os::atomic<int> ground_{0};
  concur::shared_mutex written_;
  concur::recursive_mutex counted_;
  int written_count_ = 0, count_ = 0;
  concur::mutex m_;
  concur::condition changed_;
  int turn_ = 0;
};

bool use_in_turns(int turns) {
  mill grinding(turns);
  support::every_primitive all;
  std::deque<concur::latch> gates;
  for (int i = 0; i < turns; ++i) gates.emplace_back(2);
  {
    support::threads_executor pool(1);
    auto const task = support::spawn(pool, grinding.work_along());
    support::hammer crowd;
    grinding.add_to(crowd);
    crowd.add(2, [&] {
      for (int i = 0; i < turns; ++i) {
        all.use_beside_others(i);
        gates[std::size_t(i)].arrive_and_wait();
      }
    });
    crowd.run();
    task->wait_until_done();
    if (task->error()) return false;
  }
  return grinding.finished() && all.counted.with([](int value) { return value; }) == 2 * turns;
}

}  // namespace

TEST_CASE("a process that is stopped and continued at any moment loses no wake", "[stopped_process]") {
  int const lives = support::long_form() ? 500 : 1;
  int stops = 0;
  for (int life = 0; life < lives; ++life) {
    pid_t const child = ::fork();  // before this process has other threads
    if (child == 0) support::end_child(use_in_turns(support::rounds(1'000)));
    // The parent disturbs, and is the watchdog.
    std::mt19937 random(static_cast<unsigned>(life));
    auto const limit = steady_clock::now() + seconds(400);  // hundreds of times what it takes on an idle machine
    siginfo_t ended{};
    while (::waitid(P_PID, id_t(child), &ended, WEXITED | WNOHANG | WNOWAIT) == 0 && ended.si_pid == 0) {
      if (steady_clock::now() > limit) {
        ::kill(child, SIGABRT);  // it has come to a halt
        break;
      }
      ::kill(child, SIGSTOP);
      ++stops;
      std::this_thread::sleep_for(std::chrono::microseconds(random() % 300));
      ::kill(child, SIGCONT);
      std::this_thread::sleep_for(std::chrono::microseconds(random() % 2000));
    }
    REQUIRE(support::child_was_right(child));
  }
  CHECK(stops >= lives);
  WARN("stopped and continued " << stops << " times");
}
