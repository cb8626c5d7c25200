// SPDX-License-Identifier: BSL-1.0
//
// The queue through which work comes into a pool from outside, in lanes, together with the workers that look for work
// and those that sleep: one lock for all three, so that whoever posts knows whether somebody has to be woken.
//
// Of those who look one is enough: it finds what was posted, or gives the duty on. So while one looks, a post wakes
// nobody. All this is decided under the lock. What workers put into deques of their own is not in here, so it wakes a
// sleeper in any case: then for every item that came after a worker went to sleep, some worker was woken.
#pragma once

#include <concur/core/blocking.hpp>
#include <concur/core/cache_line.hpp>
#include <concur/core/executor.hpp>
#include <concur/core/os.hpp>
#include <concur/core/short_lock.hpp>
#include <concur/core/wait_list.hpp>
#include <concur/core/waiter.hpp>
#include <concur/pool/detail/job_lane.hpp>
#include <concur/pool/detail/search_pace.hpp>
#include <concur/sync/event_count.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <mutex>

namespace concur::inline CONCUR_ABI::detail {

/// In the order in which a worker looks at them, but that `normal` and `tasks` take turns.
enum class lane : std::uint8_t {
  forks,   ///< linked: parts of parallel algorithms that a thief had to hand back
  high,    ///< jobs
  normal,  ///< jobs
  tasks,   ///< linked: what executor::post brought; it is run by workers only, and in order
  low,     ///< jobs
};

/// Any thread may call any member. Nobody touches it after its item can be taken: taking needs the lock, and whoever
/// is woken is woken after that was let go.
class injection_queue {
 public:
  injection_queue() noexcept = default;
  injection_queue(injection_queue const&) = delete;
  injection_queue& operator=(injection_queue const&) = delete;

  /// Puts a job into its lane, or `count` jobs linked from `first` on, and sees to it that somebody looks. Returns
  /// false, and does nothing, if it is closed, unless `late` is set, which is for the pool's own. Throws
  /// std::bad_alloc, and then does nothing either.
  bool push_job(work& job, lane where, bool late) { return push_jobs(job, 1, where, late); }
  bool push_jobs(work& first, std::size_t count, lane where, bool late);

  /// The same for a task or a fork; never refused.
  void push_linked(work& item, lane where) noexcept;

  /// To be called before a push from outside: while some of the `workers` sleep and none looks for work, gives those
  /// that run a moment to finish, which takes much less time than to wake one.
  void await_searcher(std::size_t workers) const noexcept;

  /// Takes the next item out; null when there is none. Of jobs in the lane `normal` others may go along to `more`, the
  /// caller's deque, which spares calls: as many as there are for each of the `workers`, up to `share` in all. What is
  /// in the lane `low` counts only with `low_too`. A caller that `was_searching` does so no longer if it got one.
  template <class Deque>
  work* pop(Deque& more, std::size_t workers, bool was_searching, std::size_t share = search_pace::largest_share,
            bool low_too = true) noexcept;

  /// Takes this item out if it is in the lane for forks; says whether. O(forks there, which are few).
  bool take_back(work& fork) noexcept;

  /// Takes a job out, whatever its lane, but no task; null when there is none.
  work* pop_job() noexcept;

  /// From now on nothing goes in but what is late. Returns whether this was the first close.
  bool close() noexcept {
    std::lock_guard const hold(lock_);
    bool const first = !closed_.get();
    closed_.set(true);
    return first;
  }

  void begin_search() noexcept {
    std::lock_guard const hold(lock_);
    add_searching(1);
  }
  /// The caller has found work elsewhere, or gives up.
  void end_search() noexcept;

  /// Sleeps until `found()` or the limit; `found` is as in event_count. `found_fork()` then says whether that was a
  /// fork, for which an invitation may have been meant.
  template <class Found, class FoundFork>
  void sleep(Found& found, FoundFork found_fork, wait_limit const& limit);
  // relaxed, as all of these counts: only hints for those who would rather not wake anybody.
  std::size_t asleep() const noexcept { return asleep_.load(std::memory_order_relaxed); }

  /// For a fork: wakes the one that fell asleep last, whose processor is likely to be the one that is free, if more
  /// than `reserved` sleep that nobody has woken yet.
  void invite_one(std::size_t reserved) noexcept {
    if (asleep() <= reserved) return;
    auto woken = sleepers_.take_newest(reserved);
    if (woken.empty()) return;
    static_cast<sleeper*>(woken.front())->invited = true;
    woken.wake_all(wake_reason::retry);
  }
  void wake_one(os::site at = os::site::here()) noexcept { sleepers_.notify_one(at); }
  void wake_all(os::site at = os::site::here()) noexcept { sleepers_.notify_all(at); }

