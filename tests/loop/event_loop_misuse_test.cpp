// SPDX-License-Identifier: BSL-1.0
//
// What a checked build reports, whatever the others of these tests are built with.
#undef CONCUR_CHECKED
#define CONCUR_CHECKED 1
#include <concur/loop/event_loop.hpp>

#include "../support/catch.hpp"

#include <chrono>
#include <string>
#include <thread>

namespace {

using namespace std::chrono_literals;
using concur::event_loop;

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
