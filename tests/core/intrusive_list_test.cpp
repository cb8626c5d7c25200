// SPDX-License-Identifier: BSL-1.0
#include <concur/core/intrusive_list.hpp>

#include "../support/catch.hpp"

#include <iterator>
#include <memory>
#include <random>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

struct by_age;

struct item : concur::intrusive_list_node<>, concur::intrusive_list_node<by_age> {
  explicit item(int number) : value(number) {}
  bool linked() const { return concur::intrusive_list_node<>::is_linked(); }
  int value;
};

using list = concur::intrusive_list<item>;
using age_list = concur::intrusive_list<item, by_age>;

static_assert(!std::is_copy_constructible_v<item> && !std::is_move_constructible_v<item>);
static_assert(std::is_trivially_destructible_v<list>);
static_assert(sizeof(list) == 2 * sizeof(void*));
static_assert(std::bidirectional_iterator<list::iterator>);
static_assert(std::bidirectional_iterator<list::const_iterator>);

constinit list in_static_storage;

std::vector<int> values(list const& from) {
  std::vector<int> result;
  for (item const& each : from) result.push_back(each.value);
  return result;
}

}  // namespace

TEST_CASE("a list keeps the order of insertion at both ends", "[intrusive_list]") {
  item a(1), b(2), c(3);
  REQUIRE(in_static_storage.empty());
  in_static_storage.push_back(b);
  in_static_storage.push_back(c);
  in_static_storage.push_front(a);
  CHECK(values(in_static_storage) == std::vector<int>{1, 2, 3});
  CHECK(in_static_storage.front().value == 1);
  CHECK(in_static_storage.back().value == 3);
  CHECK(in_static_storage.pop_front() == &a);
  CHECK(in_static_storage.pop_front() == &b);
  CHECK(in_static_storage.pop_front() == &c);
  CHECK(in_static_storage.pop_front() == nullptr);
  CHECK_FALSE(a.linked());
}

TEST_CASE("a node unlinks itself without the list, and twice does no harm", "[intrusive_list]") {
  list numbers;
  item a(1), b(2), c(3);
  for (item* each : {&a, &b, &c}) numbers.push_back(*each);
  CHECK(b.linked());
  b.concur::intrusive_list_node<>::unlink();
  b.concur::intrusive_list_node<>::unlink();
  CHECK_FALSE(b.linked());
  CHECK(values(numbers) == std::vector<int>{1, 3});
  numbers.erase(a);
  numbers.erase(c);
  CHECK(numbers.empty());
}

TEST_CASE("a loop may erase where it stands", "[intrusive_list]") {
  list numbers;
  std::vector<std::unique_ptr<item>> items;
  for (int n = 0; n < 10; ++n) numbers.push_back(*items.emplace_back(std::make_unique<item>(n)));
  for (auto at = numbers.begin(); at != numbers.end();) at = at->value % 2 == 0 ? numbers.erase(*at) : std::next(at);
  CHECK(values(numbers) == std::vector<int>{1, 3, 5, 7, 9});
  while (numbers.pop_front() != nullptr) {
  }
}

TEST_CASE("an object stands in lists of different tags independently", "[intrusive_list]") {
  list numbers;
  age_list ages;
  item a(1), b(2);
  numbers.push_back(a);
  numbers.push_back(b);
  ages.push_back(b);
  ages.push_back(a);
  numbers.erase(a);
  CHECK(ages.front().value == 2);
  CHECK(ages.back().value == 1);
  while (numbers.pop_front() != nullptr) {
  }
  while (ages.pop_front() != nullptr) {
  }
}

TEST_CASE("splicing moves everything, in order, to the end", "[intrusive_list]") {
  list left, right;
  item a(1), b(2), c(3), d(4);
  right.push_back(c);
  right.push_back(d);
  SECTION("onto an empty list") {
    left.splice_back(right);
    CHECK(values(left) == std::vector<int>{3, 4});
  }
  SECTION("onto a list with items") {
    left.push_back(a);
    left.push_back(b);
    left.splice_back(right);
    CHECK(values(left) == std::vector<int>{1, 2, 3, 4});
  }
  SECTION("of an empty list") {
    list none;
    left.splice_back(none);
    CHECK(left.empty());
    left.splice_back(right);
  }
  CHECK(right.empty());
  CHECK(left.back().value == 4);
  right.push_back(*left.pop_front());
  CHECK_FALSE(right.empty());
  while (left.pop_front() != nullptr) {
  }
  while (right.pop_front() != nullptr) {
  }
}

TEST_CASE("random operations agree with a vector", "[intrusive_list]") {
  std::minstd_rand random(7);
  list tested;
  std::vector<int> model;
  std::vector<std::unique_ptr<item>> items;
  for (int n = 0; n < 20; ++n) items.push_back(std::make_unique<item>(n));
  for (int round = 0; round < 5000; ++round) {
    item& chosen = *items[random() % items.size()];
    if (chosen.linked()) {
      tested.erase(chosen);
      std::erase(model, chosen.value);
    } else if (random() % 2 == 0) {
      tested.push_back(chosen);
      model.push_back(chosen.value);
    } else {
      tested.push_front(chosen);
      model.insert(model.begin(), chosen.value);
    }
    if (values(tested) != model) FAIL("differs in round " << round);
  }
  CHECK(std::vector<int>(model.rbegin(), model.rend()) == [&] {
    std::vector<int> backwards;
    for (auto at = tested.end(); at != tested.begin();) backwards.push_back((--at)->value);
    return backwards;
  }());
  while (tested.pop_front() != nullptr) {
  }
}

TEST_CASE("checked builds report an object put into two lists, or taken out of none", "[intrusive_list]") {
  if constexpr (CONCUR_CHECKED) {
    auto* const before = concur::set_misuse_handler([](concur::misuse_report const& report) { throw report.line; });
    list left, right;
    item a(1);
    left.push_back(a);
    CHECK_THROWS_AS(right.push_back(a), unsigned);
    left.erase(a);
    CHECK_THROWS_AS(left.erase(a), unsigned);
    CHECK_THROWS_AS(left.front(), unsigned);
    CHECK_THROWS_AS(left.back(), unsigned);
    concur::set_misuse_handler(before);
  }
}
