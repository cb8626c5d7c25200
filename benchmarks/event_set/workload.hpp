// SPDX-License-Identifier: BSL-1.0
//
// Waiting for something that has happened already.
#pragma once

#include "../support/cases.hpp"

/// `Event` is set when it has been made.
template <class Event>
void wait_for_set_event(benchmark::State& state) {
  alignas(64) Event event;
  benchmark::DoNotOptimize(&event);
  for (auto _ : state) {
    event.wait();
    benchmark::ClobberMemory();
  }
  state.counters["bytes"] = sizeof(Event);
}

template <class Event>
bench::cases wait_for_set_event_of(char const* library) {
  return {{"event_set/wait", library, wait_for_set_event<Event>}};
}
