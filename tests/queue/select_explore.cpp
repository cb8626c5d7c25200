// SPDX-License-Identifier: BSL-1.0
//
// First the waiting for several event counts alone, over counters that order nothing; then select over queues.
#include <concur/queue/select.hpp>

#include "explored_elements.hpp"
#include "support/explored_task.hpp"

#include <concur/queue/detail/selection.hpp>
#include <concur/queue/queue.hpp>

#include <chrono>
#include <optional>
#include <tuple>
#include <utility>

namespace {

using namespace std::chrono_literals;
using concur::on_get;
using concur::on_put;
using concur::ring_outcome;
using concur::detail::selection;
using concur::detail::selection_arm;
using explored::counted;
using explored::destructible;
using explored::element;
using explored::history;
using explored::lives;
using explored::preemptions;
using explored::twice;
using explored::testing::check;
using explored::testing::scenario;

// Items without an order of their own: nothing but the event count orders them against the sleepers' list.
struct shelf {
  void put() {
    items.fetch_add(1, std::memory_order_relaxed);
    not_empty.notify_one();
  }
  bool try_get() {
    int present = items.load(std::memory_order_relaxed);
    while (present > 0) {
      if (items.compare_exchange_strong(present, present - 1, std::memory_order_relaxed)) return true;
    }
    return false;
  }
  void get() {
    not_empty.wait([this] { return try_get(); });
  }

  concur::event_count not_empty;
  concur::os::atomic<int> items{0};
};

struct spoiled {};

class take final : public selection_arm {
 public:
  take(selection& all, std::size_t index, shelf& from) : selection_arm(all, index, from.not_empty), from_(from) {}
  ring_outcome attempt() override {
    if (throws) {
      if (from_.items.load(std::memory_order_relaxed) > 0) throw spoiled();
      return ring_outcome::refused;
    }
    return from_.try_get() ? ring_outcome::done : ring_outcome::refused;
  }
  bool throws = false;

