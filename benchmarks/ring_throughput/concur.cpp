// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

#include <concur/queue/ring.hpp>

#include <utility>

namespace {

// With the forms for who asks again when he is refused, or with those that know for certain.
template <class T, bool Certain>
class basic_ring {
 public:
  explicit basic_ring(std::size_t capacity) : ring_(capacity) {}

  class producer {
   public:
    explicit producer(basic_ring& to) : ring_(to.ring_) {}
    bool try_put(T& item) {
      return (Certain ? ring_.push(std::move(item)) : ring_.push_if_ready(std::move(item))) ==
             concur::ring_outcome::done;
    }

   private:
    concur::ring<T>& ring_;
  };
  class consumer {
   public:
    explicit consumer(basic_ring& from) : ring_(from.ring_) {}
    bool try_get(T& item) {
      auto const take = [&item](T&& taken) { item = std::move(taken); };
      return (Certain ? ring_.pop(take) : ring_.pop_if_ready(take)) == concur::ring_outcome::done;
    }

   private:
    concur::ring<T>& ring_;
  };

 private:
  concur::ring<T> ring_;
};

template <class T>
using ring = basic_ring<T, false>;
template <class T>
using certain_ring = basic_ring<T, true>;

}  // namespace

bench::cases const here = retrying_throughput_of<ring>("concur");
bench::cases const certain = retrying_throughput_of<certain_ring>("concur_certain");
