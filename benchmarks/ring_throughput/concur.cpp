// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

#include <concur/queue/ring.hpp>

#include <utility>

namespace {

template <class T>
class ring {
 public:
  explicit ring(std::size_t capacity) : ring_(capacity) {}

  class producer {
   public:
    explicit producer(ring& to) : ring_(to.ring_) {}
    bool try_put(T& item) { return ring_.push_if_ready(item) == concur::ring_outcome::done; }

   private:
    concur::ring<T>& ring_;
  };
  class consumer {
   public:
    explicit consumer(ring& from) : ring_(from.ring_) {}
    bool try_get(T& item) {
      auto const take = [&item](T&& taken) { item = std::move(taken); };
      return ring_.pop_if_ready(take) == concur::ring_outcome::done;
    }

   private:
    concur::ring<T>& ring_;
  };

 private:
  concur::ring<T> ring_;
};

}  // namespace

bench::cases const here = retrying_throughput_of<ring>("concur");
