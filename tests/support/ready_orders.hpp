// SPDX-License-Identifier: BSL-1.0
//
// Orders in which an executor of a test runs what is ready at the same time: for what has to be right in each of them.
//
//     support::in_every_order([](support::order which) {
//       support::hand_loop here(which);
//       …
//     });
#pragma once

#include "hammer.hpp"
#include "long_form.hpp"

#include <concur/core/executor.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <ostream>
#include <random>
#include <string_view>

namespace support::inline CONCUR_ABI {

enum class ready_order { first_in_first_out, last_in_first_out, shuffled };

/// An order and, for a shuffle, its seed. All but the first break the promise of executors to keep the order of posts,
/// on purpose: nothing that is right only by that order survives them.
struct order {
  order(ready_order of = ready_order::first_in_first_out, std::uint32_t from = 1) noexcept : kind(of), seed(from) {}

  ready_order kind;
  std::uint32_t seed;
};

inline std::ostream& operator<<(std::ostream& out, order which) {
  switch (which.kind) {
    case ready_order::first_in_first_out: return out << "in order";
    case ready_order::last_in_first_out: return out << "reversed";
    case ready_order::shuffled: break;
  }
  return out << "shuffled with seed " << which.seed;
}

/// The order of an executor that is not told another one: CONCUR_READY_ORDER in the environment is `reversed`, or the
/// seed of a shuffle. A test that takes the order of posts for granted has the tag [in_order].
inline order usual_order() {
  static order const wanted = [] {
    char const* const wish = std::getenv("CONCUR_READY_ORDER");
    if (wish == nullptr || *wish == '\0') return order();
    if (std::string_view(wish) == "reversed") return order(ready_order::last_in_first_out);
    return order(ready_order::shuffled, static_cast<std::uint32_t>(std::strtoul(wish, nullptr, 10)));
  }();
  return wanted;
}

/// How many shuffles there are to be; fewer in builds that are slow and look for other faults.
inline std::uint32_t shuffles() { return long_form() ? 10'000 : slow_build ? 20 : 200; }

/// Calls `body(which)` for the order of the posts, the reversed one, and so many shuffles.
template <class Body>
void in_every_order(Body body) {
  body(order(ready_order::first_in_first_out));
  body(order(ready_order::last_in_first_out));
  for (std::uint32_t seed = 1; seed <= shuffles(); ++seed) body(order(ready_order::shuffled, seed));
}

/// What was ready at the same time, to be taken out in an order. One thread at a time. Not by operator new, which tests
/// let fail.
class ready_batch {
 public:
  explicit ready_batch(order which) : kind_(which.kind), random_(which.seed) {}
  ready_batch(ready_batch const&) = delete;
  ready_batch& operator=(ready_batch const&) = delete;
  ~ready_batch() { std::free(items_); }

  bool empty() const noexcept { return count_ == 0; }

  /// Requires: it is empty.
  void fill(concur::work* chain) {
    for (; chain != nullptr; chain = chain->next()) append(chain);
    if (kind_ == ready_order::shuffled) std::shuffle(items_, items_ + count_, random_);
    if (kind_ == ready_order::first_in_first_out) std::reverse(items_, items_ + count_);
  }
  /// Null when it is empty.
  concur::work* take() noexcept { return count_ == 0 ? nullptr : items_[--count_]; }

 private:
  void append(concur::work* item) {
    if (count_ == room_) {
      room_ = room_ * 2 + 16;
      items_ = static_cast<concur::work**>(std::realloc(items_, room_ * sizeof(concur::work*)));
      if (items_ == nullptr) std::abort();
    }
    items_[count_++] = item;
  }

  ready_order const kind_;
  std::minstd_rand random_;
  concur::work** items_ = nullptr;  // the next one is the last
  std::size_t count_ = 0;
  std::size_t room_ = 0;
};

}  // namespace support::inline CONCUR_ABI
