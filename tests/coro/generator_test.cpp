// SPDX-License-Identifier: BSL-1.0
#include <concur/coro/generator.hpp>

#include "../support/catch.hpp"
#include "../support/failing_new.hpp"
#include "../support/sanitizers.hpp"

#include <concepts>
#include <coroutine>
#include <cstddef>
#include <initializer_list>
#include <iterator>
#include <list>
#include <memory>
#include <new>
#include <ranges>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using concur::elements_of;
using concur::generator;

static_assert(std::ranges::input_range<generator<int>> && !std::ranges::forward_range<generator<int>>);
static_assert(std::ranges::view<generator<int>> && std::ranges::viewable_range<generator<int>>);
static_assert(std::movable<generator<int>> && !std::copyable<generator<int>>);
static_assert(std::input_iterator<std::ranges::iterator_t<generator<int>>>);
static_assert(!std::copy_constructible<std::ranges::iterator_t<generator<int>>>);
static_assert(std::sentinel_for<std::default_sentinel_t, std::ranges::iterator_t<generator<int>>>);
static_assert(std::is_nothrow_move_constructible_v<generator<int>>);

// As the standard has it.
template <class Generator, class Reference, class Value, class Yielded>
constexpr bool has_types =
    std::same_as<std::ranges::range_reference_t<Generator>, Reference> &&
    std::same_as<std::ranges::range_value_t<Generator>, Value> && std::same_as<typename Generator::yielded, Yielded>;
static_assert(has_types<generator<int>, int&&, int, int&&>);
static_assert(has_types<generator<int&>, int&, int, int&>);
static_assert(has_types<generator<int const&>, int const&, int, int const&>);
static_assert(has_types<generator<std::pair<int&, long&>, std::pair<int, long>>, std::pair<int&, long&>,
                        std::pair<int, long>, std::pair<int&, long&> const&>);

// What happened in order, as words.
std::string& story() {
  static std::string words;
  return words;
}
void tell(std::string const& word) { story() += (story().empty() ? "" : " ") + word; }
std::string told() { return std::exchange(story(), {}); }

/// Tells of its end, once.
class witness {
 public:
  explicit witness(std::string name) : name_(std::move(name)) {}
  witness(witness&& other) noexcept : name_(std::exchange(other.name_, {})) {}
  ~witness() {
    if (!name_.empty()) tell("~" + name_);
  }

 private:
  std::string name_;
};

/// How many live, and how often one was copied.
struct counted {
  explicit counted(int value) : number(value) { ++alive; }
  counted(counted const& other) : number(other.number) { ++alive, ++copies; }
  counted(counted&& other) noexcept : number(std::exchange(other.number, -1)) { ++alive; }
  counted& operator=(counted const&) = default;
  ~counted() { --alive; }

  int number;
  static inline int alive = 0;
  static inline int copies = 0;
};

template <class Range>
auto list_of(Range&& range) {
  std::vector<std::ranges::range_value_t<Range>> all;
  for (auto&& each : range) all.push_back(std::forward<decltype(each)>(each));
  return all;
}

generator<int> count(int from, int end) {
  for (; from != end; ++from) co_yield from;
}
generator<int> count_for_ever() {
  for (int n = 0;; ++n) co_yield n;
}
generator<int> nothing() { co_return; }

/// The numbers from 0 to `depth`, each from a generator of its own, the innermost first; the innermost gives `more`
/// zeros before.
generator<int> chain(int depth, int more = 0) {
  if (depth != 0) {
    co_yield elements_of(chain(depth - 1, more));
  } else {
    for (; more != 0; --more) co_yield 0;
  }
  co_yield depth;
}

constexpr int deep = support::address_sanitizer ? 100'000 : 1'000'000;

}  // namespace

TEST_CASE("a generator gives what it yields, and nothing runs before begin", "[generator]") {
  bool started = false;
  auto const numbers = [](bool& runs) -> generator<int> {
    runs = true;
    co_yield 1;
    co_yield 2;
  };
  {
    auto const unused = numbers(started);
    CHECK_FALSE(started);
  }
  CHECK_FALSE(started);
  CHECK(list_of(numbers(started)) == std::vector{1, 2});
  CHECK(started);
  CHECK(list_of(nothing()).empty());
  CHECK(list_of(count(3, 6)) == std::vector{3, 4, 5});
}

TEST_CASE("a generator runs no further than it is asked", "[generator]") {
  int reached = 0;
  auto const steps = [](int& at) -> generator<int> {
    for (;;) {
      ++at;
      co_yield at;
    }
  };
  auto numbers = steps(reached);
  auto at = numbers.begin();
  CHECK(reached == 1);
  CHECK(*at == 1);
  CHECK(*at == 1);
  CHECK(reached == 1);
  ++at;
  CHECK(*at == 2);
  CHECK(reached == 2);
}

