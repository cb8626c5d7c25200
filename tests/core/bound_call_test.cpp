// SPDX-License-Identifier: BSL-1.0
#include <concur/core/bound_call.hpp>

#include "../support/catch.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

namespace {

using concur::bound_call;
using concur::os::stop_source;
using concur::os::stop_token;

int plain(int a, long b) { return a + int(b); }
int with_token(stop_token const& stop, int n) { return stop.stop_possible() ? n : -n; }

struct object {
  int add(int n) { return value += n; }
  int add_unless_stopped(stop_token const& stop, int n) { return stop.stop_possible() ? value += n : value; }
  int value = 0;
};

// What is made when a call is made of values: functions decay as arguments do.
template <class... Given>
using call_of = bound_call<std::decay_t<Given>...>;

template <class... Given>
std::optional<call_of<Given...>> hold(Given&&... given) {
  return std::optional<call_of<Given...>>(std::in_place, std::forward<Given>(given)...);
}

// Makes the call with a token of `source`.
template <class Call>
decltype(auto) make(Call&& call, stop_source const& source) {
  return std::move(call)([&source] { return source.get_token(); });
}

// For calls that must not ask for a token.
template <class Call>
decltype(auto) make(Call&& call) {
  return std::move(call)([]() -> stop_token { throw std::logic_error("a token nobody wanted"); });
}

struct nothing {};
struct only_with_ints {
  void operator()(int) const {}
};

static_assert(!std::is_copy_constructible_v<bound_call<nothing>> && !std::is_move_constructible_v<bound_call<nothing>>);

static_assert(call_of<decltype(plain), int, long>::callable);
static_assert(!call_of<decltype(plain), int>::callable, "too few");
static_assert(!call_of<decltype(plain), int, std::string>::callable, "another type");
static_assert(!call_of<only_with_ints, int&, int>::callable, "too many");
static_assert(!bound_call<int (object::*)(int), int>::callable, "no object");
static_assert(std::is_void_v<call_of<decltype(plain), int>::result_type>);

static_assert(!call_of<decltype(plain), int, long>::takes_token);
static_assert(call_of<decltype(with_token), int>::takes_token);
static_assert(!bound_call<int (object::*)(int), object*, int>::takes_token);
static_assert(bound_call<decltype(&object::add_unless_stopped), object*, int>::takes_token);
static_assert(bound_call<decltype(&object::add_unless_stopped), std::reference_wrapper<object>, int>::takes_token);

static_assert(std::is_same_v<bound_call<int const& (*)(std::string const&), std::string>::result_type, int const&>);
static_assert(std::is_same_v<bound_call<int object::*, object*>::result_type, int&>);

// No larger than its parts.
static_assert(sizeof(bound_call<void (*)()>) == sizeof(void*));
static_assert(sizeof(bound_call<only_with_ints, int>) == sizeof(int));
static_assert(std::is_empty_v<bound_call<nothing>>);

// A function whose body would not compile with anything but a token first: whether it can be called without one must
// not even be asked.
constexpr auto needs_token = [](auto const& stop, auto const&...) { return stop.stop_possible(); };
static_assert(call_of<decltype(needs_token), int>::takes_token);

// Counts those alive that hold a value.
class tracked {
 public:
  explicit tracked(int& alive) : alive_(&alive) { ++*alive_; }
  tracked(tracked const& other) : alive_(other.alive_) { ++*alive_; }
  tracked& operator=(tracked const&) = delete;
  ~tracked() { --*alive_; }

 private:
  int* alive_;
};

struct counts_moves {
  counts_moves() = default;
  counts_moves(counts_moves&& other) noexcept : moves(other.moves + 1) {}
  counts_moves& operator=(counts_moves&&) = delete;
  int moves = 0;
};

}  // namespace

TEST_CASE("bound_call: calls functions, members and function objects, and returns what they return", "[bound_call]") {
  CHECK(make(*hold(plain, 2, 3L)) == 5);
  CHECK(make(*hold(&plain, 2, 4L)) == 6);
  CHECK(make(*hold([] { return 7; })) == 7);
  CHECK(make(*hold([](std::string const& text) { return text.size(); }, "four")) == 4);
  CHECK(make(*hold([](std::tuple<int> one) { return std::get<0>(one); }, std::tuple(8))) == 8);

  object o;
  CHECK(make(*hold(&object::add, &o, 2)) == 2);
  CHECK(make(*hold(&object::add, std::ref(o), 3)) == 5);
  CHECK(make(*hold(&object::add, o, 3)) == 8);  // to a copy
  CHECK(o.value == 5);
  make(*hold(&object::value, &o)) = 6;
  CHECK(o.value == 6);

  int n = 1;
  CHECK(&make(*hold([](int& given) -> int& { return given; }, std::ref(n))) == &n);
  static_assert(std::is_void_v<decltype(make(*hold([](int&) {}, std::ref(n))))>);
}

