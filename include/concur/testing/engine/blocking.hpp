// SPDX-License-Identifier: BSL-1.0
//
// Everything by which a thread waits or tells time: the futex, spin pauses, the clock; and the asymmetric barriers.
#pragma once

#include <concur/testing/engine/memory.hpp>
#include <concur/testing/engine/schedule.hpp>

#include <string>

namespace concur::testing::engine {

/// The present thread cannot go on; returns when it has been chosen again.
inline void machine::block(standing why, site at) {
  thread_state& me = threads_[thread];
  me.state = why;
  me.at = at;
  me.timed_out = false;
  runnable_ &= ~bit(thread);
  decide(false);
  me.restless = true;
}

/// As FUTEX_WAIT: the newest value is compared in one step with going to sleep.
inline bool machine::sleep(access const& word, std::uint64_t expected, std::int64_t deadline) {
  location& l = arrive(word);
  std::uint16_t const index = word.id.index;
  store_record& r = l.newest();
  take(r, std::memory_order_relaxed);  // the kernel has read it: this thread cannot read anything older now
  bool const differs = r.value != expected;
  bool const late = deadline <= nanoseconds_;
  if (tracing_) {
    char const* const outcome = differs ? ": differs" : late ? ": timed out" : ": sleeps";
    say_access(word, nullptr, value_text(r.value, word.kind) + outcome, &r, 0);
  }
  if (differs) return true;
  if (late) return false;
  thread_state& me = threads_[thread];
  me.address = &word.id;
  me.deadline = deadline;
  sleeping_ |= bit(thread);
  if (deadline != no_deadline) timed_ |= bit(thread);
  stir();  // a wake that did nothing before would do something now
  block(standing::sleeping, word.at);
  // The kernel's lock orders the wake behind the waker's store. The word itself may be gone: use its history only.
  take(locations_[index].newest(), std::memory_order_relaxed);
  if (tracing_) say(me.timed_out ? "has timed out" : "is awake", word.at);
  return !me.timed_out;
}

inline void machine::wait_for_wake(void const* address, site at) {
  threads_[thread].address = address;
  threads_[thread].deadline = no_deadline;
  sleeping_ |= bit(thread);
  block(standing::sleeping, at);
}

/// One decision of a wake: whom it wakes, or that a sleeper had left for a reason of its own just before.
inline bool machine::wake_one(void const* address, bool& left_early) {
  candidate list[3 * max_threads];
  int count = 0;
  std::uint32_t waiters = 0;
  for (int t = 0; t < threads_made_; ++t) {
    if ((sleeping_ & bit(t)) == 0 || threads_[t].address != address) continue;
    waiters |= bit(t);
    list[count++] = {static_cast<std::uint8_t>(t), wakeup::run};
  }
  if (count == 0) return false;
  int const waking = count;
  for (int t = 0; t < threads_made_; ++t) {
    if ((waiters & bit(t)) == 0) continue;
    if (timeouts_ > 0 && (timed_ & bit(t)) != 0) list[count++] = {static_cast<std::uint8_t>(t), wakeup::time_out};
    if (spurious_ > 0) list[count++] = {static_cast<std::uint8_t>(t), wakeup::spurious};
  }
  int chosen = 0;
  if (count > 1)
    chosen = choices_.pick(
        count, choices_.chance().below(4) != 0 ? choices_.chance().below(waking) : choices_.chance().below(count));
  candidate const next = list[chosen];
  if (next.how == wakeup::time_out) --timeouts_;
  if (next.how == wakeup::spurious) --spurious_;
  left_early = next.how != wakeup::run;
  make_runnable(next.thread, next.how == wakeup::time_out);
  return true;
}

/// As FUTEX_WAKE: by address; nothing is read there.
inline void machine::wake(void const* address, int count, site at) {
  point(at);
  bool const dropped = drops(at, operation::wake);
  int woken = 0;
  while (!dropped && woken < count) {
    bool left_early = false;
    if (!wake_one(address, left_early)) break;
    if (!left_early) ++woken;
  }
  if (tracing_) say("futex_wake(" + object_name(address, "address", 0) + ") wakes " + std::to_string(woken), at);
}

/// One round of a spin loop is over. The thread goes on when another thread has changed something since its last
/// pause; at once, if that has happened already, or if the round could end differently for another reason.
inline void machine::pause(char const* verb, site at) {
  advance_step(at);
  if (tracing_) say(verb, at);
  thread_state& me = threads_[thread];
  if (changes_made_ - me.own_changes == me.others_changes && !me.restless) {
    me.state = standing::pausing;
    pausing_ |= bit(thread);
    runnable_ &= ~bit(thread);
  } else if (me.pauses > 2) {
    tired_ |= bit(thread);
  }
  me.priority = --lowest_;
  decide(false);
  me.others_changes = changes_made_ - me.own_changes;
  me.restless = false;
  me.asked_time = false;
  me.fresh = true;
  ++me.round;
  if (me.pauses < 255) ++me.pauses;
}

inline std::int64_t machine::time_now(site at) {
  advance_step(at);
  threads_[thread].asked_time = true;
  ++nanoseconds_;
  bool const jumps = clock_jumps_ > 0 && explored() && choices_.pick_rare();
  if (jumps) {
    --clock_jumps_;
    nanoseconds_ += hour;
  }
  if (tracing_) say(jumps ? "clock::now(): an hour has passed" : "clock::now()", at);
  return nanoseconds_;
}

// The pair is modelled by two exchanges. A light barrier publishes what its thread cannot miss (its own stores among
// it) and takes in what every earlier heavy barrier could not miss. A heavy barrier takes in what the threads
// published at their last light barriers, and is a sequentially consistent fence of its own thread. Of a light and a
// heavy barrier one comes first, so one side sees the other's store. A processor's full barrier at the present point
// of every thread, which is what the kernel gives, orders more; nothing it forbids beyond the pair is relied upon.
inline void machine::light_barrier(site at) {
  point(at);
  if (tracing_) say("light_barrier", at);
  if (drops(at, operation::light)) return;
  thread_state& me = threads_[thread];
  me.now.visible.join(heavy_);
  me.at_light = me.now.visible;
}

inline void machine::heavy_barrier(site at) {
  point(at);
  if (tracing_) say("heavy_barrier", at);
  if (drops(at, operation::heavy)) return;
  thread_state& me = threads_[thread];
  for (int t = 0; t < threads_made_; ++t) me.now.visible.join(threads_[t].at_light);
  me.now.visible.join(sc_);
  me.now.visible.fence_step = static_cast<tick>(step_);
  sc_.join(me.now.visible);
  heavy_.join(me.now.visible);
}

}  // namespace concur::testing::engine
