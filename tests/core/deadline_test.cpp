// SPDX-License-Identifier: BSL-1.0
#include <concur/core/blocking.hpp>
#include <concur/core/deadline.hpp>

#include "../support/catch.hpp"

#include <cstdint>
#include <limits>
#include <ratio>
#include <vector>

using namespace std::chrono;
using concur::at_once;
using concur::deadline_after;
using concur::saturated;
using concur::saturating_add;
using concur::deadline_at;
using concur::os::never;

namespace {

using float_seconds = duration<float>;
using double_hours = duration<double, std::ratio<3600>>;
using frames = duration<std::int64_t, std::ratio<1, 60>>;
using thirds = duration<int, std::ratio<1, 3>>;

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

static_assert(saturated(nanoseconds(5)) == nanoseconds(5));
static_assert(saturated(hours(1)) == nanoseconds(3'600'000'000'000));
static_assert(saturated(hours(-1)) == nanoseconds(-3'600'000'000'000));
static_assert(saturated(hours::max()) == nanoseconds::max());
static_assert(saturated(hours::min()) == nanoseconds::min());
static_assert(saturated(milliseconds::max()) == nanoseconds::max());
static_assert(saturated(years::max()) == nanoseconds::max());
static_assert(saturated(nanoseconds::max()) == nanoseconds::max());
static_assert(saturated(nanoseconds::min()) == nanoseconds::min());
static_assert(saturated(seconds(9'223'372'036)) == seconds(9'223'372'036));
static_assert(saturated(seconds(9'223'372'037)) == nanoseconds::max());
static_assert(saturated(seconds(-9'223'372'036)) == seconds(-9'223'372'036));
static_assert(saturated(seconds(-9'223'372'037)) == nanoseconds::min());
static_assert(saturated(duration<std::uint64_t>(std::numeric_limits<std::uint64_t>::max())) == nanoseconds::max());
static_assert(saturated(duration<std::uint64_t>(7)) == seconds(7));
static_assert(saturated(duration<std::uint8_t, std::ratio<60>>(255)) == minutes(255));
static_assert(saturated(duration<std::int8_t>(-128)) == seconds(-128));

// Finer than a nanosecond: rounded up, never to nothing.
static_assert(saturated(duration<std::int64_t, std::pico>(1)) == nanoseconds(1));
static_assert(saturated(duration<std::int64_t, std::pico>(1'001)) == nanoseconds(2));
static_assert(saturated(duration<std::int64_t, std::pico>(-1)) == nanoseconds(0));
static_assert(saturated(duration<std::int64_t, std::atto>(1)) == nanoseconds(1));

static_assert(saturated(float_seconds(0.5f)) == milliseconds(500));
static_assert(saturated(duration<double, std::nano>(0.25)) == nanoseconds(1));
static_assert(saturated(duration<double>(infinity)) == nanoseconds::max());
static_assert(saturated(duration<double>(-infinity)) == nanoseconds::min());
static_assert(saturated(double_hours(1e300)) == nanoseconds::max());
static_assert(saturated(double_hours(-1e300)) == nanoseconds::min());
static_assert(saturated(duration<float>(std::numeric_limits<float>::denorm_min())) == nanoseconds(1));

static_assert(saturating_add(nanoseconds(2), nanoseconds(3)) == nanoseconds(5));
static_assert(saturating_add(nanoseconds::max(), nanoseconds(1)) == nanoseconds::max());
static_assert(saturating_add(nanoseconds(1), nanoseconds::max()) == nanoseconds::max());
static_assert(saturating_add(nanoseconds::min(), nanoseconds(-1)) == nanoseconds::min());
static_assert(saturating_add(nanoseconds(-1), nanoseconds::min()) == nanoseconds::min());
static_assert(saturating_add(nanoseconds::max(), nanoseconds::min()) == nanoseconds(-1));

}  // namespace

TEST_CASE("deadline: lengths of unusual types keep their value or saturate", "[deadline]") {
  // Not multiples of a nanosecond: rounded up.
  CHECK(saturated(thirds(1)) == nanoseconds(333'333'334));
  CHECK(saturated(thirds(3)) == seconds(1));
  CHECK(saturated(frames(60)) == seconds(1));
  CHECK(saturated(frames::max()) == nanoseconds::max());
  CHECK(saturated(frames::min()) == nanoseconds::min());
  // Within the range, but not within that of the conversion's intermediate product.
  frames const two_centuries(60LL * 3600 * 24 * 365 * 200);
  CHECK(saturated(two_centuries) == hours(24 * 365 * 200));
  using unsigned_nanoseconds = duration<std::uint64_t, std::nano>;
  CHECK(saturated(unsigned_nanoseconds(7)) == nanoseconds(7));
  CHECK(saturated(unsigned_nanoseconds::max()) == nanoseconds::max());
  CHECK(saturated(unsigned_nanoseconds(std::uint64_t(1) << 63)) == nanoseconds::max());
}

TEST_CASE("deadline: nothing and less than nothing has passed at once", "[deadline]") {
  CHECK(deadline_after(0s) == at_once);
  CHECK(deadline_after(-1ns) == at_once);
  CHECK(deadline_after(hours::min()) == at_once);
  CHECK(deadline_after(nanoseconds::min()) == at_once);
  CHECK(deadline_after(duration<double>(not_a_number)) == at_once);
  CHECK(deadline_after(duration<double>(-infinity)) == at_once);
  CHECK(deadline_after(duration<std::uint64_t>(0)) == at_once);
}

TEST_CASE("deadline: what is beyond the clock never comes", "[deadline]") {
  CHECK(deadline_after(hours::max()) == never);
  CHECK(deadline_after(nanoseconds::max()) == never);
  CHECK(deadline_after(years::max()) == never);
  CHECK(deadline_after(duration<double>(infinity)) == never);
  CHECK(deadline_after(duration<float, std::ratio<3600>>(std::numeric_limits<float>::max())) == never);
  CHECK(deadline_after(duration<std::uint64_t, std::nano>::max()) == never);
}

TEST_CASE("deadline: all between is counted from now and not before it", "[deadline]") {
  for (auto length : {1ns, 999ns, 1'000'000ns, 3'600'000'000'000ns}) {
    auto const before = concur::os::clock::now();
    auto const deadline = deadline_after(length);
    auto const after = concur::os::clock::now();
    CHECK(deadline >= before + length);
    CHECK(deadline <= after + length);
  }
}

namespace {

// A clock of a user's own, moved by hand.
struct set_clock {
  using duration = nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<set_clock>;
  [[maybe_unused]] static constexpr bool is_steady = false;
  static inline time_point current{};
  static time_point now() { return current; }
};

struct coarse_clock {
  using duration = hours;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<coarse_clock>;
  [[maybe_unused]] static constexpr bool is_steady = false;
  static inline time_point current{};
  static time_point now() { return current; }
};

}  // namespace

TEST_CASE("deadline: the steady clock's own points are passed on, held at the ends of the range", "[deadline]") {
  auto const now = steady_clock::now();
  CHECK(deadline_at(now) == now);
  CHECK(deadline_at(steady_clock::time_point::max()) == never);
  CHECK(deadline_at(steady_clock::time_point::min()) == at_once);
  CHECK(deadline_at(time_point<steady_clock, hours>::max()) == never);
  CHECK(deadline_at(time_point<steady_clock, hours>::min()) == at_once);
  CHECK(deadline_at(time_point<steady_clock, duration<double>>(duration<double>(infinity))) == never);
}

TEST_CASE("deadline: a point on another clock is measured from what that clock says", "[deadline]") {
  auto const in_about = [](concur::time_point deadline, nanoseconds expected) {
    auto const left = deadline - steady_clock::now();
    return left <= expected && left > expected - 1min;
  };
  set_clock::current = set_clock::time_point(100s);
  CHECK(in_about(deadline_at(set_clock::time_point(1h)), 1h - 100s));
  set_clock::current = set_clock::time_point(50s);
  CHECK(in_about(deadline_at(set_clock::time_point(1h)), 1h - 50s));
  set_clock::current = set_clock::time_point(1h);
  CHECK(deadline_at(set_clock::time_point(1h)) == at_once);
  CHECK(deadline_at(set_clock::time_point::min()) == at_once);
  CHECK(deadline_at(set_clock::time_point::max()) == never);
  CHECK(deadline_at(coarse_clock::time_point::max()) == never);
  CHECK(deadline_at(coarse_clock::time_point::min()) == at_once);
}

TEST_CASE("deadline: clocks at the ends of their range do not overflow", "[deadline]") {
  auto const far = [](concur::time_point limit) { return limit > steady_clock::now() + hours(24 * 365 * 100); };
  set_clock::current = set_clock::time_point::min();
  CHECK(far(deadline_at(set_clock::time_point::max() - 1ns)));
  CHECK(far(deadline_at(set_clock::time_point())));
  coarse_clock::current = coarse_clock::time_point::min();
  CHECK(far(deadline_at(coarse_clock::time_point())));
  coarse_clock::current = coarse_clock::time_point::max();
  CHECK(deadline_at(coarse_clock::time_point()) == at_once);
}

TEST_CASE("deadline: a wait keeps its place while a clock of the user's own is asked again", "[deadline]") {
  // The clock runs slowly, is set back, and jumps ahead; only then is the wait over.
  set_clock::current = set_clock::time_point(100s);
  auto const when = set_clock::time_point(100s + 1us);
  auto limit = concur::limit_at(when);
  static int asked;
  asked = 0;
  limit.ask_again = [](void const*) {
    switch (++asked) {
      case 1: set_clock::current += 500ns; break;
      case 2: set_clock::current = set_clock::time_point(100s - 1us); break;
      default: set_clock::current = set_clock::time_point(1h);
    }
    return deadline_at(set_clock::time_point(100s + 1us));
  };
  concur::waiter me;
  int withdrawn = 0;
  auto const why = concur::wait_in_list(me, limit, [&] { return ++withdrawn == 1; });
  CHECK(why == concur::wake_reason::none);
  CHECK(asked == 3);
  CHECK(withdrawn == 1);
}
