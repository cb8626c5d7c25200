// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

#include <concur/core/frame_recycler.hpp>
#include <concur/coro/sleep.hpp>
#include <concur/coro/spawn.hpp>
#include <concur/coro/task.hpp>
#include <concur/coro/yield.hpp>
#include <concur/loop/event_loop.hpp>
#include <concur/sync/event.hpp>

#include <chrono>
#include <cstddef>

namespace {

std::size_t recycled_bytes() { return concur::process_wide::recycled_frames::bytes_free(); }

// Not arguments: only what a sleeper needs to sleep is in its frame.
constinit sleepers* those = nullptr;
constinit concur::event* done = nullptr;

void end_one() {
  if (those->end_one()) done->set();
}

concur::task<void> sleep(std::chrono::microseconds length) {
  co_await concur::sleep_for(length);
  end_one();
}

concur::task<int> sleep_and_return(std::chrono::microseconds length) {
  co_await concur::sleep_for(length);
  end_one();
  co_return 1;
}

template <auto Sleep>
concur::task<void> sleep_all(sleepers& all) {
  concur::event last_ended;
  those = &all;
  done = &last_ended;
  all.begin(recycled_bytes());
  for (int n = 0; n < all.count; ++n) static_cast<void>(concur::spawn(Sleep(all.length.next())));
  co_await concur::yield();
  all.all_asleep(recycled_bytes());
  co_await last_ended.async_wait();
  co_await concur::yield();  // the last one ends
  all.end();
}

template <auto Sleep>
class on_a_loop {
 public:
  void run(sleepers& all) {
    concur::future<void> ended;
    loop_.run_until([&] { ended = concur::spawn(sleep_all<Sleep>(all)); }, [&] { return ended.done(); });
    ended.get();
  }

 private:
  concur::event_loop loop_;
};

bench::cases const with_result = sleeping_on<on_a_loop<sleep_and_return>>("concur");
bench::cases const without_result = sleeping_on<on_a_loop<sleep>>("concur", "_void");

}  // namespace
