// SPDX-License-Identifier: BSL-1.0
//
// What can go wrong around a pool: threads that cannot be started, memory that runs out, a process that forks.
#include <concur/pool/thread_pool.hpp>

#include "../future/future_support.hpp"
#include "../support/catch.hpp"
#include "../support/failing_new.hpp"
#include "../support/forked.hpp"
#include "../support/hammer.hpp"
#include "pool_support.hpp"

#include <concur/core/timer_heap.hpp>
#include <concur/thread/cpu_count.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <memory>
#include <new>
#include <ranges>
#include <string>
#include <sys/resource.h>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using concur::event;
using concur::future;
using concur::job_priority;
using concur::thread_pool;
using concur::thread_pool_options;
using support::counted_value;
using support::failing_new;
using support::held_workers;
using support::nothing_left_behind;
using support::rounds;
using support::thread_sanitizer;
using support::throws;
using stop_token = concur::os::stop_token;

// Bytes of address space that the process has.
std::size_t address_space() {
  std::ifstream file("/proc/self/statm");
  std::size_t pages = 0;
  file >> pages;
  return pages * std::size_t(sysconf(_SC_PAGESIZE));
}

// While it lives, the process can have so many more bytes of address space.
class short_of_addresses {
 public:
  explicit short_of_addresses(std::size_t left) {
    getrlimit(RLIMIT_AS, &before_);
    rlimit const less{address_space() + left, before_.rlim_max};
    setrlimit(RLIMIT_AS, &less);
  }
  ~short_of_addresses() { setrlimit(RLIMIT_AS, &before_); }
  short_of_addresses(short_of_addresses const&) = delete;
  short_of_addresses& operator=(short_of_addresses const&) = delete;

 private:
  rlimit before_{};
};

std::uint64_t given(thread_pool const& pool) {
  auto const now = pool.stats();
  return now.queued + now.running + now.done;
}

// Holds a worker without the queue of jobs.
struct holding_work final : concur::work {
  holding_work()
      : work([](concur::work& self) noexcept {
          auto& mine = static_cast<holding_work&>(self);
          mine.begun.set();
          mine.gate.wait();
        }) {}
  event begun;
  event gate;
};

// Calls `attempt` with the first, the second and so on of its allocations failing, until all of them have; it says
// whether it went through all the same. Returns how many failures that were.
template <class Attempt>
int with_every_allocation_failing(Attempt attempt) {
  for (int k = 1;; ++k) {
    bool happened = false, passed = false;
    {
      failing_new const shortage(k);
      try {
        attempt();
        passed = true;
      } catch (std::bad_alloc const&) {
      }
      happened = shortage.happened();
    }
    REQUIRE(passed != happened);
    if (!happened) return k - 1;
  }
}

}  // namespace

// ---- threads

TEST_CASE("thread_pool_faults: a pool without workers is misuse", "[thread_pool_faults]") {
  nothing_left_behind const balance;
  CHECK_THROWS_AS(thread_pool(0), concur::misuse);
  CHECK_THROWS_AS(thread_pool(0, thread_pool_options().name("none")), concur::misuse);
  CHECK(balance.holds());
}

TEST_CASE("thread_pool_faults: options that the system refuses leave no thread", "[thread_pool_faults]") {
  nothing_left_behind const balance;
  auto const with_stack = [](std::size_t bytes) {
    return thread_pool_options().threads(concur::thread_options().stack_size(bytes));
  };
  CHECK_THROWS_AS(thread_pool(3, with_stack(1)), std::system_error);
  CHECK_THROWS_AS(thread_pool(3, with_stack(std::size_t(1) << 46)), std::system_error);
  CHECK_THROWS_AS(thread_pool(3, thread_pool_options().threads(concur::thread_options().affinity({-1}))),
                  std::system_error);
  CHECK(balance.holds());
}

TEST_CASE("thread_pool_faults: whichever worker cannot be started, those before it have ended",
          "[thread_pool_faults]") {
  constexpr std::size_t stack = std::size_t(1) << 30;  // of which little is ever touched
  constexpr int workers = 5;
  nothing_left_behind const balance;
  for (bool const initialized : {false, true}) {
    for (int startable = 0; startable < workers; ++startable) {
      INFO(startable << " can be started");
      std::atomic<int> begun{0};
      thread_pool_options options;
      options.threads(concur::thread_options().stack_size(stack));
      if (initialized) options.initializer([&begun, mine = counted_value(1)] { ++begun; });
      bool refused = false;
      {
        short_of_addresses const limit(std::size_t(startable) * stack + stack / 2);
        refused = throws<std::system_error>([&] { thread_pool const pool(workers, options); });
      }
      CHECK(refused);
      CHECK(begun == (initialized ? startable : 0));
      CHECK(balance.holds());
    }
  }
  CHECK(counted_value::alive() == 0);
  thread_pool enough(workers, thread_pool_options().threads(concur::thread_options().stack_size(stack)));
  CHECK(enough.submit([] { return 1; }).get() == 1);
}

