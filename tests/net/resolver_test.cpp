// SPDX-License-Identifier: BSL-1.0
//
// Nothing here asks a name server: names are looked up in functions of the tests, or are those of this machine.
#include <concur/net/resolver.hpp>

#include "../coro/coro_support.hpp"
#include "../pool/pool_support.hpp"
#include "../support/catch.hpp"
#include "../support/failing_new.hpp"
#include "../support/forked.hpp"
#include "../support/hammer.hpp"
#include "../support/limits.hpp"
#include "../support/recorded_errors.hpp"
#include "../support/sanitizers.hpp"

#include <concur/coro/gather.hpp>
#include <concur/coro/spawn.hpp>
#include <concur/coro/timeout.hpp>
#include <concur/loop/run.hpp>
#include <concur/sync/event.hpp>
#include <concur/sync/latch.hpp>
#include <concur/sync/mutex.hpp>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <memory>
#include <mutex>
#include <netdb.h>
#include <optional>
#include <stdexcept>
#include <string>
#include <sys/socket.h>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using concur::address_family;
using concur::endpoint;
using concur::event;
using concur::future;
using concur::ip_address;
using concur::resolve_errc;
using concur::resolve_options;
using concur::resolve_query;
using concur::resolve_results;
using concur::resolver;
using concur::resolver_options;
using concur::task;
using concur::thread_pool;
using support::hand_loop;
using support::nothing_left_behind;
using support::recorded_errors;
using support::rounds;
using support::soon;
using support::throws;
using support::value_of;

endpoint const answer_a = endpoint::parse("192.0.2.1:80");
endpoint const answer_b = endpoint::parse("[2001:db8::1]:80");

/// Lookups that hang until they are let go, and are counted.
class held_lookups {
 public:
  concur::lookup_function function() {
    return [this](resolve_query const& asked) -> resolve_results {
      note(asked.host());
      ++begun_;
      int const now = ++running_;
      for (int most = most_; most < now && !most_.compare_exchange_weak(most, now);) {
      }
      gate_.wait();
      --running_;
      ++ended_;
      if (fails_) throw std::runtime_error("too late");
      return resolve_results({answer_a});
    };
  }
  void let_go() { gate_.set(); }
  void let_fail() {
    fails_ = true;
    gate_.set();
  }

  bool wait_for_begun(int count) const {
    return soon([this, count] { return begun_ >= count; });
  }
  int begun() const { return begun_; }
  int ended() const { return ended_; }
  int most_at_once() const { return most_; }
  /// What they were asked for, in the order in which they began.
  std::vector<std::string> hosts() const {
    std::lock_guard const hold(lock_);
    return hosts_;
  }

 private:
  void note(std::string const& host) {
    std::lock_guard const hold(lock_);
    hosts_.push_back(host);
  }

  concur::mutex mutable lock_;
  std::vector<std::string> hosts_;
  event gate_;
  std::atomic<int> begun_{0};
  std::atomic<int> running_{0};
  std::atomic<int> most_{0};
  std::atomic<int> ended_{0};
  std::atomic<bool> fails_{false};
};

/// Declared after a resolver, whose destructor waits for its lookups: also where a test ends early.
class letting_go {
 public:
  explicit letting_go(held_lookups& held) : held_(held) {}
  letting_go(letting_go const&) = delete;
  letting_go& operator=(letting_go const&) = delete;
  ~letting_go() { held_.let_go(); }

 private:
  held_lookups& held_;
};

/// All of its places are free again, in the end.
bool all_idle(resolver const& asked) {
  return soon([&asked] { return asked.idle() == asked.limit(); });
}

template <class Attempt>
std::error_code code_of(Attempt attempt) {
  try {
    attempt();
  } catch (std::system_error const& thrown) {
    return thrown.code();
  }
  return {};
}

resolve_results nobody_asks(resolve_query const& asked) { throw std::logic_error("asked for " + asked.host()); }

/// Gives a lookup up that hangs; it was the last of so many.
void give_up_under_way(resolver& asked, held_lookups const& lookups, int count = 1) {
  hand_loop here;
  auto f = concur::spawn(here, asked.async_resolve("slow", 80));
  here.run_all();
  REQUIRE(lookups.wait_for_begun(count));
  f.cancel();
  here.run_all();
  REQUIRE(f.done());
  CHECK_THROWS_AS(f.get(), concur::cancelled);
}

