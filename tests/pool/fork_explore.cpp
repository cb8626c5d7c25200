// SPDX-License-Identifier: BSL-1.0
//
// Parts of parallel algorithms: made, stolen, helped with, handed back. Most scenarios have a pool without workers, and
// threads of their own in the places of its members, so that every schedule of a few steps is seen; the last ones are
// whole pools.
#include <concur/pool/parallel_invoke.hpp>

#include "support/bounded.hpp"

#include <concur/core/timer_heap.hpp>
#include <concur/pool/detail/participant.hpp>
#include <concur/pool/detail/pool_member.hpp>
#include <concur/sync/event.hpp>

#include <chrono>
#include <functional>
#include <optional>
#include <utility>

namespace {

using concur::event;
using concur::thread_pool;
using concur::detail::fork;
using concur::detail::forked_call;
using concur::detail::participant;
using concur::detail::pool_member;
using concur::detail::pool_state;
using explored::counted;
using explored::preemptions;
using explored::registration;
using explored::schedules_of_three;
using explored::testing::check;
using explored::testing::scenario;
using explored::twice;
using function = std::function<void()>;

/// The calling thread works for a pool.
class acting_as {
 public:
  explicit acting_as(pool_member& member) : before_(std::exchange(pool_member::current(), &member)) {}
  ~acting_as() { pool_member::current() = before_; }
  acting_as(acting_as const&) = delete;
  acting_as& operator=(acting_as const&) = delete;

 private:
  pool_member* const before_;
};

/// A pool without workers.
class bare_pool {
 public:
  bare_pool() : state_(*pool_state::start(0, concur::thread_pool_options().name("bare"))) {
    for (pool_member* each : {&owner, &thief, &third}) each->pool = &state_;
  }
  ~bare_pool() { state_.drop_reference(); }
  bare_pool(bare_pool const&) = delete;
  bare_pool& operator=(bare_pool const&) = delete;

  operator pool_state&() { return state_; }

 private:
  pool_state& state_;

 public:
  pool_member owner;
  pool_member thief;
  pool_member third;
};

fork* stolen_from_guests(pool_state& pool) { return pool.guests().steal_from(pool.guests().present()); }

// One fork: offered, `meanwhile()`, then taken back and run, or awaited.
void fork_and_join(pool_state& pool, function& what, function const& meanwhile = [] {}) {
  participant here(pool);
  forked_call<function> part(what);
  bool const offered = here.offer(part);
  meanwhile();
  if (!offered || here.take_back(part)) return what();
  here.await(part);
}

/// A part of the owner's that the thief has taken already.
class stolen_part {
 public:
  stolen_part(bare_pool& pool, function what) : pool_(pool), what_(std::move(what)), part_(std::in_place, what_) {
    acting_as const owner(pool.owner);
    check(participant(pool).offer(*part_), "no room for one fork");
    check(pool.owner.forks.steal() == &*part_, "not what was offered");
  }

  /// On the owner's thread. The part is gone afterwards.
  void await() {
    acting_as const owner(pool_.owner);
    participant here(pool_);
    check(!here.take_back(*part_), "stolen, and taken back");
    here.await(*part_);
    check(part_->done() && part_->take_error() == nullptr, "awaited, and not done");
    part_.reset();
  }
  void run() { part_->run(); }

