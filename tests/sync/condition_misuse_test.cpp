// SPDX-License-Identifier: BSL-1.0
//
// What checked builds report about conditions; checked here whatever the rest of the build is.
#undef CONCUR_CHECKED
#define CONCUR_CHECKED 1
#include <concur/sync/condition.hpp>

#include "../support/catch.hpp"
#include "../support/hammer.hpp"
#include "../support/test_executor.hpp"
#include "../support/test_task.hpp"

#include <mutex>
#include <thread>

namespace {

using support::reported_misuse;
using support::test_task;

test_task<> wait_with(concur::condition& c, std::unique_lock<concur::mutex>& lock) {
  int const nothing = 0;
  static_cast<void>(nothing);
  co_await c.async_wait(lock);
}

}  // namespace

TEST_CASE("condition: a wait by a party that does not hold the lock is reported", "[condition][misuse]") {
  support::throwing_misuse_handler const throwing;
  concur::condition c;
  concur::mutex m;
  std::unique_lock not_held(m, std::defer_lock);
  CHECK_THROWS_AS(c.wait(not_held), reported_misuse);
  CHECK_THROWS_AS(static_cast<void>(c.wait_for(not_held, std::chrono::seconds(1))), reported_misuse);
  CHECK_THROWS_AS(c.wait(m), reported_misuse);
  std::mutex standard;
  std::unique_lock standard_not_held(standard, std::defer_lock);
  CHECK_THROWS_AS(c.wait(standard_not_held), reported_misuse);

  std::unique_lock held(m);
  bool reported = false;
  std::thread([&] {
    try {
      c.wait(held);  // held, but by another thread
    } catch (reported_misuse const&) {
      reported = true;
    }
  }).join();
  CHECK(reported);
  CHECK_FALSE(c.wait_for(held, std::chrono::nanoseconds(1)));
}

TEST_CASE("condition: an awaited wait by a task that does not hold the lock is reported", "[condition][misuse]") {
  support::throwing_misuse_handler const throwing;
  concur::condition c;
  concur::mutex m;
  support::queue_executor here;
  std::unique_lock lock(m, std::defer_lock);
  for (bool held_by_this_thread : {false, true}) {
    if (held_by_this_thread) lock.lock();
    auto const root = support::spawn(here, wait_with(c, lock));
    here.run_all();
    REQUIRE(root->done());
    CHECK_THROWS_AS(root->result(), reported_misuse);
  }
}