task<bool> gives_up(resolver& asked) {
  auto const late = co_await concur::move_on_after(1ms, asked.async_resolve("slow", 80));
  co_return !late.has_value();
}

task<> awaits(resolver& asked, std::vector<int>& order, int number) {
  auto const found = co_await asked.async_resolve("host" + std::to_string(number), 80);
  order.push_back(number);
}

}  // namespace

TEST_CASE("resolver: addresses with a port are answered without a thread", "[resolver]") {
  nothing_left_behind const balance;
  resolver mine(resolver_options().lookup(nobody_asks));
  auto const threads = concur::thread_count();
  // The loop of `value_of` does not wait for others.
  CHECK(value_of(mine.async_resolve("127.0.0.1", 80)).endpoints() == std::vector{endpoint::parse("127.0.0.1:80")});
  CHECK(value_of(mine.async_resolve("::1", "80")).endpoints() == std::vector{endpoint::parse("[::1]:80")});
  CHECK(value_of(mine.async_resolve("::1%lo", "")).front().to_string() == "[::1%lo]:0");
  CHECK(mine.resolve("1.2.3.4", 65535)[0].to_string() == "1.2.3.4:65535");
  auto const named = mine.try_resolve_for("0:0::1", 1, 0s, resolve_options().canonical_name());
  REQUIRE(named);
  CHECK(named->canonical_name() == "::1");
  concur::os::stop_source stopped;
  stopped.request_stop();
  CHECK(mine.resolve("::1", 1, stopped.get_token()).has_value());
  CHECK(code_of([&] { static_cast<void>(mine.resolve("::1", 1, resolve_options().family(address_family::ipv4))); }) ==
        resolve_errc::wrong_family);
  CHECK(mine.resolve("::1", 1, resolve_options().family(address_family::ipv6)).size() == 1);
  CHECK(concur::thread_count() == threads);
  // And nothing else is.
  CHECK_THROWS_AS(mine.resolve("127.1", 80), std::logic_error);
  CHECK_THROWS_AS(mine.resolve("127.0.0.1", "http"), std::logic_error);
  CHECK_THROWS_AS(mine.resolve("", 80), std::logic_error);
}

TEST_CASE("resolver: a function is asked what the caller asked, and answers", "[resolver]") {
  std::vector<std::string> asked;
  auto const note = [&asked](resolve_query const& query) {
    asked.push_back(query.host() + ' ' + query.service().text() + ' ' + std::to_string(query.options().is_passive()) +
                    std::to_string(query.options().is_datagram()) + ' ' +
                    std::to_string(int(query.options().family())));
    return resolve_results({answer_a, answer_b, answer_a, answer_b}, "canonical");
  };
  resolver mine(resolver_options().lookup(note));
  auto const found = mine.resolve("a", "https", resolve_options().passive().family(address_family::ipv6));
  CHECK(found.endpoints() == std::vector{answer_a, answer_b});
  CHECK(found.canonical_name() == "canonical");
  CHECK(concur::run(mine.async_resolve("b", 81, resolve_options().datagram())).size() == 2);
  CHECK(mine.try_resolve_for("c", "", 1h)->size() == 2);
  concur::os::stop_source const never;
  CHECK(mine.resolve("d", 7, never.get_token())->size() == 2);
  CHECK(asked == std::vector<std::string>{"a https 10 10", "b 81 01 0", "c  00 0", "d 7 00 0"});
  CHECK(all_idle(mine));
}

TEST_CASE("resolver: a lookup runs elsewhere, and its task goes on where it was", "[resolver]") {
  std::thread::id looked_up;
  resolver mine(resolver_options().lookup([&looked_up](resolve_query const&) {
    looked_up = std::this_thread::get_id();
    return resolve_results({answer_a});
  }));
  std::thread::id resumed;
  auto const body = [&]() -> task<> {
    auto const found = co_await mine.async_resolve("a", 80);
    resumed = std::this_thread::get_id();
  };
  concur::run(body());
  CHECK(resumed == std::this_thread::get_id());
  CHECK(looked_up != resumed);
  CHECK(looked_up != std::thread::id());
}

