// SPDX-License-Identifier: BSL-1.0
//
// The queue alone, with workers that do what those of a pool do: look, sleep, take what others have. Each takes as many
// items as it is told to and then does nothing for ever; so a scenario only ends if a worker was woken for every item.
#include <concur/pool/detail/injection_queue.hpp>

#include "support/bounded.hpp"

#include <concur/pool/detail/work_deque.hpp>
#include <concur/sync/event_count.hpp>

#include <cstddef>

namespace {

using concur::detail::injection_queue;
using concur::detail::lane;
using explored::counted;
using explored::schedules_of_three;
using explored::testing::check;
using explored::testing::scenario;
using explored::twice;

class item : public concur::work {
 public:
  item() noexcept
      : work([](work& self) noexcept { static_cast<item&>(self).taken.add(static_cast<item&>(self).written.get()); }) {}

  bool is_fork = false;
  counted written;  // by the poster
  counted taken;
};

class state {
 public:
  explicit state(std::size_t workers) : workers_(workers) {}

  /// Writes it and puts it in; says whether it was not refused.
  bool push(int number, lane where = lane::normal, bool late = false) {
    items_[number].written.add();
    if (where != lane::forks && where != lane::tasks) return queue_.push_job(items_[number], where, late);
    queue_.push_linked(items_[number], where);
    return true;
  }
  /// Items 0 to `count` - 1 at once.
  void push_many(int count) {
    for (int i = 0; i < count; ++i) {
      items_[i].written.add();
      items_[i].set_next(i + 1 < count ? &items_[i + 1] : nullptr);
    }
    check(queue_.push_jobs(items_[0], std::size_t(count), lane::normal, false), "refused by an open queue");
  }

  /// A worker that takes one item, as in pool_state.
  void take_one(int worker) {
    queue_.begin_search();
    concur::work* got = look(worker, true);
    if (got == nullptr) {
      queue_.end_search();
      auto const found = [&] { return (got = look(worker, false)) != nullptr; };
      queue_.sleep(found, [] { return false; }, {});
    }
    got->run();
  }
  /// One that sleeps without a search before.
  void sleep_and_take(int worker) {
    concur::work* got = nullptr;
    auto const found = [&] { return (got = look(worker, false)) != nullptr; };
    queue_.sleep(found, [&got] { return static_cast<item*>(got)->is_fork; }, {});
    got->run();
  }
  /// What a guest does: puts a fork into its own deque, which is here that of another worker, and invites a sleeper.
  void offer(int worker, int number, std::size_t reserved) {
    items_[number].written.add();
    items_[number].is_fork = true;
    check(own_[worker].push(&items_[number]), "no room for one fork");
    concur::os::light_barrier();
    queue_.invite_one(reserved);
  }
  /// One that sleeps until there is a fork.
  void sleep_and_take_fork(int worker) {
    concur::work* got = nullptr;
    auto const found = [&] { return (got = own_[1 - worker].steal()) != nullptr; };
    queue_.sleep(found, [] { return true; }, {});
    got->run();
  }
  /// One that looks once; says whether there was something.
  bool try_take(int worker) {
    concur::work* const got = look(worker, false);
    if (got != nullptr) got->run();
    return got != nullptr;
  }

  injection_queue& queue() { return queue_; }
  item& operator[](int number) { return items_[number]; }
  std::size_t left_of(int worker) const { return own_[worker].size(); }

  /// At the end: whether each of these was taken once, and nothing is left.
  void require_taken(int count) {
    for (int i = 0; i < count; ++i) check(items_[i].taken.get() == 1, "an item was not taken once");
    check(queue_.empty() && !queue_.has_urgent() && own_[0].empty() && own_[1].empty(), "something is left");
    check(queue_.asleep() == 0, "a worker counts as asleep");
  }

 private:
  // What came from outside, then what another has.
  concur::work* look(int worker, bool searching) {
    if (concur::work* const mine = queue_.pop(own_[worker], workers_, searching)) return mine;
    concur::work* const stolen = own_[1 - worker].steal();
    if (stolen != nullptr && searching) queue_.end_search();
    return stolen;
  }

