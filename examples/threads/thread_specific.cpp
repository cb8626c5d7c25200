// SPDX-License-Identifier: BSL-1.0
//
// T18: storage of which each thread has its own. Ten threads store their number, pause and read it back: the library's
// thread_specific, and how such a thing works inside. For variables of a whole program C++ has the keyword
// thread_local; thread_specific can be a member or a local variable, as Python's threading.local() can.
#include <concur/concur.hpp>

#include <map>
#include <vector>

#include "tutorial.hpp"

using namespace tutorial;

// By hand: a map from the thread's id to its value. (The library needs no lock, and drops the value when a thread
// ends.)
template <class T>
class storage_by_hand {
 public:
  T& operator*() {
    auto values = values_.lock();
    // Used after the lock is gone: a std::map does not move its values, and this one is the thread's own.
    return (*values)[concur::this_thread::native_id()];
  }

 private:
  concur::guarded<std::map<int, T>> values_;
};

template <class Storage>
void ten_threads(char const* kind, Storage& own) {
  concur::latch all_have_stored(10);
  std::vector<concur::thread> crew;
  for (int number = 0; number < 10; ++number) {
    crew.emplace_back([&, number] {
      *own = number;
      concur::this_thread::sleep_for(1s / speed);
      all_have_stored.arrive_and_wait();  // so that the pause is long enough for certain
      say(kind, ": stored ", number, ", read ", *own);
      expect(*own == number, "no thread sees another's value");
    });
  }
}

int main(int count, char** words) {
  arguments(count, words, "Ten threads store a value each, and read it back.");

  concur::thread_specific<int> own;
  ten_threads("thread_specific", own);
  expect(!own.has_value(), "the main thread has stored nothing");

  storage_by_hand<int> by_hand;
  ten_threads("by hand", by_hand);
}
