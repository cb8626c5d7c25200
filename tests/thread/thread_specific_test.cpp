// SPDX-License-Identifier: BSL-1.0
#include <concur/thread/thread_specific.hpp>

#include "../support/catch.hpp"
#include "../support/failing_new.hpp"
#include "../support/forked.hpp"
#include "../support/hammer.hpp"

#include <concur/sync/event.hpp>
#include <concur/thread/thread.hpp>

#include <atomic>
#include <cstdint>
#include <latch>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <unistd.h>
#include <vector>

namespace {

using concur::event;
using concur::thread_specific;
using support::rounds;

static_assert(!std::is_copy_constructible_v<thread_specific<int>>);
static_assert(!std::is_move_constructible_v<thread_specific<int>>);

// Calls `body` on a new thread, of the library or not, and waits for its end.
template <class Body>
void on_thread(bool of_library, Body body) {
  if (of_library) {
    concur::thread(body).join();
  } else {
    std::thread(body).join();
  }
}

struct alive {
  alive() { ++count; }
  alive(alive const&) = delete;
  alive& operator=(alive const&) = delete;
  ~alive() { --count; }
  int number = 0;
  static inline std::atomic<int> count{0};
};

}  // namespace

TEST_CASE("thread_specific: each thread has a value of its own, for each object", "[thread_specific]") {
  thread_specific<int> first, second;
  thread_specific<std::string> text;
  CHECK_FALSE(first.has_value());
  CHECK(*first == 0);
  CHECK(first.has_value());
  CHECK_FALSE(second.has_value());
  *first = 1;
  second.get() = 2;
  text->append("main");
  for (bool const of_library : {true, false}) {
    bool fresh = false, kept = false;
    on_thread(of_library, [&] {
      fresh = !first.has_value() && *first == 0 && *second == 0 && text->empty();
      *first = 10, *second = 20, *text = "other";
      kept = *first == 10 && *second == 20 && *text == "other" && &*first == &first.get();
    });
    CHECK(fresh);
    CHECK(kept);
    CHECK(*first == 1);
    CHECK(*second == 2);
    CHECK(*text == "main");
  }
}

TEST_CASE("thread_specific: a value is made when it is first asked for, once on each thread", "[thread_specific]") {
  std::atomic<int> made{0};
  thread_specific<int> numbers([&made] { return ++made; });
  CHECK(made == 0);
  CHECK_FALSE(numbers.has_value());
  CHECK(made == 0);
  CHECK(*numbers == 1);
  CHECK(*numbers == 1);
  concur::thread([&numbers] { *numbers += *numbers; }).join();
  CHECK(made == 2);
  concur::thread([] {}).join();
  CHECK(made == 2);
  numbers.reset();
  numbers.reset();
  CHECK_FALSE(numbers.has_value());
  CHECK(*numbers == 3);
}

TEST_CASE("thread_specific: values go at the thread's end, at reset, or with the object", "[thread_specific]") {
  for (bool const of_library : {true, false}) {
    {
      thread_specific<alive> values;
      on_thread(of_library, [&] { values->number = 1; });
      CHECK(alive::count == 0);  // a join has seen it go
      values->number = 2;
      CHECK(alive::count == 1);
      values.reset();
      CHECK(alive::count == 0);
      values->number = 3;
    }
    CHECK(alive::count == 0);

    // The object goes first.
    auto object = std::make_unique<thread_specific<alive>>();
    event used, gone;
    int left = -1;
    std::thread user([&] {
      (*object)->number = 1;
      used.set();
      gone.wait();
      left = alive::count;
    });
    used.wait();
    object.reset();
    gone.set();
    user.join();
    CHECK(left == 0);
  }
}

namespace {

std::vector<int> order;  // written on one thread at a time

struct logs_end {
  int number = 0;
  ~logs_end() {
    if (number != 0) order.push_back(number);
  }
};
thread_local logs_end local_object;

}  // namespace

TEST_CASE("thread_specific: values go after thread_local objects, the last made first", "[thread_specific]") {
  for (bool const of_library : {true, false}) {
    order.clear();
    thread_specific<logs_end> first, second, third;
    on_thread(of_library, [&] {
      second->number = 2;
      first->number = 1;
      local_object.number = 9;
      third->number = 3;
    });
    CHECK(order == std::vector{9, 3, 1, 2});
  }
}

namespace {

struct uses_at_end {
  thread_specific<logs_end>* used = nullptr;
  ~uses_at_end() {
    if (used == nullptr) return;
    order.push_back(used->has_value() ? (*used)->number : -1);
    (*used)->number = 5;
  }
};
thread_local uses_at_end user_object;

// Its destructor makes a new value of its own kind, so many times.
struct comes_again {
  thread_specific<comes_again>* mine = nullptr;
  int times = 0;
  ~comes_again() {
    if (mine == nullptr) return;
    order.push_back(times);
    if (mine->has_value()) order.push_back(-1);
    if (times == 0) return;
    (*mine)->mine = mine;
    (*mine)->times = times - 1;
  }
};

}  // namespace

