// SPDX-License-Identifier: BSL-1.0
//
// Many elements at a time, beside all that ends such a wait: in no schedule is one lost, made up, or not accounted for.
#include <concur/queue/queue.hpp>

#include "explored_elements.hpp"
#include "support/explored_task.hpp"

#include <chrono>
#include <cstddef>
#include <numeric>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using explored::destructible;
using explored::element;
using explored::lives;
using explored::twice;
using explored::testing::check;
using explored::testing::scenario;

// The elements that are put in are 1, 2, 3 …; those that are in it at the beginning are 0. Each party makes one call,
// so for all that the history says they begin together.
struct state {
  state(std::size_t capacity, int count, std::size_t inside) : log(capacity), q(capacity) {
    items.reserve(std::size_t(count));
    for (int i = 1; i <= count; ++i) items.emplace_back(i, alive);
    for (std::size_t i = 0; i < inside; ++i) q->put(element(0, alive));
    log.start_with(std::vector<int>(inside, 0));
  }

  // The first `count` are in, the others are as they were.
  void put(std::size_t count) {
    in = count;
    std::vector<int> values(count);
    std::iota(values.begin(), values.end(), 1);
    log.add_puts(0, values);
    for (std::size_t i = 0; i < items.size(); ++i) {
      check(items[i].value() == (i < count ? element::moved_from : int(i) + 1), "not what was told went in");
    }
  }
  void got(std::vector<element> const& some) {
    std::vector<int> values;
    for (auto const& each : some) values.push_back(each.value());
    log.add_gets(0, values);
  }
  void get_one() {
    auto const at = log.begin();
    try {
      log.add_get(at, q->get().value());
    } catch (concur::closed const&) {
      log.add_get(at, concur::ring_outcome::closed);
    }
  }
  void close() {
    auto const at = log.begin();
    q->close();
    log.add_close(at);
  }

  lives alive;
  explored::history log;
  destructible<concur::queue<element>> q;
  std::vector<element> items;
  std::size_t in = 0;
  bool got_by_task = false;
};

state& make_state(scenario& s, std::size_t capacity, int count, std::size_t inside = 0) {
  auto& st = s.make<state>(capacity, count, inside);
  s.finally([&s, &st] {
    while (!st.q->empty()) st.get_one();
    s.check(st.log.explained(), "no order of the puts and gets explains their results");
    st.q.destroy();
    st.items.clear();
    s.check(st.alive.made == st.alive.gone, "an element was not destroyed, or twice");
  });
  return st;
}

twice const timed_get("queue_bulk", "many got with a limit beside many put", [](scenario& s) {
  auto& st = make_state(s, 2, 2);
  s.thread("timed", [&st] { st.got(st.q->try_get_many_for(2, 1ms)); });
  s.thread("producer", [&st] { st.put(st.q->put_many(std::move(st.items))); });
});

twice const timed_put("queue_bulk", "many put with a limit beside a get", [](scenario& s) {
  auto& st = make_state(s, 1, 2);
  s.thread("timed", [&st] { st.put(st.q->try_put_many_for(std::move(st.items), 1ms)); });
  s.thread("consumer", [&st] { st.get_one(); });
  s.finally([&st] { check(st.in != 0, "there was room for one"); });
});

twice const timed_put_closed("queue_bulk", "many put with a limit beside close", [](scenario& s) {
  auto& st = make_state(s, 1, 2);
  s.thread("timed", [&st] {
    try {
      st.put(st.q->try_put_many_for(std::move(st.items), 1ms));
      check(st.in == 1, "there was room for one");
    } catch (concur::closed const&) {
      st.put(0);
    }
  });
  s.thread("closer", [&st] { st.close(); });
});

twice const stopped_put(
    "queue_bulk", "many put beside a stop and a get",
    [](scenario& s) {
      auto& st = make_state(s, 1, 2);
      auto& stop = s.make<concur::os::stop_source>();
      s.thread("producer", [&] { st.put(st.q->put_many(std::move(st.items), stop.get_token())); });
      s.thread("consumer", [&st] { st.get_one(); });
      s.thread("stopper", [&stop] { stop.request_stop(); });
    },
    explored::schedules_of_three());

