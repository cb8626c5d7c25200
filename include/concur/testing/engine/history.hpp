// SPDX-License-Identifier: BSL-1.0
//
// The memory model: what a load of one atomic object may see.
//
// Stores take effect in the order of execution, which is the object's modification order. A load may see any of the
// newest `depth` stores that is not older than one it must see: one that happened before the load, was read by
// something that happened before it (coherence), or is made visible by the rules for sequentially consistent
// accesses and fences of C++20. All else that the standard allows by reordering stores or loads with later stores
// (load buffering, 2+2W) is not produced.
#pragma once

#include <concur/testing/engine/vector_clock.hpp>

#include <cstdint>

namespace concur::testing::engine {

/// One store in the modification order of an object.
struct store_record {
  std::uint64_t value = 0;
  vector_clock seen;             // per thread: when it first read or wrote this; `never_seen` if not yet
  view release;                  // what an acquire that reads this store gets
  bool releases = false;         // `release` holds something
  tick step = 0;                 // number of the execution's step, for reports and sequential consistency
  tick sc_step = never_seen;     // step of the first sequentially consistent access that wrote or read this
};

/// The stores of one atomic object in this execution.
class location {
 public:
  static constexpr int depth = 8;

  void begin(std::uint64_t value, std::uint8_t born_by, tick born_at) noexcept {
    count_ = 0;
    maker = born_by;
    made_at = born_at;
    for (int i = 0; i < max_threads; ++i) round[i] = 0, stale[i] = 0;
    store_record& first = push();
    first.value = value;
    first.releases = false;
    first.step = 0;
    for (tick& t : first.seen.at) t = never_seen;
  }

  store_record& newest() noexcept { return ring_[(count_ - 1) % depth]; }
  /// `back` stores before the newest.
  store_record& older(int back) noexcept { return ring_[(count_ - 1 - static_cast<unsigned>(back)) % depth]; }

  /// How many stores a thread with this visibility may read: the newest and those before it, as far as the newest it
  /// must see. `sc`: the access is sequentially consistent.
  int readable(visibility const& known, bool sc) noexcept {
    int const kept = count_ < depth ? static_cast<int>(count_) : depth;
    int back = 0;
    while (back + 1 < kept) {
      store_record const& r = older(back);
      bool const must =
          any_within(r.seen, known.stores) || r.sc_step <= known.fence_step || (sc && r.sc_step != never_seen);
      if (must) break;
      ++back;
    }
    return back + 1;
  }

  store_record& push() noexcept {
    ++count_;
    store_record& r = newest();
    r.sc_step = never_seen;
    return r;
  }

  // Per thread: the spin round in which it last read this, and how many old values it has seen.
  std::uint16_t round[max_threads]{};
  std::uint8_t stale[max_threads]{};
  std::uint8_t maker = 0;
  tick made_at = 0;

 private:
  unsigned count_ = 0;
  store_record ring_[depth];
};

}  // namespace concur::testing::engine
