// SPDX-License-Identifier: BSL-1.0
//
// T11: a hundred threads each take one from 100, with a pause between reading and writing; without a lock and with one.
#include <concur/concur.hpp>

#include <atomic>
#include <vector>

#include "tutorial.hpp"

using namespace tutorial;

constexpr int takers = 100;

// Return what is left of 100.

int without_lock() {
  // Relaxed atomics, because unprotected access to an int is undefined in C++. They do not mend the mistake.
  std::atomic<int> number = takers;
  concur::latch all_have_read(takers);
  {
    std::vector<concur::thread> crew;
    for (int i = 0; i < takers; ++i) {
      crew.emplace_back([&] {
        int const read = number.load(std::memory_order_relaxed);
        all_have_read.arrive_and_wait();  // a pause that is long enough for certain
        number.store(read - 1, std::memory_order_relaxed);
      });
    }
  }
  return number;
}

int with_lock() {
  concur::guarded<int> number(takers);  // the number and its lock: nobody reaches the one without the other
  {
    std::vector<concur::thread> crew;
    for (int i = 0; i < takers; ++i) {
      crew.emplace_back([&] {
        auto const held = number.lock();
        int const read = *held;
        concur::this_thread::sleep_for(50ms / speed);
        *held = read - 1;
      });
    }
  }
  return *number.lock();
}

int main(int count, char** words) {
  arguments(count, words, "A hundred threads each take one from 100, without a lock and with one.");

  int const left = without_lock();
  say("without a lock: ", left);
  expect(left == takers - 1, "all have read 100, so all have written 99");
  for (int i = 1; i <= 3; ++i) {
    int const locked = with_lock();
    say("with a lock: ", locked);
    expect(locked == 0, "with the lock nothing is left, every time");
  }
}
