// SPDX-License-Identifier: BSL-1.0
//
// Values of every kind through everything that passes on what a task gives.
#include <concur/coro/async_generator.hpp>
#include <concur/coro/cancel_scope.hpp>
#include <concur/coro/gather.hpp>
#include <concur/coro/shield.hpp>
#include <concur/coro/spawn.hpp>
#include <concur/coro/task.hpp>
#include <concur/coro/task_function.hpp>
#include <concur/coro/task_group.hpp>
#include <concur/coro/timeout.hpp>
#include <concur/coro/with.hpp>
#include <concur/coro/yield.hpp>

#include "coro_support.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using concur::cancel_scope;
using concur::gather;
using concur::move_on_after;
using concur::shield;
using concur::spawn;
using concur::task;
using concur::timeout;
using support::value_of;

/// Cannot be made without a number, copied or assigned.
class sealed {
 public:
  explicit sealed(int number) noexcept : number_(number) {}
  sealed(sealed&&) noexcept = default;
  sealed& operator=(sealed&&) = delete;
  int number() const noexcept { return number_; }

 private:
  int number_;
};

int shared_object = 42;

/// A kind of value: how a task gives it, and how it is seen in the end that it is the right one.
struct reference {
  using type = int&;
  static task<type> make() {
    int const nothing = 0;
    co_await concur::yield();
    static_cast<void>(nothing);
    co_return shared_object;
  }
  static bool right(int& given) { return &given == &shared_object; }
  static bool right(std::reference_wrapper<int> given) { return right(given.get()); }
};
struct constant_reference {
  using type = int const&;
  static task<type> make() {
    int const nothing = 0;
    co_await concur::yield();
    static_cast<void>(nothing);
    co_return shared_object;
  }
  static bool right(int const& given) { return &given == &shared_object; }
  static bool right(std::reference_wrapper<int const> given) { return right(given.get()); }
};
struct move_only {
  using type = std::unique_ptr<int>;
  static task<type> make() {
    auto made = std::make_unique<int>(7);
    co_await concur::yield();
    co_return made;
  }
  static bool right(type const& given) { return given && *given == 7; }
};
struct without_default {
  using type = sealed;
  static task<type> make() {
    int const number = 8;
    co_await concur::yield();
    co_return sealed(number);
  }
  static bool right(type const& given) { return given.number() == 8; }
};

struct closable {
  void close() noexcept { ++closed; }
  int closed = 0;
};

}  // namespace

TEMPLATE_TEST_CASE("task values: they come through every form", "[task]", reference, constant_reference, move_only,
                   without_default) {
  using T = typename TestType::type;
  constexpr auto make = &TestType::make;
  auto all = [&]() -> task<int> {
    int right = 0;
    auto const note = [&right](auto&& given) { right += TestType::right(given); };
    note(co_await make());
    static_assert(std::is_same_v<decltype(std::declval<task<T>>().operator co_await().await_resume()), T>);
    note(co_await concur::call_task(make));

    auto f = spawn(make());
    note(co_await f);
    auto g = spawn(make);
    note(co_await std::move(g));

    auto pair = co_await gather(make(), make());
    note(std::get<0>(pair));
    note(std::get<1>(pair));
    std::vector<task<T>> some;
    some.push_back(make());
    auto range = co_await gather(std::move(some));
    note(range.at(0));
    auto outcomes = co_await gather(concur::collect_outcomes, make());
    note(std::get<0>(outcomes).value());

    note(co_await timeout(1h, make()));
    note(co_await timeout(1h, make));
    auto in_time = co_await move_on_after(1h, make());
    note(in_time.value());
    cancel_scope scope;
    auto in_scope = co_await scope.run(make());
    note(in_scope.value());

    note(co_await shield(make()));

    auto in_group = [&](concur::task_group& group) -> task<T> {
      group.spawn(make(), "dropped");
      group.spawn(make);
      return make();
    };
    note(co_await concur::with_group(in_group));
    closable resource;
    auto in_with = [&](closable&) -> task<T> { return make(); };
    note(co_await concur::with(resource, in_with));
    co_return right * 10 + resource.closed;
  };
  CHECK(value_of(all()) == 151);
}

TEST_CASE("task values: a task without a value goes through every form", "[task]") {
  static auto const make = []() -> task<> {
    int const nothing = 0;
    co_await concur::yield();
    static_cast<void>(nothing);
  };
  auto all = [&]() -> task<int> {
    int right = 0;
    co_await make();
    co_await concur::call_task(make);
    auto f = spawn(make());
    co_await f;
    auto g = spawn(make);
    co_await std::move(g);
    auto pair = co_await gather(make(), make());
    static_assert(std::is_same_v<decltype(pair), std::tuple<std::monostate, std::monostate>>);
    std::vector<task<>> some;
    some.push_back(make());
    auto range = co_await gather(std::move(some));
    right += int(range.size());
    auto outcomes = co_await gather(concur::collect_outcomes, make());
    right += std::get<0>(outcomes).has_value();
    co_await timeout(1h, make());
    bool const in_time = co_await move_on_after(1h, make());
    right += in_time;
    cancel_scope scope;
    bool const in_scope = co_await scope.run(make());
    right += in_scope;
    co_await shield(make());
    auto in_group = [&](concur::task_group& group) -> task<> {
      group.spawn(make(), "dropped");
      group.spawn(make);
      return make();
    };
    co_await concur::with_group(in_group);
    closable resource;
    auto in_with = [&](closable&) -> task<> { return make(); };
    co_await concur::with(resource, in_with);
    co_return right * 10 + resource.closed;
  };
  CHECK(value_of(all()) == 41);
}

TEST_CASE("task values: a generator gives references and what only moves", "[task]") {
  static auto const references = [](std::vector<int>& all) -> concur::async_generator<int&> {
    for (int& each : all) co_yield each;
  };
  static auto const moved = []() -> concur::async_generator<std::unique_ptr<int>> {
    for (int i = 1; i <= 2; ++i) co_yield std::make_unique<int>(i);
  };
  std::vector<int> numbers{1, 2};
  auto all = [&]() -> task<int> {
    int sum = 0;
    auto doubled = references(numbers);
    while (auto* const each = co_await doubled.next()) *each *= 2;
    auto pointers = moved();
    while (auto each = co_await pointers.next()) sum += **each;
    co_return sum;
  };
  CHECK(value_of(all()) == 3);
  CHECK(numbers == std::vector{2, 4});
}
