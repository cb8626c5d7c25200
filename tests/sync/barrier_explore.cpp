// SPDX-License-Identifier: BSL-1.0
#include <concur/sync/barrier.hpp>

#include "support/explored_task.hpp"

#include <chrono>
#include <cstddef>
#include <stdexcept>

namespace {

using namespace std::chrono_literals;
using explored::counted;
using explored::destructible;
using explored::registration;
using explored::testing::check;
using explored::testing::scenario;
using explored::twice;

// Counts in as many phases as the threads go through, and says when somebody passes too early.
struct phases {
  explicit phases(int count) : parties(count), b(count) {}

  std::size_t pass(int who, int phase) {
    arrivals[who][phase].add();
    std::size_t const index = b.arrive_and_wait();
    check_all(phase);
    return index;
  }
  void check_all(int phase) {
    for (int i = 0; i < parties; ++i) {
      check(arrivals[i][phase].get() == 1, "a party passed before all had arrived, or does not see what they did");
    }
  }

  int const parties;
  concur::barrier<> b;
  counted arrivals[3][2];
};

char const* name_of(int i) {
  constexpr char const* names[] = {"first", "second", "third", "fourth"};
  return names[i];
}

twice const two_phases("barrier", "two parties, two phases", [](scenario& s) {
  auto& st = s.make<phases>(2);
  auto& indices = s.make<counted>();
  for (int i = 0; i < 2; ++i) {
    s.thread(name_of(i), [&st, i, &indices] {
      std::size_t const index = st.pass(i, 0);
      // The phase that follows orders the two.
      if (index == 1) indices.add();
      if (st.pass(i, 1) == 0) check(indices.get() == 1, "both were the last, or none");
    });
  }
});

registration const three(
    "barrier", "three parties, two phases",
    [](scenario& s) {
      auto& st = s.make<phases>(3);
      for (int i = 0; i < 3; ++i) {
        s.thread(name_of(i), [&st, i] {
          for (int phase = 0; phase < 2; ++phase) st.pass(i, phase);
        });
      }
    },
    {.preemptions = 2, .timeouts = 0, .spurious = 0, .weak_failures = 0, .clock_jumps = 0, .stale_reads = 1});

twice const three_once("barrier", "three parties", [](scenario& s) {
  auto& st = s.make<phases>(3);
  for (int i = 0; i < 3; ++i) {
    s.thread(name_of(i), [&st, i] { st.pass(i, 0); });
  }
});

// How the wait of a party ended.
enum class ending { passed, gave_up, broken };

template <class Wait>
ending end_of(Wait wait) {
  try {
    return wait() ? ending::passed : ending::gave_up;
  } catch (concur::broken_barrier const&) {
    return ending::broken;
  }
}

template <class Barrier>
ending arrive(Barrier& b) {
  return end_of([&b] { return b.arrive_and_wait(), true; });
}

struct endings {
  concur::barrier<> b{2};
  ending of[3] = {};
};

twice const aborted("barrier", "abort beside the arrivals", [](scenario& s) {
  auto& st = s.make<endings>();
  for (int i = 0; i < 2; ++i) {
    s.thread(name_of(i), [&st, i] { st.of[i] = arrive(st.b); });
  }
  s.thread("aborter", [&st] { st.b.abort(); });
  s.finally([&] {
    s.check(st.of[0] == st.of[1], "one passed and the other did not");
    s.check(st.b.broken() && st.b.waiting() == 0, "abort was lost");
    st.b.reset();
    s.check(!st.b.broken(), "reset was lost");
  });
});

twice const seen_broken("barrier", "what was done before abort is seen", [](scenario& s) {
  struct shared {
    concur::barrier<> b{2};
    counted message;
  };
  auto& st = s.make<shared>();
  s.thread("waiter", [&st] {
    check(arrive(st.b) == ending::broken, "passed alone");
    check(st.message.get() == 1, "what was done before abort is not visible");
  });
  s.thread("aborter", [&st] {
    st.message.add();
    st.b.abort();
  });
  s.thread("looker", [&st] {
    if (st.b.broken()) check(st.message.get() == 1, "what was done before abort is not visible");
  });
});

// Who is sent away by the reset comes again, and nobody is left alone.
twice const reset_beside("barrier", "reset beside the arrivals", [](scenario& s) {
  auto& st = s.make<endings>();
  for (int i = 0; i < 2; ++i) {
    s.thread(name_of(i), [&st] {
      while (arrive(st.b) == ending::broken) {
      }
    });
  }
  s.thread("resetter", [&st] { st.b.reset(); });
  s.finally([&] { s.check(!st.b.broken() && st.b.waiting() == 0, "somebody is left, or it is broken"); });
});

twice const timed("barrier", "a limit beside the last arrival", [](scenario& s) {
  auto& st = s.make<endings>();
  s.thread("timed", [&st] { st.of[0] = end_of([&st] { return st.b.arrive_and_wait_for(1ms).has_value(); }); });
  s.thread("untimed", [&st] { st.of[1] = arrive(st.b); });
  s.finally([&] {
    bool const met = st.of[0] == ending::passed;
    s.check(met ? st.of[1] == ending::passed : st.of[0] == ending::gave_up && st.of[1] == ending::broken,
            "a limit that came before the other did not break the barrier for both");
    s.check(st.b.broken() == !met, "broken, or not, for no reason");
  });
});

twice const timed_of_three(
    "barrier", "a limit breaks it for two others",
    [](scenario& s) {
      struct shared {
        concur::barrier<> b{3};
        ending of[3] = {};
      };
      auto& st = s.make<shared>();
      s.thread("timed", [&st] { st.of[0] = end_of([&st] { return st.b.arrive_and_wait_for(1ms).has_value(); }); });
      for (int i = 1; i < 3; ++i) {
        s.thread(name_of(i), [&st, i] { st.of[i] = arrive(st.b); });
      }
      s.finally([&] {
        bool const met = st.of[0] == ending::passed;
        auto const others = met ? ending::passed : ending::broken;
        s.check(st.of[1] == others && st.of[2] == others, "a limit did not break the barrier for all");
        s.check(st.b.waiting() == 0, "somebody is left");
      });
    },
    explored::schedules_of_three());

twice const stopped("barrier", "a stop beside the last arrival", [](scenario& s) {
  auto& st = s.make<endings>();
  auto& stop = s.make<concur::os::stop_source>();
  s.thread("stoppable", [&] { st.of[0] = end_of([&] { return st.b.arrive_and_wait(stop.get_token()).has_value(); }); });
  s.thread("other", [&st] { st.of[1] = arrive(st.b); });
  s.thread("stopper", [&stop] { stop.request_stop(); });
  s.finally([&] {
    bool const met = st.of[0] == ending::passed;
    s.check(met ? st.of[1] == ending::passed : st.of[0] == ending::gave_up && st.of[1] == ending::broken,
            "a stop that came before the other did not break the barrier for both");
  });
});

// A barrier whose step counts its calls, checks that none overlaps another and that it sees who has arrived.
template <class Step>
struct stepped_state {
  explicit stepped_state(int count) : b(count, Step{this}) {}

