// SPDX-License-Identifier: BSL-1.0
#include <concur/sync/shared_mutex.hpp>

#include "support/explored_task.hpp"

#include <chrono>
#include <cstdint>

namespace {

using namespace std::chrono_literals;
using explored::counted;
using explored::destructible;
using explored::schedules_of_three;
using explored::testing::scenario;
using explored::twice;

struct state {
  concur::shared_mutex m;
  counted table;  // changed by writers, looked at by readers: any overlap is a race

  void write() {
    m.lock();
    table.add();
    m.unlock();
  }
  void read() {
    m.lock_shared();
    static_cast<void>(table.get());
    m.unlock_shared();
  }
  bool write_if(bool locked) {
    if (!locked) return false;
    table.add();
    m.unlock();
    return true;
  }
  bool read_if(bool locked) {
    if (!locked) return false;
    static_cast<void>(table.get());
    m.unlock_shared();
    return true;
  }
};

void require_free(scenario& s, state& st) {
  s.check(st.m.try_lock(), "the lock was left to somebody");
  s.check(!st.m.try_lock_shared(), "a reader came in beside a writer");
  st.m.unlock();
  s.check(st.m.try_lock_shared(), "the lock is not open to readers");
  s.check(!st.m.try_lock(), "a writer came in beside a reader");
  st.m.unlock_shared();
}

void require_free_after(scenario& s, state& st, int writes) {
  s.finally([&s, &st, writes] {
    s.check(st.table.get() == writes, "a party wrote too often or too seldom");
    require_free(s, st);
  });
}

// Two readers that leave only when both have been inside at the same time.
class meeting {
 public:
  void inside(state& st) {
    static_cast<void>(st.table.get());
    if (inside_.fetch_add(1, std::memory_order_relaxed) == 1) {
      concur::os::futex_wake(&inside_);
    } else {
      while (inside_.load(std::memory_order_relaxed) == 1) concur::os::futex_wait(inside_, 1);
    }
  }
  void come(state& st) {
    st.m.lock_shared();
    inside(st);
    st.m.unlock_shared();
  }

