// SPDX-License-Identifier: BSL-1.0
//
// Whole pools: their workers are started inside the execution by the pool itself, beside the threads of the scenario.
#include <concur/pool/thread_pool.hpp>

#include "support/bounded.hpp"

#include <concur/core/executor.hpp>
#include <concur/core/timer_heap.hpp>
#include <concur/future/future.hpp>
#include <concur/sync/event.hpp>

#include <chrono>
#include <optional>
#include <utility>

namespace {

using concur::future;
using concur::thread_pool;
using explored::counted;
using explored::preemptions;
using explored::registration;
using explored::schedules_of_three;
using explored::testing::check;
using explored::testing::scenario;
using explored::twice;

twice const one_job("thread_pool", "one job", [] {
  counted before;
  thread_pool pool(1);
  before.add();
  check(pool.submit([&] { return before.get(); }).get() == 1, "what came before the job is not visible to it");
});

twice const nothing("thread_pool", "no job", [] { thread_pool const pool(1); });

twice const drained("thread_pool", "destroyed after a post", [] {
  counted run;
  {
    thread_pool pool(1);
    pool.post([&] { run.add(); });
  }
  check(run.get() == 1, "the job did not run before the end of the pool");
});

twice const two_jobs(
    "thread_pool", "two jobs",
    [] {
      counted run;
      thread_pool pool(1);
      auto const job = [&] { run.add(); };
      auto first = pool.submit(job);
      pool.submit(job).get();
      first.get();
      check(run.get() == 2, "a job did not run once");
    },
    preemptions(2, 0, 1));

// A job from inside lies in the worker's own deque.
twice const from_inside("thread_pool", "a job that posts a job, beside the destructor", [] {
  counted run;
  {
    thread_pool pool(1);
    pool.post([&] {
      run.add();
      pool.post([&] { run.add(); });
    });
  }
  check(run.get() == 2, "a job did not run before the end of the pool");
});

// What wakes the worker has nothing to do with the job, nor with the end.
class empty_item : public concur::work {
 public:
  empty_item() noexcept : work([](work&) noexcept {}) {}
};

registration const woken_for_nothing(
    "thread_pool", "destroyed after a post, beside another wake",
    [](scenario& s) {
      auto& pool = s.make<std::optional<thread_pool>>(std::in_place, 1);
      auto& armed = s.make<concur::event>();
      auto& run = s.make<counted>();
      s.thread("other", [&] {
        empty_item item;
        pool->get_executor().arm(item, concur::os::never - std::chrono::hours(1));
        pool->get_executor().disarm(item);
        armed.set();
      });
      s.thread("owner", [&] {
        pool->post([&] { run.add(); });
        armed.wait();
        pool.reset();
        check(run.get() == 1, "the job did not run before the end of the pool");
      });
    },
    preemptions(2));

// The poster is still in its call when its item ends the pool.
class ends_pool : public concur::work {
 public:
  explicit ends_pool(concur::event& told) noexcept
      : work([](work& self) noexcept { static_cast<ends_pool&>(self).told_.set(); }), told_(told) {}

