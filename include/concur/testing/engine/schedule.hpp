// SPDX-License-Identifier: BSL-1.0
//
// Who runs next.
//
// A switch away from a thread that could go on is a preemption and spends that budget; a thread that blocks, pauses
// or ends gives way for free. Plain accesses need no scheduling point: a race between them shows in the clocks
// whatever their order. A thread that was just started or woken has no point before its first operation: not
// choosing it yet would have been the same schedule.
#pragma once

#include <concur/testing/engine/machine.hpp>

#include <string>

namespace concur::testing::engine {

inline void machine::point(site at) {
  thread_state& me = threads_[thread];
  if (me.fresh) {
    me.fresh = false;
  } else if (((runnable_ & ~bit(thread)) | sleeping_) != 0) {
    me.at = at;
    decide(true);
  }
  advance_step(at);
}

inline void machine::count_time() noexcept {
  view& mine = threads_[thread].now;
  time = ++mine.happened.at[thread];
  mine.visible.stores.at[thread] = time;
}

inline void machine::advance_step(site at) {
  threads_[thread].at = at;
  count_time();
  if (++step_ > max_steps_) fail("livelock: no end after " + std::to_string(max_steps_) + " steps", at);
}

inline int machine::list_candidates(candidate* list, bool may_stay) const {
  int count = 0;
  if (may_stay) list[count++] = {thread, wakeup::run};
  bool const bounded = choices_.strategy() == search::exhaustive;
  std::uint32_t ready = may_stay ? runnable_ & ~bit(thread) & ~tired_ : runnable_;
  if ((ready & ~tired_) != 0) ready &= ~tired_;
  if (may_stay && bounded && preemptions_ == 0) ready = 0;
  bool const stuck = !may_stay && ready == 0;
  std::uint32_t const expiring = timeouts_ > 0 || stuck ? timed_ : 0;
  std::uint32_t const waking = spurious_ > 0 && !stuck ? sleeping_ : 0;
  // Beginning behind the present thread, which therefore comes last where it gives way.
  for (int i = 1; i <= threads_made_; ++i) {
    auto const t = static_cast<std::uint8_t>(rotated(i));
    if ((ready & bit(t)) != 0) list[count++] = {t, wakeup::run};
  }
  if ((expiring | waking) == 0) return count;
  for (int i = 1; i <= threads_made_; ++i) {
    auto const t = static_cast<std::uint8_t>(rotated(i));
    if ((expiring & bit(t)) != 0) list[count++] = {t, wakeup::time_out};
    if ((waking & bit(t)) != 0) list[count++] = {t, wakeup::spurious};
  }
  return count < 35 ? count : 35;
}

inline void machine::decide(bool may_stay) {
  candidate list[3 * max_threads];
  int count = list_candidates(list, may_stay);
  if (count == 0) {
    if (!let_time_pass()) stuck();
    count = list_candidates(list, may_stay);
  }
  int chosen = 0;
  if (count > 1) {
    int const preferred = choices_.strategy() == search::exhaustive ? 0 : prefer(list, count, may_stay);
    chosen = choices_.pick(count, preferred);
  }
  candidate const next = list[chosen];
  if (next.how == wakeup::run) {
    if (may_stay && chosen != 0) --preemptions_;
  } else {
    bool const free = !may_stay && runnable_ == 0;  // nobody else could run: time passes at no cost
    if (next.how == wakeup::time_out && !free) --timeouts_;
    if (next.how == wakeup::spurious) --spurious_;
    make_runnable(next.thread, next.how == wakeup::time_out);
  }
  go_to(next.thread);
}

// The choice of the random searches. Events strike less often than switches.
inline int machine::prefer(candidate const* list, int count, bool may_stay) {
  random_source& chance = choices_.chance();
  if (choices_.strategy() == search::pct) return prefer_by_priority(list, count);
  if (may_stay && chance.below(choices_.reluctance()) != 0) return 0;
  int const first = may_stay ? 1 : 0;
  int picked = first + chance.below(count - first);
  if (list[picked].how != wakeup::run) picked = first + chance.below(count - first);
  return picked;
}

inline int machine::prefer_by_priority(candidate const* list, int count) {
  for (std::size_t i = 0; i < changes_.size(); ++i) {
    if (changes_[i] != step_) continue;
    threads_[thread].priority = static_cast<int>(i);
    changes_[i] = -1;
  }
  int best = -1;
  int events = 0;
  for (int i = 0; i < count; ++i) {
    if (list[i].how != wakeup::run) {
      ++events;
    } else if (best < 0 || threads_[list[i].thread].priority > threads_[list[best].thread].priority) {
      best = i;
    }
  }
  if (events == 0 || (best >= 0 && choices_.chance().below(16) != 0)) return best;
  return count - events + choices_.chance().below(events);
}

inline void machine::make_runnable(int t, bool timed_out) {
  thread_state& other = threads_[t];
  other.state = standing::runnable;
  other.timed_out = timed_out;
  other.fresh = true;
  if (timed_out && other.deadline > nanoseconds_) nanoseconds_ = other.deadline;
  runnable_ |= bit(t);
  sleeping_ &= ~bit(t);
  timed_ &= ~bit(t);
}

inline void machine::enter(int next) noexcept {
  thread = static_cast<std::uint8_t>(next);
  time = threads_[next].now.happened.at[next];
  tired_ &= ~bit(next);
}

inline void machine::go_to(int next) {
  int const from = thread;
  enter(next);
  if (next != from) contexts_[from].switch_to(contexts_[next]);
}

/// Something has changed for the others: whoever spins looks again.
inline void machine::stir() {
  ++changes_made_;
  ++threads_[thread].own_changes;
  for (int t = 0; pausing_ != 0; ++t) {
    if ((pausing_ & bit(t)) == 0) continue;
    pausing_ &= ~bit(t);
    runnable_ |= bit(t);
    threads_[t].state = standing::runnable;
    if (threads_[t].pauses > 2) tired_ |= bit(t);
  }
}

inline int machine::choose(int count, site at) {
  if (count < 1 || count > 35) fail("choose takes 1 to 35 possibilities", at);
  threads_[thread].restless = true;
  int const taken = count == 1 ? 0 : choices_.pick(count);
  if (tracing_) say("choose " + std::to_string(taken) + " of " + std::to_string(count), at);
  return taken;
}

/// Nobody can run, but somebody spins until a point in time: it comes.
inline bool machine::let_time_pass() {
  std::uint32_t watching = 0;
  for (int t = 0; t < threads_made_; ++t) {
    if ((pausing_ & bit(t)) != 0 && threads_[t].asked_time) watching |= bit(t);
  }
  if (watching == 0) return false;
  nanoseconds_ += hour;
  for (int t = 0; t < threads_made_; ++t) {
    if ((watching & bit(t)) != 0) threads_[t].state = standing::runnable;
  }
  pausing_ &= ~watching;
  runnable_ |= watching;
  return true;
}

inline void machine::stuck() {
  bool spinning = false;
  std::string who;
  for (int t = 0; t < threads_made_; ++t) {
    thread_state const& other = threads_[t];
    if (other.state == standing::ended) continue;
    char const* const what = other.state == standing::sleeping  ? "sleeps"
                             : other.state == standing::pausing ? "spins"
                                                                : "joins";
    spinning = spinning || other.state == standing::pausing;
    if (other.state == standing::joining && t == 0 && other.joins == max_threads) continue;
    who += std::string(who.empty() ? "" : "; ") + "'" + other.name + "' " + what + " at " + to_string(other.at);
  }
  fail(std::string(spinning ? "livelock" : "deadlock") + ": no thread can go on: " + who);
}

}  // namespace concur::testing::engine
