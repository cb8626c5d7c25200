// SPDX-License-Identifier: BSL-1.0
//
// What checked builds report about guarded values; checked here whatever the rest of the build is.
#undef CONCUR_CHECKED
#define CONCUR_CHECKED 1
#include <concur/sync/guarded.hpp>

#include "../support/catch.hpp"
#include "../support/hammer.hpp"

#include <string>
#include <utility>

namespace {

using concur::guarded;
using support::reported_misuse;
using support::throwing_misuse_handler;

// What `use` reports, or nothing.
template <class Use>
std::string report_of(Use use) {
  try {
    use();
  } catch (reported_misuse const& report) {
    return report.sentence;
  }
  return "";
}

bool speaks_of(std::string const& report, char const* words) { return report.find(words) != std::string::npos; }

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