// The hint that the timed party got must not be lost: the other waits for ever otherwise.
explored::registration const timed_beside_untimed(
    "queue_bulk", "a limit beside another who waits for an element",
    [](scenario& s) {
      auto& st = make_state(s, 2, 1);
      s.thread("timed", [&st] {
        auto const some = st.q->try_get_many_for(1, 1ms);
        st.got(some);
        if (some.empty()) return;
        auto const at = st.log.begin();
        st.q->put(element(9, st.alive));
        st.log.add_put(at, 9);
      });
      s.thread("untimed", [&st] { st.get_one(); });
      s.thread("producer", [&st] { st.put(st.q->put_many(std::move(st.items))); });
    },
    explored::preemptions(2, 1));  // as in queue_explore.cpp

// ---- tasks

support::test_task<> put_in_task(state& st) {
  std::size_t count = 0;
  bool ended = false;
  try {
    count = co_await st.q->async_put_many(std::move(st.items));
  } catch (concur::closed const&) {
    ended = true;
  } catch (concur::cancelled const&) {
    ended = true;
  }
  check(ended == (count == 0), "nothing is in, and nobody said why, or the reverse");
  st.put(count);
}

support::test_task<> get_in_task(state& st) {
  std::size_t const most = 2;
  auto const items = co_await st.q->async_get_many(most);
  check(!items.empty(), "nothing came");
  st.got(items);
  st.got_by_task = true;
}

explored::one_task& add_worker(scenario& s, state& st, support::test_task<> (*task)(state&)) {
  auto& t = s.make<explored::one_task>(task(st));
  s.thread("worker", [&t] { t.run(); });
  return t;
}

twice const task_puts("queue_bulk", "a task puts more than there is room for", [](scenario& s) {
  auto& st = make_state(s, 1, 2);
  add_worker(s, st, put_in_task);
  s.thread("consumer", [&st] { st.get_one(); });
  s.finally([&st] { check(st.in == 2, "an element was not put in"); });
});

twice const task_gets("queue_bulk", "a task gets many", [](scenario& s) {
  auto& st = make_state(s, 2, 2);
  add_worker(s, st, get_in_task);
  s.thread("producer", [&st] { st.put(st.q->put_many(std::move(st.items))); });
});

twice const task_puts_closed("queue_bulk", "a task puts, beside close", [](scenario& s) {
  auto& st = make_state(s, 1, 2);
  add_worker(s, st, put_in_task);
  s.thread("closer", [&st] { st.close(); });
});

twice const task_gets_closed(
    "queue_bulk", "a task gets, beside puts and close",
    [](scenario& s) {
      auto& st = make_state(s, 2, 1);
      auto& t = add_worker(s, st, get_in_task);
      s.thread("producer", [&st] {
        st.put(st.q->put_many(std::move(st.items)));
        st.close();
      });
      s.finally([&t] { check(!t.failed(), "closed was said before it was drained"); });
    },
    explored::schedules_of_three());

twice const putting_cancelled(
    "queue_bulk", "a task that puts, cancelled beside a get",
    [](scenario& s) {
      auto& st = make_state(s, 1, 2, 1);
      auto& t = add_worker(s, st, put_in_task);
      s.thread("consumer", [&st] { st.get_one(); });
      s.thread("canceller", [&t] { t.cancel(); });
    },
    explored::schedules_of_three());

twice const getting_cancelled(
    "queue_bulk", "a task that gets, cancelled beside a put",
    [](scenario& s) {
      auto& st = make_state(s, 2, 2);
      auto& t = add_worker(s, st, get_in_task);
      s.thread("producer", [&st] { st.put(st.q->put_many(std::move(st.items))); });
      s.thread("canceller", [&t] { t.cancel(); });
      s.finally([&] { check(st.got_by_task != t.was_cancelled(), "neither got nor cancelled, or both"); });
    },
    explored::schedules_of_three());

}  // namespace

TEST_CASE("queue_bulk: every schedule") { explored::run("queue_bulk"); }