TEST_CASE("references refer to what was yielded", "[generator]") {
  std::vector<int> numbers = {1, 2, 3};
  auto const each = [](std::vector<int>& all) -> generator<int&> {
    for (int& one : all) co_yield one;
  };
  for (int& n : each(numbers)) n *= 10;
  CHECK(numbers == std::vector{10, 20, 30});

  auto const all_of_it = [](std::vector<int>& all) -> generator<int&> { co_yield elements_of(all); };
  for (int& n : all_of_it(numbers)) n += 1;
  CHECK(numbers == std::vector{11, 21, 31});

  auto const unchanged = [](int const& n) -> generator<int const&> { co_yield n; };
  for (int const& n : unchanged(numbers[0])) CHECK(&n == &numbers[0]);
}

TEST_CASE("a reference type of its own", "[generator]") {
  std::vector<std::string> names = {"a", "b"};
  auto const numbered =
      [](std::vector<std::string>& all) -> generator<std::pair<int, std::string&>, std::pair<int, std::string>> {
    int n = 0;
    for (auto& name : all) {
      ++n;
      co_yield std::pair<int, std::string&>(n, name);
    }
  };
  for (auto [n, name] : numbered(names)) name += std::to_string(n);
  CHECK(names == std::vector<std::string>{"a1", "b2"});
}

TEST_CASE("only an lvalue that the consumer might move from is copied", "[generator]") {
  REQUIRE(counted::alive == 0);
  counted::copies = 0;
  auto const temporaries = []() -> generator<counted> {
    counted own(3);
    co_yield counted(1);
    co_yield std::move(own);
  };
  for (counted&& each : temporaries()) CHECK(each.number % 2 == 1);
  CHECK(counted::copies == 0);

  auto const by_reference = []() -> generator<counted const&> {
    counted own(5);
    co_yield own;
    co_yield counted(6);
  };
  for (counted const& each : by_reference()) CHECK(each.number >= 5);
  CHECK(counted::copies == 0);

  auto const lvalues = []() -> generator<counted> {
    counted own(7);
    co_yield own;
    tell(std::to_string(own.number));  // the consumer had the copy
    co_yield own;
  };
  for (counted each : lvalues()) CHECK(each.number == 7);
  CHECK(counted::copies == 2);
  CHECK(told() == "7");
  CHECK(counted::alive == 0);
}

TEST_CASE("a small lvalue is copied, too", "[generator]") {
  auto const lvalues = []() -> generator<int> {
    int n = 4;
    co_yield n;
    co_yield n;
    int const fixed = 5;
    co_yield fixed;
  };
  std::vector<int> seen;
  for (int&& n : lvalues()) {
    seen.push_back(n);
    n = -1;
  }
  CHECK(seen == std::vector{4, 4, 5});
}

TEST_CASE("values that can only be moved", "[generator]") {
  auto const pointers = []() -> generator<std::unique_ptr<int>> {
    auto own = std::make_unique<int>(1);
    co_yield std::move(own);
    co_yield std::make_unique<int>(2);
  };
  int sum = 0;
  for (std::unique_ptr<int> each : pointers()) sum += *each;
  CHECK(sum == 3);
}

TEST_CASE("strings, and what converts to them", "[generator]") {
  std::string const long_text(100, 'x');
  auto const words = [](std::string const& text) -> generator<std::string> {
    std::string own = "own " + text;
    co_yield own;
    co_yield "literal";
    co_yield text;
    co_yield text + "!";
    co_yield std::move(own);
  };
  CHECK(list_of(words(long_text)) ==
        std::vector<std::string>{"own " + long_text, "literal", long_text, long_text + "!", "own " + long_text});
}

TEST_CASE("a generator works with the views of the standard", "[generator]") {
  CHECK(list_of(count_for_ever() | std::views::take(3)) == std::vector{0, 1, 2});
  auto odd_squares = count_for_ever() | std::views::filter([](int n) { return n % 2 == 1; }) |
                     std::views::transform([](int n) { return n * n; }) | std::views::take(3);
  CHECK(list_of(std::move(odd_squares)) == std::vector{1, 9, 25});
  int sum = 0;
  for (int n : count(0, 10) | std::views::drop(7)) sum += n;
  CHECK(sum == 7 + 8 + 9);
}

TEST_CASE("a generator can be moved between its elements", "[generator]") {
  auto numbers = count(1, 4);
  auto at = numbers.begin();
  CHECK(*at == 1);
  auto moved = std::move(numbers);
  ++at;
  CHECK(*at == 2);
  numbers = count(7, 8);
  ++at;
  CHECK(*at == 3);
  CHECK(*numbers.begin() == 7);
  ++at;
  CHECK(at == moved.end());
}