// ---- memory

TEST_CASE("thread_pool_faults: every allocation of the constructor may fail, and nothing is left",
          "[thread_pool_faults]") {
  nothing_left_behind const balance;
  int failures = 0;
  for (std::size_t const workers : {1u, 3u}) {
    auto const options = thread_pool_options()
                             .name(std::string(100, 'n'))
                             .initializer([text = std::string(100, 't')] {})
                             .threads(concur::thread_options().affinity({0, 1, 70}));
    failures += with_every_allocation_failing([&] {
      thread_pool const plain(workers);
      thread_pool const pool(workers, options);
    });
    CHECK(balance.holds());
  }
  // At the least the state, the workers, their threads with their names.
  if (failing_new::available()) CHECK(failures >= 24);
}

TEST_CASE("thread_pool_faults: every allocation of submit and post may fail, and then nothing was queued",
          "[thread_pool_faults]") {
  if (!failing_new::available()) return;
  std::string const long_text(100, 't');
  auto const try_all = [&](thread_pool& pool) {
    std::atomic<int> ran{0};
    auto const job = [&ran, mine = counted_value(1)](std::string const&) { ++ran; };
    auto const stoppable = [&ran, mine = counted_value(1)](stop_token const&, std::string const&) { ++ran; };
    auto const check = [&](auto attempt) {
      ran = 0;
      int failures = 0;
      {
        held_workers const held(pool, 1);
        int const alive = counted_value::alive();
        auto const before = given(pool);
        // Enough of them to need a new segment of the queue.
        for (int i = 0; i < 300; ++i) failures += with_every_allocation_failing(attempt);
        CHECK(given(pool) == before + 300);
        CHECK(counted_value::alive() == alive + 300);
      }
      pool.wait_idle();
      CHECK(ran == 300);
      CHECK(counted_value::alive() == 2);  // those of the two above
      return failures;
    };
    // The text's own at the least, each time.
    CHECK(check([&] { static_cast<void>(pool.submit(job, long_text)); }) >= 300);
    CHECK(check([&] { static_cast<void>(pool.submit(job_priority::low, job, long_text)); }) >= 300);
    CHECK(check([&] { static_cast<void>(pool.submit(stoppable, long_text)); }) >= 600);
    CHECK(check([&] { pool.post(job, long_text); }) >= 300);
    CHECK(check([&] { pool.post(job_priority::high, job, long_text); }) >= 300);
  };
  thread_pool pool(1);
  try_all(pool);
  CHECK(counted_value::alive() == 0);
}

TEST_CASE("thread_pool_faults: every allocation of a submit in a job may fail", "[thread_pool_faults]") {
  if (!failing_new::available()) return;
  std::string const long_text(100, 't');
  thread_pool pool(1);
  std::atomic<int> ran{0}, failures{0};
  bool right = true;
  constexpr int count = 1'500;  // more than the worker's own deque holds
  pool.submit([&] {
        for (int i = 0; i < count; ++i) {
          for (int k = 1;; ++k) {
            failing_new const shortage(k);
            bool passed = true;
            try {
              pool.post([&ran, mine = counted_value(1)](std::string const&) { ++ran; }, long_text);
            } catch (std::bad_alloc const&) {
              passed = false;
            }
            right = right && passed != shortage.happened();
            if (!shortage.happened()) break;
            ++failures;
          }
        }
      })
      .get();
  pool.wait_idle();
  CHECK(right);
  CHECK(failures >= count);
  CHECK(ran == count);
  CHECK(counted_value::alive() == 0);
}

