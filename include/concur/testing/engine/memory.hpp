// SPDX-License-Identifier: BSL-1.0
//
// Loads, stores, read-modify-writes and fences on the machine; races on plain objects.
#pragma once

#include <concur/testing/engine/machine.hpp>

#include <string>

namespace concur::testing::engine {

inline bool acquires(std::memory_order o) noexcept {
  return o != std::memory_order_relaxed && o != std::memory_order_release;
}
inline bool releases(std::memory_order o) noexcept {
  return o == std::memory_order_release || o == std::memory_order_acq_rel || o == std::memory_order_seq_cst;
}

inline void machine::check_alive(identity const& id, site at) {
  if (!id.alive()) [[unlikely]]
    fail("use after destruction at " + to_string(at), at);
}

// Making an object is not atomic: its first users must have learned of it through something that synchronizes.
inline void machine::check_born(location const& l, site at) {
  if (l.made_at > threads_[thread].now.happened.at[l.maker]) [[unlikely]] {
    fail("data race: the object used at " + to_string(at) + " was made by '" + threads_[l.maker].name +
             "' without a happens-before to this use",
         at);
  }
}

inline location& machine::locate(identity& id, std::uint64_t initial) {
  if (id.epoch == epoch && id.index != identity::unregistered) return locations_[id.index];
  bool const made_here = id.epoch == epoch;
  auto const index = static_cast<std::size_t>(locations_used_);
  if (index >= identity::unregistered) fail("one execution uses more than 65,534 atomic objects");
  if (index == locations_.size()) locations_.emplace_back();
  ++locations_used_;
  id.epoch = epoch;
  id.index = static_cast<std::uint16_t>(index);
  locations_[index].begin(initial, made_here ? id.born_by : std::uint8_t{0}, made_here ? id.born_at : tick{0});
  return locations_[index];
}

// The object may go while this thread waits for its turn, so it is looked at before and after.
inline location& machine::arrive(access const& a) {
  check_alive(a.id, a.at);
  point(a.at);
  check_alive(a.id, a.at);
  location& l = locate(a.id, a.initial);
  check_born(l, a.at);
  return l;
}

inline store_record& machine::choose_store(location& l, bool sc) {
  thread_state& me = threads_[thread];
  int count = l.readable(me.now.visible, false);
  if (sc && count > 1) {
    visibility both = me.now.visible;
    both.join(sc_);
    count = l.readable(both, true);
  }
  // Stores become visible in the end: what was read before a spin pause is read at its newest after it.
  bool const again = l.round[thread] != 0 && l.round[thread] + 1 == me.round;
  l.round[thread] = me.round;
  if (count == 1 || again || l.stale[thread] >= options_.stale_reads) return l.newest();
  int const back = choices_.pick(count);
  if (back == 0) return l.newest();
  ++l.stale[thread];
  me.restless = true;
  return l.older(back);
}

inline void machine::take(store_record& r, std::memory_order order) {
  thread_state& me = threads_[thread];
  if (r.seen.at[thread] == never_seen) r.seen.at[thread] = time;
  if (order == std::memory_order_seq_cst && r.sc_step == never_seen) r.sc_step = static_cast<tick>(step_);
  if (!r.releases) return;
  if (acquires(order)) {
    me.now.join(r.release);
  } else {
    me.pending.join(r.release);
    me.has_pending = true;
  }
}

inline void machine::put(location& l, std::uint64_t value, std::memory_order order, store_record const* replaced) {
  thread_state& me = threads_[thread];
  bool const changes = l.newest().value != value;
  store_record& r = l.push();  // `replaced` is the record before it in the ring, not this one
  r.value = value;
  r.step = static_cast<tick>(step_);
  for (tick& t : r.seen.at) t = never_seen;
  r.seen.at[thread] = time;
  if (order == std::memory_order_seq_cst) r.sc_step = r.step;
  r.releases = true;
  if (releases(order)) {
    r.release = me.now;
  } else if (me.has_released) {
    r.release = me.released;
  } else {
    r.releases = false;
  }
  // A read-modify-write continues the release sequence it reads from.
  if (replaced != nullptr && replaced->releases) {
    if (r.releases) {
      r.release.join(replaced->release);
    } else {
      r.release = replaced->release;
      r.releases = true;
    }
  }
  if (changes) stir();
}

inline std::uint64_t machine::load(access const& a, std::memory_order order) {
  order = mutated(a.at, operation::load, order);
  location& l = arrive(a);
  store_record& r = choose_store(l, order == std::memory_order_seq_cst);
  take(r, order);
  if (tracing_) say_access(a, &order, "= " + value_text(r.value, a.kind), &r, static_cast<int>(&r != &l.newest()));
  return r.value;
}

inline void machine::store(access const& a, std::uint64_t value, std::memory_order order) {
  order = mutated(a.at, operation::store, order);
  location& l = arrive(a);
  put(l, value, order, nullptr);
  if (tracing_) say_access(a, &order, ":= " + value_text(value, a.kind), nullptr, 0);
}

template <class F>
std::uint64_t machine::update(access const& a, F next, std::memory_order order) {
  order = mutated(a.at, operation::update, order);
  location& l = arrive(a);
  store_record& r = l.newest();
  std::uint64_t const old = r.value;
  std::uint64_t const value = next(old);
  take(r, order);
  if (tracing_) say_access(a, &order, value_text(old, a.kind) + " -> " + value_text(value, a.kind), &r, 0);
  put(l, value, order, &r);
  return old;
}

// Success is a read-modify-write of the newest value. Failure is a load, which may see an older one.
inline bool machine::compare_exchange(access const& a, std::uint64_t& expected, std::uint64_t desired,
                                      std::memory_order order, std::memory_order failure, bool weak) {
  order = mutated(a.at, operation::update, order);
  failure = mutated(a.at, operation::failed_exchange, failure);
  location& l = arrive(a);
  store_record* r = &l.newest();
  bool fails = r->value != expected;
  bool spurious = false;
  if (weak_failures_ > 0 && explored()) {
    int const count = l.readable(threads_[thread].now.visible, failure == std::memory_order_seq_cst);
    bool const stale = count > 1 && l.older(1).value != expected;
    if (((weak && !fails) || stale) && choices_.pick_rare()) {
      --weak_failures_;
      threads_[thread].restless = true;
      fails = true;
      spurious = true;
      if (stale) r = &l.older(1);
    }
  }
  if (!fails) {
    take(*r, order);
    if (tracing_) say_access(a, &order, value_text(expected, a.kind) + " -> " + value_text(desired, a.kind), r, 0);
    put(l, desired, order, r);
    return true;
  }
  take(*r, failure);
  if (tracing_) {
    std::string const why = spurious ? "fails for no reason on " : "fails on ";
    say_access(a, &failure, why + value_text(r->value, a.kind), r, static_cast<int>(r != &l.newest()));
  }
  expected = r->value;
  return false;
}

inline void machine::fence(std::memory_order order, site at) {
  order = mutated(at, operation::fence, order);
  point(at);
  thread_state& me = threads_[thread];
  if (acquires(order) && me.has_pending) me.now.join(me.pending);
  if (order == std::memory_order_seq_cst) {
    me.now.visible.join(sc_);
    me.now.visible.fence_step = static_cast<tick>(step_);
    sc_.join(me.now.visible);
  }
  if (releases(order)) {
    me.released = me.now;
    me.has_released = true;
  }
  if (tracing_) say("fence(" + std::string(name_of(order)) + ")", at);
}

inline plain_history& machine::plain_of(identity& id, site at) {
  check_alive(id, at);
  bool const made_here = id.epoch == epoch;
  if (!made_here || id.index == identity::unregistered) {
    auto const index = static_cast<std::size_t>(plains_used_++);
    if (index >= identity::unregistered) fail("one execution uses more than 65,534 plain objects");
    if (index == plains_.size()) plains_.emplace_back();
    id.epoch = epoch;
    id.index = static_cast<std::uint16_t>(index);
    plain_history& h = plains_[index];
    h = {};
    if (made_here) h.writer = static_cast<std::int8_t>(id.born_by), h.written_at = id.born_at;
  }
  // Part of the thread's time, not a step with a choice: see schedule.hpp.
  advance_step(at);
  return plains_[id.index];
}

inline void machine::race(char const* what, identity const& id, char const* mine, site at, int other, site there) {
  std::string const here = at.where == nullptr ? "" : " at " + to_string(at);
  std::string const where = there.where == nullptr ? "" : " at " + to_string(there);
  fail("data race on " + object_name(&id, "plain", id.index) + ": " + mine + " by '" + threads_[thread].name + "'" +
           here + ", " + what + " by '" + threads_[other].name + "'" + where + ", and nothing orders the two",
       at);
}

inline void machine::read_plain(identity& id, site at) {
  plain_history& h = plain_of(id, at);
  vector_clock const& known = threads_[thread].now.happened;
  if (h.writer >= 0 && h.written_at > known.at[h.writer]) race("written", id, "read", at, h.writer, h.write_site);
  h.read_at[thread] = time;
  h.read_site[thread] = at;
  if (tracing_) say(object_name(&id, "plain", id.index) + " is read", at);
}

inline void machine::write_plain(identity& id, char const* verb, site at) {
  plain_history& h = plain_of(id, at);
  vector_clock const& known = threads_[thread].now.happened;
  if (h.writer >= 0 && h.written_at > known.at[h.writer]) race("written", id, verb, at, h.writer, h.write_site);
  for (int t = 0; t < threads_made_; ++t) {
    if (h.read_at[t] > known.at[t]) race("read", id, verb, at, t, h.read_site[t]);
  }
  h.writer = static_cast<std::int8_t>(thread);
  h.written_at = time;
  h.write_site = at;
  if (tracing_) say(object_name(&id, "plain", id.index) + " is " + verb, at);
}

}  // namespace concur::testing::engine