TEST_CASE("resolver: what a lookup throws comes to who waits, and to nobody else", "[resolver]") {
  recorded_errors const hook;
  resolver mine(resolver_options().lookup([](resolve_query const& asked) -> resolve_results {
    throw std::system_error(resolve_errc::try_again, asked.host());
  }));
  CHECK(code_of([&] { static_cast<void>(mine.resolve("a", 1)); }) == resolve_errc::try_again);
  CHECK(code_of([&] { static_cast<void>(mine.try_resolve_for("a", 1, 1h)); }) == resolve_errc::try_again);
  CHECK(code_of([&] { static_cast<void>(concur::run(mine.async_resolve("a", 1))); }) == resolve_errc::try_again);
  CHECK(all_idle(mine));
  CHECK(recorded_errors::all().empty());
}

TEST_CASE("resolver: a zero byte in a name and a port that is none are refused", "[resolver]") {
  resolver mine(resolver_options().lookup(nobody_asks));
  std::string const cut("good.example\0.bad", 17);
  CHECK_THROWS_AS(mine.resolve(cut, 80), std::invalid_argument);
  CHECK_THROWS_AS(mine.resolve("a", cut), std::invalid_argument);
  CHECK_THROWS_AS(mine.try_resolve_for(cut, 80, 1h), std::invalid_argument);
  CHECK_THROWS_AS(concur::run(mine.async_resolve(cut, 80)), std::invalid_argument);
  CHECK_THROWS_AS(mine.resolve("a", 65536), std::invalid_argument);
  CHECK_THROWS_AS(mine.resolve("a", -1), std::invalid_argument);
  CHECK(concur::service_name("65536").port() == std::nullopt);
  CHECK(concur::service_name("080").port() == std::nullopt);
  CHECK(concur::service_name(0).port() == 0);
}

TEST_CASE("resolver: a cancelled task does not wait for its lookup", "[resolver]") {
  for (bool const fails : {false, true}) {
    recorded_errors const hook;
    held_lookups lookups;
    resolver mine(resolver_options().lookup(lookups.function()));
    letting_go const at_end(lookups);
    give_up_under_way(mine, lookups);
    CHECK(lookups.ended() == 0);
    // It keeps its place as long as it runs.
    CHECK(mine.idle() == mine.limit() - 1);
    if (fails) {
      lookups.let_fail();
    } else {
      lookups.let_go();
    }
    CHECK(all_idle(mine));
    CHECK(lookups.ended() == 1);
    CHECK(recorded_errors::all().empty());
  }
}

TEST_CASE("resolver: in a cancelled task nothing is looked up, and even an answer without a wait is refused",
          "[resolver]") {
  held_lookups lookups;
  resolver mine(resolver_options().lookup(lookups.function()));
  letting_go const at_end(lookups);
  for (std::string const host : {"127.0.0.1", "name"}) {
    hand_loop here;
    bool cancelled = false;
    auto const body = [&]() -> task<> {
      cancelled = here.tasks().cancel();
      auto const found = co_await mine.async_resolve(host, 80);
    };
    auto f = concur::spawn(here, body());
    here.run_all();
    CHECK(cancelled);
    CHECK_THROWS_AS(f.get(), concur::cancelled);
  }
  CHECK(lookups.begun() == 0);
}

TEST_CASE("resolver: at most so many lookups run at a time, and the next one begins when one ends", "[resolver]") {
  for (std::size_t const limit : {1U, 3U}) {
    held_lookups lookups;
    resolver mine(resolver_options().lookup(lookups.function()).limit(limit));
    letting_go const at_end(lookups);
    hand_loop here;
    std::vector<int> order;
    std::vector<std::string> in_order;
    std::vector<future<void>> waiting;
    for (int i = 0; i < 20; ++i) {
      in_order.push_back("host" + std::to_string(i));
      waiting.push_back(concur::spawn(here, awaits(mine, order, i)));
    }
    here.run_all();
    REQUIRE(lookups.wait_for_begun(int(limit)));
    CHECK(mine.idle() == 0);
    lookups.let_go();
    here.run_until([&] { return order.size() == waiting.size(); });
    CHECK(lookups.most_at_once() == int(limit));
    CHECK(lookups.begun() == 20);
    // They begin in order; the next one may end before this one's caller has been told.
    if (limit == 1) CHECK(lookups.hosts() == in_order);
    CHECK(all_idle(mine));
  }
}