 private:
  shelf& from_;
};

constexpr std::size_t nothing = SIZE_MAX;

// From which of the two it took one.
std::size_t take_one(shelf& first, shelf& second, concur::wait_limit const& limit = {}, bool spoil_second = false) {
  selection all;
  take from_first(all, 0, first);
  take from_second(all, 1, second);
  from_second.throws = spoil_second;
  return all.wait_within(limit) ? all.chosen().index() : nothing;
}

struct two_shelves {
  shelf& of(std::size_t which) { return which == 0 ? first : second; }
  shelf first;
  shelf second;
};

two_shelves& make_shelves(scenario& s, int left) {
  auto& st = s.make<two_shelves>();
  s.finally([&s, &st, left] {
    s.check(st.first.items.load() + st.second.items.load() == left, "an item was lost or made up");
  });
  return st;
}

twice const selection_one("selection", "an item on either", [](scenario& s) {
  auto& st = make_shelves(s, 0);
  auto const which = std::size_t(s.choose(2));
  s.thread("selecting", [&st, which] { check(take_one(st.first, st.second) == which, "taken from the other"); });
  s.thread("producer", [&st, which] { st.of(which).put(); });
});

twice const selection_again("selection", "an item on each, by one", [](scenario& s) {
  auto& st = make_shelves(s, 0);
  s.thread("selecting", [&st] {
    auto const which = take_one(st.first, st.second);
    check(take_one(st.first, st.second) != which, "taken from the same twice");
  });
  s.thread("producer", [&st] { st.first.put(), st.second.put(); });
});

// A late wake for the arm that was not chosen: the selection waits for it.
twice const selection_left("selection", "an item on each, one taken", [](scenario& s) {
  auto& st = make_shelves(s, 1);
  s.thread("selecting", [&st] { take_one(st.first, st.second); });
  s.thread("producer", [&st] { st.first.put(), st.second.put(); });
});

twice const selection_two_producers(
    "selection", "an item on each, by two",
    [](scenario& s) {
      auto& st = make_shelves(s, 0);
      s.thread("selecting", [&st] { take_one(st.first, st.second), take_one(st.first, st.second); });
      s.thread("first producer", [&st] { st.first.put(); });
      s.thread("second producer", [&st] { st.second.put(); });
    },
    explored::schedules_of_three());

// Both hints may go to the one that stands first in both lists: it passes one of them on.
twice const selection_two(
    "selection", "two select, an item on each",
    [](scenario& s) {
      auto& st = make_shelves(s, 0);
      s.thread("first", [&st] { take_one(st.first, st.second); });
      s.thread("second", [&st] { take_one(st.second, st.first); });
      s.thread("producer", [&st] { st.first.put(), st.second.put(); });
    },
    explored::schedules_of_three());

// The one that selects has what lies on the first, and was told of the second, or the other way round.
twice const selection_beside(
    "selection", "beside one that waits for the second",
    [](scenario& s) {
      auto& st = make_shelves(s, 0);
      s.thread("selecting", [&st] {
        if (take_one(st.first, st.second) == 0) return;
        st.second.put();
        st.first.get();
      });
      s.thread("waiting", [&st] { st.second.get(); });
      s.thread("producer", [&st] { st.first.put(), st.second.put(); });
    },
    explored::schedules_of_three());

// Without hiccups, which the next one has.
explored::registration const selection_limited(
    "selection", "a limit beside one that waits for the first",
    [](scenario& s) {
      auto& st = make_shelves(s, 0);
      s.thread("limited", [&st] {
        auto const which = take_one(st.first, st.second, {.deadline = concur::os::clock::now() + 1ms});
        if (which != nothing) st.of(which).put();
      });
      s.thread("waiting", [&st] { st.first.get(); });
      s.thread("producer", [&st] { st.first.put(); });
    },
    explored::schedules_of_three());

twice const selection_limited_alone(
    "selection", "a limit beside an item on each",
    [](scenario& s) {
      auto& st = s.make<two_shelves>();
      auto& taken = s.make<counted>();
      s.thread("limited", [&] {
        if (take_one(st.first, st.second, {.deadline = concur::os::clock::now() + 1ms}) != nothing) taken.add();
      });
      s.thread("producer", [&st] { st.first.put(), st.second.put(); });
      s.finally([&] {
        s.check(st.first.items.load() + st.second.items.load() + taken.get() == 2, "an item was lost or made up");
      });
    },
    explored::schedules_of_three());

twice const selection_stopped(
    "selection", "a stop beside an item",
    [](scenario& s) {
      auto& st = make_shelves(s, 1);
      auto& stop = s.make<concur::os::stop_source>();
      s.thread("selecting", [&] {
        auto const token = stop.get_token();
        auto const which = take_one(st.first, st.second, {.stop = &token});
        if (which != nothing) st.of(which).put();
      });
      s.thread("producer", [&st] { st.second.put(); });
      s.thread("stopper", [&stop] { stop.request_stop(); });
    },
    explored::schedules_of_three());

// The one that selects cannot take what lies on the second, so it must not keep a hint to itself.
twice const selection_throwing(
    "selection", "an attempt that throws",
    [](scenario& s) {
      auto& st = make_shelves(s, 1);
      s.thread("selecting", [&st] {
        try {
          take_one(st.first, st.second, {}, true);
        } catch (spoiled const&) {
          return;
        }
        check(false, "there was nothing to be taken");
      });
      s.thread("waiting", [&st] { st.second.get(); });
      s.thread("producer", [&st] { st.second.put(), st.second.put(); });
    },
    explored::schedules_of_three());

// What select does in a task, over two queues and some elements. Each queue has a history, and a select is in that of
// the queue it has chosen.
struct state {
  state(std::size_t first_capacity, std::size_t second_capacity)
      : logs{history(first_capacity), history(second_capacity)}, first(first_capacity), second(second_capacity) {}

  concur::queue<element>& of(std::size_t which) { return which == 0 ? *first : *second; }
  bool put(std::size_t which, int value) {
    element item(value, alive);
    auto const at = logs[which].begin();
    try {
      of(which).put(std::move(item));
    } catch (concur::closed const&) {
      check(item.value() == value, "a refused element was touched");
      logs[which].add_put(at, value, ring_outcome::closed);
      return false;
    }
    logs[which].add_put(at, value);
    return true;
  }
  void take(std::size_t which, int at, element&& item) {
    element const mine(std::move(item));
    logs[which].add_get(at, mine.value());
  }
  void get(std::size_t which) {
    auto const at = logs[which].begin();
    take(which, at, of(which).get());
  }
  // For one select that begins afterwards.
  auto on_get_from(std::size_t which) {
    return on_get(of(which),
                  [this, which, at = logs[which].begin()](element&& item) { take(which, at, std::move(item)); });
  }
  void close(std::size_t which) {
    auto const at = logs[which].begin();
    of(which).close();
    logs[which].add_close(at);
  }
  void select() { concur::select(on_get_from(0), on_get_from(1)); }