  // relaxed, both: hints for workers that look; one that goes to sleep looks again after a barrier.
  bool empty() const noexcept { return waiting_.load(std::memory_order_relaxed) == 0; }
  bool has_urgent() const noexcept { return urgent_.load(std::memory_order_relaxed) != 0; }
  std::size_t size() const noexcept { return waiting_.load(std::memory_order_relaxed); }

  /// How many items ever came in; counted before anybody can take them.
  std::uint64_t posted() const noexcept { return posted_.load(std::memory_order_acquire); }

 private:
  struct sleeper : waiter {
    bool invited = false;  // written by whoever took it out of the list, before the wake
  };

  class linked_lane {
   public:
    bool empty() const noexcept { return first_.get() == nullptr; }
    void push(work& item) noexcept;
    work& pop() noexcept;
    bool remove(work& item) noexcept;

   private:
    os::plain<work*> first_{nullptr};
    os::plain<work*> last_{nullptr};  // meaningful unless first_ is null
  };

  // All under the lock:
  linked_lane& linked(lane which) noexcept { return which == lane::forks ? forks_ : tasks_; }
  job_lane& jobs(lane which) noexcept { return which == lane::high ? high_ : which == lane::low ? low_ : normal_; }
  bool filled(lane which) noexcept {
    return which == lane::forks || which == lane::tasks ? !linked(which).empty() : !jobs(which).empty();
  }
  /// A lane that is not empty. Requires: there is one.
  lane next_lane() noexcept;
  void count(lane which, std::size_t more) noexcept;
  // relaxed, both: written under the lock, where it decides; read elsewhere as a hint.
  std::size_t searching() const noexcept { return searching_.load(std::memory_order_relaxed); }
  void add_searching(std::size_t more) noexcept { searching_.store(searching() + more, std::memory_order_relaxed); }
  void count_posted(std::size_t more) noexcept {
    // release: whoever has seen these items done, and reads the count afterwards, reads it with them.
    posted_.store(posted_.load(std::memory_order_relaxed) + more, std::memory_order_release);
  }
  // Whom to wake, after the lock was let go, because of items that are here: one, unless somebody looks for them. With
  // `more`, as many for items that a worker has put into its own deque, which are nobody's duty.
  wait_list chosen(std::size_t more = 0) noexcept {
    bool const one = searching() == 0 && waiting_.load(std::memory_order_relaxed) != 0;
    return one || more != 0 ? sleepers_.take(more + (one ? 1 : 0)) : wait_list();
  }

  // What every post and every look from outside needs, close together.
  alignas(2 * cache_line_size) short_lock lock_;
  os::plain<bool> closed_{false};
  os::plain<bool> tasks_next_{false};  // whose turn it is
  job_lane normal_;
  // Written under the lock, read without it too.
  os::atomic<std::size_t> waiting_{0};
  os::atomic<std::size_t> urgent_{0};
  os::atomic<std::size_t> low_waiting_{0};
  os::atomic<std::size_t> searching_{0};
  os::atomic<std::uint64_t> posted_{0};

  linked_lane tasks_;
  linked_lane forks_;
  job_lane high_;
  job_lane low_;