TEST_CASE("resolver: a lookup that has not begun when it is given up never begins", "[resolver]") {
  held_lookups lookups;
  resolver mine(resolver_options().lookup(lookups.function()).limit(1));
  letting_go const at_end(lookups);
  hand_loop here;
  std::vector<int> order;
  auto const first = concur::spawn(here, awaits(mine, order, 1));
  here.run_all();
  REQUIRE(lookups.wait_for_begun(1));
  auto const second = concur::spawn(here, awaits(mine, order, 2));
  auto const third = concur::spawn(here, awaits(mine, order, 3));
  here.run_all();
  second.cancel();
  here.run_all();
  CHECK(second.done());
  CHECK_FALSE(mine.try_resolve_for("slow", 80, 1ms));
  lookups.let_go();
  here.run_until([&] { return first.done() && third.done(); });
  CHECK(order == std::vector{1, 3});
  CHECK(lookups.begun() == 2);
}

TEST_CASE("resolver: in a pool that is busy, too, and then its place is free", "[resolver]") {
  held_lookups lookups;
  thread_pool pool(2);
  resolver mine(resolver_options().lookup(lookups.function()).pool(pool).limit(2));
  letting_go const at_end(lookups);
  support::held_workers held(pool, 2);
  CHECK(concur::run(gives_up(mine)));
  CHECK_FALSE(mine.try_resolve_for("slow", 80, 1ms));
  CHECK(mine.idle() == 2);
  held.release();
  pool.wait_idle();
  CHECK(lookups.begun() == 0);
}

TEST_CASE("resolver: slow names leave workers of a pool to others", "[resolver]") {
  held_lookups lookups;
  thread_pool pool(4);
  resolver mine(resolver_options().lookup(lookups.function()).pool(pool));
  letting_go const at_end(lookups);
  CHECK(mine.limit() == 2);
  hand_loop here;
  std::vector<int> order;
  std::vector<future<void>> waiting;
  for (int i = 0; i < 50; ++i) waiting.push_back(concur::spawn(here, awaits(mine, order, i)));
  here.run_all();
  REQUIRE(lookups.wait_for_begun(2));
  // Both of the others, at the same time.
  concur::latch both(2);
  auto const meet = [&both] { both.arrive_and_wait(); };
  auto f = pool.submit(meet);
  auto g = pool.submit(meet);
  CHECK(f.wait_for(30s));
  CHECK(g.wait_for(30s));
  CHECK(lookups.begun() == 2);
  lookups.let_go();
  here.run_until([&] { return order.size() == waiting.size(); });
  CHECK(lookups.most_at_once() == 2);
}

TEST_CASE("resolver: limits of every kind, in vain and in time", "[resolver]") {
  // They wait for the only place, or for an answer.
  for (std::size_t const limit : {1U, 1000U}) {
    held_lookups lookups;
    thread_pool pool(1);
    resolver mine(resolver_options().lookup(lookups.function()).pool(pool).limit(limit));
    letting_go const at_end(lookups);
    auto const wait_for = [&](auto const& length) { return mine.try_resolve_for("slow", 80, length).has_value(); };
    auto const wait_until = [&](auto const& moment) { return mine.try_resolve_until("slow", 80, moment).has_value(); };
    give_up_under_way(mine, lookups);
    support::check_limits_in_vain(wait_for, wait_until);
    CHECK(lookups.begun() == 1);
    CHECK(mine.idle() == limit - 1);
    lookups.let_go();
    CHECK(wait_for(1h));
    CHECK(wait_until(std::chrono::system_clock::now() + 1h));
    CHECK(all_idle(mine));
  }
}

