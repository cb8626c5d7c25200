// SPDX-License-Identifier: BSL-1.0
//
// What a checked build reports, whatever the others of these tests are built with.
#undef CONCUR_CHECKED
#define CONCUR_CHECKED 1
#include <concur/loop/event_loop.hpp>

#include "../support/catch.hpp"
#include "../support/forked.hpp"

#include <chrono>
#include <csignal>
#include <string>
#include <thread>

namespace {

using namespace std::chrono_literals;
using concur::event_loop;
using concur::event_loop_options;

struct reported {
  std::string sentence;
};

/// While it lives, misuse is an exception.
class throwing_handler {
 public:
  throwing_handler()
      : before_(
            concur::set_misuse_handler([](concur::misuse_report const& report) { throw reported{report.sentence}; })) {}
  ~throwing_handler() { concur::set_misuse_handler(before_); }
  throwing_handler(throwing_handler const&) = delete;
  throwing_handler& operator=(throwing_handler const&) = delete;

 private:
  concur::misuse_handler const before_;
};

template <class Attempt>
bool is_reported(Attempt attempt) {
  try {
    attempt();
  } catch (reported const& what) {
    return what.sentence.find("thread") != std::string::npos;
  }
  return false;
}

}  // namespace

TEST_CASE("a running loop that is touched by a foreign thread is reported") {
  throwing_handler const handler;
  event_loop loop;
  int found = 0;
  loop.call_soon([&] {
    std::thread([&] {
      found += is_reported([&] { loop.call_soon([] {}); });
      found += is_reported([&] { loop.call_later(1s, [] {}); });
      found += is_reported([&] { loop.call_at(loop.time(), [] {}); });
    }).join();
    loop.call_soon([] {});
    loop.stop();
  });
  loop.run_forever();
  CHECK(found == 3);
}

TEST_CASE("so is one whose calls are taken back, or whose descriptors are given up, by a foreign thread") {
  // These cannot throw: the report ends the program.
  for (bool const gives_up : {false, true}) {
    auto const end = support::end_in_child([gives_up] {
      event_loop loop;
      auto far = loop.call_later(1h, [] {});
      loop.call_soon([&] {
        std::thread([&] {
          if (gives_up) {
            loop.forget(0);
          } else {
            far.cancel();
          }
        }).join();
        loop.stop();
      });
      loop.run_forever();
    });
    INFO(end.printed);
    CHECK(end.signal == SIGABRT);
    CHECK(end.printed.find("a thread other than ") != std::string::npos);
  }
}

TEST_CASE("a callback that holds the loop for longer than a tenth of a second is reported unasked") {
  CHECK(event_loop_options().slow_callback() == 100ms);
  static auto const holds_for = [](std::chrono::milliseconds length, event_loop_options const& options) {
    return support::end_in_child([&] {
      event_loop loop(options);
      loop.call_soon([&] {
        for (auto const end = std::chrono::steady_clock::now() + length; std::chrono::steady_clock::now() < end;) {
        }
        loop.stop();
      });
      loop.run_forever();
    });
  };
  auto const held = holds_for(101ms, event_loop_options().name("busy"));
  INFO(held.printed);
  CHECK(held.signal == 0);
  CHECK(held.printed.find("concur: a callback or a step of a task held the event loop \"busy\" for 1") == 0);
  CHECK(holds_for(101ms, event_loop_options().slow_callback(0ms)).printed.empty());
  CHECK(holds_for(101ms, event_loop_options().slow_callback(1h)).printed.empty());
}
