// SPDX-License-Identifier: BSL-1.0
//
// A process that forks while its threads use every primitive: the child, in which these threads do not exist, can use
// fresh ones.
#include "../support/catch.hpp"
#include "../support/forked.hpp"
#include "../support/hammer.hpp"
#include "every_primitive.hpp"

#include <atomic>
#include <optional>
#include <vector>

namespace {

using support::every_primitive;

// Neither allocation nor threads are to be relied upon in the child of a sanitized program with threads.
constexpr bool threads_in_children = !support::slow_build;

}  // namespace

TEST_CASE("fork: a child can use fresh primitives while the parent's threads use theirs", "[fork]") {
  constexpr int users = 8;
  int const forks = support::rounds(CONCUR_CHECKED ? 2'000 : 10'000);
  every_primitive used;
  concur::thread_specific<int> own;
  std::atomic<bool> over{false};
  std::vector<concur::thread> threads;
  for (int i = 0; i < users; ++i) {
    threads.emplace_back([&] {
      for (int turn = 0; !over.load(std::memory_order_relaxed); ++turn) {
        used.use_beside_others(turn);
        if (turn % 8 == 0) own.reset();  // the next one is made under a lock of the process
        ++*own;
      }
    });
  }
  int right = 0;
  for (int i = 0; i < forks; ++i) {
    pid_t const child = ::fork();
    if (child == 0) {
      ::alarm(60);
      std::optional<every_primitive> fresh(std::in_place);
      bool good = fresh->use_alone();
      if (threads_in_children) {
        fresh.emplace();
        good = fresh->use_together() && good;
      }
      support::end_child(good);
    }
    right += support::child_was_right(child);
  }
  over.store(true);
  for (auto& each : threads) each.join();
  CHECK(right == forks);
}
