// SPDX-License-Identifier: BSL-1.0
//
// Stop tokens on explored threads keep the standard's promises.
#include <concur/core/os.hpp>
#include <concur/testing/explorer.hpp>

#include "support/catch.hpp"

#include <functional>
#include <optional>
#include <set>
#include <type_traits>

namespace {

namespace os = concur::os;
namespace testing = concur::testing;
using enum std::memory_order;

TEST_CASE("a stop callback's destructor waits while another thread runs the callback") {
  std::set<int> seen;
  auto const r = testing::explore([&seen](testing::scenario& s) {
    struct state {
      os::stop_source source;
      os::plain<int> used{0};
      os::atomic<int> steps{0};
    };
    auto& st = s.make<state>();
    s.thread("owner", [&st] {
      {
        os::stop_callback const callback(st.source.get_token(), [&st] {
          st.steps.fetch_add(1, relaxed);
          st.used.set(st.used.get() + 1);
          st.steps.fetch_add(1, relaxed);
        });
      }
      st.used.set(st.used.get() + 10);  // a race if the callback could still run
    });
    s.thread("stopper", [&st] { st.source.request_stop(); });
    s.finally([&] { seen.insert(st.used.get() + 100 * st.steps.load()); });
  });
  INFO(r);
  CHECK(r.passed);
  CHECK(r.exhausted);
  CHECK(seen == std::set<int>{10, 211});
}

TEST_CASE("a stop callback may destroy itself") {
  auto const r = testing::explore([](testing::scenario& s) {
    using callback = os::stop_callback<std::function<void()>>;
    struct state {
      os::stop_source source;
      std::optional<callback> c;
    };
    auto& st = s.make<state>();
    st.c.emplace(st.source.get_token(), [&st] { st.c.reset(); });
    s.thread("stopper", [&st] { st.source.request_stop(); });
    s.finally([&st] { testing::check(!st.c.has_value(), "the callback has not run"); });
  });
  INFO(r);
  CHECK(r.passed);
  CHECK(r.exhausted);
}

TEST_CASE("of two requests one succeeds, and what came before it is visible to whoever sees it") {
  auto const r = testing::explore([](testing::scenario& s) {
    struct state {
      os::stop_source source;
      os::plain<int> why{0};
      os::atomic<int> successes{0};
    };
    auto& st = s.make<state>();
    s.thread("first", [&st] {
      st.why.set(1);
      if (st.source.request_stop()) st.successes.fetch_add(1, relaxed);
    });
    s.thread("second", [&st] {
      os::stop_token const token = st.source.get_token();
      if (token.stop_requested()) testing::check(st.why.get() == 1, "stopped without a reason");
      os::stop_callback const late(token, [&st] { (void)st.why.get(); });
    });
    s.finally([&st] {
      testing::check(!st.source.request_stop(), "a second request succeeded");
      testing::check(st.successes.load() == 1, "no request succeeded");
    });
  });
  INFO(r);
  CHECK(r.passed);
  CHECK(r.exhausted);
}

TEST_CASE("outside an execution stop tokens act as the standard's") {
  os::stop_source source;
  os::stop_token const token = source.get_token();
  CHECK(token.stop_possible());
  CHECK_FALSE(token.stop_requested());
  int ran = 0;
  {
    os::stop_callback const first(token, [&ran] { ran += 1; });
    os::stop_callback const second(token, [&ran] { ran += 10; });
    {
      os::stop_callback const gone(token, [&ran] { ran += 100; });
    }
    CHECK(source.request_stop());
  }
  CHECK(ran == 11);
  CHECK_FALSE(source.request_stop());
  os::stop_callback const late(token, [&ran] { ran += 1000; });
  CHECK(ran == 1011);
  CHECK_FALSE(os::stop_token().stop_possible());
  std::optional<os::stop_source> only(std::in_place);
  os::stop_token const orphan = only->get_token();
  only.reset();
  CHECK_FALSE(orphan.stop_possible());
  static_assert(std::is_nothrow_move_constructible_v<os::stop_token>);
}

}  // namespace
