// SPDX-License-Identifier: BSL-1.0
#include <concur/queue/ring.hpp>

#include "../support/catch.hpp"
#include "../support/hammer.hpp"

#include <algorithm>
#include <atomic>
#include <iterator>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

using concur::ring;
using concur::ring_outcome;
using support::rounds;

struct throwing_move {
  throwing_move(throwing_move&&) {}
};
static_assert(!concur::ring_element<throwing_move>);
static_assert(concur::ring_element<std::unique_ptr<int>>);
static_assert(!std::is_copy_constructible_v<ring<int>> && !std::is_move_constructible_v<ring<int>>);

}  // namespace

TEST_CASE("ring: first in, first out, through many rounds, for any capacity", "[ring]") {
  for (std::size_t capacity : {1u, 2u, 3u, 7u, 8u, 1000u}) {
    ring<int> r(capacity);
    CHECK(r.capacity() == capacity);
    int in = 0, out = 0;
    for (int round = 0; round < 20; ++round) {
      while (r.try_push(int(in))) ++in;
      CHECK(r.full());
      CHECK(r.size() == capacity);
      CHECK(r.pushed() == std::size_t(in));
      // All but some, which differ from round to round, so that the ends stand everywhere.
      for (std::size_t left = std::size_t(round) % capacity; r.size() > left; ++out) {
        auto const item = r.try_pop();
        REQUIRE(item == out);
      }
    }
    while (auto const item = r.try_pop()) CHECK(*item == out++);
    CHECK(in == out);
    CHECK(r.empty());
  }
}

TEST_CASE("ring: a refused element is as it was", "[ring]") {
  ring<std::unique_ptr<int>> r(1);
  auto mine = std::make_unique<int>(1);
  CHECK(r.try_push(std::move(mine)));
  CHECK(mine == nullptr);
  mine = std::make_unique<int>(2);
  CHECK_FALSE(r.try_push(std::move(mine)));
  CHECK(r.push(std::move(mine)) == ring_outcome::refused);
  CHECK(r.close());
  CHECK_FALSE(r.close());
  CHECK(r.is_closed());
  CHECK(r.push(std::move(mine)) == ring_outcome::closed);
  CHECK(r.push_many(std::move_iterator(&mine), 1) == 0);
  REQUIRE(mine != nullptr);
  CHECK(*mine == 2);
  CHECK(**r.try_pop() == 1);
  CHECK_FALSE(r.try_pop());
  CHECK(r.pop([](auto&&) noexcept {}) == ring_outcome::closed);
}

TEST_CASE("ring: many at once go round the end, and as many as there is room for", "[ring]") {
  ring<int> r(5);
  std::vector<int> const values = {0, 1, 2, 3, 4, 5, 6, 7};
  std::vector<int> out;
  auto const take = [&out](int&& item) noexcept { out.push_back(item); };
  out.reserve(100);
  for (std::size_t start = 0; start < 12; ++start) {
    CHECK(r.push_many(values.data(), 8) == 5);
    CHECK(r.push_many(values.data(), 8) == 0);
    CHECK(r.pop_many(3, take) == 3);
    CHECK(r.push_many(values.data() + 5, 2) == 2);
    CHECK(r.pop_many(99, take) == 4);
    CHECK(r.pop_many(99, take) == 0);
    CHECK(r.push_many(values.data(), 0) == 0);
    CHECK(out == std::vector<int>{0, 1, 2, 3, 4, 5, 6});
    out.clear();
    CHECK(r.try_push(9));
    CHECK(r.try_pop() == 9);
  }
}

TEST_CASE("ring: what is left is destroyed with it, once", "[ring]") {
  auto const shared = std::make_shared<int>(1);
  {
    ring<std::shared_ptr<int>> r(4);
    for (int i = 0; i < 3; ++i) CHECK(r.try_push(shared));
    r.close();
    CHECK(shared.use_count() == 4);
  }
  CHECK(shared.use_count() == 1);
}

TEST_CASE("ring: room for nothing, or for more than there can be, is misuse", "[ring]") {
  CHECK_THROWS_AS(ring<int>(0), concur::misuse);
  CHECK_THROWS_AS(ring<int>(ring<int>::max_capacity() + 1), concur::misuse);
  CHECK_THROWS_AS(ring<int>(SIZE_MAX), concur::misuse);
}

TEST_CASE("ring: single and many, from all sides, each element comes out once", "[ring]") {
  std::size_t const capacity = GENERATE(1u, 2u, 3u, 64u);
  int const each = rounds(40'000);
  constexpr int producers = 4;
  ring<int> r(capacity);
  std::vector<std::atomic<unsigned char>> seen(std::size_t(producers * each));
  std::atomic<int> left{producers}, wrong{0};
  support::hammer crowd;
  for (int who = 0; who < producers; ++who) {
    crowd.add([&, who] {
      for (int i = 0; i < each;) {
        int values[5];
        for (int k = 0; k < 5; ++k) values[k] = who * each + i + k;
        std::size_t const wanted = who % 2 == 0 ? 1 : std::size_t(each - i < 5 ? each - i : 5);
        std::size_t const done = wanted == 1 ? r.try_push(values[0]) : r.push_many(values, wanted);
        if (done == 0) std::this_thread::yield();
        i += int(done);
      }
      if (left.fetch_sub(1) == 1) r.close();
    });
  }
  for (int who = 0; who < 3; ++who) {
    crowd.add([&, who] {
      int last[producers] = {-1, -1, -1, -1};
      auto const take = [&](int&& item) noexcept {
        seen[std::size_t(item)].fetch_add(1, std::memory_order_relaxed);
        if (item <= last[item / each]) wrong.fetch_add(1);
        last[item / each] = item;
      };
      for (;;) {
        if (who != 0 && r.pop_many(3, take) != 0) continue;
        auto const outcome = r.pop(take);
        if (outcome == ring_outcome::closed) return;
        if (outcome == ring_outcome::refused) std::this_thread::yield();
      }
    });
  }
  crowd.run();
  CHECK(wrong.load() == 0);
  CHECK(r.empty());
  CHECK(std::all_of(seen.begin(), seen.end(), [](auto const& times) { return times.load() == 1; }));
}