TEST_CASE("resolver: a stop ends the wait for a lookup, and the wait for a place", "[resolver]") {
  held_lookups lookups;
  resolver mine(resolver_options().lookup(lookups.function()).limit(1));
  letting_go const at_end(lookups);
  for (int i = 0; i < 2; ++i) {
    concur::os::stop_source source;
    std::optional<resolve_results> found;
    std::thread waiting([&] { found = mine.resolve("slow", 80, source.get_token()); });
    REQUIRE(lookups.wait_for_begun(1));
    source.request_stop();
    waiting.join();
    CHECK_FALSE(found);
  }
  CHECK(lookups.begun() == 1);
}

TEST_CASE("resolver: a cancel beside the answer gives one of the two, and no place is lost", "[resolver]") {
  recorded_errors const hook;
  resolver mine(resolver_options().limit(2).lookup([](resolve_query const&) { return resolve_results({answer_a}); }));
  int answered = 0;
  int given_up = 0;
  for (int round = 0; round < rounds(3000); ++round) {
    hand_loop here;
    std::vector<future<resolve_results>> all;
    for (int i = 0; i < 4; ++i) all.push_back(concur::spawn(here, mine.async_resolve("a", 80)));
    for (int i = 0; i < round % 7; ++i) here.run_one();
    for (int i = 0; i < round % 5; ++i) std::this_thread::yield();
    all[std::size_t(round % 4)].cancel();
    all[std::size_t(round / 4 % 4)].cancel();
    here.run_until([&] { return std::all_of(all.begin(), all.end(), [](auto const& f) { return f.done(); }); });
    for (auto& each : all) {
      try {
        if (each.get().endpoints() != std::vector{answer_a}) FAIL_CHECK("a wrong answer");
        ++answered;
      } catch (concur::cancelled const&) {
        ++given_up;
      }
    }
  }
  CHECK(answered + given_up == 4 * rounds(3000));
  CHECK(answered >= 2 * rounds(3000));
  CHECK(given_up > 0);
  CHECK(all_idle(mine));
  CHECK(recorded_errors::all().empty());
}

TEST_CASE("resolver: many threads and tasks at the same time", "[resolver]") {
  resolver mine(resolver_options().limit(3).lookup([](resolve_query const& asked) {
    return resolve_results(
        {endpoint(ip_address::from_uint(std::uint32_t(asked.host().size())), *asked.service().port())});
  }));
  std::atomic<int> wrong{0};
  support::hammer crowd;
  crowd.add(4, [&] {
    for (int i = 0; i < rounds(500); ++i) {
      auto const found = mine.try_resolve_for(std::string(std::size_t(i % 50 + 1), 'x'), i, 1h);
      if (!found || found->front().address().to_uint() != unsigned(i % 50 + 1) || found->front().port() != i) ++wrong;
    }
  });
  crowd.add(2, [&] {
    auto const body = [&]() -> task<> {
      for (int i = 0; i < rounds(500); ++i) {
        auto const found = co_await mine.async_resolve("four", i);
        if (found.front().address().to_uint() != 4 || found.front().port() != i) ++wrong;
      }
    };
    concur::run(body());
  });
  crowd.run();
  CHECK(wrong == 0);
  CHECK(all_idle(mine));
}

TEST_CASE("resolver: the destructor waits for a lookup that was given up", "[resolver]") {
  nothing_left_behind const balance;
  for (int round = 0; round < rounds(300); ++round) {
    event gate;
    std::atomic<bool> begun{false};
    std::atomic<bool> ended{false};
    std::optional<thread_pool> pool;
    if (round % 2 == 0) pool.emplace(1);
    resolver_options options;
    if (pool) options.pool(*pool);
    options.lookup([&](resolve_query const&) {
      begun = true;
      gate.wait();
      for (int i = 0; i < 20; ++i) std::this_thread::yield();
      ended = true;
      return resolve_results({answer_a});
    });
    std::optional<resolver> mine(std::in_place, options);
    concur::os::stop_source source;
    std::thread waiting([&] { static_cast<void>(mine->resolve("slow", 80, source.get_token())); });
    while (!begun) std::this_thread::yield();
    source.request_stop();
    waiting.join();
    std::thread opens([&] { gate.set(); });
    mine.reset();
    bool const waited = ended;
    opens.join();
    REQUIRE(waited);
  }
  CHECK(balance.holds());
}