 private:
  concur::event& told_;
};

twice const last_wake(
    "thread_pool", "the last wake beside the destructor",
    [](scenario& s) {
      auto& told = s.make<concur::event>();
      auto& item = s.make<ends_pool>(told);
      auto& pool = s.make<std::optional<thread_pool>>(std::in_place, 1);
      s.thread("poster", [&] { pool->get_executor().post(item); });
      s.thread("owner", [&] {
        told.wait();
        pool.reset();
      });
    },
    schedules_of_three());

twice const ended_by_job("thread_pool", "a job that destroys its pool, beside the submitter", [](scenario& s) {
  auto& pool = s.make<std::optional<thread_pool>>(std::in_place, 1);
  auto& ended = s.make<counted>();
  s.thread("submitter", [&] {
    auto f = pool->submit([&] {
      pool.reset();
      ended.add();
    });
    f.get();
    check(ended.get() == 1, "the job did not go on");
  });
});

twice const ended_by_posted_job("thread_pool", "a posted job that destroys its pool, beside the poster",
                                [](scenario& s) {
                                  auto& pool = s.make<std::optional<thread_pool>>(std::in_place, 1);
                                  auto& ended = s.make<counted>();
                                  s.thread("poster", [&] {
                                    pool->post([&] {
                                      pool.reset();
                                      ended.add();
                                    });
                                  });
                                  s.finally([&] { check(ended.get() == 1, "the job did not go on"); });
                                });

bool refused(thread_pool& pool, counted& run) {
  try {
    pool.post([&] { run.add(); });
    return false;
  } catch (concur::closed const&) {
    return true;
  }
}

twice const shut(
    "thread_pool", "a shutdown beside a post",
    [](scenario& s) {
      auto& pool = s.make<std::optional<thread_pool>>(std::in_place, 1);
      auto& run = s.make<counted>();
      auto& accepted = s.make<counted>();
      s.thread("poster", [&] {
        if (!refused(*pool, run)) accepted.add();
      });
      s.thread("closer", [&] {
        pool->shutdown();
        check(refused(*pool, run), "accepted after the shutdown");
      });
      s.finally([&] { check(run.get() == accepted.get(), "refused and run, or accepted and lost"); });
    },
    schedules_of_three());

// Either the job has run, or its future is cancelled; and it has an outcome when the workers have ended.
twice const discarded(
    "thread_pool", "a shutdown that cancels, beside a submit",
    [](scenario& s) {
      auto& pool = s.make<std::optional<thread_pool>>(std::in_place, 1);
      auto& run = s.make<counted>();
      auto& result = s.make<std::optional<future<void>>>();
      s.thread("submitter", [&] {
        try {
          result = pool->submit([&] { run.add(); });
        } catch (concur::closed const&) {
        }
      });
      s.thread("closer", [&] { pool->shutdown(true, true); });
      s.finally([&] {
        check(!result || result->done(), "a job was forgotten");
        check(run.get() == (result && result->error() == nullptr ? 1 : 0), "cancelled and run, or neither");
      });
    },
    schedules_of_three());

twice const discarded_beside_worker("thread_pool", "a shutdown that cancels, beside a worker", [] {
  counted run;
  thread_pool pool(1);
  auto f = pool.submit([&] { run.add(); });
  pool.shutdown(true, true);
  check(f.done(), "a job was forgotten");
  check(run.get() == (f.error() == nullptr ? 1 : 0), "cancelled and run, or neither");
});

twice const discarded_in_deque("thread_pool", "a shutdown that cancels, beside a job that submits", [] {
  counted run;
  std::optional<future<void>> inner;
  thread_pool pool(1);
  auto f = pool.submit([&] {
    try {
      inner = pool.submit([&] { run.add(); });
    } catch (concur::closed const&) {
    }
  });
  pool.shutdown(true, true);
  check(f.done() && (!inner || inner->done()), "a job was forgotten");
  check(run.get() == (inner && inner->error() == nullptr ? 1 : 0), "cancelled and run, or neither");
});

twice const idle("thread_pool", "wait_idle after a post", [] {
  counted run;
  thread_pool pool(1);
  pool.post([&] { run.add(); });
  pool.wait_idle();
  check(run.get() == 1, "idle before the job has run, or without what it did");
});

twice const idle_beside_post(
    "thread_pool", "wait_idle beside a post",
    [](scenario& s) {
      auto& pool = s.make<std::optional<thread_pool>>(std::in_place, 1);
      auto& posted = s.make<concur::event>();
      auto& run = s.make<counted>();
      s.thread("poster", [&] {
        pool->post([&] { run.add(); });
        posted.set();
      });
      s.thread("owner", [&] {
        pool->wait_idle();
        posted.wait();
        pool.reset();
      });
      s.finally([&] { check(run.get() == 1, "the job did not run"); });
    },
    preemptions(2, 0, 1));

// Tells of its end.
class ending {
 public:
  explicit ending(counted& ended) noexcept : ended_(&ended) {}
  ending(ending&& other) noexcept : ended_(std::exchange(other.ended_, nullptr)) {}
  ~ending() {
    if (ended_ != nullptr) ended_->add();
  }
  void operator()() const noexcept {}