TEST_CASE("one generator delegates to another", "[generator]") {
  auto const inner = []() -> generator<int> {
    co_yield 3;
    co_yield 4;
  };
  auto const outer = [](auto other) -> generator<int> {
    co_yield 1;
    co_yield elements_of(other());
    co_yield 2;
  };
  auto numbers = outer(inner);
  auto at = numbers.begin();
  std::vector<int> seen;
  while (at != numbers.end()) {
    seen.push_back(*at);
    ++at;
  }
  CHECK(seen == std::vector{1, 3, 4, 2});
}

TEST_CASE("elements_of other ranges", "[generator]") {
  auto const all = []() -> generator<std::string> {
    std::vector<std::string> const words = {"a", "b"};
    co_yield elements_of(words);
    co_yield elements_of(std::list<std::string>(2, "c"));
    std::initializer_list<char const*> const literals = {"d", "e"};
    co_yield elements_of(literals);
    std::string own = "f";
    co_yield elements_of(std::views::single(own));
    co_yield elements_of(std::vector<std::string>());
  };
  CHECK(list_of(all()) == std::vector<std::string>{"a", "b", "c", "c", "d", "e", "f"});

  // A generator of another kind is a range like others.
  auto const wider = []() -> generator<long> {
    co_yield elements_of(count(1, 3));
    co_yield elements_of(std::views::iota(3, 5));
  };
  CHECK(list_of(wider()) == std::vector<long>{1, 2, 3, 4});
}

TEST_CASE("elements_of a named generator uses it up", "[generator]") {
  auto const delegates = [](generator<int>& other) -> generator<int> {
    co_yield elements_of(other);
    co_yield 9;
  };
  auto other = count(0, 2);
  CHECK(list_of(delegates(other)) == std::vector{0, 1, 9});
  other = count(4, 5);
  CHECK(list_of(delegates(other)) == std::vector{4, 9});
}

TEST_CASE("generators that yield nothing can be delegated to", "[generator]") {
  auto const all = []() -> generator<int> {
    co_yield elements_of(nothing());
    co_yield 1;
    co_yield elements_of(nothing());
    co_yield elements_of(nothing());
  };
  CHECK(list_of(all()) == std::vector{1});
}

TEST_CASE("generators with one way to yield and two value types nest", "[generator]") {
  auto const inner = [](int& n) -> generator<int&, long> { co_yield n; };
  auto const outer = [](auto other, int& n) -> generator<int&> { co_yield elements_of(other(n)); };
  int number = 5;
  for (int& each : outer(inner, number)) CHECK(&each == &number);
}

TEST_CASE("an exception leaves begin or ++, and is an end", "[generator]") {
  auto const throws_after = [](int elements) -> generator<int> {
    witness const here("body");
    for (int n = 0; n != elements; ++n) co_yield n;
    throw std::string("broken");
  };
  auto at_once = throws_after(0);
  CHECK_THROWS_AS(at_once.begin(), std::string);
  CHECK(told() == "~body");

  auto later = throws_after(2);
  auto at = later.begin();
  ++at;
  CHECK(*at == 1);
  CHECK(at != later.end());
  CHECK_THROWS_AS(++at, std::string);
  CHECK(at == later.end());
  CHECK(told() == "~body");
}

TEST_CASE("an exception of an inner generator is thrown by the co_yield of the outer", "[generator]") {
  auto const inner = [](witness) -> generator<int> {
    witness const here("inner");
    co_yield 1;
    throw std::string("broken");
  };
  auto const passes_on = [](auto other) -> generator<int> {
    witness const here("middle");
    co_yield elements_of(other(witness("parameter")));
    tell("never");
  };
  auto const catches = [](auto middle, auto other) -> generator<int> {
    for (int round = 0; round != 2; ++round) {
      try {
        co_yield elements_of(middle(other));
      } catch (std::string const& error) {
        tell(error);
      }
      co_yield 2;
    }
    co_yield elements_of(middle(other));
  };
  auto numbers = catches(passes_on, inner);
  auto at = numbers.begin();
  std::vector<int> seen;
  auto const to_the_end = [&] {
    for (; at != numbers.end(); ++at) seen.push_back(*at);
  };
  CHECK_THROWS_AS(to_the_end(), std::string);
  CHECK(seen == std::vector{1, 2, 1, 2, 1});
  CHECK(at == numbers.end());
  CHECK(told() == "~inner ~parameter ~middle broken ~inner ~parameter ~middle broken ~inner ~parameter ~middle");
}