TEST_CASE("thread_pool_faults: every allocation of submit_many may fail, and then nothing was queued",
          "[thread_pool_faults]") {
  if (!failing_new::available()) return;
  static constexpr int count = 300;  // of which the queue takes more than one segment
  auto const check = [](auto const& range) {
    holding_work holds;
    thread_pool pool(1);  // whose queue of jobs has no memory yet
    pool.get_executor().post(holds);
    holds.begun.wait();
    std::atomic<int> ran{0};
    {
      auto const job = [&ran, mine = counted_value(1), text = std::string(100, 't')](int) { ++ran; };
      auto const before = given(pool);
      int const failures = with_every_allocation_failing([&] {
        auto const futures = pool.submit_many(job, range);
        if (futures.size() != std::size_t(count)) std::abort();
      });
      CHECK(failures >= count);  // the texts
      CHECK(given(pool) == before + count);
      CHECK(counted_value::alive() == 1 + count);
    }
    holds.gate.set();
    pool.wait_idle();
    CHECK(ran == count);
    CHECK(counted_value::alive() == 0);
  };
  check(std::views::iota(0, count));
  // A range that does not know its size.
  check(std::views::iota(0) | std::views::take_while([](int n) { return n < 300; }));
}

TEST_CASE("thread_pool_faults: every allocation of arming a timer may fail", "[thread_pool_faults]") {
  if (!failing_new::available()) return;
  struct idle_work final : concur::work {
    idle_work() : work([](concur::work&) noexcept {}) {}
  };
  thread_pool pool(1);
  concur::executor& there = pool;
  std::vector<std::unique_ptr<idle_work>> items;
  int failures = 0;
  for (int i = 0; i < 200; ++i) {
    items.push_back(std::make_unique<idle_work>());
    auto& item = *items.back();
    failures += with_every_allocation_failing([&] {
      item.set_next(items.front().get());
      try {
        there.arm(item, concur::os::clock::now() + 1h);
      } catch (std::bad_alloc const&) {
        CHECK(item.next() == items.front().get());
        throw;
      }
    });
  }
  CHECK(failures >= 1);
  int taken_back = 0;
  for (auto const& each : items) taken_back += there.disarm(*each) ? 1 : 0;
  CHECK(taken_back == 200);
}

TEST_CASE("thread_pool_faults: without memory for its wait async_shutdown shuts nothing down", "[thread_pool_faults]") {
  if (!failing_new::available()) return;
  thread_pool pool(2);
  CHECK(with_every_allocation_failing([&] { static_cast<void>(pool.async_shutdown()); }) == 1);
  CHECK(pool.submit([] { return 1; }).get() == 1);
}

TEST_CASE("thread_pool_faults: memory that runs out in a job is an error of its future", "[thread_pool_faults]") {
  thread_pool pool(1);
  auto f = pool.submit([]() -> std::string { throw std::bad_alloc(); });
  CHECK_THROWS_AS(f.get(), std::bad_alloc);
}

// ---- fork

namespace {

// In a child: the parent's pool cannot be used, and is destroyed without further ado.
bool pool_is_lost(std::unique_ptr<thread_pool> pool) {
  ::alarm(20);
  bool right = true;
  auto const misused = [&right](auto attempt) { right = throws<concur::misuse>(attempt) && right; };
  misused([&] { static_cast<void>(pool->submit([] { return 1; })); });
  misused([&] { static_cast<void>(pool->submit(job_priority::high, [](stop_token const&) {})); });
  misused([&] { pool->post([mine = std::string(100, 'x')] {}); });
  misused([&] { static_cast<void>(pool->submit_many([](int) {}, std::vector{1, 2})); });
  misused([&] { pool->wait_idle(); });
  misused([&] { static_cast<void>(pool->wait_idle_for(0s)); });
  misused([&] { static_cast<void>(pool->async_wait_idle()); });
  misused([&] { pool->shutdown(); });
  misused([&] { pool->shutdown(false, true); });
  right = pool->size() == 3 && pool->name() == "parent's" && right;
  right = concur::dump_registry().find("thread pool") == std::string::npos && right;
  pool.reset();
  return right;
}

bool child_can_have_its_own() {
  if (thread_sanitizer) return true;  // which allows no threads there
  thread_pool own(2);
  std::atomic<int> ran{0};
  for (int i = 0; i < 100; ++i) own.post([&ran] { ++ran; });
  auto const deep = [&own] { return own.submit([] { return 7; }).get(); };
  bool const right = own.submit(deep).get() == 7;
  own.wait_idle();
  return right && ran == 100;
}

// All of whose threads have begun: sanitizers take locks then, which a child must not inherit.
std::unique_ptr<thread_pool> parents_pool() {
  auto pool = std::make_unique<thread_pool>(3, thread_pool_options().name("parent's"));
  held_workers const all(*pool, 3);
  return pool;
}

}  // namespace

