// SPDX-License-Identifier: BSL-1.0
#include <concur/coro/this_task.hpp>

#include <concur/coro/gather.hpp>
#include <concur/coro/task_group.hpp>
#include <concur/coro/yield.hpp>

#include "coro_support.hpp"

#include <cstdint>
#include <set>
#include <string>
#include <vector>

namespace {

using concur::spawn;
using concur::task;
using support::hand_loop;
using support::value_of;
namespace this_task = concur::this_task;

struct seen_by_task {
  explicit seen_by_task(std::vector<seen_by_task>& log) : name(this_task::name()), id(this_task::id()) {
    log.push_back(*this);
  }
  std::string name;
  std::uintptr_t id;
};

task<> leaf(std::vector<seen_by_task>& log) {
  seen_by_task const before(log);
  co_await concur::yield();
  seen_by_task const after(log);
}
task<> chain(std::vector<seen_by_task>& log, int depth) {
  int const left = depth - 1;
  if (left == 0) {
    co_await leaf(log);
  } else {
    co_await chain(log, left);
  }
}

}  // namespace

TEST_CASE("this_task: outside of tasks there is no name and no number", "[this_task]") {
  CHECK(this_task::name().empty());
  CHECK(this_task::id() == 0);
  CHECK_FALSE(this_task::spawned_at().has_value());
  CHECK_FALSE(this_task::cancelled());
}

TEST_CASE("this_task: a chain of coroutines is one task, with the name that its root was spawned with", "[this_task]") {
  std::vector<seen_by_task> one, other;
  hand_loop here;
  auto f = spawn(here, chain(one, 5), "a root with a name that takes a block");
  auto g = spawn(here, chain(other, 2));
  here.run_all();
  REQUIRE(one.size() == 2);
  REQUIRE(other.size() == 2);
  for (auto const& each : one) CHECK(each.name == "a root with a name that takes a block");
  for (auto const& each : other) CHECK(each.name.empty());
  CHECK(one[0].id == one[1].id);
  CHECK(other[0].id == other[1].id);
  CHECK(one[0].id != other[0].id);
  CHECK(one[0].id != 0);
  CHECK(this_task::id() == 0);
}

TEST_CASE("this_task: children of a gather and of a group are tasks of their own", "[this_task]") {
  std::vector<seen_by_task> log;
  auto body = [&](concur::task_group& g) -> task<> {
    g.spawn(leaf(log), "child");
    co_await leaf(log);
  };
  auto all = [&]() -> task<> {
    co_await gather(leaf(log), leaf(log));
    co_await concur::with_group(body);
  };
  hand_loop here;
  auto f = spawn(here, all(), "parent");
  here.run_all();
  REQUIRE(log.size() == 8);
  std::set<std::uintptr_t> gathered;
  for (int i = 0; i < 4; ++i) {
    CHECK(log[std::size_t(i)].name.empty());
    gathered.insert(log[std::size_t(i)].id);
  }
  CHECK(gathered.size() == 2);
  int parents = 0, children = 0;
  for (int i = 4; i < 8; ++i) {
    parents += log[std::size_t(i)].name == "parent" ? 1 : 0;
    children += log[std::size_t(i)].name == "child" ? 1 : 0;
  }
  CHECK(parents == 2);
  CHECK(children == 2);
}

TEST_CASE("this_task: a task knows where it was spawned, and that it is cancelled", "[this_task]") {
  static auto const asks = [](std::vector<bool>& cancelled, unsigned& line) -> task<> {
    line = this_task::spawned_at()->line();
    cancelled.push_back(this_task::cancelled());
    co_await concur::yield();
    cancelled.push_back(this_task::cancelled());
  };
  hand_loop here;
  std::vector<bool> cancelled;
  unsigned line = 0;
  auto f = spawn(here, asks(cancelled, line));
  unsigned const spawned = __LINE__ - 1;
  here.run_one();
  f.cancel();
  here.run_all();
  CHECK(line == spawned);
  CHECK(cancelled == std::vector{false, true});
}