  // Read by every post, written when a worker goes to sleep or is woken.
  alignas(2 * cache_line_size) event_count sleepers_;
  os::atomic<std::size_t> asleep_{0};
};

template <class Found, class FoundFork>
void injection_queue::sleep(Found& found, FoundFork found_fork, wait_limit const& limit) {
  asleep_.fetch_add(1, std::memory_order_relaxed);
  for (;;) {
    sleeper me;
    auto const withdraw = [&] { return sleepers_.withdraw(me); };
    sleepers_.enqueue(me);
    os::heavy_barrier();  // whoever does not see it in the list has put in before what it finds now
    if (found()) {
      if (withdraw()) break;
      // Somebody wakes it nevertheless. That goes to another one, who finds what it was for; but if it was for the fork
      // that was found here, the other would come in vain, and be one too many.
      me.finish();
      if (!me.invited || !found_fork()) sleepers_.notify_one();
      break;
    }
    auto const why = wait_in_list(me, limit, withdraw, {0, 0});
    if (found() || why != wake_reason::retry) break;
  }
  asleep_.fetch_sub(1, std::memory_order_relaxed);
}

inline void injection_queue::linked_lane::push(work& item) noexcept {
  item.set_next(nullptr);
  if (empty()) {
    first_.set(&item);
  } else {
    last_.get()->set_next(&item);
  }
  last_.set(&item);
}

inline work& injection_queue::linked_lane::pop() noexcept {
  work& item = *first_.get();
  first_.set(item.next());
  return item;
}

inline bool injection_queue::linked_lane::remove(work& item) noexcept {
  work* before = nullptr;
  for (work* each = first_.get(); each != nullptr; before = each, each = each->next()) {
    if (each != &item) continue;
    if (before == nullptr) {
      first_.set(item.next());
    } else {
      before->set_next(item.next());
      if (last_.get() == &item) last_.set(before);
    }
    return true;
  }
  return false;
}

// relaxed: written under the lock, read as hints.
inline void injection_queue::count(lane which, std::size_t more) noexcept {
  waiting_.store(waiting_.load(std::memory_order_relaxed) + more, std::memory_order_relaxed);
  if (which == lane::low)
    low_waiting_.store(low_waiting_.load(std::memory_order_relaxed) + more, std::memory_order_relaxed);
  if (which <= lane::high) urgent_.store(urgent_.load(std::memory_order_relaxed) + more, std::memory_order_relaxed);
}

inline void injection_queue::await_searcher(std::size_t workers) const noexcept {
  for (int i = 0; os::may_spin() && i < os::spin_rounds(8); ++i) {
    std::size_t const sleeping = asleep();
    if (sleeping == 0 || sleeping == workers || searching() != 0) return;
    os::spin_pause();
  }
}

inline bool injection_queue::push_jobs(work& first, std::size_t number, lane where, bool late) {
  wait_list woken;
  {
    std::lock_guard const hold(lock_);
    if (closed_.get() && !late) return false;
    job_lane& to = jobs(where);
    to.reserve(number);
    work* each = &first;
    for (std::size_t i = 1; i < number; ++i) {
      work* const next = each->next();
      to.push(*each);
      each = next;
    }
    to.push(*each);
    count_posted(number);
    count(where, number);
    woken = chosen(number - 1);
  }
  woken.wake_all(wake_reason::retry);
  return true;
}

inline void injection_queue::push_linked(work& item, lane where) noexcept {
  lock_.lock();
  linked(where).push(item);
  count_posted(1);
  count(where, 1);
  auto woken = chosen();
  lock_.unlock();
  woken.wake_all(wake_reason::retry);
}

inline lane injection_queue::next_lane() noexcept {
  for (lane each : {lane::forks, lane::high}) {
    if (filled(each)) return each;
  }
  lane const preferred = tasks_next_.get() ? lane::tasks : lane::normal;
  lane const other = tasks_next_.get() ? lane::normal : lane::tasks;
  tasks_next_.set(!tasks_next_.get());
  return filled(preferred) ? preferred : filled(other) ? other : lane::low;
}

template <class Deque>
work* injection_queue::pop(Deque& more, std::size_t workers, bool was_searching, std::size_t share,
                           bool low_too) noexcept {
  // relaxed: a hint, as in `empty`.
  if (waiting_.load(std::memory_order_relaxed) <= (low_too ? 0 : low_waiting_.load(std::memory_order_relaxed))) {
    return nullptr;
  }
  work* item = nullptr;
  work* others[search_pace::largest_share];
  std::size_t shared = 0;
  lock_.lock();
  // relaxed: under the lock.
  if (waiting_.load(std::memory_order_relaxed) <= (low_too ? 0 : low_.size())) {
    lock_.unlock();
    return nullptr;
  }
  lane const which = next_lane();
  if (which == lane::forks || which == lane::tasks) {
    item = &linked(which).pop();
  } else {
    job_lane& from = jobs(which);
    item = &from.pop();
    // Only of those that any other job may follow.
    std::size_t const size =
        which != lane::normal
            ? 1
            : std::min({(from.size() + 1) / workers, share, search_pace::largest_share, more.capacity() - more.size()});
    while (shared + 1 < size) others[shared++] = &from.pop();
  }
  count(which, std::size_t{0} - 1 - shared);
  if (was_searching) add_searching(std::size_t{0} - 1);
  // The caller takes its newest first: so that is to be the oldest of them.
  for (std::size_t i = shared; i != 0; --i) static_cast<void>(more.push(others[i - 1]));
  auto woken = chosen(shared);
  lock_.unlock();
  woken.wake_all(wake_reason::retry);
  return item;
}

inline bool injection_queue::take_back(work& fork) noexcept {
  if (!has_urgent()) return false;
  std::lock_guard const hold(lock_);
  bool const was_there = forks_.remove(fork);
  if (was_there) count(lane::forks, std::size_t{0} - 1);
  return was_there;
}

inline work* injection_queue::pop_job() noexcept {
  std::lock_guard const hold(lock_);
  for (lane each : {lane::high, lane::normal, lane::low}) {
    if (!filled(each)) continue;
    count(each, std::size_t{0} - 1);
    return &jobs(each).pop();
  }
  return nullptr;
}

inline void injection_queue::end_search() noexcept {
  lock_.lock();
  add_searching(std::size_t{0} - 1);
  auto woken = chosen();
  lock_.unlock();
  woken.wake_all(wake_reason::retry);
}

}  // namespace concur::inline CONCUR_ABI::detail