TEST_CASE("resolver: a given pool that shuts down waits for lookups, and refuses more", "[resolver]") {
  held_lookups lookups;
  thread_pool pool(1);
  resolver mine(resolver_options().lookup(lookups.function()).pool(pool));
  letting_go const at_end(lookups);
  give_up_under_way(mine, lookups);
  CHECK_FALSE(pool.try_shutdown_for(1ms));
  lookups.let_go();
  pool.shutdown();
  CHECK(lookups.ended() == 1);
  CHECK(all_idle(mine));
  CHECK_THROWS_AS(concur::run(mine.async_resolve("a", 80)), concur::closed);
  CHECK_THROWS_AS(mine.try_resolve_for("a", 80, 1h), concur::closed);
  CHECK(all_idle(mine));
  CHECK(mine.resolve("a", 80).size() == 1);
  CHECK(concur::run(mine.async_resolve("::1", 80)).size() == 1);
}

TEST_CASE("resolver: a given pool whose shutdown cancels ends lookups that have not begun", "[resolver]") {
  held_lookups lookups;
  thread_pool pool(1);
  resolver mine(resolver_options().lookup(lookups.function()).pool(pool));
  letting_go const at_end(lookups);
  hand_loop here;
  std::optional<support::held_workers> held(std::in_place, pool, 1);
  auto f = concur::spawn(here, mine.async_resolve("slow", 80));
  here.run_all();
  pool.shutdown(false, true);
  held.reset();
  here.run_until([&] { return f.done(); });
  CHECK_THROWS_AS(f.get(), concur::cancelled);
  CHECK(all_idle(mine));
  CHECK(lookups.begun() == 0);
}

TEST_CASE("resolver: memory that runs out at any step leaves all places free", "[resolver]") {
  if (!support::failing_new::available()) return;
  resolver mine(resolver_options().limit(2).lookup([](resolve_query const&) { return resolve_results({answer_a}); }));
  static_cast<void>(mine.try_resolve_for("a", 80, 1h));  // its threads run
  std::string const long_name(100, 'a');
  int failed = 0;
  auto const fail_at_each_step = [&](auto const& ask) {
    bool all = false;
    for (int k = 1; k < 200 && !all; ++k) {
      // A thread that has no recycled blocks yet.
      std::thread([&] {
        support::failing_new const shortage(k);
        try {
          ask();
        } catch (std::bad_alloc const&) {
          ++failed;
        }
        all = !shortage.happened();
      }).join();
    }
    CHECK(all);
  };
  fail_at_each_step([&] { static_cast<void>(mine.try_resolve_for(long_name, 80, 1h)); });
  CHECK(failed >= 1);
  failed = 0;
  fail_at_each_step([&] {
    hand_loop here;
    auto f = concur::spawn(here, mine.async_resolve(long_name, 80));
    here.run_until([&] { return f.done(); });
    static_cast<void>(f.get());
  });
  CHECK(failed >= 1);
  CHECK(all_idle(mine));
}

TEST_CASE("resolver: in a forked child that of the process works, and a parent's says so", "[resolver]") {
  held_lookups lookups;
  auto mine = std::make_unique<resolver>(resolver_options().lookup(lookups.function()).limit(1));
  letting_go const at_end(lookups);
  give_up_under_way(*mine, lookups);
  static_cast<void>(concur::try_resolve_for("", 80, 1h));  // that of the process has its threads
  support::wait_until_others_sleep();
  pid_t const child = ::fork();
  if (child == 0) {
    ::alarm(30);
    bool right = throws<concur::misuse>([&] { static_cast<void>(mine->try_resolve_for("slow", 80, 1h)); });
    right = right && throws<concur::misuse>([&] { static_cast<void>(concur::run(mine->async_resolve("slow", 80))); });
    right = right && mine->resolve("::1", 80).size() == 1;
    right = right && concur::run(mine->async_resolve("::1", 80)).size() == 1;
    mine.reset();
    // The thread sanitizer allows no threads in a forked child.
    if (support::thread_sanitizer) support::end_child(right);
    right = right && concur::try_resolve_for("", 80, 1h).has_value();
    right = right && !concur::run(concur::async_resolve("", 80)).empty();
    support::end_child(right);
  }
  CHECK(support::child_was_right(child));
}