TEST_CASE("thread_specific: used and made anew while the thread ends", "[thread_specific]") {
  for (bool const of_library : {true, false}) {
    order.clear();
    thread_specific<logs_end> values;
    on_thread(of_library, [&] {
      user_object.used = &values;
      values->number = 4;
    });
    CHECK(order == std::vector{4, 5});  // the thread_local object saw 4

    order.clear();
    on_thread(of_library, [&] { user_object.used = &values; });
    CHECK(order == std::vector{-1, 5});  // made in the destructor

    order.clear();
    thread_specific<comes_again> again;
    on_thread(of_library, [&] {
      again->mine = &again;
      again->times = 6;
    });
    CHECK(order == std::vector{6, 5, 4, 3, 2, 1, 0});
  }
}

TEST_CASE("thread_specific: reset in the destructor of the value, and a new one from there", "[thread_specific]") {
  order.clear();
  {
    thread_specific<comes_again> again;
    again->mine = &again;
    again->times = 1;
    again.reset();
    CHECK(order == std::vector{1});
    CHECK(again.has_value());
    again.reset();
    CHECK(order == std::vector{1, 0});
    CHECK_FALSE(again.has_value());
  }
  CHECK(order == std::vector{1, 0});
}

TEST_CASE("thread_specific: a new object never shows the value of an old one", "[thread_specific]") {
  std::optional<thread_specific<int>> object;
  std::atomic<int> wrong{0};
  event go, done;
  bool stop = false;
  // A thread that lives on and uses every object.
  concur::thread user([&] {
    for (;;) {
      go.wait();
      go.clear();
      if (stop) return;
      if (object->has_value() || **object != 0) ++wrong;
      **object = 7;
      done.set();
    }
  });
  for (int round = 0; round < 100; ++round) {
    object.emplace();
    if (object->has_value() || **object != 0) ++wrong;
    **object = 8;
    go.set();
    done.wait();
    done.clear();
  }
  stop = true;
  go.set();
  user.join();
  CHECK(wrong == 0);
}

TEST_CASE("thread_specific: ten thousand objects, used by several threads", "[thread_specific]") {
  constexpr int count = 10'000;
  std::vector<std::unique_ptr<thread_specific<int>>> all;
  for (int i = 0; i < count; ++i) all.push_back(std::make_unique<thread_specific<int>>());
  std::atomic<int> wrong{0};
  auto const use_all = [&](int add) {
    for (int i = 0; i < count; ++i) **all[std::size_t(i)] = i + add;
    for (int i = 0; i < count; ++i) wrong += **all[std::size_t(i)] != i + add;
  };
  use_all(1);
  {
    concur::thread const second([&] { use_all(2); });
    concur::thread const third([&] { use_all(3); });
  }
  for (int i = 0; i < count; ++i) wrong += **all[std::size_t(i)] != i + 1;
  // Every other one goes and comes again.
  for (std::size_t i = 0; i < count; i += 2) all[i].reset();
  for (std::size_t i = 0; i < count; i += 2) all[i] = std::make_unique<thread_specific<int>>();
  for (std::size_t i = 0; i < count; ++i) wrong += all[i]->has_value() != (i % 2 == 1);
  use_all(4);
  CHECK(wrong == 0);
}

TEST_CASE("thread_specific: for_each visits the values of all threads in the order of their making",
          "[thread_specific]") {
  thread_specific<int> numbers;
  event go;
  std::vector<concur::thread> threads;
  for (int i = 1; i <= 3; ++i) {
    event made;
    threads.emplace_back([&numbers, &go, &made, i] {
      *numbers = i;
      made.set();
      go.wait();
    });
    made.wait();
  }
  *numbers = 4;
  std::vector<int> seen;
  numbers.for_each([&seen](int& each) { seen.push_back(each++); });
  CHECK(seen == std::vector{1, 2, 3, 4});
  CHECK(*numbers == 5);
  CHECK_THROWS_AS(numbers.for_each([](int) { throw std::runtime_error("no"); }), std::runtime_error);
  go.set();
  threads.clear();
  seen.clear();
  numbers.for_each([&seen](int const& each) { seen.push_back(each); });
  CHECK(seen == std::vector{5});
}

TEST_CASE("thread_specific: when the initial value throws, the access throws and the next one tries again",
          "[thread_specific]") {
  int calls = 0;
  thread_specific<int> values([&calls]() -> int {
    if (++calls < 3) throw std::runtime_error("not yet");
    return calls;
  });
  CHECK_THROWS_AS(values.get(), std::runtime_error);
  CHECK_FALSE(values.has_value());
  CHECK_THROWS_AS(*values, std::runtime_error);
  CHECK(*values == 3);
  CHECK(calls == 3);
}

