// SPDX-License-Identifier: BSL-1.0
//
// All the work that a pool has: where it lies, and whose turn it is.
//
// A worker looks for work in this order: its own jobs, newest first; its own tasks, newest first; what came from
// outside, in order; what others have, oldest first. Now and then another of these has its turn, its oldest first: else
// jobs that post jobs, or tasks that wake tasks, would keep it waiting for ever.
#pragma once

#include <concur/core/executor.hpp>
#include <concur/core/os.hpp>
#include <concur/pool/detail/fork.hpp>
#include <concur/pool/detail/injection_queue.hpp>
#include <concur/pool/detail/pool_guests.hpp>
#include <concur/pool/detail/pool_member.hpp>
#include <concur/pool/detail/pool_timers.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace concur::inline CONCUR_ABI::detail {

/// An item for a worker to run, and whether it counts as a job: forks do not.
struct found_work {
  work* item = nullptr;
  bool counts = true;
};

/// What takes `me`, a worker of this pool, is for the thread of that worker; any thread may call the rest.
class pool_work {
 public:
  pool_work(pool_state& pool, std::size_t workers);

  std::span<pool_worker> workers() noexcept { return {workers_.get(), worker_count_}; }
  std::span<pool_worker const> workers() const noexcept { return {workers_.get(), worker_count_}; }
  std::size_t worker_count() const noexcept { return worker_count_; }
  pool_guests& guests() noexcept { return guests_; }
  injection_queue& inlet() noexcept { return inlet_; }
  injection_queue const& inlet() const noexcept { return inlet_; }
  pool_timers& timers() noexcept { return timers_; }

  // ---- for who brings work

  /// Puts an item into one of the worker's own deques, and wakes somebody who might take it over. Returns false, and
  /// does nothing, if there is no room.
  template <class Deque>
  bool give(pool_worker& me, Deque& mine, work& item) noexcept;

  /// Has the worker run the item as soon as the present one returns, which spares the deque. Returns false, and does
  /// nothing, if others have waited long enough.
  bool give_next(pool_worker& me, work& item) noexcept;

  /// A fork was made that a sleeping worker might take.
  void invite() noexcept {
    // A guest takes the place of a worker, which therefore goes on sleeping, so that threads do not outnumber workers;
    // see may_help.
    if (inlet_.asleep() != 0) [[unlikely]]
      inlet_.invite_one(std::size_t(std::popcount(guests_.present())));
  }

  // ---- for who looks for work

  /// What the worker is to run next, if it need not search for it.
  found_work next(pool_worker& me) noexcept;

  /// One look of a worker that has nothing of its own, `searching` or not.
  found_work look_elsewhere(pool_worker& me, bool searching) noexcept;

  /// Posts what timers bring that are due.
  void run_timers() noexcept;

 private:
  static constexpr unsigned many_given = 64;

  found_work take_turns(pool_worker& me) noexcept;
  work* take_from_outside(pool_worker& me, bool searching, bool low_too) noexcept {
    return inlet_.empty() ? nullptr : inlet_.pop(me.jobs, worker_count_, searching, me.pace.share(), low_too);
  }
  found_work steal(pool_worker& me) noexcept;
  /// Whether the worker may take forks while those guests are there: for each of them another worker has to sleep. A
  /// worker too many on a processor takes away time from one that others wait for, and a loop of milliseconds lasts up
  /// to twice as long.
  // relaxed, both: two that fall asleep at the same time may both be of use, and what nobody takes its owner runs.
  bool may_help(pool_worker const& me, pool_guests::set guests) const noexcept {
    return guests == 0 || inlet_.asleep() >= std::size_t(std::popcount(guests)) + (me.asleep ? 1 : 0);
  }

  std::size_t const worker_count_;
  std::unique_ptr<pool_worker[]> const workers_;
  pool_guests guests_;
  injection_queue inlet_;
  pool_timers timers_;
};