  lives alive;
  history logs[2];
  bool got_by_task = false;
  destructible<concur::queue<element>> first;
  destructible<concur::queue<element>> second;
};

state& make_state(scenario& s, std::size_t first_capacity = 1, std::size_t second_capacity = 1) {
  auto& st = s.make<state>(first_capacity, second_capacity);
  s.finally([&s, &st] {
    for (std::size_t which : {0u, 1u}) {
      while (!st.of(which).empty()) st.get(which);
      s.check(st.logs[which].explained(), "no order of the calls explains their results");
    }
    st.first.destroy();
    st.second.destroy();
    s.check(st.alive.made == st.alive.gone, "an element was not destroyed, or twice");
  });
  return st;
}

twice const one("select", "a put into either", [](scenario& s) {
  auto& st = make_state(s);
  auto const which = std::size_t(s.choose(2));
  s.thread("selecting", [&st] { st.select(); });
  s.thread("producer", [&st, which] { st.put(which, 1); });
});

twice const each("select", "a put into each", [](scenario& s) {
  auto& st = make_state(s);
  s.thread("selecting", [&st] { st.select(), st.select(); });
  s.thread("producer", [&st] { st.put(0, 1), st.put(1, 2); });
});

twice const room("select", "an element for either of two full ones", [](scenario& s) {
  auto& st = make_state(s);
  st.put(0, 1);
  st.put(1, 2);
  auto const which = std::size_t(s.choose(2));
  s.thread("selecting", [&st, which] {
    element a(4, st.alive);
    element b(8, st.alive);
    auto const at = st.logs[which].begin();
    auto const done = concur::select(on_put(st.of(0), std::move(a)), on_put(st.of(1), std::move(b)));
    check(done == which, "put where no room was");
    check((done == 0 ? b : a).value() == (done == 0 ? 8 : 4), "an element that was not put was touched");
    st.logs[which].add_put(at, done == 0 ? 4 : 8);
  });
  s.thread("consumer", [&st, which] { st.get(which); });
});

// One that takes and one that puts, and the other way round beside it.
twice const both_ways("select", "a get and a put, beside a get and a put", [](scenario& s) {
  auto& st = make_state(s);
  st.put(1, 1);
  s.thread("selecting", [&st] {
    bool put = false;
    for (int i = 0; i < 2; ++i) {
      element mine(4, st.alive);
      auto const at = st.logs[1].begin();
      if (put) {
        concur::select(st.on_get_from(0));
      } else if (concur::select(st.on_get_from(0), on_put(st.of(1), std::move(mine))) == 1) {
        st.logs[1].add_put(at, 4);
        put = true;
      }
    }
    check(put, "the same was done twice");
  });
  s.thread("other", [&st] { st.get(1), st.put(0, 2); });
});

twice const closed_one("select", "a close of each", [](scenario& s) {
  auto& st = make_state(s);
  s.thread("selecting", [&] {
    try {
      st.select();
      s.fail("an element came out of nothing");
    } catch (concur::closed const&) {
    }
  });
  s.thread("closer", [&st] { st.close(0), st.close(1); });
});

// A loop ends when both have ended, and has everything then.
twice const closed_each("select", "a loop beside a put and the closes", [](scenario& s) {
  auto& st = make_state(s);
  s.thread("selecting", [&] {
    try {
      for (;;) st.select();
    } catch (concur::closed const&) {
    }
    s.check(st.first->empty() && st.second->empty(), "closed was said before all was drained");
  });
  s.thread("producer", [&st] {
    st.close(0);
    st.put(1, 1);
    st.close(1);
  });
});

// Nobody else uses the second: it may go as soon as select has returned.
twice const gone("select", "a queue that goes right after", [](scenario& s) {
  auto& st = s.make<state>(1u, 1u);
  s.thread("selecting", [&st] {
    st.select();
    st.second.destroy();
  });
  s.thread("producer", [&st] { st.put(0, 1); });
  s.finally([&] {
    s.check(st.first->empty() && st.logs[0].explained(), "the element was not taken");
    st.first.destroy();
    s.check(st.alive.made == st.alive.gone, "an element was not destroyed, or twice");
  });
});

// Within smaller bounds, since the waiting alone is explored within the others.
explored::registration const limited(
    "select", "a limit beside another consumer",
    [](scenario& s) {
      auto& st = make_state(s, 2, 1);
      s.thread("limited", [&st] {
        if (concur::try_select_for(1ms, st.on_get_from(0), st.on_get_from(1))) st.put(0, 2);
      });
      s.thread("consumer", [&st] { st.get(0); });
      s.thread("producer", [&st] { st.put(0, 1); });
    },
    preemptions(2, 1));

support::test_task<> select_in_task(state& st) {
  auto const first = st.on_get_from(0);
  auto const second = st.on_get_from(1);
  co_await concur::async_select(first, second);
  st.got_by_task = true;
}

twice const task("select", "a task, a put into either", [](scenario& s) {
  auto& st = make_state(s);
  auto const which = std::size_t(s.choose(2));
  auto& t = s.make<explored::one_task>(select_in_task(st));
  s.thread("worker", [&t] { t.run(); });
  s.thread("producer", [&st, which] { st.put(which, 1); });
});

support::test_task<> select_counted(state& st, counted& steps) {
  auto const first = st.on_get_from(0);
  auto const second = on_get(st.of(1), [&st, &steps, at = st.logs[1].begin()](element&& item) {
    steps.add();
    st.take(1, at, std::move(item));
  });
  steps.add();
  co_await concur::async_select(first, second);
  steps.add();
}

// On two threads, as in a pool: what the task did before it slept is visible where it is resumed.
twice const task_moves(
    "select", "a task that wakes on another thread",
    [](scenario& s) {
      auto& st = make_state(s);
      auto& steps = s.make<counted>();
      auto& t = s.make<explored::one_task>(select_counted(st, steps));
      s.thread("first worker", [&t] { t.run_first_half(); });
      s.thread("second worker", [&t] { t.run_second_half(); });
      s.thread("producer", [&st] { st.put(1, 1); });
      s.finally([&] { s.check(steps.get() == 3, "the task has not ended"); });
    },
    explored::schedules_of_three());

twice const task_closed("select", "a task, a close of each", [](scenario& s) {
  auto& st = make_state(s);
  auto& t = s.make<explored::one_task>(select_in_task(st));
  s.thread("worker", [&t] { t.run(); });
  s.thread("closer", [&st] { st.close(0), st.close(1); });
  s.finally([&] { s.check(t.failed(), "nothing was put in, so it had to see the end"); });
});

twice const task_cancelled(
    "select", "a task cancelled beside a put",
    [](scenario& s) {
      auto& st = make_state(s);
      auto& t = s.make<explored::one_task>(select_in_task(st));
      s.thread("worker", [&t] { t.run(); });
      s.thread("producer", [&st] { st.put(1, 1); });
      s.thread("canceller", [&t] { t.cancel(); });
      s.finally([&] { s.check(st.got_by_task != t.was_cancelled(), "neither got nor cancelled, or both"); });
    },
    explored::schedules_of_three());

// The hint of a task that is cancelled goes to the thread that waits beside it.
twice const task_and_thread(
    "select", "a task cancelled beside a thread",
    [](scenario& s) {
      auto& st = make_state(s, 2, 1);
      auto& t = s.make<explored::one_task>(select_in_task(st));
      s.thread("worker", [&] {
        t.run();
        if (st.got_by_task) st.put(0, 2);
      });
      s.thread("consumer", [&st] { st.get(0); });
      s.thread("producer", [&] {
        st.put(0, 1);
        t.cancel();
      });
    },
    explored::schedules_of_three());

}  // namespace

TEST_CASE("selection: every schedule") { explored::run("selection"); }
TEST_CASE("select: every schedule") { explored::run("select"); }
