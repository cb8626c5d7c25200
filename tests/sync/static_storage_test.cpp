// SPDX-License-Identifier: BSL-1.0
//
// Primitives in static storage: usable before main, after it, and while threads end. Compiled without the library's
// checks, in which the destructors look whether somebody waits.
#undef CONCUR_CHECKED
#define CONCUR_CHECKED 0
#include <concur/sync/condition.hpp>
#include <concur/sync/event.hpp>
#include <concur/sync/event_count.hpp>
#include <concur/sync/mutex.hpp>
#include <concur/sync/semaphore.hpp>

#include "../support/catch.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <thread>
#include <type_traits>

namespace {

template <class... Primitive>
constexpr bool fit_for_static_storage = (std::is_trivially_destructible_v<Primitive> && ...);
static_assert(
    fit_for_static_storage<concur::mutex, concur::event, concur::semaphore, concur::condition, concur::event_count>);

static_assert(sizeof(concur::mutex) == 8);
static_assert(sizeof(concur::event) == 8);
static_assert(sizeof(concur::condition) == 8);
static_assert(sizeof(concur::event_count) == 8);
static_assert(sizeof(concur::semaphore) == 16);

// Uses each of them, beside another thread. Returns whether all was as it should be.
struct everything {
  bool use() {
    bool good = true;
    std::thread other([this] {
      std::lock_guard const hold(m);
      ready = true;
      changed.notify_all();
      hint.notify_all();
      permits.release();
      e.set();
    });
    {
      std::unique_lock lock(m);
      changed.wait(lock, [this] { return ready; });
      good = good && changed.wait_for(lock, std::chrono::seconds(1), [this] { return ready; });
    }
    hint.wait([this] {
      std::lock_guard const hold(m);
      return ready;
    });
    permits.acquire();
    e.wait();
    other.join();
    good = good && m.try_lock_for(std::chrono::milliseconds(1)) && !permits.try_acquire() && e.is_set();
    m.unlock();
    e.clear();
    ready = false;
    return good;
  }

  concur::mutex m;
  concur::condition changed;
  concur::event_count hint;
  concur::semaphore permits{0};
  concur::event e;
  bool ready = false;
};

constinit everything used_everywhere;

bool before_main_was_good = false;

// At exit there is no test left to fail: the process says so with its status.
void demand(bool good, char const* where) {
  if (good) return;
  std::fprintf(stderr, "static_storage_test: a primitive did not work in %s\n", where);
  std::_Exit(1);
}

struct static_user {
  static_user() { before_main_was_good = used_everywhere.use(); }
  ~static_user() { demand(used_everywhere.use(), "a static destructor"); }
} const user;

struct thread_local_user {
  explicit thread_local_user(int* ended_well) noexcept : ended_well_(ended_well) {}
  ~thread_local_user() { *ended_well_ += used_everywhere.use(); }
  int* ended_well_;
};

}  // namespace

TEST_CASE("static storage: primitives work before main", "[static_storage]") { CHECK(before_main_was_good); }

TEST_CASE("static storage: primitives work in destructors of thread_local objects", "[static_storage]") {
  int ended_well = 0;
  for (int i = 0; i < 20; ++i) {
    std::thread([&ended_well] {
      thread_local thread_local_user const at_thread_end(&ended_well);
      demand(at_thread_end.ended_well_ != nullptr, "a thread");
      demand(used_everywhere.use(), "a thread");
    }).join();
  }
  CHECK(ended_well == 20);
}

TEST_CASE("static storage: primitives work in atexit handlers", "[static_storage]") {
  // Runs after this test program has reported; a failure there becomes its exit status.
  static bool registered = false;
  if (!registered) registered = std::atexit([] { demand(used_everywhere.use(), "an atexit handler"); }) == 0;
  CHECK(registered);
}
