// SPDX-License-Identifier: BSL-1.0
//
// One of each primitive, and what threads do with them: for tests of what happens to a process. Nothing of it allocates
// but `use_together`.
#pragma once

#include <concur/sync/barrier.hpp>
#include <concur/sync/condition.hpp>
#include <concur/sync/event.hpp>
#include <concur/sync/event_count.hpp>
#include <concur/sync/guarded.hpp>
#include <concur/sync/latch.hpp>
#include <concur/sync/mutex.hpp>
#include <concur/sync/recursive_mutex.hpp>
#include <concur/sync/semaphore.hpp>
#include <concur/sync/shared_mutex.hpp>
#include <concur/thread/thread.hpp>
#include <concur/thread/thread_specific.hpp>
#include <concur/thread/timer.hpp>

#include <chrono>
#include <mutex>
#include <shared_mutex>

namespace support::inline CONCUR_ABI {

struct every_primitive {
  concur::mutex m;
  concur::recursive_mutex r;
  concur::shared_mutex s;
  concur::semaphore permits{2};
  concur::event e;
  concur::condition changed;
  concur::event_count hint;
  concur::guarded<int> counted{0};
  concur::latch all_in{2};
  concur::barrier<> meeting{2};

  // What one of several threads does again and again.
  void use_beside_others(int turn) {
    {
      std::scoped_lock const hold(m);
    }
    {
      std::scoped_lock const hold(r), again(r);
    }
    if (turn % 4 == 0) {
      std::unique_lock const hold(s);
    } else {
      std::shared_lock const hold(s);
    }
    permits.acquire();
    permits.release();
    turn % 2 == 0 ? e.set() : e.clear();
    static_cast<void>(e.wait_for(std::chrono::microseconds(1)));
    changed.notify_one();
    {
      std::unique_lock hold(m);
      static_cast<void>(changed.wait_for(hold, std::chrono::microseconds(1)));
    }
    hint.notify_all();
    counted.with([](int& value) { ++value; });
    static_cast<void>(all_in.wait_for(std::chrono::microseconds(1)));
    try {
      static_cast<void>(meeting.arrive_and_wait_for(std::chrono::microseconds(1)));
      meeting.reset();
    } catch (concur::broken_barrier const&) {
      meeting.reset();
    }
  }

  // What a child does with fresh ones, alone.
  bool use_alone() {
    bool good = m.try_lock() && r.try_lock() && r.try_lock() && s.try_lock() && permits.try_acquire();
    m.unlock();
    r.unlock();
    r.unlock();
    s.unlock();
    good = good && s.try_lock_shared() && s.try_lock_shared() && !s.try_lock();
    s.unlock_shared();
    s.unlock_shared();
    good = good && permits.try_acquire() && !permits.try_acquire_for(std::chrono::microseconds(1)) &&
           !e.wait_for(std::chrono::microseconds(1));
    e.set();
    e.wait();
    {
      std::unique_lock hold(m);
      good = good && !changed.wait_for(hold, std::chrono::microseconds(1));
    }
    counted.with([](int& value) { value = 5; });
    all_in.count_down(2);
    all_in.wait();
    good =
        good && *counted.lock() == 5 && !meeting.arrive_and_wait_for(std::chrono::microseconds(1)) && meeting.broken();
    meeting.reset();
    return good;
  }

  // And with threads of its own.
  bool use_together() {
    concur::thread_specific<int> own;
    bool ready = false;
    concur::semaphore done(0);
    concur::thread other([&] {
      all_in.arrive_and_wait();
      std::scoped_lock const hold(m, r, s);
      ready = true;
      changed.notify_all();
      hint.notify_all();
      done.release();
      *own = 1;
      e.set();
    });
    concur::timer later(std::chrono::microseconds(1), [&] { done.release(); });
    all_in.arrive_and_wait();
    {
      std::unique_lock hold(m);
      changed.wait(hold, [&] { return ready; });
    }
    done.acquire();
    done.acquire();
    e.wait();
    other.join();
    later.join();
    return ready && !own.has_value() && counted.with([](int value) { return value; }) == 0;
  }
};

}  // namespace support::inline CONCUR_ABI
