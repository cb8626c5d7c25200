// SPDX-License-Identifier: BSL-1.0
//
// Primitives in static storage: usable before main, after it, and while threads end, the main thread among them.
// Compiled without the library's checks, in which the destructors look whether somebody waits.
#undef CONCUR_CHECKED
#define CONCUR_CHECKED 0
#include <concur/sync/barrier.hpp>
#include <concur/sync/condition.hpp>
#include <concur/sync/event.hpp>
#include <concur/sync/event_count.hpp>
#include <concur/sync/guarded.hpp>
#include <concur/sync/latch.hpp>
#include <concur/sync/mutex.hpp>
#include <concur/sync/recursive_mutex.hpp>
#include <concur/sync/semaphore.hpp>
#include <concur/sync/shared_mutex.hpp>
#include <concur/thread/thread.hpp>
#include <concur/thread/thread_specific.hpp>
#include <concur/thread/timer.hpp>

#include "../support/catch.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <shared_mutex>
#include <thread>
#include <type_traits>
#include <utility>

namespace {

template <class... Primitive>
constexpr bool fit_for_static_storage = (std::is_trivially_destructible_v<Primitive> && ...);
static_assert(fit_for_static_storage<concur::mutex, concur::recursive_mutex, concur::shared_mutex, concur::event,
                                     concur::semaphore, concur::condition, concur::event_count, concur::latch,
                                     concur::barrier<>, concur::guarded<int>>);

static_assert(sizeof(concur::mutex) == 8);
static_assert(sizeof(concur::event) == 8);
static_assert(sizeof(concur::condition) == 8);
static_assert(sizeof(concur::event_count) == 8);
static_assert(sizeof(concur::semaphore) == 16);
static_assert(sizeof(concur::shared_mutex) == 16);
static_assert(sizeof(concur::latch) == 16);

// Uses each of them, beside another thread. Returns whether all was as it should be.
struct everything {
  bool use() {
    bool good = true;
    concur::thread other([this] {
      std::lock_guard const hold(m);
      std::scoped_lock const all(r, s);
      counted.with([](int& value) { ++value; });
      ready = true;
      changed.notify_all();
      hint.notify_all();
      permits.release();
      e.set();
    });
    concur::latch gate(2);
    concur::timer later(std::chrono::microseconds(1), [&] { gate.arrive_and_wait(); });
    bool writer_kept_out = false;
    concur::thread guest([&] {
      {
        std::shared_lock const reading(s);  // beside the writer
        writer_kept_out = !s.try_lock();
      }
      meeting.arrive_and_wait();
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
    gate.arrive_and_wait();
    meeting.arrive_and_wait();
    other.join();
    guest.join();
    good = good && writer_kept_out && !meeting.arrive_and_wait_for(std::chrono::microseconds(1)) && meeting.broken();
    meeting.reset();
    good = good && s.try_lock_shared() && !s.try_lock_for(std::chrono::microseconds(1));
    s.unlock_shared();
    good = good && concur::thread_count() >= 1 && concur::main_thread().main;
    good = good && m.try_lock_for(std::chrono::milliseconds(1)) && !permits.try_acquire() && e.is_set();
    m.unlock();
    {
      std::scoped_lock const first(r, s);
      std::scoped_lock const again(r);
      good = good && std::exchange(*counted.lock(), 0) == 1;
    }
    e.clear();
    ready = false;
    return good && use_thread_specific();
  }

  static bool use_thread_specific() {
    concur::thread_specific<int> own([] { return 1; });
    *own += 1;
    concur::thread([&own] { *own += 10; }).join();
    return *own == 2;
  }

  concur::mutex m;
  concur::recursive_mutex r;
  concur::shared_mutex s;
  concur::condition changed;
  concur::event_count hint;
  concur::semaphore permits{0};
  concur::event e;
  concur::barrier<> meeting{2};
  concur::guarded<int> counted{0};
  bool ready = false;
};

constinit everything used_everywhere;

bool early_was_good = false, before_main_was_good = false;

// At exit there is no test left to fail: the process says so with its status.
void demand(bool good, char const* where) {
  if (good) return;
  std::fprintf(stderr, "static_storage_test: a primitive did not work in %s\n", where);
  std::_Exit(1);
}

// Before any object of static storage is made, and after all of them have been destroyed.
[[gnu::constructor(101)]] void early() { early_was_good = used_everywhere.use(); }
[[gnu::destructor(101)]] void late() { demand(used_everywhere.use(), "the end, after all static destructors"); }

struct static_user {
  static_user() { before_main_was_good = used_everywhere.use(); }
  ~static_user() { demand(used_everywhere.use(), "a static destructor"); }
} const user;

struct thread_local_user {
  explicit thread_local_user(int* ended_well) noexcept : ended_well_(ended_well) {}
  ~thread_local_user() { *ended_well_ += used_everywhere.use(); }
  int* ended_well_;
};

struct main_thread_user {
  bool touched = false;
  ~main_thread_user() { demand(used_everywhere.use(), "a thread_local destructor of the main thread"); }
};
thread_local main_thread_user at_the_main_threads_end;

}  // namespace

TEST_CASE("static storage: primitives work before main", "[static_storage]") {
  CHECK(early_was_good);
  CHECK(before_main_was_good);
}

TEST_CASE("static storage: primitives work in thread_local destructors of the main thread", "[static_storage]") {
  // Runs, as the static destructors do, after this test program has reported; a failure becomes its exit status.
  at_the_main_threads_end.touched = true;
  CHECK(at_the_main_threads_end.touched);
}

TEST_CASE("static storage: primitives work in destructors of thread_local objects", "[static_storage]") {
  int ended_well = 0;
  auto const end_with_user = [&ended_well] {
    thread_local thread_local_user const at_thread_end(&ended_well);
    demand(at_thread_end.ended_well_ != nullptr, "a thread");
    demand(used_everywhere.use(), "a thread");
  };
  for (int i = 0; i < 20; ++i) {
    std::thread(end_with_user).join();
    concur::thread(end_with_user).join();
  }
  CHECK(ended_well == 40);
}

TEST_CASE("static storage: primitives work in atexit handlers", "[static_storage]") {
  // Runs after this test program has reported; a failure there becomes its exit status.
  static bool registered = false;
  if (!registered) registered = std::atexit([] { demand(used_everywhere.use(), "an atexit handler"); }) == 0;
  CHECK(registered);
}
