// SPDX-License-Identifier: BSL-1.0
//
// concur::queue under the words of queues.hpp.
#pragma once

#include "queues.hpp"

#include <concur/queue/queue.hpp>

#include <cstddef>
#include <utility>

namespace bench {

template <class T>
class concur_queue_base {
 public:
  explicit concur_queue_base(std::size_t capacity) : queue_(capacity) {}
  void put(T item) { queue_.put(std::move(item)); }
  T get() { return queue_.get(); }
  bool try_get(T& item) {
    auto taken = queue_.try_get();
    if (taken) item = std::move(*taken);
    return taken.has_value();
  }

 private:
  concur::queue<T> queue_;
};
template <class T>
using concur_queue = plain_handles<concur_queue_base<T>, T>;

}  // namespace bench
