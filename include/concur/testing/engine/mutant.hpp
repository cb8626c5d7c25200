// SPDX-License-Identifier: BSL-1.0
//
// Mutation while running: every memory order, wake and barrier of the explored code is a site. One run records the
// sites; later runs weaken one of them each. Code is not compiled again, so a run of hundreds of mutants is cheap.
#pragma once

#include <concur/testing/engine/site.hpp>

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace concur::testing::engine {

enum class operation : std::uint8_t { load, store, update, failed_exchange, fence, wake, waiter_wake, light, heavy };

inline char const* name_of(operation kind) noexcept {
  constexpr char const* names[] = {"load",       "store",       "update",        "failed exchange", "fence",
                                   "futex_wake", "waiter wake", "light_barrier", "heavy_barrier"};
  return names[static_cast<int>(kind)];
}

inline char const* name_of(std::memory_order order) noexcept {
  switch (order) {
    case std::memory_order_relaxed: return "relaxed";
    case std::memory_order_consume: return "consume";
    case std::memory_order_acquire: return "acquire";
    case std::memory_order_release: return "release";
    case std::memory_order_acq_rel: return "acq_rel";
    default: return "seq_cst";
  }
}

/// Where the explored code may be weakened. Identified by place, not by pointer: templates repeat a place.
struct mutation_site {
  std::string file;
  unsigned line = 0;
  unsigned column = 0;
  operation kind = operation::load;
  std::memory_order order = std::memory_order_seq_cst;  // as written; of no meaning for wakes and barriers

  bool operator==(mutation_site const&) const = default;
};

/// The orders weaker than the written one that the operation can have; empty for what can only be dropped.
inline std::vector<std::memory_order> weaker_orders(mutation_site const& s) {
  using enum std::memory_order;
  bool const reads = s.kind != operation::store;
  bool const writes = s.kind == operation::store || s.kind == operation::update || s.kind == operation::fence;
  std::vector<std::memory_order> out;
  if (s.order == seq_cst && reads && writes) out.push_back(acq_rel);
  if ((s.order == seq_cst || (s.order == acq_rel && writes)) && reads) out.push_back(acquire);
  if ((s.order == seq_cst || s.order == acq_rel) && writes) out.push_back(release);
  if (s.order != relaxed) out.push_back(relaxed);
  return out;
}

/// What the running engine asks at each operation.
class mutator {
 public:
  enum class mode : std::uint8_t { off, record, mutate };

  mode state = mode::off;
  mutation_site target;                                      // while mutating
  std::memory_order replacement = std::memory_order_relaxed;  // while mutating an order
  std::vector<mutation_site> sites;                          // while recording

  /// The order to use in place of the written one.
  std::memory_order order(site at, operation kind, std::memory_order written) {
    if (at.where == nullptr) return written;
    if (state == mode::record) record(at, kind, written);
    return state == mode::mutate && hit(at, kind, written) ? replacement : written;
  }

  /// Whether the wake or barrier is left out.
  bool dropped(site at, operation kind) {
    constexpr auto none = std::memory_order_seq_cst;
    if (at.where == nullptr) return false;
    if (state == mode::record) record(at, kind, none);
    return state == mode::mutate && hit(at, kind, none);
  }

 private:
  struct sighting {
    void const* where;
    operation kind;
    std::memory_order order;
    bool operator==(sighting const&) const = default;
  };

  static mutation_site describe(site at, operation kind, std::memory_order order) {
    place const p = at.spelled();
    return {p.file, p.line, p.column, kind, order};
  }

  void record(site at, operation kind, std::memory_order order) {
    sighting const s{at.where, kind, order};
    for (sighting const& known : sightings_) {
      if (known == s) return;
    }
    sightings_.push_back(s);
    mutation_site const described = describe(at, kind, order);
    for (mutation_site const& known : sites) {
      if (known == described) return;
    }
    sites.push_back(described);
  }

  bool hit(site at, operation kind, std::memory_order order) const {
    if (kind != target.kind || order != target.order) return false;
    place const p = at.spelled();
    return p.line == target.line && p.column == target.column && target.file == p.file;
  }

  std::vector<sighting> sightings_;
};

}  // namespace concur::testing::engine
