// SPDX-License-Identifier: BSL-1.0
#include <concur/thread/this_thread.hpp>

#include "../support/catch.hpp"
#include "../support/fake_fiber.hpp"
#include "../support/hammer.hpp"
#include "../support/limits.hpp"

#include <concur/sync/event.hpp>
#include <concur/thread/thread.hpp>

#include <atomic>
#include <chrono>
#include <fstream>
#include <pthread.h>
#include <string>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {

using namespace std::chrono_literals;
namespace this_thread = concur::this_thread;
using concur::os::stop_source;
using concur::os::stop_token;
using std::chrono::steady_clock;

std::string comm() {
  std::ifstream file("/proc/thread-self/comm");
  std::string line;
  std::getline(file, line);
  return line;
}

std::string kernels_name(pthread_t which) {
  char text[16] = {};
  pthread_getname_np(which, text, sizeof text);
  return text;
}

}  // namespace

TEST_CASE("this_thread: a sleep is not shorter than it should be, and not endless", "[this_thread]") {
  support::for_each_spent_duration([](char const* what, auto length) {
    INFO(what);
    this_thread::sleep_for(length);
    CHECK(this_thread::sleep_for(length, stop_token()));
  });
  support::for_each_short_duration([](char const* what, auto length) {
    INFO(what);
    auto begin = steady_clock::now();
    this_thread::sleep_for(length);
    CHECK(steady_clock::now() - begin >= length);
    begin = steady_clock::now();
    CHECK(this_thread::sleep_for(length, stop_token()));
    CHECK(steady_clock::now() - begin >= length);
  });
  support::for_each_past_moment([](char const* what, auto moment) {
    INFO(what);
    this_thread::sleep_until(moment);
    CHECK(this_thread::sleep_until(moment, stop_token()));
  });
  support::for_each_near_moment(
      []<class Clock, class Duration>(char const* what, std::chrono::time_point<Clock, Duration> moment) {
        INFO(what);
        this_thread::sleep_until(moment);
        CHECK(Clock::now() >= moment);
      });
  support::for_each_near_moment(
      []<class Clock, class Duration>(char const* what, std::chrono::time_point<Clock, Duration> moment) {
        INFO(what);
        CHECK(this_thread::sleep_until(moment, stop_token()));
        CHECK(Clock::now() >= moment);
      });
}

TEST_CASE("this_thread: a stop ends every sleep, whenever it comes", "[this_thread]") {
  stop_source requested;
  requested.request_stop();
  auto const beside = [](auto sleep) {
    stop_source source;
    std::atomic<bool> begun{false};
    std::thread stopper([&] {
      while (!begun) std::this_thread::yield();
      for (int i = 0; i < 100; ++i) std::this_thread::yield();  // likely asleep by then; right in any case
      source.request_stop();
    });
    begun = true;
    bool const slept = sleep(source.get_token());
    stopper.join();
    return slept;
  };
  support::for_each_endless_duration([&](char const* what, auto length) {
    INFO(what);
    CHECK_FALSE(this_thread::sleep_for(length, requested.get_token()));
    CHECK_FALSE(beside([&](stop_token const& stop) { return this_thread::sleep_for(length, stop); }));
  });
  support::for_each_endless_moment([&](char const* what, auto moment) {
    INFO(what);
    CHECK_FALSE(this_thread::sleep_until(moment, requested.get_token()));
    CHECK_FALSE(beside([&](stop_token const& stop) { return this_thread::sleep_until(moment, stop); }));
  });
  // One that is never requested, and one that comes too late.
  stop_source late;
  CHECK(this_thread::sleep_for(1ms, late.get_token()));
  late.request_stop();
  CHECK(this_thread::sleep_for(0ms, late.get_token()));
}

