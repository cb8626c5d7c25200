// SPDX-License-Identifier: BSL-1.0
//
// Blocking queues of all libraries under the same words. A Queue<T> is made with its capacity; threads use it through
// handles of their own, `producer` with put, `consumer` with get and try_get.
#pragma once

#include <cstddef>
#include <utility>

namespace bench {

/// For queues that need no handles: gives them handles that only refer to them. `Base` has put, get and try_get.
template <class Base, class T>
class plain_handles : public Base {
 public:
  using Base::Base;
  class producer {
   public:
    explicit producer(plain_handles& queue) noexcept : queue_(queue) {}
    void put(T item) { queue_.put(std::move(item)); }

   private:
    plain_handles& queue_;
  };
  class consumer {
   public:
    explicit consumer(plain_handles& queue) noexcept : queue_(queue) {}
    T get() { return queue_.get(); }
    bool try_get(T& item) { return queue_.try_get(item); }

   private:
    plain_handles& queue_;
  };
};

}  // namespace bench
