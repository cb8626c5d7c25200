// SPDX-License-Identifier: BSL-1.0
#include <concur/thread/thread_info.hpp>

#include "../support/catch.hpp"
#include "../support/failing_new.hpp"

#include <concur/core/registry.hpp>
#include <concur/sync/event.hpp>
#include <concur/thread/this_thread.hpp>
#include <concur/thread/thread.hpp>

#include <string>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

namespace {

using concur::event;
using concur::thread_options;

std::vector<std::string> names() {
  std::vector<std::string> result;
  for (auto& each : concur::threads()) result.push_back(std::move(each.name));
  return result;
}

}  // namespace

TEST_CASE("threads: the main thread first, then the others in the order of their start", "[thread_info]") {
  CHECK(names() == std::vector<std::string>{"main"});
  event gate, begun;
  concur::thread first(thread_options().name("first"), [&gate] { gate.wait(); });
  concur::thread second(thread_options().name("second").daemon(), [&] {
    begun.set();
    gate.wait();
  });
  concur::thread third(thread_options().name("third"), [&gate] { gate.wait(); });
  begun.wait();
  CHECK(names() == std::vector<std::string>{"main", "first", "second", "third"});
  CHECK(concur::thread_count() == 4);

  auto const list = concur::threads();
  CHECK(list[0].main);
  CHECK(list[0].native_id == ::getpid());
  CHECK_FALSE(list[0].daemon);
  CHECK_FALSE(list[1].main);
  CHECK_FALSE(list[1].daemon);
  CHECK(list[2].daemon);
  CHECK(list[2].native_id == second.native_id());

  // The same from every thread, also one that the library has not started and does not list.
  std::vector<std::string> seen;
  std::thread([&seen] { seen = names(); }).join();
  CHECK(seen == std::vector<std::string>{"main", "first", "second", "third"});

  CHECK(concur::dump_registry().find("thread \"second\", native id " + std::to_string(second.native_id()) +
                                     ", daemon\n") != std::string::npos);
  gate.set();
  second.join();
  first.join();
  third.join();
  CHECK(names() == std::vector<std::string>{"main"});
  CHECK(concur::thread_count() == 1);
}

TEST_CASE("threads: names change", "[thread_info]") {
  event renamed, gate;
  concur::thread t(thread_options().name("before"), [&] {
    concur::this_thread::set_name("after");
    renamed.set();
    gate.wait();
  });
  renamed.wait();
  CHECK(names() == std::vector<std::string>{"main", "after"});
  concur::this_thread::set_name("chief");
  CHECK(concur::main_thread().name == "chief");
  CHECK(concur::main_thread().main);
  CHECK(concur::main_thread().native_id == ::getpid());
  CHECK(names() == std::vector<std::string>{"chief", "after"});
  concur::this_thread::set_name("main");
  gate.set();
}

TEST_CASE("threads: gone after every join, and before it returns", "[thread_info]") {
  for (int round = 0; round < 100; ++round) {
    concur::thread t([] {});
    if (round % 2 == 0) {
      t.join();
    } else {
      REQUIRE(t.try_join_for(std::chrono::hours(1)));
    }
    REQUIRE(concur::thread_count() == 1);
    REQUIRE(t.joinable());
  }
}

TEST_CASE("threads: a list that finds no memory leaves the registry usable", "[thread_info]") {
  event gate;
  concur::thread const t(thread_options().name(std::string(100, 'n')), [&gate] { gate.wait(); });
  int failures = 0;
  for (int k = 1;; ++k) {
    bool happened = false;
    {
      support::failing_new const shortage(k);
      try {
        static_cast<void>(concur::threads());
      } catch (std::bad_alloc const&) {
      }
      happened = shortage.happened();
    }
    CHECK(concur::thread_count() == 2);
    if (!happened) break;
    ++failures;
  }
  if (support::failing_new::available()) CHECK(failures >= 2);
  gate.set();
}
