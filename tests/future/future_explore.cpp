// SPDX-License-Identifier: BSL-1.0
#include <concur/future/future.hpp>

#include "support/explored_task.hpp"

#include <concur/future/promise.hpp>

#include <chrono>
#include <exception>
#include <optional>
#include <utility>

namespace {

using namespace std::chrono_literals;
using concur::future;
using concur::outcome;
using concur::promise;
using explored::counted;
using explored::testing::check;
using explored::testing::scenario;
using explored::twice;

// A promise with its future, and something written before the value.
struct state {
  void set() {
    message.add();
    p->set_value(7);
  }
  void check_value(int value) {
    check(value == 7, "a wrong value");
    check(message.get() == 1, "what was written before the value is not visible");
  }
  // Returns whether there was a value.
  bool take() {
    try {
      check_value(f->get());
      return true;
    } catch (concur::cancelled const&) {
      return false;
    }
  }

  std::optional<promise<int>> p{std::in_place};
  std::optional<future<int>> f{p->get_future()};
  counted message;
  counted called;
};

twice const set_and_get("future", "set beside get", [](scenario& s) {
  auto& st = s.make<state>();
  s.thread("producer", [&st] { st.set(); });
  s.thread("consumer", [&st] { check(st.take(), "cancelled by nobody"); });
});

// Whoever has the value may destroy both ends while the producer is still in its call.
twice const destroyed("future", "both ends destroyed by the party that waited", [](scenario& s) {
  auto& st = s.make<state>();
  s.thread("producer", [&st] { st.p->set_value(7); });
  s.thread("consumer", [&st] {
    check(st.f->get() == 7, "a wrong value");
    st.p.reset();
    st.f.reset();
  });
});

twice const timed("future", "set beside a timed get", [](scenario& s) {
  auto& st = s.make<state>();
  s.thread("producer", [&st] { st.set(); });
  s.thread("consumer", [&st] {
    if (st.f->wait_for(1ms)) {
      check(st.take(), "cancelled by nobody");
    } else {
      st.f.reset();
    }
  });
});

twice const stopped("future", "set beside a stop", [](scenario& s) {
  auto& st = s.make<state>();
  auto& stop = s.make<concur::os::stop_source>();
  s.thread("producer", [&st] { st.set(); });
  s.thread("consumer", [&] {
    if (auto const value = st.f->get(stop.get_token())) {
      st.check_value(*value);
    } else {
      check(stop.stop_requested(), "a wait ended for no reason");
      check(st.take(), "cancelled by nobody");
    }
  });
  s.thread("stopper", [&stop] { stop.request_stop(); });
});

twice const polled("future", "done beside set", [](scenario& s) {
  auto& st = s.make<state>();
  s.thread("producer", [&st] { st.set(); });
  s.thread("consumer", [&st] {
    if (st.f->done()) check(st.take(), "cancelled by nobody");
    st.f.reset();
  });
});

twice const cancelled("future", "set beside get and cancel", [](scenario& s) {
  auto& st = s.make<state>();
  auto& came_first = s.make<counted>();
  auto& values = s.make<counted>();
  s.thread("producer", [&st] { st.set(); });
  s.thread("consumer", [&] {
    if (st.take()) values.add();
  });
  s.thread("canceller", [&] {
    if (st.f->cancel()) came_first.add();
  });
  s.finally([&] { s.check(values.get() + came_first.get() == 1, "neither value nor cancel, or both"); });
});

twice const begun("future", "work that begins beside a cancel", [](scenario& s) {
  auto& st = s.make<state>();
  s.thread("producer", [&] {
    if (st.p->begin()) {
      st.set();
    } else {
      check(st.p->cancelled(), "refused for no reason");
    }
  });
  s.thread("canceller", [&] {
    bool const first = st.f->cancel();
    bool const value = st.take();
    check(first || value, "neither value nor cancel");
  });
});

twice const token("future", "a stop token asked for beside the cancel", [](scenario& s) {
  auto& st = s.make<state>();
  s.thread("producer", [&st] { st.message.add(st.p->get_stop_token().stop_requested() ? 1 : 0); });
  s.thread("canceller", [&st] { st.f->cancel(); });
  s.finally([&] { s.check(st.p->get_stop_token().stop_requested(), "the token missed the cancel"); });
});

twice const two_producers("future", "two set beside get", [](scenario& s) {
  auto& st = s.make<state>();
  auto& won = s.make<counted>();
  auto& value = s.make<counted>();
  concur::os::plain<int>& other = s.make<concur::os::plain<int>>(0);
  s.thread("first", [&] {
    if (st.p->try_set_value(1)) won.add();
  });
  s.thread("second", [&] {
    if (st.p->try_set_value(2)) other.set(1);
  });
  s.thread("consumer", [&] { value.add(st.f->get()); });
  s.finally([&] {
    s.check(won.get() + other.get() == 1, "not exactly one set the value");
    s.check(value.get() == (won.get() == 1 ? 1 : 2), "the value of the other");
  });
});

twice const broken("future", "a promise destroyed beside get", [](scenario& s) {
  auto& st = s.make<state>();
  s.thread("producer", [&st] { st.p.reset(); });
  s.thread("consumer", [&st] {
    try {
      st.f->get();
      explored::testing::fail("a value from nowhere");
    } catch (concur::broken_promise const&) {
    }
    st.f.reset();
  });
});

twice const dropped("future", "drop beside set", [](scenario& s) {
  auto& st = s.make<state>();
  s.thread("producer", [&st] {
    st.set();
    st.p.reset();
  });
  s.thread("consumer", [&st] { st.f.reset(); });
});

twice const called_back("future", "a callback given beside set", [](scenario& s) {
  auto& st = s.make<state>();
  s.thread("producer", [&st] { st.set(); });
  s.thread("consumer", [&st] {
    st.f->on_done([&st](outcome<int> const& how) {
      st.check_value(how.value());
      st.called.add();
    });
    check(st.take(), "cancelled by nobody");
    check(st.called.get() == 1, "the value came before the callback had run");
  });
});

// The callback reads the value; get must not move it away meanwhile.
struct watched_value {
  explicit watched_value(concur::os::plain<int>& shared) noexcept : field(&shared) {}
  watched_value(watched_value&& other) noexcept : field(other.field) { field->set(field->get() + 1); }
  concur::os::plain<int>* field;
};

twice const not_while_called("future", "get beside the callback", [](scenario& s) {
  auto& field = s.make<concur::os::plain<int>>(0);
  struct ends {
    std::optional<promise<watched_value>> p{std::in_place};
    std::optional<future<watched_value>> f{p->get_future()};
  };
  auto& st = s.make<ends>();
  st.f->on_done([](outcome<watched_value> const& how) { static_cast<void>(how.value().field->get()); });
  s.thread("producer", [&] { st.p->set_value(field); });
  s.thread("consumer", [&] {
    if (!st.f->done()) return;
    auto const first = st.f->get();
    check(first.field == &field, "a wrong value");
    st.f.reset();
    st.p.reset();
  });
});

// Done is done, also while the callbacks run: the producer, still in its call, must not need the ends any more.
twice const polled_while_called("future", "both ends destroyed by who finds it done, beside a callback",
                                [](scenario& s) {
                                  auto& st = s.make<state>();
                                  st.f->on_done([&st](outcome<int> const&) { st.called.add(); });
                                  s.thread("producer", [&st] { st.p->set_value(7); });
                                  s.thread("consumer", [&st] {
                                    if (!st.f->done()) return;
                                    st.f.reset();
                                    st.p.reset();
                                  });
                                  s.finally([&] { s.check(st.called.get() == 1, "the callback did not run once"); });
                                });

twice const chained("future", "then beside set", [](scenario& s) {
  auto& st = s.make<state>();
  s.thread("producer", [&st] {
    st.set();
    st.p.reset();
  });
  s.thread("consumer", [&st] {
    auto next = std::move(*st.f).then([&st](int value) {
      st.check_value(value);
      return value + 1;
    });
    check(next.get() == 8, "a wrong value");
  });
});

twice const chained_cancelled("future", "then beside set and cancel", [](scenario& s) {
  auto& st = s.make<state>();
  auto& next = s.make<std::optional<future<int>>>();
  next = std::move(*st.f).then([&st](int value) {
    st.called.add();
    return value;
  });
  s.thread("producer", [&st] { st.p->set_value(7); });
  s.thread("canceller", [&] {
    bool const first = next->cancel();
    try {
      check(next->get() == 7, "a wrong value");
    } catch (concur::cancelled const&) {
      check(first, "cancelled by nobody");
    }
    next.reset();
  });
});

twice const shared("future", "two shared readers beside set", [](scenario& s) {
  struct ends {
    promise<int> p;
    concur::shared_future<int> first{p.get_future().share()};
    concur::shared_future<int> second{first};
    counted message;
  };
  auto& st = s.make<ends>();
  s.thread("producer", [&st] {
    st.message.add();
    st.p.set_value(7);
  });
  for (auto* each : {&st.first, &st.second}) {
    s.thread(each == &st.first ? "first" : "second", [&st, each] {
      auto const mine = std::move(*each);
      check(mine.get() == 7, "a wrong value");
      check(st.message.get() == 1, "what was written before the value is not visible");
    });
  }
});

support::test_task<> await_value(state& st, counted& passed) {
  int const expected = 7;
  int const value = co_await *st.f;
  check(value == expected, "a wrong value");
  check(st.message.get() == 1, "what was written before the value is not visible");
  passed.add();
}

twice const task("future", "a task awaits beside set", [](scenario& s) {
  auto& st = s.make<state>();
  auto& passed = s.make<counted>();
  auto& t = s.make<explored::one_task>(await_value(st, passed));
  s.thread("worker", [&t] { t.run(); });
  s.thread("producer", [&st] { st.set(); });
  s.finally([&] { s.check(passed.get() == 1, "the task did not get the value"); });
});

twice const task_cancelled(
    "future", "a task awaits beside set and its cancel",
    [](scenario& s) {
      auto& st = s.make<state>();
      auto& passed = s.make<counted>();
      auto& t = s.make<explored::one_task>(await_value(st, passed));
      s.thread("worker", [&] {
        t.run();
        check(st.f->done(), "the task did not wait for the end of its future");
        check((passed.get() == 1) != t.was_cancelled(), "neither passed nor cancelled, or both");
      });
      s.thread("producer", [&st] { st.set(); });
      s.thread("canceller", [&t] { t.cancel(); });
    },
    explored::schedules_of_three());

twice const running_task_cancelled(
    "future", "a task awaits running work beside its cancel",
    [](scenario& s) {
      auto& st = s.make<state>();
      auto& passed = s.make<counted>();
      auto& t = s.make<explored::one_task>(await_value(st, passed));
      check(st.p->begin(), "begun before");
      s.thread("worker", [&] {
        t.run();
        check(st.f->done(), "the task did not wait for the end of its future");
        check((passed.get() == 1) != t.was_cancelled(), "neither passed nor cancelled, or both");
      });
      s.thread("producer", [&st] { st.set(); });
      s.thread("canceller", [&t] { t.cancel(); });
    },
    explored::schedules_of_three());

// Waits, and leaves the value where it is.
support::test_task<> wait_for_end(state& st, counted& passed) {
  counted const none;
  co_await st.f->async_wait();
  check(st.message.get() == 1, "what was written before the value is not visible");
  passed.add();
}

twice const end_awaited("future", "a task waits for the end beside set", [](scenario& s) {
  auto& st = s.make<state>();
  auto& passed = s.make<counted>();
  auto& t = s.make<explored::one_task>(wait_for_end(st, passed));
  s.thread("worker", [&t] { t.run(); });
  s.thread("producer", [&st] { st.set(); });
  s.finally([&] { s.check(passed.get() == 1 && st.take(), "the task did not pass, or took the value"); });
});

twice const end_awaited_cancelled(
    "future", "a task waits for the end beside set and its cancel",
    [](scenario& s) {
      auto& st = s.make<state>();
      auto& passed = s.make<counted>();
      auto& t = s.make<explored::one_task>(wait_for_end(st, passed));
      s.thread("worker", [&] {
        t.run();
        check((passed.get() == 1) != t.was_cancelled(), "neither passed nor cancelled, or both");
      });
      s.thread("producer", [&st] { st.set(); });
      s.thread("canceller", [&t] { t.cancel(); });
      s.finally([&] { s.check(st.take(), "the cancel reached the future"); });
    },
    explored::schedules_of_three());

// The wait is the last that holds the state, and a canceller may still look for it there.
support::test_task<> wait_as_last(state& st, counted& passed) {
  counted const none;
  auto wait = st.f->async_wait();
  st.f.reset();
  co_await wait;
  passed.add();
}

twice const end_awaited_as_last(
    "future", "a task waits for the end beside the end of both ends and its cancel",
    [](scenario& s) {
      auto& st = s.make<state>();
      auto& passed = s.make<counted>();
      auto& t = s.make<explored::one_task>(wait_as_last(st, passed));
      s.thread("worker", [&] {
        t.run();
        check((passed.get() == 1) != t.was_cancelled(), "neither passed nor cancelled, or both");
      });
      s.thread("producer", [&st] {
        st.set();
        st.p.reset();
      });
      s.thread("canceller", [&t] { t.cancel(); });
    },
    explored::schedules_of_three());

}  // namespace

TEST_CASE("future: every schedule") { explored::run("future"); }
