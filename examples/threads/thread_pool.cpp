// SPDX-License-Identifier: BSL-1.0
//
// T19: a thread pool. Forty tasks on five workers: five at a time, and no thread is made for any of them. Then tasks of
// one, two and three seconds on two workers, with results: the third begins when the first has ended, so it takes four
// seconds in all.
#include <concur/concur.hpp>

#include <atomic>
#include <string>
#include <vector>

#include "tutorial.hpp"

using namespace tutorial;

void forty_on_five() {
  std::atomic<int> inside = 0, done = 0;
  {
    concur::thread_pool pool(5);
    for (int task = 1; task <= 40; ++task) {
      pool.post([&, task] {
        int const now = ++inside;
        say("task ", task, " runs, ", now, " at this moment");
        expect(now <= 5, "no more than five run at once");
        concur::this_thread::sleep_for(1s / speed);
        --inside;
        ++done;
      });
    }
  }  // runs what is queued, and ends: Python's shutdown(wait=True), and its "with"
  expect(done == 40, "all have run");
}

void three_on_two() {
  concur::thread_pool pool(2, concur::thread_pool_options().name("worker"));
  auto const sleep = [](int seconds) {
    say(concur::this_thread::name(), " sleeps for ", seconds, " s");
    concur::this_thread::sleep_for(seconds * 1s / speed);
    return seconds;
  };

  stopwatch watch;
  std::vector<concur::future<int>> naps;
  for (int const seconds : {1, 2, 3}) naps.push_back(pool.submit(sleep, seconds));
  say("done: ", naps[0].done(), ", ", naps[1].done(), ", ", naps[2].done());

  for (int expected = 1; auto& nap : naps) {
    int const result = nap.get();  // waits; what the task throws, it throws
    say("result ", result, " after ", watch.seconds(), " s");
    expect(result == expected++, "each result is that of its task");
  }
  say("done: ", naps[0].done(), ", ", naps[1].done(), ", ", naps[2].done());
  expect(watch.seconds() >= 4, "there were two workers: the last task had to wait for the first");

  pool.shutdown();
  std::string refused = "nothing";
  try {
    pool.post([] {});
  } catch (concur::closed const&) {
    refused = "a task that came too late";
  }
  say("shut down, and refused ", refused);
  expect(refused != "nothing", "no task is taken after a shutdown");
}

int main(int count, char** words) {
  arguments(count, words, "Forty tasks on five workers, and three with results on two.");
  forty_on_five();
  three_on_two();
}