  counted calls;
  counted arrivals[3];
  ending of[3] = {};
  concur::barrier<Step> b;
};

struct counting_step {
  stepped_state<counting_step>* state;
  void operator()() const { state->calls.add(); }
};
using with_step = stepped_state<counting_step>;

struct throwing_step {
  stepped_state<throwing_step>* state;
  void operator()() const {
    state->calls.add();
    throw std::runtime_error("the step failed");
  }
};

twice const with_a_step("barrier", "a completion step, two phases", [](scenario& s) {
  auto& st = s.make<with_step>(2);
  for (int i = 0; i < 2; ++i) {
    s.thread(name_of(i), [&st, i] {
      st.arrivals[i].add();
      st.b.arrive_and_wait();
      check(st.calls.get() >= 1, "a party passed without the step, or does not see what it did");
      check(st.arrivals[1 - i].get() == 1, "a party passed before all had arrived");
      st.b.arrive_and_wait();
      check(st.calls.get() == 2, "a party passed without the step, or does not see what it did");
    });
  }
});

twice const step_aborted("barrier", "abort beside the completion step", [](scenario& s) {
  auto& st = s.make<with_step>(2);
  for (int i = 0; i < 2; ++i) {
    s.thread(name_of(i), [&st, i] { st.of[i] = arrive(st.b); });
  }
  s.thread("aborter", [&st] { st.b.abort(); });
  s.finally([&] {
    s.check(st.of[0] == st.of[1], "one passed and the other did not");
    s.check(st.calls.get() == (st.of[0] == ending::passed ? 1 : 0), "the step does not go with the phase");
    s.check(st.b.broken() && st.b.waiting() == 0, "abort was lost");
  });
});

twice const step_timed("barrier", "a limit beside the completion step", [](scenario& s) {
  auto& st = s.make<with_step>(2);
  s.thread("timed", [&st] { st.of[0] = end_of([&st] { return st.b.arrive_and_wait_for(1ms).has_value(); }); });
  s.thread("untimed", [&st] { st.of[1] = arrive(st.b); });
  s.finally([&] {
    bool const met = st.of[0] == ending::passed;
    s.check(met ? st.of[1] == ending::passed : st.of[0] == ending::gave_up && st.of[1] == ending::broken,
            "a limit that came before the other did not break the barrier for both");
    s.check(st.calls.get() == (met ? 1 : 0), "the step does not go with the phase");
  });
});

twice const step_throws("barrier", "a completion step that throws", [](scenario& s) {
  auto& st = s.make<stepped_state<throwing_step>>(2);
  auto& thrown = s.make<concur::os::atomic<int>>(0);
  for (int i = 0; i < 2; ++i) {
    s.thread(name_of(i), [&, i] {
      try {
        st.of[i] = arrive(st.b);
      } catch (std::runtime_error const&) {
        thrown.fetch_add(1);
      }
    });
  }
  s.finally([&] {
    s.check(thrown.load() == 1 && st.calls.get() == 1, "the exception left none of the calls, or both");
    s.check((st.of[0] == ending::broken) != (st.of[1] == ending::broken), "the other was not told");
    s.check(st.b.broken(), "the barrier is not broken");
  });
});

// More threads than parties: who comes while the step runs has to try again. With one party, each arrival is a phase.
twice const more_threads("barrier", "three threads at a barrier for one, with a step", [](scenario& s) {
  auto& st = s.make<with_step>(1);
  for (int i = 0; i < 3; ++i) {
    s.thread(name_of(i), [&st] { check(st.b.arrive_and_wait() == 0, "the only party was not the first"); });
  }
  s.finally([&] { s.check(st.calls.get() == 3 && st.b.waiting() == 0, "the step was not called once a phase"); });
});

registration const four_threads(
    "barrier", "four threads at a barrier for two, with a step",
    [](scenario& s) {
      auto& st = s.make<with_step>(2);
      for (int i = 0; i < 4; ++i) {
        s.thread(name_of(i), [&st] { st.b.arrive_and_wait(); });
      }
      s.finally([&] { s.check(st.calls.get() == 2 && st.b.waiting() == 0, "the step was not called once a phase"); });
    },
    {.preemptions = 2, .timeouts = 0, .spurious = 0, .weak_failures = 0, .clock_jumps = 0, .stale_reads = 0});

// A limit that strikes a party which came while the step ran breaks the next phase, not the one that was complete.
twice const more_threads_timed("barrier", "a limit while the step of others runs", [](scenario& s) {
  auto& st = s.make<with_step>(1);
  s.thread("first", [&st] { st.of[0] = arrive(st.b); });
  s.thread("timed", [&st] { st.of[1] = end_of([&st] { return st.b.arrive_and_wait_for(1ms).has_value(); }); });
  s.finally([&] {
    int const passed = (st.of[0] == ending::passed) + (st.of[1] == ending::passed);
    s.check(st.calls.get() == passed, "the step was not called once a phase");
    s.check(st.b.broken() == (st.of[1] == ending::gave_up), "broken, or not, for no reason");
    s.check(st.of[0] == ending::passed || st.of[1] == ending::gave_up, "broken for no reason");
  });
});

twice const more_threads_aborted(
    "barrier", "abort and reset while the step runs and others come",
    [](scenario& s) {
      auto& st = s.make<with_step>(1);
      bool const then_reset = s.choose(2) != 0;
      for (int i = 0; i < 2; ++i) {
        s.thread(name_of(i), [&st, i] { st.of[i] = arrive(st.b); });
      }
      s.thread("aborter", [&st, then_reset] { then_reset ? st.b.reset() : st.b.abort(); });
      s.finally([&st, &s, then_reset] {
        int const passed = (st.of[0] == ending::passed) + (st.of[1] == ending::passed);
        s.check(st.calls.get() == passed, "the step does not go with the phase");
        s.check(st.b.broken() == !then_reset, "abort or reset was lost");
      });
    },
    explored::schedules_of_three());

twice const destroyed("barrier", "destroyed by a party when all have passed", [](scenario& s) {
  struct shared {
    destructible<concur::barrier<>> b{2};
    concur::os::atomic<int> inside{2};
  };
  auto& st = s.make<shared>();
  for (int i = 0; i < 2; ++i) {
    s.thread(name_of(i), [&st] {
      st.b->arrive_and_wait();
      if (st.inside.fetch_sub(1) == 1) st.b.destroy();
    });
  }
});

// The party that was woken is the one to destroy it, while the last to arrive may still be waking.
twice const destroyed_by_woken("barrier", "destroyed by the party that was woken", [](scenario& s) {
  auto& b = s.make<destructible<concur::barrier<>>>(2);
  for (int i = 0; i < 2; ++i) {
    s.thread(name_of(i), [&b] {
      if (b->arrive_and_wait() == 0) b.destroy();
    });
  }
});

twice const destroyed_with_step("barrier", "one with a step, destroyed by the party that was woken", [](scenario& s) {
  struct one_step {
    counted* calls;
    void operator()() const { calls->add(); }
  };
  auto& calls = s.make<counted>();
  auto& b = s.make<destructible<concur::barrier<one_step>>>(2, one_step{&calls});
  for (int i = 0; i < 2; ++i) {
    s.thread(name_of(i), [&b] {
      if (b->arrive_and_wait() == 0) b.destroy();
    });
  }
});

twice const dropped("barrier", "a party leaves beside two that meet", [](scenario& s) {
  struct shared {
    concur::barrier<> b{3};
    counted arrivals[3];
  };
  auto& st = s.make<shared>();
  for (int i = 0; i < 2; ++i) {
    s.thread(name_of(i), [&st, i] {
      st.arrivals[i].add();
      st.b.arrive_and_wait();
      for (auto const& each : st.arrivals) check(each.get() == 1, "a party passed before all had arrived");
    });
  }
  s.thread("leaver", [&st] {
    st.arrivals[2].add();
    st.b.arrive_and_drop();
  });
  s.finally([&] { s.check(st.b.parties() == 2 && st.b.waiting() == 0, "the party has not left"); });
});

support::test_task<> pass_in_task(concur::barrier<>& b, ending& how) {
  ending const passed = ending::passed;
  try {
    co_await b.async_arrive_and_wait();
    how = passed;
  } catch (concur::broken_barrier const&) {
    how = ending::broken;
  }
}

twice const task("barrier", "a task and a thread", [](scenario& s) {
  auto& st = s.make<endings>();
  st.of[0] = ending::gave_up;
  auto& t = s.make<explored::one_task>(pass_in_task(st.b, st.of[0]));
  s.thread("worker", [&t] { t.run(); });
  s.thread("thread", [&st] { st.of[1] = arrive(st.b); });
  s.finally([&] { s.check(st.of[0] == ending::passed && st.of[1] == ending::passed, "they did not meet"); });
});

twice const task_cancelled(
    "barrier", "a task cancelled beside the last arrival",
    [](scenario& s) {
      auto& st = s.make<endings>();
      st.of[0] = ending::gave_up;
      auto& t = s.make<explored::one_task>(pass_in_task(st.b, st.of[0]));
      s.thread("worker", [&t] { t.run(); });
      // With a limit: a task that is cancelled before it arrives breaks nothing.
      s.thread("thread", [&st] { st.of[1] = end_of([&st] { return st.b.arrive_and_wait_for(1ms).has_value(); }); });
      s.thread("canceller", [&t] { t.cancel(); });
      s.finally([&] {
        s.check((st.of[0] == ending::passed) == (st.of[1] == ending::passed), "one passed and the other did not");
        s.check(t.was_cancelled() == (st.of[0] == ending::gave_up), "cancelled, but it passed or is gone");
      });
    },
    explored::schedules_of_three());

support::test_task<> step_in_task(with_step& st) {
  int const one = 1;
  st.arrivals[0].add(one);
  co_await st.b.async_arrive_and_wait();
  check(st.calls.get() == 1, "a task passed without the step, or does not see what it did");
  check(st.arrivals[1].get() == one, "a task passed before all had arrived");
}

twice const task_with_step("barrier", "a task and a thread with a completion step", [](scenario& s) {
  auto& st = s.make<with_step>(2);
  auto& t = s.make<explored::one_task>(step_in_task(st));
  s.thread("worker", [&t] { t.run(); });
  s.thread("thread", [&st] {
    st.arrivals[1].add();
    st.b.arrive_and_wait();
    check(st.calls.get() == 1 && st.arrivals[0].get() == 1, "a thread passed too early");
  });
  s.finally([&] { s.check(!t.failed(), "the task failed"); });
});

support::test_task<> come_alone(with_step& st, ending& how) {
  ending const passed = ending::passed;
  co_await st.b.async_arrive_and_wait();
  how = passed;
}

// With one party, each arrival is a phase, and the task may come while the step of the thread's runs.
twice const task_comes_late("barrier", "a task comes while the step of others runs", [](scenario& s) {
  auto& st = s.make<with_step>(1);
  auto& t = s.make<explored::one_task>(come_alone(st, st.of[0]));
  s.thread("worker", [&t] { t.run(); });
  s.thread("thread", [&st] { st.b.arrive_and_wait(); });
  s.finally([&] { s.check(st.calls.get() == 2 && !t.failed(), "the step was not called once a phase"); });
});

twice const late_task_cancelled(
    "barrier", "a task that comes while the step of others runs is cancelled",
    [](scenario& s) {
      auto& st = s.make<with_step>(1);
      st.of[0] = ending::gave_up;
      auto& t = s.make<explored::one_task>(come_alone(st, st.of[0]));
      s.thread("worker", [&t] { t.run(); });
      s.thread("thread", [&st] { st.of[1] = arrive(st.b); });
      s.thread("canceller", [&t] { t.cancel(); });
      s.finally([&] {
        s.check(t.was_cancelled() == (st.of[0] == ending::gave_up), "cancelled, but it passed or is gone");
        s.check(st.of[1] == ending::passed || t.was_cancelled(), "broken for no reason");
        int const passed = (st.of[0] == ending::passed) + (st.of[1] == ending::passed);
        s.check(st.calls.get() == passed, "the step was not called once a phase");
        s.check(!st.b.broken() || t.was_cancelled(), "broken for no reason");
      });
    },
    explored::schedules_of_three());

}  // namespace

TEST_CASE("barrier: every schedule") { explored::run("barrier"); }