TEST_CASE("resolver: this machine's own names", "[resolver]") {
  for (auto const& found : {concur::resolve("localhost", 80), concur::run(concur::async_resolve("localhost", "80")),
                            concur::resolve("", 80), *concur::try_resolve_for("localhost", 80, 1h)}) {
    CHECK_FALSE(found.empty());
    for (auto const& each : found) {
      CHECK(each.address().is_loopback());
      CHECK(each.port() == 80);
    }
    std::vector<endpoint> sorted = found.endpoints();
    std::sort(sorted.begin(), sorted.end());
    CHECK(std::adjacent_find(sorted.begin(), sorted.end()) == sorted.end());
  }
  for (auto const& each : concur::resolve("", 80, resolve_options().passive())) CHECK(each.address().is_unspecified());
  for (auto const& each : concur::resolve("localhost", 1, resolve_options().family(address_family::ipv4))) {
    CHECK(each.address().is_v4());
  }
  CHECK_FALSE(concur::resolve("localhost", 1, resolve_options().canonical_name()).canonical_name().empty());
  CHECK(concur::resolve("localhost", 1).canonical_name().empty());
  // As the C library reads addresses, in forms that only it takes.
  CHECK(concur::resolve("0x7f.1", 5)[0].to_string() == "127.0.0.1:5");
  CHECK_FALSE(concur::host_name().empty());
}

TEST_CASE("resolver: services by name are those that the system knows", "[resolver]") {
  for (bool const datagram : {false, true}) {
    char const* const name = datagram ? "syslog" : "http";
    servent const* const known = ::getservbyname(name, datagram ? "udp" : "tcp");
    auto const ask = [&] { return concur::resolve("127.0.0.1", name, resolve_options().datagram(datagram)); };
    if (known != nullptr) {
      CHECK(ask()[0].port() == ntohs(std::uint16_t(known->s_port)));
    } else {
      CHECK(code_of(ask) == resolve_errc::service_not_found);
    }
  }
  CHECK(code_of([] { static_cast<void>(concur::resolve("127.0.0.1", "no such service")); }) ==
        resolve_errc::service_not_found);
}

TEST_CASE("resolver: the names of an endpoint", "[resolver]") {
  auto const where = endpoint::parse("127.0.0.1:1");
  auto const here = concur::reverse_resolve(where);
  CHECK_FALSE(here.host().empty());
  CHECK_FALSE(here.service().empty());
  auto const again = concur::run(concur::async_reverse_resolve(where));
  CHECK(again.host() == here.host());
  CHECK(again.service() == here.service());
  CHECK(code_of([] { static_cast<void>(concur::reverse_resolve(endpoint::unix_path("/a"))); }) ==
        resolve_errc::family_not_supported);
  CHECK(code_of([] { static_cast<void>(concur::run(concur::async_reverse_resolve(endpoint()))); }) ==
        resolve_errc::family_not_supported);
}

TEST_CASE("resolver: errors are sentences, and those of the system keep their number", "[resolver]") {
  for (int code = -1; code >= -12; --code) {
    auto const text = concur::make_error_code(resolve_errc(code)).message();
    INFO(code);
    CHECK(text.size() > 10);
    bool const unknown = code == EAI_MEMORY || code == EAI_SYSTEM;  // never an error code of this category
    CHECK((text.find("failed with code") != text.npos) == unknown);
  }
  CHECK(std::string(concur::resolve_category().name()) == "resolver");
  auto const thrown = [](int code, int number) {
    return code_of([&] { concur::detail::throw_resolve_error(code, number, "a"); });
  };
  CHECK(thrown(EAI_AGAIN, EMFILE) == resolve_errc::try_again);
  CHECK(thrown(EAI_SYSTEM, EMFILE) == std::errc::too_many_files_open);
  CHECK_THROWS_AS(thrown(EAI_MEMORY, 0), std::bad_alloc);
  try {
    static_cast<void>(concur::resolve("::1", 80, resolve_options().family(address_family::ipv4)));
    FAIL_CHECK("no error");
  } catch (std::system_error const& error) {
    CHECK(std::string(error.what()) ==
          "resolving \"::1\": the host is an address of another family than the one wanted");
  }
}
