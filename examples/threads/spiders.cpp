// SPDX-License-Identifier: BSL-1.0
//
// T01: two spiders, which need 3 and 5 seconds for their pages: one after the other, as two threads, and as two threads
// that the caller does not wait for.
#include <concur/concur.hpp>

#include <stop_token>

#include "tutorial.hpp"

using namespace tutorial;
using seconds = std::chrono::duration<double>;

// A function that takes a stop token can be told to stop. Called without a thread, it gets an empty one.
void crawl(std::stop_token stop, char const* name, seconds work) {
  say(name, " starts");
  bool const finished = concur::this_thread::sleep_for(work, stop);
  say(name, finished ? " has finished" : " was stopped");
}

int main(int count, char** words) {
  arguments(count, words, "Two spiders that wait: serial, as threads, and as threads without a join.");

  say("-- one after the other");
  stopwatch serial;
  crawl({}, "spider 1", 3s / speed);
  crawl({}, "spider 2", 5s / speed);
  say("-- took ", serial.seconds(), " s");
  expect(serial.seconds() >= 8, "two waits one after the other take the sum");

  concur::barrier both_at_work(2);  // two that came one after the other would wait here for ever
  auto const crawl_beside = [&](std::stop_token stop, char const* name, seconds work) {
    both_at_work.arrive_and_wait();
    crawl(stop, name, work);
  };

  say("-- as threads");
  stopwatch threaded;
  {
    concur::thread first(crawl_beside, "spider 1", 3s / speed);
    concur::thread second(crawl_beside, "spider 2", 5s / speed);
    first.join();
    second.join();
  }
  say("-- took ", threaded.seconds(), " s");
  expect(threaded.seconds() >= 5, "a join waits for the end of the thread");

  say("-- as threads, without a join");
  stopwatch unjoined;
  {
    concur::thread first(crawl_beside, "spider 1", 3s);  // not divided by the speed: nobody waits for it
    concur::thread second(crawl_beside, "spider 2", 5s);
    say("-- the caller is here after ", unjoined.seconds(), " s");
    expect(first.alive() && second.alive(), "the caller has not waited for the spiders");
  }  // A thread that goes out of scope is told to stop, and joined: neither a crash nor a forgotten thread.
}