inline pool_work::pool_work(pool_state& pool, std::size_t workers)
    : worker_count_(workers), workers_(new pool_worker[workers]), guests_(pool) {
  for (std::size_t i = 0; i < workers; ++i) {
    workers_[i].pool = &pool;
    workers_[i].worker = &workers_[i];
    workers_[i].random = std::uint32_t(2 * i + 1);
  }
}

template <class Deque>
bool pool_work::give(pool_worker& me, Deque& mine, work& item) noexcept {
  // Its owner knows that there is room before it counts: others only take.
  if (mine.size() >= mine.capacity()) [[unlikely]]
    return false;
  pool_worker::count(me.posted);
  static_cast<void>(mine.push(&item));
  ++me.given;
  inlet_.wake_one();
  return true;
}

inline bool pool_work::give_next(pool_worker& me, work& item) noexcept {
  if (me.following != nullptr || me.given >= many_given || inlet_.has_urgent()) return false;
  pool_worker::count(me.posted);
  ++me.given;
  me.following = &item;
  return true;
}

inline void pool_work::run_timers() noexcept {
  time_point const now = os::clock::now();
  if (timers_.next() > now) return;
  timers_.take_due(now, [this](work& item) { inlet_.push_linked(item, lane::tasks); });
}

inline found_work pool_work::next(pool_worker& me) noexcept {
  if (inlet_.has_urgent()) {
    if (work* const item = take_from_outside(me, false, false)) return {item};
  }
  if (me.given >= many_given) [[unlikely]] {
    me.given = 0;
    if (found_work const that = take_turns(me); that.item != nullptr) return that;
  }
  if (timers_.next() != os::never) [[unlikely]]
    run_timers();
  if (work* const item = me.jobs.pop()) return {item};
  if (work* const item = me.tasks.pop()) return {item};
  me.pace.before_look(inlet_);
  // Tasks that yield come from the queue for ever. Here its own deques are empty, so nothing that came from outside
  // is overtaken.
  if (++me.looks == many_given) [[unlikely]] {
    me.looks = 0;
    if (found_work const stolen = steal(me); stolen.item != nullptr) return stolen;
  }
  return look_elsewhere(me, false);
}

// Something that would come last, and perhaps never; each time from another place.
inline found_work pool_work::take_turns(pool_worker& me) noexcept {
  switch (++me.turns % 4) {
    case 0: return {me.jobs.steal()};
    case 1: return {me.tasks.steal()};
    case 2: return steal(me);
    default: return {take_from_outside(me, false, false)};
  }
}

inline found_work pool_work::look_elsewhere(pool_worker& me, bool searching) noexcept {
  if (work* const item = take_from_outside(me, searching, false)) return {item};
  found_work const stolen = steal(me);
  if (stolen.item == nullptr) return {take_from_outside(me, searching, true)};
  if (searching) inlet_.end_search();
  return stolen;
}

inline found_work pool_work::steal(pool_worker& me) noexcept {
  // One look for both questions: who comes after it is not stolen from, or it would not have been counted.
  pool_guests::set const guests = guests_.present();
  bool const forks_too = may_help(me, guests);
  // Begins somewhere else each time. The numbers of G. Marsaglia's xorshift.
  me.random ^= me.random << 13;
  me.random ^= me.random >> 17;
  me.random ^= me.random << 5;
  std::size_t victim = me.random % worker_count_;
  for (std::size_t i = 0; i < worker_count_; ++i, victim = victim + 1 == worker_count_ ? 0 : victim + 1) {
    pool_worker& other = workers_[victim];
    if (&other == &me) continue;
    if (fork* const part = forks_too ? other.forks.steal() : nullptr) return {part, false};
    if (work* const item = other.jobs.steal()) return {item};
    if (work* const item = other.tasks.steal()) return {item};
  }
  return {forks_too ? guests_.steal_from(guests) : nullptr, false};
}

}  // namespace concur::inline CONCUR_ABI::detail
