// SPDX-License-Identifier: BSL-1.0
//
// As the workload `queue_throughput`, with queues that never wait: whoever is refused tries again, and all libraries
// with the same back-off.
#pragma once

#include "../queue_throughput/workload.hpp"

#include <concur/core/os.hpp>

#include <cstddef>
#include <thread>

/// Pauses that grow, then yields: for two threads on a core each, and for more threads than cores.
class back_off {
 public:
  void pause() {
    if (pauses_ > 64) return std::this_thread::yield();
    for (int i = 0; i < pauses_; ++i) concur::os::spin_pause();
    pauses_ *= 2;
  }

 private:
  int pauses_ = 16;
};

/// Waiting handles over a `Ring` whose handles have `bool try_put(T&)` and `bool try_get(T&)`.
template <class Ring, class T>
class retrying {
 public:
  explicit retrying(std::size_t capacity) : ring_(capacity) {}

  class producer {
   public:
    explicit producer(retrying& to) : handle_(to.ring_) {}
    void put(T item) {
      for (back_off wait; !handle_.try_put(item); wait.pause()) {
      }
    }

   private:
    typename Ring::producer handle_;
  };
  class consumer {
   public:
    explicit consumer(retrying& from) : handle_(from.ring_) {}
    T get() {
      T item{};
      for (back_off wait; !handle_.try_get(item); wait.pause()) {
      }
      return item;
    }
    bool try_get(T& item) { return handle_.try_get(item); }

   private:
    typename Ring::consumer handle_;
  };

 private:
  Ring ring_;
};

template <template <class> class Ring>
bench::cases retrying_throughput_of(char const* library) {
  auto const numbers = [](int pairs) {
    return [pairs](benchmark::State& state) { flow<retrying<Ring<int>, int>, int>(state, pairs); };
  };
  constexpr auto own = bench::timing::own;
  return {{"ring_throughput/int_1_to_1", library, numbers(1), own},
          {"ring_throughput/int_2_to_2", library, numbers(2), own},
          {"ring_throughput/int_4_to_4", library, numbers(4), own}};
}
