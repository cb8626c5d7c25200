// SPDX-License-Identifier: BSL-1.0
//
// A million sleep at once, and end: in the order in which they began, or in any other. Counted are the memory of one of
// them, which is what lies on the heap while all are asleep, malloc's own words included, the first time; and the CPU
// time of one of them, to start all, let them sleep, wake them and get rid of them, the second time.
#pragma once

#include "../support/cases.hpp"

#include <malloc.h>
#include <time.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

enum class order { as_begun, any };

/// How long each sleeps: all the same, or differently.
class lengths {
 public:
  lengths(std::chrono::milliseconds shortest, order ends) : shortest_(shortest), ends_(ends) {}

  std::chrono::microseconds next() {
    if (ends_ == order::as_begun) return shortest_;
    random_ = random_ * 6364136223846793005u + 1442695040888963407u;
    return shortest_ + std::chrono::microseconds((random_ >> 33) % 50'000);
  }

 private:
  std::chrono::microseconds const shortest_;
  order const ends_;
  std::uint64_t random_ = 1;
};

/// One run with all of them.
class sleepers {
 public:
  sleepers(int count, lengths each) : count(count), length(each) {}

  int const count;
  lengths length;

  /// Returns whether it was the last one.
  bool end_one() { return ++ended_ == count; }

  /// To be called when all have been started. `kept` is how much of the heap the library holds for the next ones.
  void all_asleep(std::size_t kept) {
    auto const before = cpu_time();
    at_once_ = ended_ == 0;
    bytes_ = heap() - kept - bytes_at_first_;
    not_counted_ += cpu_time() - before;
  }

  /// Before the first is started.
  void begin(std::size_t kept) {
    bytes_at_first_ = heap() - kept;
    begin_ = cpu_time();
  }
  void end() { cpu_ = cpu_time() - begin_ - not_counted_; }

  bool ended_all() const { return ended_ == count; }
  bool slept_at_once() const { return at_once_; }
  double cpu_seconds() const { return cpu_ / count; }
  double bytes() const { return double(bytes_) / count; }

 private:
  static std::size_t heap() {
    auto const now = mallinfo2();
    return now.uordblks + now.hblkhd;
  }
  static double cpu_time() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return double(now.tv_sec) + 1e-9 * double(now.tv_nsec);
  }

  int ended_ = 0;
  bool at_once_ = false;
  std::size_t bytes_at_first_ = 0;
  std::size_t bytes_ = 0;
  double begin_ = 0;
  double not_counted_ = 0;
  double cpu_ = 0;
};

/// `Library` has `run(sleepers&)`: begin, start them, all_asleep, and end when the last one has called end_one.
template <class Library>
void sleep_at_once(benchmark::State& state, order ends) {
  using namespace std::chrono_literals;
  bool const smoke = bench::slice() < 100ms;
  int const count = smoke ? 10'000 : 1'000'000;
  // Those that cannot be started as fast have to sleep longer.
  for (auto shortest = smoke ? 100ms : 500ms; shortest < 10s; shortest *= 2) {
    Library library;
    sleepers first(count, lengths(shortest, ends));
    sleepers second(count, lengths(shortest, ends));
    library.run(first);
    library.run(second);
    if (!first.ended_all() || !second.ended_all()) return state.SkipWithError("some have not woken up");
    if (!first.slept_at_once() || !second.slept_at_once()) continue;
    bench::report(state, std::chrono::duration<double>(second.cpu_seconds()));
    state.counters["bytes"] = first.bytes();  // before the library has memory for the next ones
    return;
  }
  state.SkipWithError("they never slept all at once");
}

/// `kind` tells apart what the rows of the report tell apart. The shuffled rows come last in a program, which is
/// sorted: free memory that is reused is in disorder after them.
template <class Library>
bench::cases sleeping_on(char const* library, std::string const& kind = {}) {
  auto const in_order = [](benchmark::State& state) { sleep_at_once<Library>(state, order::as_begun); };
  auto const shuffled = [](benchmark::State& state) { sleep_at_once<Library>(state, order::any); };
  return {
      {"coro_sleepers/in_order" + kind, library, in_order, bench::timing::own},
      {"coro_sleepers/shuffled" + kind, library, shuffled, bench::timing::own},
  };
}
