// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

#include <concurrentqueue/concurrentqueue.h>

namespace {

/// Unbounded; with a token for each thread, as its authors advise.
template <class T>
class concurrent_queue {
 public:
  explicit concurrent_queue(std::size_t capacity) : queue_(capacity) {}

  class producer {
   public:
    explicit producer(concurrent_queue& to) : queue_(to.queue_), token_(to.queue_) {}
    bool try_put(T& item) { return queue_.enqueue(token_, item); }

   private:
    moodycamel::ConcurrentQueue<T>& queue_;
    moodycamel::ProducerToken token_;
  };
  class consumer {
   public:
    explicit consumer(concurrent_queue& from) : queue_(from.queue_), token_(from.queue_) {}
    bool try_get(T& item) { return queue_.try_dequeue(token_, item); }

   private:
    moodycamel::ConcurrentQueue<T>& queue_;
    moodycamel::ConsumerToken token_;
  };

 private:
  moodycamel::ConcurrentQueue<T> queue_;
};

}  // namespace

bench::cases const here = retrying_throughput_of<concurrent_queue>("moodycamel");
