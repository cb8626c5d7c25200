// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

#include <boost/lockfree/queue.hpp>

namespace {

/// Bounded: its nodes are allocated beforehand.
template <class T>
class lockfree_queue {
  using queue = boost::lockfree::queue<T, boost::lockfree::fixed_sized<true>>;

 public:
  explicit lockfree_queue(std::size_t capacity) : queue_(capacity) {}

  class producer {
   public:
    explicit producer(lockfree_queue& to) : queue_(to.queue_) {}
    bool try_put(T& item) { return queue_.bounded_push(item); }

   private:
    queue& queue_;
  };
  class consumer {
   public:
    explicit consumer(lockfree_queue& from) : queue_(from.queue_) {}
    bool try_get(T& item) { return queue_.pop(item); }

   private:
    queue& queue_;
  };

 private:
  queue queue_;
};

}  // namespace

bench::cases const here = retrying_throughput_of<lockfree_queue>("boost");