TEST_CASE("thread_specific: an initial value may use others, but not itself", "[thread_specific]") {
  // Many others, so that the thread's table grows meanwhile.
  std::vector<std::unique_ptr<thread_specific<int>>> others;
  thread_specific<int> sum([&others] {
    int total = 0;
    for (auto& each : others) total += ++**each;
    return total;
  });
  for (int i = 0; i < 1'000; ++i) others.push_back(std::make_unique<thread_specific<int>>());
  concur::thread([&] { **others[0] = *sum; }).join();
  CHECK(*sum == 1'000);
  CHECK(*sum == 1'000);

  bool recursive = true;
  thread_specific<int>* self = nullptr;
  thread_specific<int> itself([&] { return recursive ? self->get() + 1 : 1; });
  self = &itself;
  CHECK_THROWS_AS(itself.get(), concur::misuse);
  CHECK_FALSE(itself.has_value());
  itself.reset();
  recursive = false;
  CHECK(*itself == 1);

  // By way of another one.
  thread_specific<int>* there = nullptr;
  thread_specific<int> here([&] { return **there; });
  thread_specific<int> back([&] { return *here; });
  there = &back;
  CHECK_THROWS_AS(*here, concur::misuse);
  CHECK_THROWS_AS(*back, concur::misuse);
}

namespace {

struct alignas(256) wide {
  std::uint64_t number = 1;
};

struct immovable {
  explicit immovable(int n) : number(n) {}
  immovable(immovable const&) = delete;
  immovable& operator=(immovable const&) = delete;
  int number;
};

}  // namespace

TEST_CASE("thread_specific: values may be move-only, immovable, without a default, and aligned", "[thread_specific]") {
  thread_specific<std::unique_ptr<int>> owned([] { return std::make_unique<int>(3); });
  CHECK(**owned == 3);
  thread_specific<immovable> fixed([] { return immovable(4); });
  CHECK(fixed->number == 4);
  thread_specific<wide> aligned;
  std::atomic<int> wrong{0};
  std::vector<concur::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      wrong += reinterpret_cast<std::uintptr_t>(&*aligned) % 256 != 0 || aligned->number != 1;
      wrong += fixed->number != 4 || **owned != 3;
    });
  }
  threads.clear();
  CHECK(wrong == 0);
}

TEST_CASE("thread_specific: every allocation may fail, and nothing has happened then", "[thread_specific]") {
  int failures = 0;
  for (int k = 1;; ++k) {
    bool happened = false, had_value = false;
    std::optional<thread_specific<alive>> object;
    concur::thread([&] {
      support::failing_new const shortage(k);
      try {
        object.emplace();
        (*object)->number = 1;
      } catch (std::bad_alloc const&) {
      }
      happened = shortage.happened();
      had_value = object && object->has_value();
    }).join();
    CHECK(had_value != happened);
    CHECK(alive::count == 0);
    if (object) (*object)->number = 2;
    CHECK(alive::count == (object ? 1 : 0));
    object.reset();
    if (!happened) break;
    ++failures;
  }
  if (support::failing_new::available()) CHECK(failures >= 3);  // table, entries and value
}

TEST_CASE("thread_specific: objects are destroyed while the threads that used them end", "[thread_specific]") {
  constexpr int threads = 4;
  for (int round = 0; round < rounds(1'000); ++round) {
    std::optional<thread_specific<alive>> first, second;
    first.emplace();
    second.emplace();
    std::latch used(threads);
    std::vector<std::thread> crowd;
    for (int i = 0; i < threads; ++i) {
      crowd.emplace_back([&, i] {
        (*first)->number = i;
        if (i % 2 == 0) (*second)->number = i;
        if (i % 3 == 0) first->reset();
        used.count_down();
      });
    }
    used.wait();
    if (round % 2 == 0) {
      first.reset();
      second.reset();
    } else {
      second.reset();
      first.reset();
    }
    for (auto& each : crowd) each.join();
    REQUIRE(alive::count == 0);
  }
}

TEST_CASE("thread_specific: objects and threads come and go at random", "[thread_specific]") {
  thread_specific<alive> shared;
  support::hammer crowd;
  std::atomic<int> wrong{0};
  crowd.add(4, [&] {
    for (int i = 0; i < rounds(1'000); ++i) {
      thread_specific<int> mine([i] { return i; });
      concur::thread t([&, i] {
        wrong += shared->number != 0;
        shared->number = i;
        wrong += *mine != i;
        *mine = -1;
      });
      wrong += *mine != i;
      if (i % 2 == 0) t.join();
      t = concur::thread();
    }
  });
  crowd.run();
  CHECK(wrong == 0);
  CHECK(alive::count == 0);
}

TEST_CASE("thread_specific: a forked child has the values of the thread that forked, and can make new ones",
          "[thread_specific]") {
  thread_specific<int> values([] { return 1; });
  *values = 2;
  event gate, used;
  concur::thread other([&] {
    *values = 3;
    used.set();
    gate.wait();
  });
  used.wait();
  pid_t const child = ::fork();
  if (child == 0) {
    ::alarm(20);
    bool right = *values == 2;
    values.reset();
    right = right && *values == 1;
    {
      thread_specific<int> fresh;
      right = right && !fresh.has_value() && *fresh == 0;
    }
    support::end_child(right);
  }
  CHECK(support::child_was_right(child));
  gate.set();
}
