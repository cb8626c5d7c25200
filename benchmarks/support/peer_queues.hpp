// SPDX-License-Identifier: BSL-1.0
//
// Blocking queues of other libraries under the words of queues.hpp, each at its documented best.
#pragma once

#include "queues.hpp"

#define BOOST_THREAD_VERSION 4
#include <boost/thread/concurrent_queues/sync_bounded_queue.hpp>
#include <concurrentqueue/blockingconcurrentqueue.h>
#include <oneapi/tbb/concurrent_queue.h>

#include <cstddef>
#include <utility>

namespace bench {

template <class T>
class boost_queue_base {
 public:
  explicit boost_queue_base(std::size_t capacity) : queue_(capacity) {}
  void put(T item) { queue_.push_back(std::move(item)); }
  T get() {
    T item{};
    queue_.pull_front(item);
    return item;
  }
  bool try_get(T& item) { return queue_.try_pull_front(item) == boost::queue_op_status::success; }

 private:
  boost::sync_bounded_queue<T> queue_;
};
template <class T>
using boost_queue = plain_handles<boost_queue_base<T>, T>;

template <class T>
class tbb_queue_base {
 public:
  explicit tbb_queue_base(std::size_t capacity) { queue_.set_capacity(std::ptrdiff_t(capacity)); }
  void put(T item) { queue_.push(std::move(item)); }
  T get() {
    T item{};
    queue_.pop(item);
    return item;
  }
  bool try_get(T& item) { return queue_.try_pop(item); }

 private:
  tbb::concurrent_bounded_queue<T> queue_;
};
template <class T>
using tbb_queue = plain_handles<tbb_queue_base<T>, T>;

/// Unbounded; with a token for each thread, as its authors advise.
template <class T>
class moodycamel_queue {
 public:
  explicit moodycamel_queue(std::size_t capacity) : queue_(capacity) {}
  class producer {
   public:
    explicit producer(moodycamel_queue& queue) : queue_(queue.queue_), token_(queue.queue_) {}
    void put(T item) { queue_.enqueue(token_, std::move(item)); }

   private:
    moodycamel::BlockingConcurrentQueue<T>& queue_;
    moodycamel::ProducerToken token_;
  };
  class consumer {
   public:
    explicit consumer(moodycamel_queue& queue) : queue_(queue.queue_), token_(queue.queue_) {}
    T get() {
      T item{};
      queue_.wait_dequeue(token_, item);
      return item;
    }
    bool try_get(T& item) { return queue_.try_dequeue(token_, item); }

   private:
    moodycamel::BlockingConcurrentQueue<T>& queue_;
    moodycamel::ConsumerToken token_;
  };

 private:
  moodycamel::BlockingConcurrentQueue<T> queue_;
};

}  // namespace bench