TEST_CASE("thread_pool_faults: a child process can use no pool of its parent, and destroys it all the same",
          "[thread_pool_faults]") {
  auto pool = parents_pool();
  {
    held_workers const held(*pool, 3);
    pid_t const child = ::fork();
    if (child == 0) support::end_child(pool_is_lost(std::move(pool)) && child_can_have_its_own());
    CHECK(support::child_was_right(child));
  }
  CHECK(pool->submit([] { return 2; }).get() == 2);
}

TEST_CASE("thread_pool_faults: forked at any moment while a pool works", "[thread_pool_faults]") {
  struct restless_work final : concur::work {
    restless_work(thread_pool& where, std::atomic<bool>& end)
        : work([](concur::work& self) noexcept {
            auto& mine = static_cast<restless_work&>(self);
            if (!mine.over.load()) mine.pool.get_executor().post(mine);
          }),
          pool(where),
          over(end) {}
    thread_pool& pool;
    std::atomic<bool>& over;
  };
  auto pool = parents_pool();
  std::atomic<bool> over{false};
  restless_work first(*pool, over), second(*pool, over);
  pool->get_executor().post(first);
  pool->get_executor().post(second);
  std::function<void()> busy = [&pool = *pool, &busy, &over] {
    if (!over) pool.post(std::ref(busy));
  };
  // The address sanitizer's allocator is of no use in a child when another thread was in it.
  if (!concur::os::watches_memory) {
    for (int i = 0; i < 4; ++i) pool->post(std::ref(busy));
  }
  int right = 0;
  int const forks = rounds(80);
  for (int i = 0; i < forks; ++i) {
    pid_t const child = ::fork();
    if (child == 0) support::end_child(pool_is_lost(std::move(pool)) && child_can_have_its_own());
    right += support::child_was_right(child) ? 1 : 0;
  }
  over = true;
  pool->wait_idle();
  CHECK(right == forks);
}

TEST_CASE("thread_pool_faults: a child forked by a job is in the pool no more", "[thread_pool_faults]") {
  auto pool = parents_pool();
  bool const right = pool->submit([&pool] {
                           pid_t const child = ::fork();
                           if (child == 0) {
                             support::end_child(pool_is_lost(std::move(pool)) && child_can_have_its_own());
                           }
                           return support::child_was_right(child);
                         })
                         .get();
  CHECK(right);
  CHECK(pool->submit([] { return 2; }).get() == 2);
}

// ---- the pool of the process

TEST_CASE("thread_pool_faults: the default pool is made once, and a child process gets one of its own",
          "[thread_pool_faults]") {
  thread_pool& parents = concur::default_pool();
  CHECK(&concur::default_pool() == &parents);
  CHECK(parents.size() == std::size_t(concur::cpu_count()));
  {
    held_workers const all(parents, int(parents.size()));
  }
  parents.wait_idle();
  // Nobody waits for what it does when the process ends, so it needs no end of its own.
  pid_t const child = ::fork();
  if (child == 0) {
    ::alarm(20);
    bool right = throws<concur::misuse>([&] { parents.post([] {}); });
    if (!thread_sanitizer) {
      thread_pool& own = concur::default_pool();
      right = right && &own != &parents && &concur::default_pool() == &own;
      right = right && own.submit([&own] { return own.submit([] { return 2; }).get(); }).get() == 2;
      // And its child again.
      pid_t const grandchild = ::fork();
      if (grandchild == 0) {
        ::alarm(20);
        bool const lost = throws<concur::misuse>([&] { own.post([] {}); });
        support::end_child(lost && concur::default_pool().submit([] { return 3; }).get() == 3);
      }
      right = support::child_was_right(grandchild) && right;
    }
    support::end_child(right);
  }
  CHECK(support::child_was_right(child));
  CHECK(&concur::default_pool() == &parents);
  CHECK(parents.submit([] { return 4; }).get() == 4);
}

TEST_CASE("thread_pool_faults: several threads that are the first to ask get the same default pool",
          "[thread_pool_faults]") {
  if (thread_sanitizer) return;  // which allows no threads in a child, where nobody has asked yet
  pid_t const child = ::fork();
  if (child == 0) {
    ::alarm(20);
    std::atomic<thread_pool*> first{nullptr};
    std::atomic<int> same{0};
    support::hammer crowd;
    crowd.add(4, [&] {
      thread_pool* const mine = &concur::default_pool();
      thread_pool* expected = nullptr;
      if (first.compare_exchange_strong(expected, mine) || expected == mine) ++same;
      mine->submit([] {}).get();
    });
    crowd.run();
    support::end_child(same == 4);
  }
  CHECK(support::child_was_right(child));
}
