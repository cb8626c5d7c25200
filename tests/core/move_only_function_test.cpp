// SPDX-License-Identifier: BSL-1.0
#include <concur/core/move_only_function.hpp>

#include "../support/catch.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <new>
#include <stdexcept>
#include <type_traits>
#include <utility>

using concur::move_only_function;

static_assert(sizeof(move_only_function<void()>) == 4 * sizeof(void*));
static_assert(std::is_nothrow_move_constructible_v<move_only_function<void()>>);
static_assert(std::is_nothrow_move_assignable_v<move_only_function<void()>>);
static_assert(!std::is_copy_constructible_v<move_only_function<void()>>);
static_assert(!std::is_constructible_v<move_only_function<void(int)>, void (*)(char*)>, "another argument");
static_assert(!std::is_constructible_v<move_only_function<char*()>, int (*)()>, "another result");
static_assert(!std::is_constructible_v<move_only_function<void() noexcept>, void (*)()>, "could throw");
static_assert(std::is_constructible_v<move_only_function<void() noexcept>, void (*)() noexcept>);
static_assert(std::is_constructible_v<move_only_function<void()>, int (*)()>, "a result may be dropped");

namespace {

// Counts the live copies; throws where it is told to; Bytes and Nothrow decide where it lies.
template <std::size_t Bytes, bool Nothrow>
struct tracked {
  static inline int alive = 0;
  static inline int destroyed = 0;
  static inline bool throw_on_copy = false;

  tracked() { ++alive; }
  tracked(tracked const&) {
    if (throw_on_copy) throw std::runtime_error("copy");
    ++alive;
  }
  tracked(tracked&&) noexcept(Nothrow) { ++alive; }
  ~tracked() {
    --alive;
    ++destroyed;
  }
  int operator()(int n) { return n + 1; }

  std::array<char, Bytes> payload{};
};

using small = tracked<8, true>;
using full = tracked<24, true>;
using large = tracked<25, true>;
using may_throw = tracked<8, false>;

int twice(int n) { return 2 * n; }

}  // namespace

TEMPLATE_TEST_CASE("the target moves along and is destroyed once", "[move_only_function]", small, full, large,
                   may_throw) {
  REQUIRE(TestType::alive == 0);
  {
    move_only_function<int(int)> first = TestType();
    CHECK(TestType::alive == 1);
    CHECK(first(1) == 2);
    move_only_function<int(int)> second(std::move(first));
    CHECK(TestType::alive == 1);
    CHECK_FALSE(first);
    CHECK(second(2) == 3);
    move_only_function<int(int)> third = TestType();
    third = std::move(second);
    CHECK(TestType::alive == 1);
    CHECK(third(3) == 4);
    auto& same = third;
    third = std::move(same);
    CHECK(TestType::alive == 1);
    third = nullptr;
    CHECK(TestType::alive == 0);
    CHECK_FALSE(third);
    third = TestType();
    CHECK(TestType::alive == 1);
  }
  CHECK(TestType::alive == 0);
}

TEMPLATE_TEST_CASE("a copy that throws on the way in leaves nothing behind", "[move_only_function]", small, large) {
  {
    TestType original;
    TestType::throw_on_copy = true;
    CHECK_THROWS_AS(move_only_function<int(int)>(original), std::runtime_error);
    TestType::throw_on_copy = false;
    CHECK(TestType::alive == 1);
  }
  CHECK(TestType::alive == 0);
}

TEST_CASE("up to three pointers lie within, if their move cannot throw", "[move_only_function]") {
  struct locate {
    void const* operator()() { return this; }
    void* payload[3];
  };
  move_only_function<void const*()> function = locate{};
  auto const* begin = reinterpret_cast<std::byte const*>(&function);
  auto const* target = static_cast<std::byte const*>(function());
  CHECK((target >= begin && target < begin + sizeof function));
}

TEST_CASE("captures that only move, references and results pass through", "[move_only_function]") {
  move_only_function<std::unique_ptr<int>(std::unique_ptr<int>, int&)> function =
      [kept = std::make_unique<int>(1)](std::unique_ptr<int> given, int& seen) {
        seen = *given + *kept;
        return given;
      };
  int seen = 0;
  auto const back = function(std::make_unique<int>(41), seen);
  CHECK(seen == 42);
  CHECK(*back == 41);
  int named = 5;
  move_only_function<int&(int&)> identity = [](int& n) -> int& { return n; };
  CHECK(&identity(named) == &named);
  int calls = 0;
  move_only_function<void()> dropping = [&calls] { return ++calls; };
  dropping();
  CHECK(calls == 1);
}

TEST_CASE("function pointers are held, null ones are none", "[move_only_function]") {
  move_only_function<int(int)> function = twice;
  CHECK(function(4) == 8);
  int (*none)(int) = nullptr;
  function = none;
  CHECK_FALSE(function);
  CHECK_FALSE(move_only_function<int(int)>());
  CHECK_FALSE(move_only_function<int(int)>(nullptr));
}

TEST_CASE("an exception of the target reaches the caller and leaves it usable", "[move_only_function]") {
  int calls = 0;
  move_only_function<void()> function = [&calls] {
    if (++calls == 1) throw std::runtime_error("first call");
  };
  CHECK_THROWS_AS(function(), std::runtime_error);
  CHECK_NOTHROW(function());
}

TEMPLATE_TEST_CASE_SIG("over-aligned targets are aligned, small ones too", "[move_only_function]",
                       ((std::size_t Alignment), Alignment), 16, 64) {
  struct alignas(Alignment) wide {
    bool operator()() const { return reinterpret_cast<std::uintptr_t>(this) % Alignment == 0; }
  };
  // Whatever the alignment of the whole, one of the two buffers does not suit the target.
  struct neighbours {
    move_only_function<bool() noexcept(false)> first = wide{};
    void* shift = nullptr;
    move_only_function<bool() noexcept(false)> second = wide{};
  } both;
  CHECK(both.first());
  CHECK(both.second());
}

TEST_CASE("targets are moved by their own constructor, not as bytes", "[move_only_function]") {
  struct knows_its_place {
    knows_its_place() noexcept : self(this) {}
    knows_its_place(knows_its_place&&) noexcept : self(this) {}
    bool operator()() const { return self == this; }
    knows_its_place* self;
  };
  move_only_function<bool()> first = knows_its_place();
  CHECK(first());
  move_only_function<bool()> second = std::move(first);
  CHECK(second());
}

TEST_CASE("checked builds report the call of an empty function", "[move_only_function]") {
  if constexpr (CONCUR_CHECKED) {
    auto* const before = concur::set_misuse_handler([](concur::misuse_report const& report) { throw report.line; });
    move_only_function<void()> none;
    CHECK_THROWS_AS(none(), unsigned);
    concur::set_misuse_handler(before);
  }
}