 private:
  bare_pool& pool_;
  function what_;
  std::optional<forked_call<function>> part_;
};

twice const one_fork("fork", "offered beside a thief", [](scenario& s) {
  auto& pool = s.make<bare_pool>();
  auto& before = s.make<counted>();
  auto& during = s.make<counted>();
  s.thread("owner", [&] {
    acting_as const owner(pool.owner);
    function part([&] { during.add(before.get()); });
    before.add();
    fork_and_join(pool, part);
    check(during.get() == 1, "not run once, or what it did is not visible");
  });
  s.thread("thief", [&] {
    acting_as const thief(pool.thief);
    if (fork* const part = pool.owner.forks.steal()) part->run();
  });
});

twice const two_thieves(
    "fork", "offered beside two thieves",
    [](scenario& s) {
      auto& pool = s.make<bare_pool>();
      counted* run[] = {&s.make<counted>(), &s.make<counted>()};
      s.thread("owner", [&pool, first = run[0], second = run[1]] {
        acting_as const owner(pool.owner);
        function one([&] { first->add(); });
        function two([&] { second->add(); });
        fork_and_join(pool, one, [&] { fork_and_join(pool, two); });
        check(first->get() == 1 && second->get() == 1, "not run once, or what it did is not visible");
      });
      for (auto* member : {&pool.thief, &pool.third}) {
        s.thread(member == &pool.thief ? "first thief" : "second thief", [&pool, member] {
          acting_as const thief(*member);
          if (fork* const part = pool.owner.forks.steal()) part->run();
        });
      }
    },
    schedules_of_three());

twice const thrown("fork", "stolen, and throws", [](scenario& s) {
  auto& pool = s.make<bare_pool>();
  s.thread("owner", [&] {
    acting_as const owner(pool.owner);
    participant here(pool);
    auto const what = [] { throw 7; };
    forked_call part(what);
    check(here.offer(part), "no room for one fork");
    if (here.take_back(part)) return;
    here.await(part);
    try {
      std::rethrow_exception(part.take_error());
    } catch (int number) {
      check(number == 7, "another error");
    }
  });
  s.thread("thief", [&] {
    acting_as const thief(pool.thief);
    if (fork* const part = pool.owner.forks.steal()) part->run();
  });
});

// While the owner waits it may run what the thief forks; it returns when its own part is done.
twice const helped("fork", "the owner helps its thief", [](scenario& s) {
  auto& pool = s.make<bare_pool>();
  auto& outer = s.make<counted>();
  auto& inner = s.make<counted>();
  auto& fork_of_thief = s.make<function>([&] { inner.add(); });
  auto& part = s.make<stolen_part>(pool, [&] {
    fork_and_join(pool, fork_of_thief);
    outer.add(inner.get());
  });
  s.thread("owner", [&] {
    part.await();
    check(outer.get() == 1 && inner.get() == 1, "not run once, or what it did is not visible");
  });
  s.thread("thief", [&] {
    acting_as const thief(pool.thief);
    part.run();
  });
});

// Only the owner can run it: it must not sleep on.
twice const needs_help("fork", "the thief needs its owner", [](scenario& s) {
  auto& pool = s.make<bare_pool>();
  auto& told = s.make<event>();
  auto& fork_of_thief = s.make<function>([&] { told.set(); });
  auto& part = s.make<stolen_part>(pool, [&] { fork_and_join(pool, fork_of_thief, [&] { told.wait(); }); });
  s.thread("owner", [&] { part.await(); });
  s.thread("thief", [&] {
    acting_as const thief(pool.thief);
    part.run();
  });
});

twice const needs_help_twice(
    "fork", "the thief needs its owner twice",
    [](scenario& s) {
      auto& pool = s.make<bare_pool>();
      event* told[] = {&s.make<event>(), &s.make<event>()};
      auto& part = s.make<stolen_part>(pool, [&pool, first = told[0], second = told[1]] {
        for (event* each : {first, second}) {
          function fork_of_thief([each] { each->set(); });
          fork_and_join(pool, fork_of_thief, [each] { each->wait(); });
        }
      });
      s.thread("owner", [&] { part.await(); });
      s.thread("thief", [&] {
        acting_as const thief(pool.thief);
        part.run();
      });
    },
    schedules_of_three());

// What the thief forks after the part is none of the owner's business: it must not run it, and if it has it already,
// gives it back.
twice const handed_back("fork", "stolen from a thief that has gone on", [](scenario& s) {
  auto& pool = s.make<bare_pool>();
  auto& outer = s.make<counted>();
  auto& other = s.make<counted>();
  auto& part = s.make<stolen_part>(pool, [&] { outer.add(); });
  s.thread("owner", [&] {
    part.await();
    check(outer.get() == 1, "not run once, or what it did is not visible");
  });
  s.thread("thief", [&] {
    acting_as const thief(pool.thief);
    part.run();
    function unrelated([&] {
      check(pool_member::current() == &pool.thief, "run by one that may help with another part only");
      other.add();
    });
    fork_and_join(pool, unrelated);
    check(other.get() == 1, "not run once");
  });
});

// The same while the thief has forks within the part too.
twice const helped_and_handed_back("fork", "the owner helps a thief that goes on", [](scenario& s) {
  auto& pool = s.make<bare_pool>();
  auto& inner = s.make<counted>();
  auto& other = s.make<counted>();
  auto& fork_of_thief = s.make<function>([&] { inner.add(); });
  auto& part = s.make<stolen_part>(pool, [&] { fork_and_join(pool, fork_of_thief); });
  s.thread("owner", [&] {
    part.await();
    check(inner.get() == 1, "not run once, or what it did is not visible");
  });
  s.thread("thief", [&] {
    acting_as const thief(pool.thief);
    part.run();
    function unrelated([&] {
      check(pool_member::current() == &pool.thief, "run by one that may help with another part only");
      other.add();
    });
    fork_and_join(pool, unrelated);
    check(other.get() == 1, "not run once");
  });
});

// The owner runs a fork of its thief, which itself needs help: only the thief can give it.
twice const two_levels(
    "fork", "each helps the other",
    [](scenario& s) {
      auto& pool = s.make<bare_pool>();
      auto& at_owner = s.make<event>();
      auto& at_thief = s.make<event>();
      auto& innermost = s.make<function>([&] { at_thief.set(); });
      auto& inner = s.make<function>([&] {
        at_owner.set();
        fork_and_join(pool, innermost, [&] { at_thief.wait(); });
      });
      auto& part = s.make<stolen_part>(pool, [&] { fork_and_join(pool, inner, [&] { at_owner.wait(); }); });
      s.thread("owner", [&] { part.await(); });
      s.thread("thief", [&] {
        acting_as const thief(pool.thief);
        part.run();
      });
    },
    schedules_of_three());

// Who has seen that the fork is gone must have seen that it came, or takes it for the job.
twice const taken_back("fork", "handed back and taken back beside a look whether all is done", [](scenario& s) {
  class job : public concur::work {
   public:
    job() noexcept : work([](work&) noexcept {}) {}
  };
  pool_state& pool = s.make<bare_pool>();
  pool.add(s.make<job>(), concur::detail::lane::normal);
  s.thread("owner", [&pool] {
    function const nothing = [] {};
    forked_call part(nothing);
    pool.hand_back(part);
    check(pool.take_back(part), "taken by nobody, and gone");
  });
  s.thread("onlooker", [&pool] { check(!pool.counts().nothing_to_do(), "a job is queued, and all is done"); });
});

twice const taken_back_beside_idle("fork", "taken back beside wait_idle", [](scenario& s) {
  pool_state& pool = s.make<bare_pool>();
  auto& nothing = s.make<function>([] {});
  auto& part = s.make<forked_call<function>>(nothing);
  pool.hand_back(part);
  s.thread("owner", [&] { check(pool.take_back(part), "taken by nobody, and gone"); });
  s.thread("waiting", [&pool] { check(pool.wait_idle({}), "a wait without a limit that ended before"); });
});

twice const guest_beside_thief("fork", "a guest beside a thief", [](scenario& s) {
  auto& pool = s.make<bare_pool>();
  auto& run = s.make<counted>();
  s.thread("guest", [&] {
    function part([&] { run.add(); });
    fork_and_join(pool, part);
    check(run.get() == 1, "not run once, or what it did is not visible");
    check(pool_member::current() == nullptr, "still a guest");
  });
  s.thread("thief", [&] {
    acting_as const thief(pool.thief);
    if (fork* const part = stolen_from_guests(pool)) part->run();
  });
});

// There is one seat, and both find it free or taken; the thief finds forks of either.
twice const two_guests("fork", "two guests beside a thief", [](scenario& s) {
  auto& pool = s.make<bare_pool>();
  for (auto const* name : {"first guest", "second guest"}) {
    auto& run = s.make<counted>();
    s.thread(name, [&pool, &run] {
      function part([&] { run.add(); });
      fork_and_join(pool, part);
      check(run.get() == 1, "not run once, or what it did is not visible");
    });
  }
  s.thread("thief", [&] {
    acting_as const thief(pool.thief);
    if (fork* const part = stolen_from_guests(pool)) part->run();
  });
});

// The thief was a guest, and its seat is another's when the owner looks there.
twice const thief_left("fork", "stolen from one that sits where the thief sat", [](scenario& s) {
  auto& pool = s.make<bare_pool>();
  auto& outer = s.make<counted>();
  auto& other = s.make<counted>();
  auto& part = s.make<stolen_part>(pool, [&] { outer.add(); });
  s.thread("owner", [&] {
    part.await();
    check(outer.get() == 1, "not run once, or what it did is not visible");
  });
  s.thread("guest", [&] {
    {
      participant const here(pool);
      part.run();
    }
    function unrelated([&] {
      check(pool_member::current() != &pool.owner, "run by one that may help with another part only");
      other.add();
    });
    fork_and_join(pool, unrelated);
    check(other.get() == 1, "not run once");
  });
});

twice const whole_pool("fork", "parallel_invoke of a guest beside a worker", [] {
  counted first;
  counted second;
  thread_pool pool(1);
  concur::parallel_invoke(pool, [&] { first.add(); }, [&] { second.add(); });
  check(first.get() == 1 && second.get() == 1, "not run once, or what it did is not visible");
});

twice const whole_pool_throws(
    "fork", "parallel_invoke of a function that throws",
    [] {
      counted second;
      thread_pool pool(1);
      bool caught = false;
      try {
        concur::parallel_invoke(pool, [] { throw 7; }, [&] { second.add(); });
      } catch (int number) {
        caught = number == 7;
      }
      check(caught && second.get() == 1, "the error was lost, or the other function not run");
    },
    schedules_of_three());

registration const in_a_job(
    "fork", "parallel_invoke in a job",
    [] {
      counted first;
      counted second;
      thread_pool pool(2);
      pool.submit([&] { concur::parallel_invoke(pool, [&] { first.add(); }, [&] { second.add(); }); }).get();
      check(first.get() == 1 && second.get() == 1, "not run once, or what it did is not visible");
    },
    preemptions(2));

// Nobody but the other worker, which may be asleep, can run it.
registration const invited(
    "fork", "a fork that needs a sleeping worker",
    [] {
      event told;
      thread_pool pool(2);
      pool.submit([&] { concur::parallel_invoke(pool, [&] { told.set(); }, [&] { told.wait(); }); }).get();
    },
    preemptions(2));

// The only worker of a pool sleeps for its guest, also when it was looking around as the guest came.
registration const place_taken(
    "fork", "a guest beside the only worker",
    [] {
      thread_pool pool(1);
      pool_state& state = concur::thread_pool_access::state(pool);
      function part([&] { check(concur::detail::pool_worker::of(state) == nullptr, "the worker took the part"); });
      fork_and_join(state, part);
    },
    schedules_of_three());

// Forks do not count: the pool is idle when its last job has ended, although its worker goes on with a fork. That is
// made when the job has begun, or it could keep the worker from the job. The guest has the place of one of two workers.
registration const idle_beside_fork(
    "fork", "wait_idle beside a worker that takes a guest's fork",
    [](scenario& s) {
      auto& pool = s.make<std::optional<thread_pool>>(std::in_place, 2);
      auto& idle = s.make<event>();
      auto& left = s.make<event>();
      auto& begun = s.make<event>();
      pool->post([&] { begun.set(); });
      s.thread("guest", [&] {
        function part([&] { idle.wait(); });
        begun.wait();
        fork_and_join(concur::thread_pool_access::state(*pool), part);
        left.set();
      });
      s.thread("owner", [&] {
        pool->wait_idle();
        idle.set();
        left.wait();
        pool.reset();
      });
    },
    preemptions(1));

// As with as many guests as sleepers, of whom nobody is woken for a fork. The worker that a timer wakes takes it, so
// the other one has to watch the timer.
registration const fork_beside_timer(
    "fork", "a fork that woke nobody, beside a timer",
    [](scenario& s) {
      class alarm : public concur::work {
       public:
        alarm() noexcept : work([](work& self) noexcept { static_cast<alarm&>(self).rang.set(); }) {}
        event rang;
      };
      auto& ring = s.make<alarm>();
      auto& left = s.make<event>();
      auto& what = s.make<function>([&] { ring.rang.wait(); });
      auto& part = s.make<forked_call<function>>(what);
      auto& pool = s.make<std::optional<thread_pool>>(std::in_place, 2);
      pool_state& state = concur::thread_pool_access::state(*pool);
      s.thread("guest", [&] {
        {
          participant here(state);
          check(pool_member::current()->forks.push(&part), "no room for one fork");
          ring.rang.wait();
          if (!here.take_back(part)) here.await(part);
        }
        left.set();
      });
      s.thread("owner", [&] {
        state.arm(ring, concur::os::clock::now() + std::chrono::seconds(10));
        left.wait();
        pool.reset();
      });
    },
    preemptions(1));

// What was handed back counts as work of the pool until it is run or taken back.
registration const handed_back_at_the_end(
    "fork", "handed back and taken back beside a shutdown",
    [](scenario& s) {
      auto& pool = s.make<std::optional<thread_pool>>(std::in_place, 1);
      auto& run = s.make<counted>();
      auto& left = s.make<event>();
      auto& what = s.make<function>([&] { run.add(); });
      auto& part = s.make<forked_call<function>>(what);
      pool_state& state = concur::thread_pool_access::state(*pool);
      pool->post([&] { state.hand_back(part); });
      s.thread("guest", [&] {
        {
          participant here(state);
          here.await(part);
        }
        check(run.get() == 1, "not run once, or what it did is not visible");
        left.set();
      });
      s.thread("owner", [&] {
        pool->shutdown();
        left.wait();
        pool.reset();
      });
    },
    preemptions(2));

}  // namespace

TEST_CASE("fork: every schedule") { explored::run("fork"); }
