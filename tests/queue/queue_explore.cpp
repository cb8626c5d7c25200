// SPDX-License-Identifier: BSL-1.0
#include <concur/queue/queue.hpp>

#include "explored_elements.hpp"
#include "support/explored_task.hpp"

#include <chrono>
#include <optional>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using concur::ring_outcome;
using explored::counted;
using explored::destructible;
using explored::element;
using explored::lives;
using explored::preemptions;
using explored::twice;
using explored::testing::scenario;

struct state {
  explicit state(std::size_t capacity) : log(capacity), items(capacity) {}

  bool put(int value) {
    element item(value, alive);
    auto const at = log.begin();
    try {
      items->put(std::move(item));
    } catch (concur::closed const&) {
      concur::testing::check(item.value() == value, "a refused element was touched");
      log.add_put(at, value, ring_outcome::closed);
      return false;
    }
    log.add_put(at, value);
    return true;
  }
  bool put_for(int value) {
    element item(value, alive);
    auto const at = log.begin();
    bool const done = items->try_put_for(std::move(item), 1ms);
    concur::testing::check(done || item.value() == value, "a refused element was touched");
    log.add_put(at, value, done ? ring_outcome::done : ring_outcome::refused);
    return done;
  }
  bool get() {
    auto const at = log.begin();
    try {
      log.add_get(at, items->get().value());
    } catch (concur::closed const&) {
      log.add_get(at, ring_outcome::closed);
      return false;
    }
    return true;
  }
  bool get_for() {
    auto const at = log.begin();
    return got(at, items->try_get_for(1ms));
  }
  bool got(int at, std::optional<element> const& item) {
    if (item) log.add_get(at, item->value());
    else log.add_get(at, ring_outcome::refused);
    return item.has_value();
  }
  void close() {
    auto const at = log.begin();
    items->close();
    log.add_close(at);
  }

  lives alive;
  explored::history log;
  bool got_by_task = false;
  destructible<concur::queue<element>> items;
};

state& make_state(scenario& s, std::size_t capacity, std::vector<int> const& values = {}) {
  auto& st = s.make<state>(capacity);
  for (int value : values) st.put(value);
  s.finally([&s, &st] {
    while (!st.items->empty()) st.get();
    s.check(st.log.explained(), "no order of the calls explains their results");
    st.items.destroy();
    s.check(st.alive.made == st.alive.gone, "an element was not destroyed, or twice");
  });
  return st;
}

twice const one("queue", "put beside get", [](scenario& s) {
  auto& st = make_state(s, 1);
  s.thread("producer", [&st] { st.put(1), st.put(2); });
  s.thread("consumer", [&st] { st.get(), st.get(); });
});

twice const two_consumers(
    "queue", "two get, two puts",
    [](scenario& s) {
      auto& st = make_state(s, 2);
      s.thread("first", [&st] { st.get(); });
      s.thread("second", [&st] { st.get(); });
      s.thread("producer", [&st] { st.put(1), st.put(2); });
    },
    explored::schedules_of_three());

twice const two_producers(
    "queue", "two put into a full one, two gets",
    [](scenario& s) {
      auto& st = make_state(s, 1, {4});
      s.thread("first", [&st] { st.put(1); });
      s.thread("second", [&st] { st.put(2); });
      s.thread("consumer", [&st] { st.get(), st.get(), st.get(); });
    },
    explored::schedules_of_three());

twice const getter_closed("queue", "close beside get", [](scenario& s) {
  auto& st = make_state(s, 1);
  s.thread("consumer", [&] { s.check(!st.get(), "an element came out of nothing"); });
  s.thread("closer", [&st] { st.close(); });
});

twice const putter_closed("queue", "close beside put into a full one", [](scenario& s) {
  auto& st = make_state(s, 1, {1});
  s.thread("producer", [&] { s.check(!st.put(2), "an element went where no room was"); });
  s.thread("closer", [&st] { st.close(); });
});

twice const closed_between(
    "queue", "put beside get beside close",
    [](scenario& s) {
      auto& st = make_state(s, 1);
      s.thread("producer", [&st] { st.put(1) && st.put(2); });
      s.thread("consumer", [&] {
        while (st.get()) {
        }
        s.check(st.items->empty() && st.items->is_closed(), "closed was said before it was drained");
      });
      s.thread("closer", [&st] { st.close(); });
    },
    explored::schedules_of_three());

twice const timed_get("queue", "a limit beside a put", [](scenario& s) {
  auto& st = make_state(s, 1);
  s.thread("timed", [&st] { st.get_for(); });
  s.thread("producer", [&st] { st.put(1); });
});

twice const timed_put("queue", "a limit beside a get", [](scenario& s) {
  auto& st = make_state(s, 1, {1});
  s.thread("timed", [&st] { st.put_for(2); });
  s.thread("consumer", [&st] { st.get(); });
});

// Within smaller bounds, since the event count alone is explored within the others.
// The hint that the timed party got must not be lost: the other waits for ever otherwise.
twice const timed_beside_untimed(
    "queue", "timed beside untimed",
    [](scenario& s) {
      auto& st = make_state(s, 2);
      s.thread("timed", [&st] {
        if (st.get_for()) st.put(2);
      });
      s.thread("untimed", [&st] { st.get(); });
      s.thread("producer", [&st] { st.put(1); });
    },
    preemptions(2, 1));

