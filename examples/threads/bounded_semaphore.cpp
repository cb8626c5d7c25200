// SPDX-License-Identifier: BSL-1.0
//
// T14: twenty threads, of which a semaphore lets three at a time go on. It is bounded: whoever releases more often than
// there were acquires has made a mistake, and is told so.
#include <concur/concur.hpp>

#include <atomic>
#include <string>
#include <vector>

#include "tutorial.hpp"

using namespace tutorial;

int main(int count, char** words) {
  arguments(count, words, "Twenty threads share three places.");

  concur::semaphore places(3, 3);  // three now, three at most
  std::atomic<int> inside = 0;
  std::atomic<int> served = 0;
  {
    std::vector<concur::thread> crew;
    for (int number = 1; number <= 20; ++number) {
      crew.emplace_back([&, number] {
        places.acquire();
        int const now = ++inside;
        say("thread ", number, " is in, ", now, " at this moment");
        expect(now <= 3, "no more than three are inside at a time");
        concur::this_thread::sleep_for(1s / speed);
        --inside;
        ++served;
        places.release();
      });
    }
  }
  expect(served == 20 && places.available() == 3, "all have been inside, and all places are free again");

  std::string error;
  try {
    places.release();
  } catch (concur::misuse const& misuse) {
    error = misuse.what();
  }
  say("one release too many: ", error);
  expect(!error.empty() && places.available() == 3, "releasing too often is an error, and adds no place");
}