  injection_queue queue_;
  concur::detail::work_deque<concur::work, 4> own_[2];
  item items_[4];
  std::size_t const workers_;
};

state& make_state(scenario& s, int items, std::size_t workers = 2) {
  auto& st = s.make<state>(workers);
  s.finally([&st, items] { st.require_taken(items); });
  return st;
}

twice const one("injection_queue", "a post beside a worker that goes to sleep", [](scenario& s) {
  auto& st = make_state(s, 1);
  s.thread("worker", [&st] { st.take_one(0); });
  s.thread("poster", [&st] { st.push(0); });
});

twice const task("injection_queue", "a task posted beside a worker that goes to sleep", [](scenario& s) {
  auto& st = make_state(s, 1);
  s.thread("worker", [&st] { st.take_one(0); });
  s.thread("poster", [&st] { st.push(0, lane::tasks); });
});

// Nobody looks for work: each post has to wake the one that sleeps.
twice const asleep("injection_queue", "a task posted beside a sleeping worker", [](scenario& s) {
  auto& st = make_state(s, 1);
  s.thread("worker", [&st] { st.sleep_and_take(0); });
  s.thread("poster", [&st] { st.push(0, lane::tasks); });
});

// Whoever took the first has the other one woken, if it was that one's duty to look.
twice const two_items(
    "injection_queue", "two posts beside a searching worker and a sleeping one",
    [](scenario& s) {
      auto& st = make_state(s, 2);
      s.thread("searching", [&st] { st.take_one(0); });
      s.thread("sleeping", [&st] { st.sleep_and_take(1); });
      s.thread("poster", [&st] { st.push(0), st.push(1); });
    },
    schedules_of_three());

twice const two_posters(
    "injection_queue", "a job and a task beside two workers",
    [](scenario& s) {
      auto& st = make_state(s, 2);
      s.thread("worker", [&st] { st.take_one(0), st.take_one(0); });
      s.thread("first poster", [&st] { st.push(0); });
      s.thread("second poster", [&st] { st.push(1, lane::tasks); });
    },
    schedules_of_three());

// The one that searches finds something elsewhere, or gives up; then what came meanwhile is the other one's.
twice const other_work(
    "injection_queue", "a search that ends beside a post and a sleeping worker",
    [](scenario& s) {
      auto& st = make_state(s, 1);
      st.queue().begin_search();
      s.thread("searching", [&st] { st.queue().end_search(); });
      s.thread("sleeping", [&st] { st.sleep_and_take(0); });
      s.thread("poster", [&st] { st.push(0); });
    },
    schedules_of_three());

twice const batch("injection_queue", "two at once beside a worker that goes to sleep", [](scenario& s) {
  auto& st = make_state(s, 2);
  s.thread("worker", [&st] { st.take_one(0), st.take_one(0); });
  s.thread("poster", [&st] { st.push_many(2); });
});

twice const batch_for_two(
    "injection_queue", "two at once beside two workers",
    [](scenario& s) {
      auto& st = make_state(s, 2);
      s.thread("searching", [&st] { st.take_one(0); });
      s.thread("sleeping", [&st] { st.sleep_and_take(1); });
      s.thread("poster", [&st] { st.push_many(2); });
    },
    schedules_of_three());

// The whole queue is one worker's share, of which it runs only the first.
twice const shared_out("injection_queue", "a share taken along beside a worker that goes to sleep", [](scenario& s) {
  auto& st = make_state(s, 2, 1);
  st.push_many(2);
  s.thread("first", [&st] { st.sleep_and_take(0); });
  s.thread("second", [&st] { st.sleep_and_take(1); });
});

twice const shared_beside_search(
    "injection_queue", "a share taken along by one that searches, beside a sleeping worker",
    [](scenario& s) {
      auto& st = make_state(s, 2, 1);
      s.thread("searching", [&st] { st.take_one(0); });
      s.thread("sleeping", [&st] { st.sleep_and_take(1); });
      s.thread("poster", [&st] { st.push_many(2); });
    },
    schedules_of_three());

twice const closed("injection_queue", "a close beside a push", [](scenario& s) {
  auto& st = s.make<state>(std::size_t{1});
  auto& accepted = s.make<counted>();
  auto& found = s.make<counted>();
  s.thread("poster", [&] {
    if (st.push(0)) accepted.add();
  });
  s.thread("closer", [&] {
    check(st.queue().close(), "closed by nobody else");
    check(!st.queue().close(), "closed twice");
    // What was accepted, was accepted before: it is there.
    if (st.try_take(0)) found.add();
    check(!st.push(1), "accepted after the close");
    check(st.push(2, lane::normal, true), "refused what is the pool's own");
  });
  s.finally([&] {
    check(found.get() == accepted.get() && st[0].taken.get() == accepted.get(), "accepted and not there, or refused");
    check(st.try_take(0) && st[2].taken.get() == 1 && !st.try_take(0), "not what was accepted is left");
  });
});

twice const taken_back("injection_queue", "a fork taken back beside a worker", [](scenario& s) {
  auto& st = s.make<state>(std::size_t{1});
  auto& mine = s.make<counted>();
  auto& stolen = s.make<counted>();
  st.push(0, lane::forks);
  s.thread("owner", [&] {
    // It looks without the lock first: for what it put in itself that is enough.
    for (int i = 0; i < 2; ++i) {
      if (st.queue().take_back(st[0])) mine.add();
    }
  });
  s.thread("worker", [&] {
    if (st.try_take(0)) stolen.add();
  });
  s.finally([&] { check(mine.get() + stolen.get() == 1, "taken by both, or by nobody"); });
});

twice const taken_back_of_two("injection_queue", "forks taken back by their owners, beside a worker", [](scenario& s) {
  auto& st = s.make<state>(std::size_t{1});
  auto& mine = s.make<counted>();
  auto& stolen = s.make<counted>();
  st.push(0, lane::forks);
  st.push(1, lane::forks);
  s.thread("owner", [&] {
    for (int each : {1, 0}) {
      if (st.queue().take_back(st[each])) mine.add();
    }
  });
  s.thread("worker", [&] {
    if (st.try_take(0)) stolen.add();
  });
  s.finally([&] {
    check(mine.get() + stolen.get() == 2, "taken by both, or by nobody");
    check(st.queue().empty() && !st.queue().has_urgent(), "something is left");
  });
});

// What is counted as posted is known to whoever has seen that it was taken.
twice const counted_before("injection_queue", "counted before it is taken", [](scenario& s) {
  auto& st = s.make<state>(std::size_t{1});
  auto& done = s.make<concur::os::atomic<int>>(0);
  s.thread("worker", [&] {
    if (st.try_take(0)) done.fetch_add(1, std::memory_order_release);
  });
  s.thread("poster", [&st] { st.push(0); });
  s.thread("onlooker", [&] {
    bool const seen = done.load(std::memory_order_acquire) == 1;
    std::uint64_t const posted = st.queue().posted();
    if (seen) check(posted == 1, "taken and not posted");
    if (posted == 1) check(st[0].written.get() == 1, "posted and not written");
  });
});

twice const emptied("injection_queue", "jobs taken out to be cancelled, beside a worker", [](scenario& s) {
  auto& st = s.make<state>(std::size_t{1});
  auto& out = s.make<counted>();
  auto& run = s.make<counted>();
  st.push(0, lane::high);
  st.push(1, lane::tasks);
  st.push(2, lane::low);
  s.thread("closer", [&] {
    st.queue().close();
    while (concur::work* const each = st.queue().pop_job()) {
      check(each != &st[1], "a task was taken for a job");
      each->run();
      out.add();
    }
  });
  s.thread("worker", [&] {
    while (st.try_take(0)) run.add();
  });
  s.finally([&] {
    check(out.get() + run.get() == 3, "an item was lost, or taken twice");
    st.require_taken(3);
  });
});

twice const fork_for_a_sleeper("injection_queue", "a fork beside a worker that goes to sleep", [](scenario& s) {
  auto& st = make_state(s, 1);
  s.thread("worker", [&st] { st.sleep_and_take_fork(0); });
  s.thread("guest", [&st] { st.offer(1, 0, 0); });
});

// The fork may be gone when the one that was woken for it looks: then it can be woken for the next one.
twice const invited_in_vain("injection_queue", "a fork after an invitation in vain", [](scenario& s) {
  auto& st = make_state(s, 1);
  s.thread("worker", [&st] { st.sleep_and_take_fork(0); });
  s.thread("guest", [&st] {
    st.queue().invite_one(0);
    st.offer(1, 0, 0);
  });
});

// The wake for the fork may find the worker with the job in its hand, and that for the job with the fork.
twice const fork_and_job(
    "injection_queue", "a fork and a job beside two workers that go to sleep",
    [](scenario& s) {
      auto& st = make_state(s, 2);
      s.thread("for either", [&st] { st.sleep_and_take(0); });
      s.thread("another", [&st] { st.sleep_and_take(0); });
      s.thread("guest", [&st] {
        st.offer(1, 0, 0);
        st.push(1);
      });
    },
    schedules_of_three());

}  // namespace

TEST_CASE("injection_queue: every schedule") { explored::run("injection_queue"); }