TEST_CASE("this_thread: a stop beside the end of the sleep", "[this_thread]") {
  for (int round = 0; round < support::rounds(2'000); ++round) {
    stop_source source;
    bool slept = false, seen = false;
    concur::thread t([&] {
      slept = this_thread::sleep_for(std::chrono::microseconds(round % 64), source.get_token());
      seen = source.stop_requested();
    });
    for (int pause = round % 256; pause > 0; --pause) concur::os::spin_pause();
    source.request_stop();
    t.join();
    REQUIRE((slept || seen));  // not stopped without a stop
  }
}

TEST_CASE("this_thread: signals do not shorten a sleep", "[this_thread]") {
  support::signal_storm const storm;
  auto const before = storm.count();
  int short_ones = 0;
  // Until the storm has really come down on the sleeper.
  while (storm.count() < before + 20) {
    auto const begin = steady_clock::now();
    this_thread::sleep_for(5ms);
    short_ones += steady_clock::now() - begin < 5ms;
    stop_source never;
    auto const again = steady_clock::now();
    short_ones += !this_thread::sleep_until(again + 5ms, never.get_token());
    short_ones += steady_clock::now() - again < 5ms;
  }
  CHECK(short_ones == 0);
}

TEST_CASE("this_thread: a fiber that sleeps is suspended instead of its thread", "[this_thread]") {
  int ran = 0;
  support::fake_fiber fiber([&ran] { ++ran; });
  auto const begin = steady_clock::now();
  fiber.run([] { this_thread::sleep_for(1h); });
  CHECK(ran == 1);
  CHECK(fiber.parks() == 1);
  CHECK(fiber.last_deadline() >= begin + 1h);
  CHECK(fiber.last_deadline() <= steady_clock::now() + 1h);

  stop_source source;
  support::fake_fiber stopped([&source] { source.request_stop(); });
  CHECK_FALSE(stopped.run([&] { return this_thread::sleep_for(1h, source.get_token()); }));
  CHECK(stopped.last_reason() == concur::wake_reason::stopped);

  // A stop that comes with the end of the time: it was first.
  stop_source together;
  support::fake_fiber both([&together] { together.request_stop(); }, support::fake_fiber::limit_passes);
  CHECK_FALSE(both.run([&] { return this_thread::sleep_for(1h, together.get_token()); }));

  support::fake_fiber idle([] {});
  idle.run([] { this_thread::sleep_for(0s); });
  CHECK(idle.parks() == 0);
}

TEST_CASE("this_thread: names of the main thread, of the library's and of others", "[this_thread]") {
  auto const program = comm();
  this_thread::set_name("main");
  CHECK(this_thread::name() == "main");
  CHECK(comm() == "main");
  CHECK(this_thread::is_main());
  CHECK(this_thread::native_id() == ::getpid());
  this_thread::set_name("a name of more than fifteen bytes");
  CHECK(this_thread::name() == "a name of more than fifteen bytes");
  CHECK(comm() == "a name of more ");
  this_thread::set_name("main");
  pthread_setname_np(pthread_self(), program.c_str());

  std::string before, after, kernel;
  bool main = true;
  concur::thread t(concur::thread_options().name("the first name of it"), [&] {
    before = this_thread::name();
    this_thread::set_name("the second name of it");
    after = this_thread::name();
    kernel = comm();
    main = this_thread::is_main();
  });
  t.join();
  CHECK(before == "the first name of it");
  CHECK(after == "the second name of it");
  CHECK(t.name() == after);
  CHECK(kernel == "the second name");
  CHECK_FALSE(main);

  std::string strange;
  int id = 0;
  std::thread other([&] {
    this_thread::set_name("somebody else's thread");
    strange = this_thread::name();
    kernel = kernels_name(pthread_self());
    main = this_thread::is_main();
    id = this_thread::native_id();
  });
  other.join();
  CHECK(strange == "somebody else's");
  CHECK(kernel == strange);
  CHECK_FALSE(main);
  CHECK(id != ::getpid());
  CHECK(this_thread::name() == "main");
}

TEST_CASE("this_thread: a name is changed while others read it", "[this_thread]") {
  concur::event stop;
  concur::thread t([&stop] {
    for (int i = 0; !stop.is_set(); ++i)
      this_thread::set_name(std::string(std::size_t(i % 40), i % 2 == 0 ? 'a' : 'b'));
  });
  int mixed = 0;
  for (int i = 0; i < support::rounds(20'000); ++i) {
    auto const name = t.name();
    mixed += name.find('a') != name.npos && name.find('b') != name.npos;
  }
  stop.set();
  t.join();
  CHECK(mixed == 0);
}

TEST_CASE("this_thread: the stop token is that of the thread", "[this_thread]") {
  CHECK_FALSE(this_thread::get_stop_token().stop_possible());
  bool same = false, possible = true;
  concur::thread([&](stop_token const& given) { same = this_thread::get_stop_token() == given; }).join();
  CHECK(same);
  std::thread([&] { possible = this_thread::get_stop_token().stop_possible(); }).join();
  CHECK_FALSE(possible);
}

TEST_CASE("this_thread: the affinity that is set is the one that is told", "[this_thread]") {
  auto const mine = this_thread::affinity();
  REQUIRE_FALSE(mine.empty());
  this_thread::set_affinity(mine);
  CHECK(this_thread::affinity() == mine);
  std::vector<std::vector<int>> seen;
  std::vector<std::string> errors;
  std::thread([&] {  // its own affinity, not that of the tests
    for (int const each : mine) {
      this_thread::set_affinity({each, each, 60'000});
      seen.push_back(this_thread::affinity());
    }
    std::vector<std::vector<int>> const refused = {{}, {60'000}, {-1}, {1 << 16}, {mine[0], -5}};
    for (auto const& each : refused) {
      try {
        this_thread::set_affinity(each);
        errors.emplace_back("none");
      } catch (std::system_error const& error) {
        errors.emplace_back(error.code() == std::errc::invalid_argument ? error.what() : "another code");
      }
    }
    seen.push_back(this_thread::affinity());
  })
      .join();
  REQUIRE(seen.size() == mine.size() + 1);
  for (std::size_t i = 0; i < mine.size(); ++i) CHECK(seen[i] == std::vector{mine[i]});
  CHECK(seen.back() == std::vector{mine.back()});  // what was refused has changed nothing
  REQUIRE(errors.size() == 5);
  CHECK(errors[0].find("none of the processors") == 0);
  CHECK(errors[1].find("none of the processors") == 0);
  CHECK(errors[2].find("processor -1, which cannot exist") != std::string::npos);
  CHECK(errors[3].find("processor 65536, which cannot exist") != std::string::npos);
  CHECK(errors[4].find("processor -5, which cannot exist") != std::string::npos);
  CHECK(this_thread::affinity() == mine);
}

TEST_CASE("this_thread: tells of itself what a list of threads would tell", "[this_thread]") {
  auto const equal = [](concur::thread_info const& a, concur::thread_info const& b) {
    return a.name == b.name && a.native_id == b.native_id && a.daemon == b.daemon && a.main == b.main;
  };
  CHECK(equal(this_thread::info(), concur::main_thread()));
  bool same = false;
  concur::thread t(concur::thread_options().name("looks").daemon(), [&] {
    for (auto const& each : concur::threads()) same = same || equal(each, this_thread::info());
  });
  t.join();
  CHECK(same);
}
