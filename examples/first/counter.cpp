// SPDX-License-Identifier: BSL-1.0
//
// Eight threads count together. A mutex guards the counter, and a semaphore lets three of them work at a time. An event
// starts them all at once.
#include <concur/concur.hpp>

#include <algorithm>
#include <cstdio>
#include <mutex>
#include <vector>

int main() {
  constexpr int threads = 8;
  constexpr int rounds = 10'000;

  concur::event start;
  concur::semaphore seats(3);
  concur::mutex lock;  // guards the three numbers below
  int count = 0;
  int inside = 0;
  int most_inside = 0;

  auto const work = [&] {
    start.wait();
    for (int i = 0; i < rounds; ++i) {
      seats.acquire();
      {
        std::scoped_lock const guard(lock);  // concur::mutex is a standard Lockable
        most_inside = std::max(most_inside, ++inside);
      }
      {
        std::scoped_lock const guard(lock);
        --inside;
        ++count;
      }
      seats.release();
    }
  };

  {
    std::vector<concur::thread> crew;
    for (int i = 0; i < threads; ++i) crew.emplace_back(work);
    start.set();
  }  // all have ended here

  std::printf("%d threads counted to %d, at most %d of them at a time\n", threads, count, most_inside);
  return count == threads * rounds && most_inside <= 3 && inside == 0 ? 0 : 1;
}
