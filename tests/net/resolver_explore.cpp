// SPDX-License-Identifier: BSL-1.0
//
// Lookups beside those who give them up, and beside the end of the resolver.
#include <concur/net/resolver.hpp>

#include "support/bounded.hpp"

#include <concur/coro/spawn.hpp>

#include <optional>
#include <utility>

namespace {

using concur::endpoint;
using concur::future;
using concur::resolve_query;
using concur::resolve_results;
using concur::resolver;
using concur::resolver_options;
using concur::thread_pool;
using explored::counted;
using explored::registration;
using explored::testing::check;
using explored::testing::scenario;

explored::testing::options preemptions(int count, int stale_reads = 0) {
  return {.preemptions = count,
          .timeouts = 0,
          .spurious = 0,
          .weak_failures = 0,
          .clock_jumps = 0,
          .stale_reads = stale_reads};
}

// Looks names up in a pool of one worker, and counts in a field that races with nothing: whoever has destroyed the
// resolver may read it.
class small_resolver {
 public:
  small_resolver()
      : pool_(1), resolver_(std::in_place, resolver_options().pool(pool_).limit(1).lookup([this](resolve_query const&) {
          ended_.add();
          return resolve_results({endpoint(concur::ip_address::loopback_v4(), 80)});
        })) {}
  resolver& operator*() { return *resolver_; }
  thread_pool& pool() { return pool_; }
  int lookups_after_the_end() {
    resolver_.reset();
    return ended_.get();
  }

 private:
  counted ended_;
  thread_pool pool_;
  std::optional<resolver> resolver_;
};

registration const stopped(
    "resolver", "a stop beside the lookup, then the destructor",
    [](scenario& s) {
      s.thread("owner", [] {
        small_resolver mine;
        concur::os::stop_source source;
        {
          concur::thread const stops([&] { source.request_stop(); });
          auto const found = (*mine).resolve("a", 80, source.get_token());
          check(!found || found->size() == 1, "a wrong answer");
        }
        check(mine.lookups_after_the_end() <= 1, "looked up twice");
      });
    },
    preemptions(2));

registration const cancelled(
    "resolver", "a cancel beside the lookup of a task, then the destructor",
    [](scenario& s) {
      s.thread("owner", [] {
        small_resolver mine;
        future<resolve_results> f = concur::spawn(mine.pool(), (*mine).async_resolve("a", 80));
        f.cancel();
        f.wait();
        int const lookups = mine.lookups_after_the_end();
        bool answered = true;
        try {
          check(f.get().size() == 1, "a wrong answer");
        } catch (concur::cancelled const&) {
          answered = false;
        }
        check(lookups == 1 || !answered, "answered without a lookup");
      });
    },
    preemptions(2));

registration const two_in_one_place(
    "resolver", "two threads that want the only place, then the destructor",
    [](scenario& s) {
      s.thread("owner", [] {
        small_resolver mine;
        concur::os::stop_source const never;
        {
          concur::thread const other(
              [&] { check((*mine).resolve("b", 80, never.get_token()).has_value(), "no answer"); });
          check((*mine).resolve("a", 80, never.get_token()).has_value(), "no answer");
        }
        check(mine.lookups_after_the_end() == 2, "not both were looked up");
      });
    },
    preemptions(1, 1));

}  // namespace

TEST_CASE("resolver: every schedule") { explored::run("resolver"); }
