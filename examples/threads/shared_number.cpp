// SPDX-License-Identifier: BSL-1.0
//
// T10: ten threads write their number to a shared place, pause, and read it again; without a lock and with one.
#include <concur/concur.hpp>

#include <atomic>
#include <mutex>
#include <vector>

#include "tutorial.hpp"

using namespace tutorial;

constexpr int writers = 10;

// Return how many threads have read what another one had written.

int without_lock() {
  // Relaxed atomics, because unprotected access to an int is undefined in C++. They do not mend the mistake.
  std::atomic<int> number = 0;
  std::atomic<int> wrong = 0;
  concur::latch all_have_written(writers);
  {
    std::vector<concur::thread> crew;
    for (int mine = 1; mine <= writers; ++mine) {
      crew.emplace_back([&, mine] {
        number.store(mine, std::memory_order_relaxed);
        all_have_written.arrive_and_wait();  // a pause that is long enough for certain
        int const read = number.load(std::memory_order_relaxed);
        say("without a lock: wrote ", mine, ", read ", read);
        if (read != mine) ++wrong;
      });
    }
  }
  return wrong;
}

int with_lock() {
  concur::mutex lock;  // guards the two numbers
  int number = 0;
  int wrong = 0;
  {
    std::vector<concur::thread> crew;
    for (int mine = 1; mine <= writers; ++mine) {
      crew.emplace_back([&, mine] {
        std::scoped_lock const guard(lock);
        number = mine;
        concur::this_thread::sleep_for(1s / speed);
        say("with a lock: wrote ", mine, ", read ", number);
        if (number != mine) ++wrong;
      });
    }
  }
  return wrong;
}

int main(int count, char** words) {
  arguments(count, words, "Ten threads write, pause and read, without a lock and with one.");

  int const wrong = without_lock();
  say(wrong, " of ", writers, " have read what another one wrote");
  expect(wrong == writers - 1, "without a lock only the last writer reads its own number");
  expect(with_lock() == 0, "with the lock every thread reads what it wrote");
}
