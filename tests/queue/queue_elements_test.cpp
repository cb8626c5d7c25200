// SPDX-License-Identifier: BSL-1.0
//
// Elements whose members throw, and memory that runs out: wherever that happens, nothing is lost and nothing is half
// in.
#include <concur/queue/lifo_queue.hpp>
#include <concur/queue/priority_queue.hpp>
#include <concur/queue/queue.hpp>

#include "../support/catch.hpp"
#include "../support/failing_new.hpp"
#include "../support/hammer.hpp"

#include <algorithm>
#include <memory>
#include <new>
#include <string>
#include <vector>

namespace {

struct failed {};

// Its moves and copies throw when it is told so. What they throw at is as it was.
class moody {
 public:
  explicit moody(int value) : value_(std::make_unique<int>(value)) {}
  moody(moody&& other) : value_((maybe_throw(), std::move(other.value_))) {}
  moody(moody const& other) : value_((maybe_throw(), std::make_unique<int>(*other.value_))) {}
  moody& operator=(moody const&) = delete;

  int value() const { return value_ == nullptr ? -1 : *value_; }
  bool operator<(moody const& other) const {
    maybe_throw();
    return value() < other.value();
  }

  // Counts down; the call that finds 1 throws.
  static inline int throws_in = 0;

 private:
  static void maybe_throw() {
    if (throws_in > 0 && --throws_in == 0) throw failed();
  }
  std::unique_ptr<int> value_;
};

// Copied only.
struct copied {
  explicit copied(int number) : value(number) {}
  copied(copied const& other) : value(other.value) {}
  copied& operator=(copied const&) = default;
  bool operator<(copied const& other) const { return value < other.value; }
  int value;
};

template <class Queue>
std::vector<int> values_of(Queue& q) {
  std::vector<int> values;
  while (auto item = q.try_get()) values.push_back(item->value());
  std::sort(values.begin(), values.end());
  return values;
}

// Lets `attempt` fail at its first, second … step, and then succeed; returns how often it failed.
template <class Attempt>
int fail_at_each_step(Attempt attempt) {
  for (int step = 1;; ++step) {
    moody::throws_in = step;
    try {
      attempt();
      bool const all_passed = moody::throws_in > 0;
      moody::throws_in = 0;
      REQUIRE(all_passed);
      return step - 1;
    } catch (failed const&) {
      moody::throws_in = 0;
    }
  }
}

}  // namespace

TEMPLATE_TEST_CASE("queues: an element that throws on its way in stays with the caller", "[queue]",
                   concur::queue<moody>, concur::lifo_queue<moody>, concur::priority_queue<moody>) {
  TestType q(8);
  for (int i = 0; i < 5; ++i) {
    moody mine(i);
    int const failures = fail_at_each_step([&] {
      CHECK(mine.value() == i);
      CHECK(q.size() == std::size_t(i));
      q.put(std::move(mine));
    });
    CHECK(failures >= 1);
  }
  moody const kept(7);
  CHECK(fail_at_each_step([&] { q.put(kept); }) >= 2);
  CHECK(kept.value() == 7);
  CHECK(values_of(q) == std::vector<int>{0, 1, 2, 3, 4, 7});
}

TEMPLATE_TEST_CASE("queues: an element that throws on its way out stays in", "[queue]", concur::queue<moody>,
                   concur::lifo_queue<moody>, concur::priority_queue<moody>) {
  TestType q(8);
  for (int i = 0; i < 6; ++i) q.put(moody(i));
  std::vector<int> out;
  while (!q.empty()) {
    int const failures = fail_at_each_step([&] {
      std::optional<moody> item = q.try_get();
      out.push_back(item->value());
    });
    CHECK(failures >= 1);
  }
  std::sort(out.begin(), out.end());
  CHECK(out == std::vector<int>{0, 1, 2, 3, 4, 5});
}

TEMPLATE_TEST_CASE("queues: one that throws in the middle of many loses none", "[queue]", concur::queue<moody>,
                   concur::lifo_queue<moody>, concur::priority_queue<moody>) {
  for (int step = 1; step < 20; ++step) {
    TestType q(8);
    std::vector<moody> items;
    items.reserve(4);
    for (int i = 0; i < 4; ++i) items.emplace_back(i);
    moody::throws_in = step;
    try {
      q.put_many(std::move(items));
    } catch (failed const&) {
    }
    moody::throws_in = 0;
    std::size_t const in = q.size();
    for (std::size_t i = 0; i < 4; ++i) CHECK((items[i].value() == -1) == (i < in));
    moody::throws_in = step;
    std::vector<moody> out;
    try {
      if (in != 0) out = std::vector<moody>(q.get_many(3));
    } catch (failed const&) {
    }
    moody::throws_in = 0;
    CHECK(out.size() + q.size() == in);
  }
}

TEMPLATE_TEST_CASE("queues: elements that can only be copied", "[queue]", concur::queue<copied>,
                   concur::lifo_queue<copied>, concur::priority_queue<copied>) {
  TestType q(4);
  for (int i = 0; i < 3; ++i) q.put(copied(2));
  CHECK(q.size() == 3);
  CHECK(q.get().value == 2);
  CHECK(q.get_many(9).size() == 2);
}

TEMPLATE_TEST_CASE("queues: without memory nothing changes", "[queue]", concur::queue<std::string>,
                   concur::lifo_queue<std::string>, concur::priority_queue<std::string>) {
  if (!support::failing_new::available()) return;
  std::string const text(100, 'x');
  TestType q(concur::unbounded);
  int failures = 0;
  for (std::size_t i = 0; i < 200; ++i) {
    std::string mine = text + std::to_string(i);
    for (int k = 1;; ++k) {
      support::failing_new const shortage(k);
      bool failed = false;
      try {
        q.put(std::move(mine));
      } catch (std::bad_alloc const&) {
        failed = true;
      }
      if (!failed) break;
      ++failures;
      REQUIRE(q.size() == i);
      REQUIRE(mine.size() > 100);
    }
  }
  CHECK(failures > 0);
  for (int k = 1;; ++k) {
    std::vector<std::string> all;
    bool failed = false;
    {
      support::failing_new const shortage(k);
      try {
        all = q.get_many(500);
      } catch (std::bad_alloc const&) {
        failed = true;
      }
    }
    REQUIRE(all.size() + q.size() == 200);
    if (!failed) break;
  }
  CHECK(q.empty());
}

TEST_CASE("queue: without memory for its room it is not made", "[queue]") {
  if (!support::failing_new::available()) return;
  bool made = false;
  int failures = 0;
  for (int k = 1; !made; ++k) {
    support::failing_new const shortage(k);
    try {
      concur::queue<int> const q(1000);
      made = true;
    } catch (std::bad_alloc const&) {
      ++failures;
    }
  }
  CHECK(failures >= 1);
}

TEST_CASE("queue: with room and simple elements it never allocates", "[queue]") {
  if (!support::failing_new::available()) return;
  concur::queue<int> q(4);
  support::failing_new const shortage(1);
  for (int i = 0; i < 20; ++i) {
    q.put(i);
    static_cast<void>(q.get());
  }
  bool const happened = shortage.happened();
  CHECK_FALSE(happened);
}
