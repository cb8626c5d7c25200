// SPDX-License-Identifier: BSL-1.0
#include <concur/concur.hpp>

#include <mutex>
#include <thread>

int main() {
  concur::mutex lock;
  int count = 0;
  auto const work = [&] {
    for (int i = 0; i < 1000; ++i) {
      std::scoped_lock const guard(lock);
      ++count;
    }
  };
  std::thread other(work);
  work();
  other.join();
  return count == 2000 ? 0 : 1;
}