 private:
  concur::os::atomic<std::uint32_t> inside_{0};
};

twice const two_writers("shared_mutex", "two writers and a reader", [](scenario& s) {
  auto& st = s.make<state>();
  for (auto const* name : {"first", "second"}) s.thread(name, [&st] { st.write(); });
  s.thread("reader", [&st] { st.read(); });
  require_free_after(s, st, 2);
});

twice const two_readers("shared_mutex", "two readers and a writer", [](scenario& s) {
  auto& st = s.make<state>();
  for (auto const* name : {"first", "second"}) s.thread(name, [&st] { st.read(); });
  s.thread("writer", [&st] { st.write(); });
  require_free_after(s, st, 1);
});

twice const again("shared_mutex", "a writer and a reader, each twice", [](scenario& s) {
  auto& st = s.make<state>();
  s.thread("writer", [&st] { st.write(), st.write(); });
  s.thread("reader", [&st] { st.read(), st.read(); });
  require_free_after(s, st, 2);
});

// Enough parties for a queue behind a writer that was woken with a hint, and for others to overtake both.
twice const crowd("shared_mutex", "two writers, each twice, and a reader", [](scenario& s) {
  auto& st = s.make<state>();
  for (auto const* name : {"first", "second"}) s.thread(name, [&st] { st.write(), st.write(); });
  s.thread("reader", [&st] { st.read(); });
  require_free_after(s, st, 4);
});

twice const reading_crowd("shared_mutex", "two writers and a reader that comes twice", [](scenario& s) {
  auto& st = s.make<state>();
  for (auto const* name : {"first", "second"}) s.thread(name, [&st] { st.write(); });
  s.thread("reader", [&st] { st.read(), st.read(); });
  require_free_after(s, st, 2);
});

explored::registration const four(
    "shared_mutex", "two writers and two readers",
    [](scenario& s) {
      auto& st = s.make<state>();
      for (auto const* name : {"first writer", "second writer"}) s.thread(name, [&st] { st.write(); });
      for (auto const* name : {"first reader", "second reader"}) s.thread(name, [&st] { st.read(); });
      require_free_after(s, st, 2);
    },
    {.preemptions = 2, .timeouts = 0, .spurious = 0, .weak_failures = 0, .clock_jumps = 0, .stale_reads = 0});

twice const together("shared_mutex", "readers that waited for a writer go in together", [](scenario& s) {
  auto& st = s.make<state>();
  auto& both = s.make<meeting>();
  // The writer does not queue, since that would keep the second reader out.
  s.thread("writer", [&st] { st.write_if(st.m.try_lock()); });
  for (auto const* name : {"first", "second"}) s.thread(name, [&] { both.come(st); });
  s.finally([&] { require_free(s, st); });
});

twice const mixed("shared_mutex", "the try forms beside a reader and a writer", [](scenario& s) {
  auto& st = s.make<state>();
  auto& wrote = s.make<counted>();
  s.thread("try", [&] {
    if (st.write_if(st.m.try_lock())) wrote.add();
    st.read_if(st.m.try_lock_shared());
  });
  s.thread("writer", [&st] { st.write(); });
  s.thread("reader", [&st] { st.read(); });
  s.finally([&] {
    s.check(st.table.get() == 1 + wrote.get(), "a party wrote too often or too seldom");
    require_free(s, st);
  });
});

twice const never_spurious("shared_mutex", "try_lock_shared does not fail while no writer is about", [](scenario& s) {
  auto& st = s.make<state>();
  s.thread("timed", [&st] { st.read_if(st.m.try_lock_shared_for(1ms)); });
  s.thread("writer", [&] {
    st.write();
    s.check(st.m.try_lock_shared(), "try_lock_shared failed beside a reader that was handed its share");
    s.check(!st.m.try_lock(), "try_lock did not see its own party's share");
    st.m.unlock_shared();
  });
  require_free_after(s, st, 1);
});

// The writer is the only one that can leave the first reader and the second apart.
twice const timed_writer(
    "shared_mutex", "a writer that leaves at its limit lets in the reader behind it",
    [](scenario& s) {
      auto& st = s.make<state>();
      auto& both = s.make<meeting>();
      s.thread("writer", [&st] { st.write_if(st.m.try_lock_for(1ms)); });
      for (auto const* name : {"first", "second"}) s.thread(name, [&] { both.come(st); });
      s.finally([&] { require_free(s, st); });
    },
    schedules_of_three());

twice const stopped_writer(
    "shared_mutex", "a writer that is stopped lets in the reader behind it",
    [](scenario& s) {
      auto& st = s.make<state>();
      auto& both = s.make<meeting>();
      auto& stop = s.make<concur::os::stop_source>();
      s.thread("writer", [&] { st.write_if(st.m.lock(stop.get_token())); });
      s.thread("first", [&] { both.come(st); });
      s.thread("second", [&] {
        stop.request_stop();
        both.come(st);
      });
      s.finally([&] { require_free(s, st); });
    },
    schedules_of_three());

twice const timed_writer_beside_writer(
    "shared_mutex", "a timed writer beside a writer and a reader",
    [](scenario& s) {
      auto& st = s.make<state>();
      auto& wrote = s.make<counted>();
      s.thread("timed", [&] {
        if (st.write_if(st.m.try_lock_for(1ms))) wrote.add();
      });
      s.thread("writer", [&st] { st.write(); });
      s.thread("reader", [&st] { st.read(); });
      s.finally([&] {
        s.check(st.table.get() == 1 + wrote.get(), "a party wrote too often or too seldom");
        require_free(s, st);
      });
    },
    schedules_of_three());

twice const timed_reader(
    "shared_mutex", "a timed reader between two writers",
    [](scenario& s) {
      auto& st = s.make<state>();
      s.thread("timed", [&st] { st.read_if(st.m.try_lock_shared_for(1ms)); });
      for (auto const* name : {"first", "second"}) s.thread(name, [&st] { st.write(); });
      require_free_after(s, st, 2);
    },
    schedules_of_three());

twice const stopped_reader("shared_mutex", "a stop beside a reader that waits for a writer", [](scenario& s) {
  auto& st = s.make<state>();
  auto& stop = s.make<concur::os::stop_source>();
  s.thread("reader", [&] { st.read_if(st.m.lock_shared(stop.get_token())); });
  s.thread("writer", [&] {
    st.write();
    stop.request_stop();
  });
  require_free_after(s, st, 1);
});

// An hour passes: a writer that waits is too old to be overtaken and is handed the lock, whether or not a hint is out.
explored::registration const aged(
    "shared_mutex", "hand-over to a writer that has waited long",
    [](scenario& s) {
      auto& st = s.make<state>();
      s.thread("first", [&st] { st.write(), st.write(); });
      s.thread("second", [&st] { st.write(); });
      s.thread("reader", [&st] { st.read(); });
      require_free_after(s, st, 3);
    },
    {.preemptions = 2, .timeouts = 0, .spurious = 0, .weak_failures = 0, .clock_jumps = 2, .stale_reads = 0});

// The last to use it destroys it: two that use it in any ways, so that a writer or a reader may be the last.
template <class First, class Second>
void destroyed_by_the_last(scenario& s, First first, Second second) {
  struct shared {
    destructible<concur::shared_mutex> m;
    concur::os::atomic<int> left{0};
  };
  auto& st = s.make<shared>();
  auto const last = [&st] { return st.left.fetch_add(1, std::memory_order_relaxed) == 1; };
  s.thread("first", [&st, first, last] {
    if (first(*st.m, last)) st.m.destroy();
  });
  s.thread("second", [&st, second, last] {
    if (second(*st.m, last)) st.m.destroy();
  });
}
// What is counted inside the lock: readers that are inside together cannot tell who unlocks last, so there is one.
constexpr auto use_shared = [](concur::shared_mutex& m, auto last) {
  m.lock_shared();
  bool const mine = last();
  m.unlock_shared();
  return mine;
};
constexpr auto use_exclusively = [](concur::shared_mutex& m, auto last) {
  m.lock();
  bool const mine = last();
  m.unlock();
  return mine;
};

twice const destroyed("shared_mutex", "destroyed by the last to unlock, a reader or a writer",
                      [](scenario& s) { destroyed_by_the_last(s, use_shared, use_exclusively); });

twice const destroyed_by_writer("shared_mutex", "destroyed by the last of two writers",
                                [](scenario& s) { destroyed_by_the_last(s, use_exclusively, use_exclusively); });

// The writer waits for two readers, and destroys the lock when it has had it.
twice const destroyed_after_readers("shared_mutex", "destroyed by a writer that waited for readers", [](scenario& s) {
  struct shared {
    destructible<concur::shared_mutex> m;
    concur::os::atomic<std::uint32_t> inside{0};
  };
  auto& st = s.make<shared>();
  for (auto const* name : {"first", "second"}) {
    s.thread(name, [&st] {
      st.m->lock_shared();
      if (st.inside.fetch_add(1, std::memory_order_relaxed) == 1) concur::os::futex_wake(&st.inside);
      st.m->unlock_shared();
    });
  }
  s.thread("writer", [&st] {
    for (std::uint32_t seen = 0; (seen = st.inside.load(std::memory_order_relaxed)) != 2;) {
      concur::os::futex_wait(st.inside, seen);
    }
    st.m->lock();
    st.m->unlock();
    st.m.destroy();
  });
});

support::test_task<> write_in_task(state& st) {
  int const one = 1;
  auto const lock = co_await st.m.async_lock();
  st.table.add(one);
}
support::test_task<> read_in_task(state& st) {
  int const nothing = 0;
  static_cast<void>(nothing);
  auto const lock = co_await st.m.async_lock_shared();
  static_cast<void>(st.table.get());
}
support::test_task<> meet_in_task(state& st, meeting& both) {
  int const nothing = 0;
  static_cast<void>(nothing);
  auto const lock = co_await st.m.async_lock_shared();
  both.inside(st);
}

twice const writing_task("shared_mutex", "a writing task beside a writer and a reader", [](scenario& s) {
  auto& st = s.make<state>();
  auto& t = s.make<explored::one_task>(write_in_task(st));
  s.thread("worker", [&t] { t.run(); });
  s.thread("writer", [&st] { st.write(); });
  s.thread("reader", [&st] { st.read(); });
  require_free_after(s, st, 2);
});

twice const reading_task("shared_mutex", "a reading task beside a writer and a reader", [](scenario& s) {
  auto& st = s.make<state>();
  auto& t = s.make<explored::one_task>(read_in_task(st));
  s.thread("worker", [&t] { t.run(); });
  s.thread("writer", [&st] { st.write(); });
  s.thread("reader", [&st] { st.read(); });
  require_free_after(s, st, 1);
});

// The task may be handed the lock while a writer with a hint is on its way.
twice const writing_task_in_crowd(
    "shared_mutex", "a writing task beside two writers, one of them twice",
    [](scenario& s) {
      auto& st = s.make<state>();
      auto& t = s.make<explored::one_task>(write_in_task(st));
      s.thread("worker", [&t] { t.run(); });
      s.thread("first", [&st] { st.write(), st.write(); });
      s.thread("second", [&st] { st.write(); });
      require_free_after(s, st, 4);
    },
    schedules_of_three());

twice const two_tasks("shared_mutex", "a reading task beside a writing task", [](scenario& s) {
  auto& st = s.make<state>();
  auto& reader = s.make<explored::one_task>(read_in_task(st));
  auto& writer = s.make<explored::one_task>(write_in_task(st));
  s.thread("reader", [&reader] { reader.run(); });
  s.thread("writer", [&writer] { writer.run(); });
  require_free_after(s, st, 1);
});

twice const writing_task_cancelled(
    "shared_mutex", "a writing task cancelled beside the unlock",
    [](scenario& s) {
      auto& st = s.make<state>();
      auto& t = s.make<explored::one_task>(write_in_task(st));
      s.thread("worker", [&t] { t.run(); });
      s.thread("holder", [&st] { st.read(); });
      s.thread("canceller", [&t] { t.cancel(); });
      s.finally([&] {
        s.check(st.table.get() == (t.was_cancelled() ? 0 : 1), "neither written nor cancelled, or both");
        require_free(s, st);
      });
    },
    schedules_of_three());

twice const reading_task_cancelled(
    "shared_mutex", "a reading task cancelled beside the unlock",
    [](scenario& s) {
      auto& st = s.make<state>();
      auto& t = s.make<explored::one_task>(read_in_task(st));
      s.thread("worker", [&t] { t.run(); });
      s.thread("holder", [&st] { st.write(); });
      s.thread("canceller", [&t] { t.cancel(); });
      require_free_after(s, st, 1);
    },
    schedules_of_three());

twice const writing_task_leaves(
    "shared_mutex", "a cancelled writing task lets in the reader behind it",
    [](scenario& s) {
      auto& st = s.make<state>();
      auto& both = s.make<meeting>();
      auto& t = s.make<explored::one_task>(write_in_task(st));
      s.thread("worker", [&t] { t.run(); });
      s.thread("first", [&] { both.come(st); });
      s.thread("second", [&] {
        t.cancel();
        both.come(st);
      });
      s.finally([&] { require_free(s, st); });
    },
    schedules_of_three());

twice const met_by_task("shared_mutex", "a reading task that waited for a writer meets a reader", [](scenario& s) {
  auto& st = s.make<state>();
  auto& both = s.make<meeting>();
  auto& t = s.make<explored::one_task>(meet_in_task(st, both));
  s.thread("worker", [&t] { t.run(); });
  s.thread("reader", [&] { both.come(st); });
  s.thread("writer", [&st] { st.write_if(st.m.try_lock()); });
  s.finally([&] { require_free(s, st); });
});

}  // namespace

TEST_CASE("shared_mutex: every schedule") { explored::run("shared_mutex"); }
