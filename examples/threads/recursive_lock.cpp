// SPDX-License-Identifier: BSL-1.0
//
// T13: a lock that its owner takes twice. A recursive_mutex (Python: RLock) lets it; a plain mutex would wait for
// itself for ever, which a checked build reports instead.
#define CONCUR_CHECKED 1  // before the first header; Debug builds with CMake have it anyway
#include <concur/concur.hpp>

#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

#include "tutorial.hpp"

using namespace tutorial;

// A function that locks, called by another one that holds the same lock already.
template <class Lock>
void add(Lock& lock, int& sum, int amount) {
  std::scoped_lock const guard(lock);
  sum += amount;
}
template <class Lock>
void add_twice(Lock& lock, int& sum, int amount) {
  std::scoped_lock const guard(lock);
  add(lock, sum, amount);
  concur::this_thread::sleep_for(100ms / speed);
  add(lock, sum, amount);
}

int main(int count, char** words) {
  arguments(count, words, "Locks twice: a recursive mutex and, reported as misuse, a plain one.");

  concur::recursive_mutex recursive;
  int sum = 0;
  {
    std::vector<concur::thread> crew;
    for (int i = 0; i < 10; ++i) crew.emplace_back([&] { add_twice(recursive, sum, 1); });
  }
  say("recursive_mutex: ten threads have added ", sum);
  expect(sum == 20, "each of ten threads has added one twice");

  // The default handler prints the report and aborts the program. This one lets the caller know.
  concur::set_misuse_handler([](concur::misuse_report const& report) { throw std::logic_error(report.sentence); });
  concur::mutex plain;
  std::string report;
  try {
    add_twice(plain, sum, 1);
  } catch (std::logic_error const& error) {
    report = error.what();
  }
  say("mutex: ", report);
  expect(report.find("holds it already") != report.npos, "a plain mutex in that place is reported");
  expect(sum == 20 && plain.try_lock(), "the call that was wrong has changed nothing, and the lock is free again");
  plain.unlock();
}
