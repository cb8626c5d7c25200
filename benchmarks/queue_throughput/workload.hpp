// SPDX-License-Identifier: BSL-1.0
//
// Producers put numbers into one queue as fast as they can, as many consumers take them out, both waiting where they
// must. Bounded queues have room for 1,024 elements. Time of an element: elapsed time divided by the elements that came
// out until the end; what is left then is taken out without being counted.
//
// A Queue<T> has handles `producer` and `consumer`, one for each thread, for libraries that want such.
#pragma once

#include "../support/cases.hpp"
#include "../support/crew.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

inline constexpr std::size_t room = 1024;

/// An element of 64 bytes.
struct line {
  line(std::int64_t n = 0) noexcept : number(n) {}
  operator std::int64_t() const noexcept { return number; }
  std::int64_t number;
  std::array<char, 56> rest{};
};

template <class Queue, class T>
void flow(benchmark::State& state, int pairs) {
  struct alignas(128) tally {
    std::int64_t sum = 0;
    std::int64_t counted = 0;
  };
  T const last_element(-1);
  Queue queue(room);
  std::array<tally, 16> done{};

  auto const elapsed = bench::run_crew(2 * pairs, bench::slice(), [&](int index, std::atomic<bool> const& stop) {
    tally mine;
    if (index % 2 == 0) {
      typename Queue::producer out(queue);
      for (int n = 0; !stop.load(std::memory_order_relaxed); n = (n + 1) & 0xffff) {
        out.put(T(n));
        mine.sum -= n;
      }
      out.put(last_element);
    } else {
      typename Queue::consumer in(queue);
      for (;;) {
        auto const n = std::int64_t(in.get());
        if (n < 0) break;  // so many as there are consumers
        mine.sum += n;
        if (!stop.load(std::memory_order_relaxed)) ++mine.counted;
      }
    }
    done[std::size_t(index)] = mine;
  });

  tally all;
  for (auto const& each : done) {
    all.sum += each.sum;
    all.counted += each.counted;
  }
  // A consumer may meet its end before another has taken an element that was put in earlier; then it is still there.
  typename Queue::consumer in(queue);
  for (T rest; in.try_get(rest);) all.sum += std::int64_t(rest);
  if (all.sum != 0) return state.SkipWithError("elements got lost or came twice");
  bench::report(state, elapsed / double(all.counted));
}

template <template <class> class Queue>
bench::cases throughput_of(std::string const& workload, char const* library) {
  auto const numbers = [](int pairs) {
    return [pairs](benchmark::State& state) { flow<Queue<int>, int>(state, pairs); };
  };
  auto const lines = [](int pairs) {
    return [pairs](benchmark::State& state) { flow<Queue<line>, line>(state, pairs); };
  };
  constexpr auto own = bench::timing::own;
  return {
      {workload + "/int_1_to_1", library, numbers(1), own},    {workload + "/int_2_to_2", library, numbers(2), own},
      {workload + "/int_4_to_4", library, numbers(4), own},    {workload + "/64_bytes_1_to_1", library, lines(1), own},
      {workload + "/64_bytes_2_to_2", library, lines(2), own}, {workload + "/64_bytes_4_to_4", library, lines(4), own},
  };
}