TEST_CASE("bound_call: a function that can take a stop token first gets one, any other does not", "[bound_call]") {
  stop_source const source;
  CHECK(make(*hold(with_token, 11), source) == 11);
  CHECK(make(*hold([](stop_token const& stop) { return stop; }), source) == source.get_token());
  CHECK(make(*hold([](auto const&... all) { return sizeof...(all); }, 1, 2), source) == 3);
  CHECK(make(*hold(needs_token, 1), source));
  CHECK(make(*hold([](int n) { return n; }, 1)) == 1);
  // The caller's own token is an argument like any other.
  stop_source const mine;
  auto const second = [](stop_token const&, stop_token const& given) { return given; };
  CHECK(make(*hold(second, mine.get_token()), source) == mine.get_token());
}

TEST_CASE("bound_call: a member function gets the stop token after its object", "[bound_call]") {
  stop_source const source;
  object o;
  CHECK(make(*hold(&object::add_unless_stopped, &o, 1), source) == 1);
  CHECK(make(*hold(&object::add_unless_stopped, std::ref(o), 2), source) == 3);
  CHECK(make(*hold(&object::add_unless_stopped, std::make_unique<object>(), 4), source) == 4);
  CHECK(o.value == 3);
}

TEST_CASE("bound_call: the parts are moved in once, and handed over without a further move", "[bound_call]") {
  stop_source const source;
  CHECK(make(*hold([](counts_moves&& given) { return given.moves; }, counts_moves())) == 1);
  CHECK(make(*hold([](stop_token const&, counts_moves&& given) { return given.moves; }, counts_moves()), source) == 1);
  struct host {
    int moves(stop_token const&, counts_moves&& given) { return given.moves; }
  };
  CHECK(make(*hold(&host::moves, host(), counts_moves()), source) == 1);

  auto owner =
      hold([p = std::make_unique<int>(5)](std::unique_ptr<int> q) { return *p + *q; }, std::make_unique<int>(6));
  CHECK(make(*owner) == 11);
  // Handed over as rvalues: these can be called in no other way.
  struct only_once {
    int operator()() && { return 1; }
    int operator()(stop_token const&, int n) && { return n; }
    int member(stop_token const&) && { return 3; }
  };
  CHECK(make(*hold(only_once())) == 1);
  CHECK(make(*hold(only_once(), 2), source) == 2);
  CHECK(make(*hold(&only_once::member, only_once()), source) == 3);
}

TEST_CASE("bound_call: results that cannot be moved are made in place", "[bound_call]") {
  struct pinned {
    explicit pinned(int n) : value(n) {}
    pinned(pinned const&) = delete;
    pinned& operator=(pinned const&) = delete;
    int value;
  };
  auto const plainly = make(*hold([](int n) { return pinned(n); }, 1));
  auto const with_a_token = make(*hold([](stop_token const&, int n) { return pinned(n); }, 2), stop_source());
  CHECK(plainly.value == 1);
  CHECK(with_a_token.value == 2);
}

TEST_CASE("bound_call: its parts live as long as it does, called or not, also when the call throws", "[bound_call]") {
  int alive = 0;
  auto const body = [held = tracked(alive)](tracked const&, bool throws) {
    if (throws) throw std::runtime_error("thrown");
  };
  REQUIRE(alive == 1);
  auto never_called = hold(body, tracked(alive), false);
  CHECK(alive == 3);
  never_called.reset();
  CHECK(alive == 1);

  auto called = hold(body, tracked(alive), false);
  make(*called);
  CHECK(alive == 3);
  called.reset();
  CHECK(alive == 1);

  auto thrown = hold(body, tracked(alive), true);
  CHECK_THROWS_AS(make(*thrown), std::runtime_error);
  CHECK(alive == 3);
  thrown.reset();
  CHECK(alive == 1);
}

TEST_CASE("bound_call: when an argument cannot be copied, nothing is left", "[bound_call]") {
  struct refuses_copies {
    refuses_copies() = default;
    refuses_copies(refuses_copies const&) { throw std::runtime_error("no copy"); }
    refuses_copies& operator=(refuses_copies const&) = delete;
  };
  int alive = 0;
  refuses_copies const never;
  CHECK_THROWS_AS(hold([held = tracked(alive)](tracked const&, refuses_copies const&) {}, tracked(alive), never),
                  std::runtime_error);
  CHECK(alive == 0);
}
