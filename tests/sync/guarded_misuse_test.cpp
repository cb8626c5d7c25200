// SPDX-License-Identifier: BSL-1.0
//
// What checked builds report about guarded values; checked here whatever the rest of the build is.
#undef CONCUR_CHECKED
#define CONCUR_CHECKED 1
#include <concur/sync/guarded.hpp>

#include "../support/catch.hpp"
#include "../support/misuse.hpp"

#include <string>
#include <utility>

namespace {

using concur::guarded;
using support::report_of;
using support::speaks_of;
using support::throwing_misuse_handler;

}  // namespace

TEST_CASE("guarded: a handle without a lock gives no access", "[guarded][misuse]") {
  throwing_misuse_handler const throwing;
  guarded<std::string> g("text");
  auto handle = g.lock();
  handle.unlock();
  CHECK(speaks_of(report_of([&] { handle->clear(); }), "without its lock"));
  CHECK(speaks_of(report_of([&] { (*handle).clear(); }), "without its lock"));
  CHECK(speaks_of(report_of([&] { handle.unlock(); }), "without its lock"));
  handle = g.lock();
  auto const other = std::move(handle);
  CHECK(speaks_of(report_of([&] { handle->clear(); }), "without its lock"));
  CHECK(*other == "text");
  guarded<std::string>::handle const never_locked;
  CHECK(speaks_of(report_of([&] { never_locked->clear(); }), "without its lock"));
}

TEST_CASE("guarded: a party that locks the value it holds is told instead of waiting for ever", "[guarded][misuse]") {
  throwing_misuse_handler const throwing;
  guarded<int> g(1);
  auto const nested = [&] { g.with([&](int&) { g.with([](int& number) { number = 2; }); }); };
  CHECK(speaks_of(report_of(nested), "holds it already"));
  CHECK(*g.lock() == 1);
}
