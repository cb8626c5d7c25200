// SPDX-License-Identifier: BSL-1.0
//
// T12: ten threads append their number to a list, pause, and read the last item, all under a lock: each reads its own.
#include <concur/concur.hpp>

#include <mutex>
#include <vector>

#include "tutorial.hpp"

using namespace tutorial;

int main(int count, char** words) {
  arguments(count, words, "Ten threads append to a list and read what they appended, under a lock.");

  concur::mutex lock;  // guards the list; eight bytes, and the standard's guards work with it
  std::vector<int> list;
  {
    std::vector<concur::thread> crew;
    for (int mine = 0; mine < 10; ++mine) {
      crew.emplace_back([&, mine] {
        std::scoped_lock const guard(lock);  // unlocks on every way out, as Python's `with lock:` does
        list.push_back(mine);
        concur::this_thread::sleep_for(500ms / speed);
        say(mine, " ", list.back());
        expect(list.back() == mine, "each thread reads the number that it appended");
      });
    }
  }
  expect(list.size() == 10, "every thread has appended once");
}
