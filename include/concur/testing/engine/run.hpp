// SPDX-License-Identifier: BSL-1.0
//
// One execution, and the loop over executions that makes an exploration.
//
// The scenario function runs as thread 0. When it returns, the threads it named are started; thread 0 waits for all
// of them, runs the final checks and destroys the objects, all inside the explored world.
#pragma once

#include <concur/testing/engine/blocking.hpp>
#include <concur/testing/engine/report.hpp>

#include <atomic>
#include <ctime>
#include <cxxabi.h>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <typeinfo>

namespace concur::testing::engine {

inline machine& machine::mine() {
  static thread_local std::unique_ptr<machine> const only = std::make_unique<machine>();
  return *only;
}

/// To be called in a handler.
inline std::string describe_exception() {
  try {
    throw;
  } catch (std::exception const& e) {
    return std::string("an exception escaped: ") + e.what();
  } catch (...) {
    std::type_info const* const type = abi::__cxa_current_exception_type();
    return std::string("an exception escaped, of type ") + (type != nullptr ? type->name() : "unknown");
  }
}

inline void machine::fail(std::string sentence, site at) {
  failed_ = true;
  failure_ = std::move(sentence);
  if (tracing_) say("FAILS: " + failure_, at);
  threads_[thread].in_body = true;  // its stack is given up, even where it found the failure on its way out
  contexts_[thread].switch_to(home_);
  __builtin_unreachable();
}

inline int machine::start(invocation body, char const* name) {
  if (threads_made_ == max_threads) fail("one execution starts more than 15 threads");
  int const id = threads_made_++;
  thread_state& t = threads_[id];
  if (id == 0) {
    t.now = {};
  } else {
    count_time();
    t.now = threads_[thread].now;
  }
  t.at_light = {};
  t.released = {};
  t.pending = {};
  t.has_released = t.has_pending = false;
  t.state = standing::runnable;
  t.fresh = true;
  t.restless = t.asked_time = false;
  t.pauses = 0;
  t.round = 1;
  t.own_changes = t.others_changes = 0;
  t.name = name;
  t.at = {};
  t.body = body;
  t.priority = choices_.strategy() == search::pct ? 100 + choices_.chance().below(1 << 20) : 0;
  runnable_ |= bit(id);
  ++live_;
  if (!contexts_[id].prepared()) contexts_[id].prepare(&machine::fiber_entry);
  return id;
}

inline void machine::join(int other, site at) {
  advance_step(at);
  threads_[thread].joins = other;
  if (threads_[other].state != standing::ended) block(standing::joining, at);
  threads_[thread].now.join(threads_[other].now);
}

inline void machine::join_all() {
  --live_;
  threads_[0].joins = max_threads;
  if (live_ != 0) block(standing::joining, {});
  ++live_;
  for (int t = 1; t < threads_made_; ++t) threads_[0].now.join(threads_[t].now);
}

// A fiber lives on between executions and takes one body after the other.
inline void machine::fiber_entry() {
  context::arrived();
  for (;;) {
    running()->run_body();
    running()->ended();
  }
}

inline void machine::run_body() {
  thread_state& me = threads_[thread];
  me.in_body = true;
  std::string escaped;
  try {
    if (thread == 0) {
      scenario_body();
    } else {
      me.body.call(me.body.object);
    }
    while (!me.exits.empty()) {
      invocation const last = me.exits.back();
      me.exits.pop_back();
      last.call(last.object);
    }
    me.in_body = false;
    return;
  } catch (...) {
    escaped = describe_exception();  // and let go of the exception before this stack is given up
  }
  fail(std::move(escaped), me.at);
}

inline void machine::scenario_body() {
  scenario_.call(scenario_.object);
  for (planned_thread const& p : waiting_) start(p.body, p.name);
  join_all();
  for (invocation const& f : finals_) f.call(f.object);
  arena_.destroy_all();
}

inline void machine::ended() {
  count_time();
  threads_[thread].state = standing::ended;
  runnable_ &= ~bit(thread);
  if (thread == 0) {
    contexts_[0].switch_to(home_);
    return;
  }
  --live_;
  for (int t = 0; t < threads_made_; ++t) {
    thread_state& other = threads_[t];
    if (other.state != standing::joining) continue;
    if (other.joins == thread || (other.joins == max_threads && live_ == 0)) make_runnable(t, false);
  }
  decide(false);
}

inline void machine::begin_execution() {
  static constinit std::atomic<std::uint32_t> executions{0};
  epoch = executions.fetch_add(1, std::memory_order_relaxed) + 1;  // relaxed: only to be unique
  thread = 0;
  time = 0;
  threads_made_ = live_ = 0;
  runnable_ = sleeping_ = timed_ = pausing_ = tired_ = 0;
  step_ = 0;
  preemptions_ = options_.preemptions;
  timeouts_ = options_.timeouts;
  spurious_ = options_.spurious;
  weak_failures_ = options_.weak_failures;
  clock_jumps_ = options_.clock_jumps;
  changes_made_ = 0;
  nanoseconds_ = hour;
  sc_ = {};
  heavy_ = {};
  locations_used_ = plains_used_ = 0;
  waiting_.clear();
  finals_.clear();
  arena_.reset();
  failed_ = false;
  trace_.clear();
  names_.clear();
  pointers_.clear();
  lowest_ = 0;
  if (choices_.strategy() != search::pct) return;
  changes_.clear();
  int const length = longest_ > 0 ? longest_ : 50;
  for (int i = 0; i + 1 < options_.depth; ++i) changes_.push_back(1 + choices_.chance().below(length));
}

inline void machine::run_execution() {
  begin_execution();
  present = this;
  start({}, "scenario");
  home_.switch_to(contexts_[0]);
  if (failed_) clean_up_failure();
  present = nullptr;
  if (step_ > longest_) longest_ = step_;
}

// Stacks in the middle of something are given up as they are: unwinding them would run explored code, through
// functions that must not throw.
inline void machine::clean_up_failure() {
  for (int t = 0; t < threads_made_; ++t) {
    if (threads_[t].in_body) contexts_[t].abandon(home_);
    threads_[t].in_body = false;
    threads_[t].exits.clear();
  }
  if constexpr (address_sanitizer) arena_.retire();
}

// Of CPU time: an execution never sleeps, and what others do on the machine must not cut a search short.
inline double seconds_now() {
  timespec used{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) + 1e-9 * static_cast<double>(used.tv_nsec);
}

inline bool machine::within_limits(result& r, double started) const {
  if (options_.executions != 0 && r.executions >= options_.executions) return false;
  return options_.seconds <= 0 || r.executions % 64 != 0 || seconds_now() - started < options_.seconds;
}

/// Runs the failing schedule once more, with the trace on.
inline void machine::explain(result& r) {
  r.failure = failure_;
  r.replay = choices_.text();
  choices_.keep_trail();
  tracing_ = true;
  choices_.rewind(r.executions);
  run_execution();
  r.trace = trace_;
  if (!failed_ || !choices_.fits()) {
    r.failure += " (but the same schedule does not fail again: the scenario is not deterministic)";
  } else {
    r.failure = failure_;  // now with the names the scenario gave
  }
  tracing_ = false;
}

inline result machine::explore(invocation scenario, options const& o, mutator* mutations) {
  if (present != nullptr) throw std::logic_error("explore was called inside an explored execution");
  options_ = o;
  scenario_ = scenario;
  mutations_ = mutations;
  max_steps_ = o.max_steps < 30'000 ? o.max_steps : 30'000;
  longest_ = 0;
  choices_.forget_trail();
  choices_.begin(o);
  if (choices_.strategy() != search::exhaustive && o.executions == 0) options_.executions = 100'000;
  double const started = seconds_now();
  result r;
  tracing_ = choices_.replaying();
  do {
    choices_.rewind(r.executions);
    run_execution();
    ++r.executions;
    r.steps += static_cast<std::uint64_t>(step_);
    if (!choices_.fits() && !failed_) {
      failed_ = true;
      failure_ = "the schedule does not fit: the scenario has changed or is not deterministic";
    }
    if (failed_ || choices_.replaying()) break;
    if (choices_.strategy() == search::exhaustive && !choices_.advance()) {
      r.exhausted = true;
      break;
    }
  } while (within_limits(r, started));
  if (failed_) {
    r.passed = false;
    r.failure = failure_;
    if (choices_.replaying()) {
      r.replay = o.replay;
      r.trace = trace_;
    } else if (mutations == nullptr) {
      explain(r);
    }
  }
  tracing_ = false;
  r.seconds = seconds_now() - started;
  return r;
}

}  // namespace concur::testing::engine
