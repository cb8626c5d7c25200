// SPDX-License-Identifier: BSL-1.0
//
// T16: a van waits on a condition until there are three parcels; it is woken for each of them, and drives when the
// third has come.
#include <concur/concur.hpp>

#include <mutex>

#include "tutorial.hpp"

using namespace tutorial;

int main(int count, char** words) {
  arguments(count, words, "A thread waits until what it waits for is true.");

  concur::mutex lock;  // guards the two numbers
  int parcels = 0;
  int driven_with = 0;
  concur::condition arrived;

  concur::thread van([&] {
    std::unique_lock guard(lock);
    arrived.wait(guard, [&] {  // Python: wait_for. It is asked with the lock held, at first and after each notify.
      say("the van has ", parcels, " parcels, ", parcels >= 3 ? "and drives" : "and waits");
      return parcels >= 3;
    });
    driven_with = parcels;
  });

  for (int i = 1; i <= 3; ++i) {
    concur::this_thread::sleep_for(1s / speed);
    std::scoped_lock const guard(lock);
    expect(driven_with == 0, "the van does not drive before the third parcel");
    say("parcel ", i, " arrives");
    ++parcels;
    arrived.notify_all();
  }
  van.join();
  expect(driven_with == 3, "the van drives with three parcels");
}
