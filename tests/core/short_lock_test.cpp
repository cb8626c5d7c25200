// SPDX-License-Identifier: BSL-1.0
#include <concur/core/short_lock.hpp>

#include "../support/catch.hpp"
#include "../support/hammer.hpp"

#include <mutex>
#include <thread>
#include <type_traits>

namespace {

using concur::short_lock;

static_assert(sizeof(short_lock) == 4);
static_assert(std::is_trivially_destructible_v<short_lock>);
static_assert(!std::is_copy_constructible_v<short_lock>);
constinit short_lock in_static_storage;

}  // namespace

TEST_CASE("short_lock: try_lock says whether it was free", "[short_lock]") {
  REQUIRE(in_static_storage.try_lock());
  CHECK_FALSE(in_static_storage.try_lock());
  bool elsewhere = true;
  std::thread([&elsewhere] { elsewhere = in_static_storage.try_lock(); }).join();
  CHECK_FALSE(elsewhere);
  in_static_storage.unlock();
  CHECK(in_static_storage.try_lock());
  in_static_storage.unlock();
}

TEST_CASE("short_lock: threads exclude each other, spinning, asleep and disturbed by signals", "[short_lock]") {
  short_lock lock;
  long value = 0;
  int const times = support::rounds(200'000);
  support::weather const with_and_without_signals(GENERATE(false, true));
  support::hammer crowd;
  crowd.add(3, [&] {
    for (int i = 0; i < times; ++i) {
      std::lock_guard const hold(lock);
      ++value;
      if (i % 1'000 == 0) {
        for (int yields = 0; yields < 100; ++yields) concur::os::yield();  // so that the others fall asleep
      }
    }
  });
  crowd.add([&] {
    for (int i = 0; i < times;) {
      if (!lock.try_lock()) {
        concur::os::yield();
        continue;
      }
      ++value;
      ++i;
      lock.unlock();
    }
  });
  crowd.run();
  CHECK(value == 4L * times);
  CHECK(lock.try_lock());
  lock.unlock();
}
