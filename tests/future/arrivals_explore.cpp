// SPDX-License-Identifier: BSL-1.0
//
// What waits for several futures: wait, gather, as_completed.
#include <concur/future/detail/arrivals.hpp>

#include "support/explored_task.hpp"

#include <concur/future/as_completed.hpp>
#include <concur/future/gather.hpp>
#include <concur/future/promise.hpp>
#include <concur/future/wait.hpp>

#include <chrono>
#include <exception>
#include <optional>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using concur::future;
using concur::promise;
using explored::counted;
using explored::testing::check;
using explored::testing::scenario;
using explored::twice;

// Two promises with their futures, and something written before each value.
struct two {
  two() {
    for (auto& each : promises) futures.push_back(each.get_future());
  }
  void set(std::size_t which) {
    written[which].add();
    promises[which].set_value(int(which));
  }
  void check_value(std::size_t which, int value) {
    check(value == int(which), "a wrong value");
    check(written[which].get() == 1, "what was written before the value is not visible");
  }

  promise<int> promises[2];
  std::vector<future<int>> futures;
  counted written[2];
};

void take_both(two& st) {
  auto c = concur::as_completed(st.futures);
  for (int i = 0; i < 2; ++i) {
    auto* const f = c.wait_next();
    st.check_value(std::size_t(f - st.futures.data()), f->get());
  }
  check(c.wait_next() == nullptr, "more futures than there are");
}

twice const one_by_one("arrivals", "as_completed beside one that sets two", [](scenario& s) {
  auto& st = s.make<two>();
  s.thread("consumer", [&st] { take_both(st); });
  s.thread("producer", [&st] { st.set(1), st.set(0); });
});

twice const both(
    "arrivals", "as_completed beside two sets",
    [](scenario& s) {
      auto& st = s.make<two>();
      s.thread("consumer", [&st] { take_both(st); });
      s.thread("first", [&st] { st.set(0); });
      s.thread("second", [&st] { st.set(1); });
    },
    explored::schedules_of_three());

// What has not arrived is taken out of its list, or its wake is waited for.
twice const first_only("arrivals", "the first of two, then gone", [](scenario& s) {
  auto& st = s.make<two>();
  s.thread("consumer", [&st] {
    auto const found = concur::wait(st.futures, concur::first_completed).get();
    check(!found.done.empty(), "nothing was done");
    for (auto* f : found.done) st.check_value(std::size_t(f - st.futures.data()), f->get());
  });
  s.thread("producer", [&st] { st.set(0), st.set(1); });
});

twice const limited("arrivals", "a wait with a limit beside a set", [](scenario& s) {
  auto& st = s.make<two>();
  st.promises[0].set_value(0);
  s.thread("consumer", [&st] {
    auto const found = concur::wait(st.futures, concur::all_completed, 1ms).get();
    check(found.done.size() + found.pending.size() == 2, "a future was lost");
    if (found.done.size() == 2) st.check_value(1, st.futures[1].get());
  });
  s.thread("producer", [&st] { st.set(1); });
});

twice const in_order("arrivals", "gather beside one that sets two", [](scenario& s) {
  auto& st = s.make<two>();
  s.thread("consumer", [&st] {
    auto const [a, b] = concur::gather(std::move(st.futures[0]), std::move(st.futures[1])).get();
    st.check_value(0, a);
    st.check_value(1, b);
  });
  s.thread("producer", [&st] { st.set(1), st.set(0); });
});

twice const error("arrivals", "gather beside an error", [](scenario& s) {
  auto& st = s.make<two>();
  s.thread("consumer", [&st] {
    try {
      (void)concur::gather(std::move(st.futures[0]), std::move(st.futures[1])).get();
      explored::testing::fail("the error was lost");
    } catch (int thrown) {
      check(thrown == 5, "a wrong error");
    }
    check(st.promises[0].cancelled(), "the error did not cancel the other");
  });
  s.thread("producer", [&st] { st.promises[1].set_error(5); });
});

// The futures are reached through what they were made of.
twice const cancelled(
    "arrivals", "two waited for beside a set and a cancel",
    [](scenario& s) {
      auto& st = s.make<two>();
      auto& shared = s.make<concur::shared_future<int>>(std::move(st.futures[1]).share());
      auto& watched = s.make<concur::detail::arrivals>(std::size_t{2}, concur::detail::news_of::last);
      s.thread("consumer", [&] {
        watched.add(concur::future_access::state(st.futures[0]));
        watched.add(concur::future_access::state(shared));
        for (int ended = 0; ended < 2;) {
          if (watched.pop() != concur::detail::arrivals::none) {
            ++ended;
          } else {
            check(watched.wait_for_news({}), "a wait without limit ended for no reason");
          }
        }
        st.check_value(0, st.futures[0].get());
        check(shared.done(), "it did not wait for all");
      });
      s.thread("producer", [&st] { st.set(0); });
      s.thread("canceller", [&shared] { check(shared.cancel(), "a cancel came too late, after nothing"); });
    },
    explored::schedules_of_three());

support::test_task<> gather_two(two& st, counted& passed) {
  int const expected = 1;
  auto waiting = concur::gather(std::move(st.futures[0]), std::move(st.futures[1]));
  auto const [a, b] = co_await waiting;
  check(a + b == expected, "a wrong value");
  passed.add();
}

twice const task(
    "arrivals", "a task gathers beside a set and its cancel",
    [](scenario& s) {
      auto& st = s.make<two>();
      auto& passed = s.make<counted>();
      auto& t = s.make<explored::one_task>(gather_two(st, passed));
      s.thread("worker", [&] {
        t.run();
        check((passed.get() == 1) != t.was_cancelled(), "neither passed nor cancelled, or both");
        check(t.was_cancelled() || !st.promises[0].cancelled(), "it did not wait for the end");
      });
      st.promises[1].set_value(1);
      s.thread("producer", [&st] { st.set(0); });
      s.thread("canceller", [&t] { t.cancel(); });
    },
    explored::schedules_of_three());

support::test_task<> take_next(concur::completions<future<int>>& c, counted& taken) {
  int const one = 1;
  auto* const f = co_await c.next();
  check(f->get() == one, "a wrong value");
  taken.add();
}

twice const next(
    "arrivals", "a task awaits the next beside a set and its cancel",
    [](scenario& s) {
      auto& st = s.make<two>();
      auto& taken = s.make<counted>();
      auto& c = s.make<concur::completions<future<int>>>(st.futures);
      auto& t = s.make<explored::one_task>(take_next(c, taken));
      s.thread("worker", [&] {
        t.run();
        check((taken.get() == 1) != t.was_cancelled(), "neither taken nor cancelled, or both");
      });
      s.thread("producer", [&st] { st.set(1); });
      s.thread("canceller", [&t] { t.cancel(); });
      s.finally([&] {
        st.futures[0].cancel();
        if (taken.get() == 1) return;
        s.check(c.wait_next() == &st.futures[1], "a cancel lost what had arrived");
      });
    },
    explored::schedules_of_three());

}  // namespace

TEST_CASE("arrivals: every schedule") { explored::run("arrivals"); }