twice const stopped("queue", "a stop beside a put", [](scenario& s) {
  auto& st = make_state(s, 1);
  auto& stop = s.make<concur::os::stop_source>();
  s.thread("consumer", [&] {
    auto const at = st.log.begin();
    if (auto const item = st.items->get(stop.get_token())) st.got(at, item);
  });
  s.thread("producer", [&st] { st.put(1); });
  s.thread("stopper", [&stop] { stop.request_stop(); });
});

twice const in_bulk(
    "queue", "many put beside many got",
    [](scenario& s) {
      auto& st = make_state(s, s.choose(2) == 0 ? 1 : 2);
      s.thread("producer", [&st] {
        std::vector<element> items;
        items.reserve(3);
        for (int i = 1; i <= 3; ++i) items.emplace_back(i, st.alive);
        auto const at = st.log.begin();
        concur::testing::check(st.items->put_many(std::move(items)) == 3, "not all went in");
        st.log.add_puts(at, {1, 2, 3});
      });
      s.thread("consumer", [&st] {
        for (int left = 3; left > 0;) {
          auto const at = st.log.begin();
          std::vector<int> values;
          for (auto const& item : st.items->get_many(2)) values.push_back(item.value());
          st.log.add_gets(at, values);
          left -= int(values.size());
        }
      });
    },
    explored::schedules_of_three());

// A party waits for the report, and sees what came before it.
twice const joined("queue", "task_done beside join", [](scenario& s) {
  auto& st = make_state(s, 2, {1, 2});
  auto& done = s.make<counted>();
  s.thread("worker", [&] {
    for (int i = 0; i < 2; ++i) {
      st.get();
      done.add();
      st.items->task_done();
    }
  });
  s.thread("joining", [&] {
    st.items->join();
    s.check(done.get() == 2, "join returned too early");
  });
});

// A thread may look at an old count of puts twice.
explored::testing::options two_old_values() {
  auto bounds = explored::schedules();
  bounds.stale_reads = 2;
  return bounds;
}

// The report of a later element may come first: who reports the earlier one must know of both puts.
twice const reported(
    "queue", "puts beside reports",
    [](scenario& s) {
      auto& st = make_state(s, 2);
      s.thread("producer", [&st] { st.put(1), st.put(2); });
      for (auto const* name : {"first", "second"}) {
        s.thread(name, [&st] {
          auto const at = st.log.begin();
          if (st.got(at, st.items->try_get())) st.items->task_done();
        });
      }
    },
    two_old_values());

twice const joined_by_two(
    "queue", "two report beside join, and one too often",
    [](scenario& s) {
      auto& st = make_state(s, 2, {1, 2});
      auto& refused = s.make<counted>();
      for (auto const* name : {"first", "second"}) {
        s.thread(name, [&st] {
          st.get();
          st.items->task_done();
        });
      }
      s.thread("joining", [&] {
        st.items->join();
        try {
          st.items->task_done();
        } catch (concur::misuse const&) {
          refused.add();
        }
      });
      s.finally([&] { s.check(refused.get() == 1, "more was reported than put in"); });
    },
    explored::schedules_of_three());

support::test_task<> get_in_task(state& st) {
  auto const at = st.log.begin();
  element const item = co_await st.items->async_get();
  st.log.add_get(at, item.value());
  st.got_by_task = true;
}

support::test_task<> put_in_task(state& st, int value) {
  element item(value, st.alive);
  bool refused = true;
  auto const at = st.log.begin();
  try {
    co_await st.items->async_put(std::move(item));
    st.log.add_put(at, value);
    refused = false;
  } catch (concur::closed const&) {
  } catch (concur::cancelled const&) {
  }
  concur::testing::check((item.value() == value) == refused, "a refused element was touched");
}

twice const task_gets("queue", "a task gets", [](scenario& s) {
  auto& st = make_state(s, 1);
  auto& t = s.make<explored::one_task>(get_in_task(st));
  s.thread("worker", [&t] { t.run(); });
  s.thread("producer", [&st] { st.put(1); });
});

twice const task_puts("queue", "a task puts into a full one", [](scenario& s) {
  auto& st = make_state(s, 1, {1});
  auto& t = s.make<explored::one_task>(put_in_task(st, 2));
  s.thread("worker", [&t] { t.run(); });
  s.thread("consumer", [&st] { st.get(); });
});

twice const task_closed("queue", "a task gets, closed", [](scenario& s) {
  auto& st = make_state(s, 1);
  auto& t = s.make<explored::one_task>(get_in_task(st));
  s.thread("worker", [&t] { t.run(); });
  s.thread("closer", [&st] { st.close(); });
  s.finally([&] { s.check(t.failed(), "nothing was put in, so it had to see the end"); });
});

twice const task_cancelled(
    "queue", "a task that gets, cancelled beside the put",
    [](scenario& s) {
      auto& st = make_state(s, 1);
      auto& t = s.make<explored::one_task>(get_in_task(st));
      s.thread("worker", [&t] { t.run(); });
      s.thread("producer", [&st] { st.put(1); });
      s.thread("canceller", [&t] { t.cancel(); });
      s.finally([&] { s.check(st.got_by_task != t.was_cancelled(), "neither got nor cancelled, or both"); });
    },
    explored::schedules_of_three());

twice const putting_task_cancelled(
    "queue", "a task that puts, cancelled beside the get",
    [](scenario& s) {
      auto& st = make_state(s, 1, {1});
      auto& t = s.make<explored::one_task>(put_in_task(st, 2));
      s.thread("worker", [&t] { t.run(); });
      s.thread("consumer", [&st] { st.get(); });
      s.thread("canceller", [&t] { t.cancel(); });
    },
    explored::schedules_of_three());

}  // namespace

TEST_CASE("queue: every schedule") { explored::run("queue"); }