TEST_CASE("an exception of another range is thrown by the co_yield", "[generator]") {
  auto const fails = []() -> generator<int> {
    auto numbers =
        std::views::iota(0) | std::views::transform([](int n) { return n < 2 ? n : throw std::string("end"); });
    try {
      co_yield elements_of(numbers);
    } catch (std::string const&) {
      tell("caught");
    }
    co_yield 7;
  };
  CHECK(list_of(fails()) == std::vector{0, 1, 7});
  CHECK(told() == "caught");
}

TEST_CASE("a nest that is dropped half-way is destroyed from within, each part once", "[generator]") {
  auto const inner = [](witness) -> generator<int> {
    witness const here("inner");
    co_yield 1;
    tell("never");
  };
  auto const middle = [](auto other) -> generator<int> {
    witness const here("middle");
    co_yield elements_of(other(witness("parameter")));
    tell("never");
  };
  auto const outer = [](auto between, auto other) -> generator<int> {
    witness const here("outer");
    co_yield elements_of(between(other));
    tell("never");
  };
  {
    auto numbers = outer(middle, inner);
    auto at = numbers.begin();
    CHECK(*at == 1);
    CHECK(told().empty());
  }
  CHECK(told() == "~inner ~parameter ~middle ~outer");

  // One that was assigned to, and one that never began.
  auto numbers = outer(middle, inner);
  CHECK(*numbers.begin() == 1);
  numbers = nothing();
  CHECK(told() == "~inner ~parameter ~middle ~outer");
  {
    auto const unused = inner(witness("parameter"));
  }
  CHECK(told() == "~parameter");
}

TEST_CASE("an inner generator is gone before the outer goes on", "[generator]") {
  auto const inner = [](witness) -> generator<int> {
    witness const here("inner");
    co_yield 1;
  };
  auto const outer = [](auto other) -> generator<int> {
    co_yield elements_of(other(witness("parameter")));
    tell("on");
  };
  CHECK(list_of(outer(inner)) == std::vector{1});
  CHECK(told() == "~inner ~parameter on");
}

TEST_CASE("a deep nest does not grow the stack", "[generator][one_item]") {
  long expected = 0;
  for (int number : chain(deep)) {
    if (number != expected++) FAIL(number << " came too early");
  }
  CHECK(expected == deep + 1L);
}

TEST_CASE("a deep nest can be dropped half-way", "[generator][one_item]") {
  auto numbers = chain(deep);
  CHECK(*numbers.begin() == 0);
  numbers = nothing();
  CHECK(list_of(std::move(numbers)).empty());
}

TEST_CASE("an exception passes through a deep nest", "[generator][one_item]") {
  struct nest {
    static generator<int> of(int depth) {
      if (depth == 0) throw depth;
      co_yield elements_of(of(depth - 1));
    }
  };
  auto numbers = nest::of(10'000);
  CHECK_THROWS_AS(numbers.begin(), int);
}

TEST_CASE("depth does not make an element dearer", "[generator][one_item]") {
  // 2 · 10⁵ elements from a depth of 10⁵: 10¹⁰ steps, that is minutes, if each of them went through the nest.
  long elements = 0;
  for (int number : chain(100'000, 200'000)) elements += number >= 0 ? 1 : 0;
  CHECK(elements == 300'001);
}

TEST_CASE("a generator that cannot be made leaves nothing behind", "[generator]") {
  REQUIRE(counted::alive == 0);
  auto const inner = [](counted first) -> generator<counted const&> {
    counted const own(first);
    std::vector<counted> const more(3, own);
    co_yield own;
    co_yield elements_of(more);
  };
  auto const outer = [](auto other, counted first) -> generator<counted const&> {
    counted const own(first);
    co_yield own;
    co_yield elements_of(other(own));
    co_yield elements_of(other(own));
  };
  // Bigger than what is recycled, so that it comes from operator new in every build.
  auto const big = [](counted first) -> generator<counted const&> {
    std::byte volatile room[5000] = {};
    co_yield first;
    room[0] = room[1];
  };
  int failures = 0;
  for (int k = 1; support::failing_new::available(); ++k) {
    int seen = 0;
    support::failing_new const shortage(k);
    try {
      for (counted const& each : outer(inner, counted(1))) seen += each.number;
      for (counted const& each : outer(big, counted(1))) seen += each.number;
    } catch (std::bad_alloc const&) {
      ++failures;
    }
    int const left = counted::alive;
    if (left != 0) FAIL(left << " left after the failure of allocation " << k);
    if (!shortage.happened()) {
      if (seen != 9 + 3) FAIL("only " << seen);
      break;
    }
  }
  CHECK((failures >= 4 || !support::failing_new::available()));
}