 private:
  counted* ended_;
};

bool plausible(concur::thread_pool_stats const& figures) {
  return figures.queued <= 1 && figures.running <= 1 && figures.done <= 1;
}

void wait_beside_shutdown(scenario& s) {
  auto& pool = s.make<std::optional<thread_pool>>(std::in_place, 1);
  auto& ended = s.make<counted>();
  auto& has_waited = s.make<concur::event>();
  pool->post(ending(ended));
  s.thread("waiting", [&] {
    check(plausible(pool->stats()), "figures of different moments");
    pool->wait_idle();
    check(ended.get() == 1, "idle before the job has ended, or without what it did");
    has_waited.set();
  });
  s.thread("closer", [&] {
    pool->shutdown(true, true);
    has_waited.wait();
    pool.reset();
  });
}

registration const idle_beside_shutdown("thread_pool", "wait_idle and stats beside a shutdown that cancels",
                                        wait_beside_shutdown, preemptions(2));
registration const idle_beside_shutdown_old_values("thread_pool",
                                                   "wait_idle and stats beside a shutdown that cancels, old values",
                                                   wait_beside_shutdown, preemptions(1, 0, 1));

twice const figures(
    "thread_pool", "stats beside a post",
    [](scenario& s) {
      auto& pool = s.make<std::optional<thread_pool>>(std::in_place, 1);
      auto& asked = s.make<concur::event>();
      s.thread("onlooker", [&] {
        check(plausible(pool->stats()), "figures of different moments");
        asked.set();
      });
      s.thread("owner", [&] {
        pool->post([] {});
        asked.wait();
        pool.reset();
      });
    },
    preemptions(2, 0, 1));

// What is discarded counts as started, and so as posted before.
twice const figures_beside_discard("thread_pool", "stats beside a shutdown that discards", [](scenario& s) {
  auto& pool = *concur::detail::pool_state::start(0, concur::thread_pool_options().name("without workers"));
  auto& item = s.make<empty_item>();
  s.thread("owner", [&] {
    pool.add(item, concur::detail::lane::normal);
    pool.close(true);
  });
  s.thread("onlooker", [&] {
    auto const all = pool.counts().now();
    check(all.done <= all.started && all.started <= all.posted, "figures of different moments");
  });
  s.finally([&] { pool.drop_reference(); });
});

twice const cancelled("thread_pool", "a cancel beside the begin", [] {
  counted run;
  thread_pool pool(1);
  auto f = pool.submit([&] { run.add(); });
  bool const first = f.cancel();
  f.wait();
  bool const error = f.error() != nullptr;
  check(error ? first && run.get() == 0 : run.get() == 1, "cancelled and run, or neither");
});

// The job that waits runs the other one in place, or finds that it was cancelled.
twice const in_place(
    "thread_pool", "a job that waits for a job of its pool, beside its cancel",
    [] {
      counted run;
      thread_pool pool(1);
      std::optional<future<void>> inner;
      concur::event made;
      auto outer = pool.submit([&] {
        inner = pool.submit([&] { run.add(); });
        made.set();
        inner->wait();
        check(inner->done(), "a wait that was not one");
      });
      made.wait();
      bool const first = inner->cancel();
      outer.get();
      check(inner->error() == nullptr ? run.get() == 1 : first && run.get() == 0, "cancelled and run, or neither");
    },
    schedules_of_three());

// One worker waits for the job, and so runs it in place unless the other one has taken it.
registration const wanted_by_two(
    "thread_pool", "a job that one worker waits for and another takes",
    [] {
      counted run;
      thread_pool pool(2);
      pool.submit([&] { pool.submit([&] { run.add(); }).get(); }).get();
      check(run.get() == 1, "not run once");
    },
    preemptions(2));

// The first worker has the job in its own deque, and blocks: the other one has to come, asleep or not.
registration const needs_what_it_gave(
    "thread_pool", "a job that needs a job it has posted",
    [] {
      concur::event told;
      thread_pool pool(2);
      auto f = pool.submit([&] {
        pool.post([&] { told.set(); });
        told.wait();
      });
      f.get();
    },
    preemptions(1));

registration const two_workers(
    "thread_pool", "two workers, a job for each",
    [] {
      thread_pool pool(2);
      concur::event other;
      auto f = pool.submit([&] { other.wait(); });
      pool.post([&] { other.set(); });
      f.get();
    },
    preemptions(2));

}  // namespace

TEST_CASE("thread_pool: every schedule") { explored::run("thread_pool"); }
