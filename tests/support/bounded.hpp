// SPDX-License-Identifier: BSL-1.0
//
// The bounds within which the scenarios of the primitives are exhausted, and what these scenarios share.
//
// Two searches cover each scenario, since one with everything at once would take hours with three threads: `schedules`
// with three preemptions and old values, `hiccups` with one preemption, spurious wakes and weak failures.
#pragma once

#include "run_scenarios.hpp"

#include <concur/core/os.hpp>

#include <optional>
#include <string>

namespace explored {

inline testing::options schedules() {
  return {.preemptions = 3, .timeouts = 1, .spurious = 0, .weak_failures = 0, .clock_jumps = 0, .stale_reads = 1};
}

/// So many preemptions, and nothing else but what is named: for scenarios of many steps, as those of whole pools are.
inline testing::options preemptions(int count, int timeouts = 0, int stale_reads = 0) {
  return {.preemptions = count,
          .timeouts = timeouts,
          .spurious = 0,
          .weak_failures = 0,
          .clock_jumps = 0,
          .stale_reads = stale_reads};
}

/// For three threads of which one has a limit: without old values, which another scenario of the same kind covers.
inline testing::options schedules_of_three() { return preemptions(3, 1); }

inline testing::options hiccups() {
  return {.preemptions = 1, .timeouts = 1, .spurious = 1, .weak_failures = 1, .clock_jumps = 0, .stale_reads = 0};
}

/// Makes a scenario known within both bounds.
struct twice {
  template <class Function>
  twice(char const* subject, char const* name, Function const& function, testing::options const& bounds = schedules())
      : first(subject, name, function, bounds), second(subject, std::string(name) + ", hiccups", function, hiccups()) {}

  registration first;
  registration second;
};

/// A shared number that the explorer checks for races.
class counted {
 public:
  void add(int n = 1) { value_.set(value_.get() + n); }
  int get() const { return value_.get(); }

 private:
  concur::os::plain<int> value_{0};
};

/// An object that one of its users destroys while others may still be inside a call that should not touch it any more.
template <class T>
class destructible {
 public:
  template <class... Args>
  explicit destructible(Args... args) : object_(std::in_place, args...) {}
  T* operator->() { return &*object_; }
  T& operator*() { return *object_; }
  void destroy() { object_.reset(); }

 private:
  std::optional<T> object_;
};

}  // namespace explored
