// SPDX-License-Identifier: BSL-1.0
//
// Threads in a child process forked by one of them: none but that one is there.
#include <concur/thread/this_thread.hpp>
#include <concur/thread/thread.hpp>

#include "../support/catch.hpp"
#include "../support/forked.hpp"
#include "../support/hammer.hpp"
#include "../support/sanitizers.hpp"
#include "../support/test_executor.hpp"
#include "../support/test_task.hpp"

#include <concur/sync/event.hpp>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {

using concur::event;
using concur::thread_options;
using support::queue_executor;
using support::rounds;
using support::spawn;
using support::test_task;
using support::thread_sanitizer;
using stop_token = concur::os::stop_token;

test_task<> await_end(concur::thread& t, int& joined) {
  int const one = 1;
  co_await t.async_join();
  joined += one;
}

// What a parent has when it forks: threads that run, that sleep until they are stopped, and that have ended without
// having been joined.
struct parents_threads {
  parents_threads()
      : waits([this] { gate.wait(); }),
        sleeps([this](stop_token const& stop) {
          sleeping.set();
          if (concur::this_thread::sleep_for(std::chrono::hours(1), stop)) std::abort();
        }),
        daemon(thread_options().daemon(), [this] { gate.wait(); }),
        ended([] {}) {
    sleeping.wait();
    while (ended.alive()) std::this_thread::yield();
    while (waits.native_id() == 0 || daemon.native_id() == 0) std::this_thread::yield();
    for (int i = 0; i < 100; ++i) std::this_thread::yield();
  }
  ~parents_threads() {
    gate.set();
    daemon.join();
  }

  event gate, sleeping;
  concur::thread waits, sleeps, daemon, ended;
};

void use_stack() {
  char room[100'000];
  std::memset(room, 0x5a, sizeof room);
  asm volatile("" : : "r"(&room[0]) : "memory");
}

// In the child. `name` is that of the thread that forked.
bool child_is_right(parents_threads& parents, std::string const& name) {
  ::alarm(20);
  bool right = true;
  auto const expect = [&right](bool fine) { right = right && fine; };

  auto const list = concur::threads();
  expect(list.size() == 1 && concur::thread_count() == 1);
  expect(list[0].main && list[0].name == name && list[0].native_id == ::getpid() && !list[0].daemon);
  expect(concur::main_thread().name == name);
  expect(concur::this_thread::is_main() && concur::this_thread::name() == name);
  concur::this_thread::set_name("renamed");
  expect(concur::threads()[0].name == "renamed");

  // They lie where the parent's stacks were.
  event gate;
  std::vector<concur::thread> own;
  if (!thread_sanitizer) {
    for (int i = 0; i < 6; ++i) {
      own.emplace_back([&gate] {
        use_stack();
        gate.wait();
      });
    }
    expect(concur::thread_count() == 7);
  }

  for (auto* const each : {&parents.waits, &parents.sleeps, &parents.daemon, &parents.ended}) {
    expect(each->joinable() && !each->alive());
    expect(each->try_join_for(std::chrono::seconds(0)));
    each->join();
    expect(each->try_join_until(std::chrono::steady_clock::now()) && each->join(stop_token()));
    queue_executor here;
    int joined = 0;
    auto const root = spawn(here, await_end(*each, joined));
    here.run_all();
    expect(joined == 1);
    expect(!each->request_stop());
    *each = concur::thread();
  }

  gate.set();
  for (auto& each : own) each.join();
  own.clear();
  expect(concur::thread_count() == 1);
  return right;
}

}  // namespace

TEST_CASE("thread_fork: in a child forked by the main thread those of the parent have ended", "[thread_fork]") {
  parents_threads parents;
  pid_t const child = ::fork();
  if (child == 0) support::end_child(child_is_right(parents, "main"));
  CHECK(support::child_was_right(child));
  CHECK(parents.waits.alive());
}

TEST_CASE("thread_fork: a child forked by a thread of the library has that as its main thread", "[thread_fork]") {
  parents_threads parents;
  bool right = false;
  concur::thread t(thread_options().name("forks"), [&] {
    pid_t const child = ::fork();
    if (child == 0) support::end_child(child_is_right(parents, "forks"));
    right = support::child_was_right(child);
  });
  t.join();
  CHECK(right);
}

TEST_CASE("thread_fork: a child can destroy the object of its own thread, for which the parent waits",
          "[thread_fork]") {
  // The sanitizer does not know the thread in the child, and ends the process when it is detached.
  if (thread_sanitizer) return;
  int const parent = ::gettid();
  std::atomic<bool> joins{false};
  std::optional<concur::thread> t;
  bool right = false;
  t.emplace([&] {
    while (!joins || !support::sleeps(parent)) std::this_thread::yield();
    right = support::right_in_child([&] {
      t.reset();
      return true;
    });
  });
  joins = true;
  t->join();
  CHECK(right);
}

TEST_CASE("thread_fork: a child forked by a std::thread has that as its main thread", "[thread_fork]") {
  parents_threads parents;
  bool right = false;
  std::thread t([&] {
    pid_t const child = ::fork();
    if (child == 0) support::end_child(child_is_right(parents, "main"));
    right = support::child_was_right(child);
  });
  t.join();
  CHECK(right);
}

TEST_CASE("thread_fork: forked while others start and end, the child has one thread", "[thread_fork]") {
  std::atomic<bool> stop{false};
  std::vector<std::thread> busy;
  for (int i = 0; i < 2; ++i) {
    busy.emplace_back([&stop] {
      while (!stop) concur::thread([] {}).join();
    });
  }
  int failures = 0;
  for (int round = 0; round < rounds(200); ++round) {
    pid_t const child = ::fork();
    if (child == 0) {
      ::alarm(20);
      support::end_child(concur::thread_count() == 1);
    }
    failures += support::child_was_right(child) ? 0 : 1;
  }
  stop = true;
  for (auto& each : busy) each.join();
  CHECK(failures == 0);
}
