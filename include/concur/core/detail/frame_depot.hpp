// SPDX-License-Identifier: BSL-1.0
//
// The store behind the threads' lists of free frames: takes and gives whole batches, under a lock, and hands out
// fresh memory. One for the process, never destroyed.
//
// After the depot of Bonwick and Adams, "Magazines and Vmem" (2001).
#pragma once

#include <concur/core/abi.hpp>
#include <concur/core/os.hpp>
#include <concur/core/process_lock.hpp>

#include <cstddef>
#include <cstdint>
#include <new>

namespace concur {
namespace [[gnu::visibility("default")]] process_wide {

/// A free block, in its own memory.
struct frame_block {
  frame_block* next;
  frame_block* next_batch;  // of the first block of a batch in the depot
};

struct frame_chain {
  frame_block* first;
  std::uint32_t count;
};

/// Memory not yet cut into blocks: a multiple of 16 bytes, aligned to 16.
struct frame_region {
  std::byte* begin;
  std::byte* end;
  constexpr std::size_t size() const noexcept { return static_cast<std::size_t>(end - begin); }
};

class frame_depot {
 public:
  static constexpr std::size_t granule = 8;
  static constexpr std::size_t frame_granule = 16;
  static constexpr std::size_t largest = 1024;
  static constexpr std::size_t classes = largest / granule + 1;
  static constexpr std::size_t slab_bytes = 64 * 1024 - 64;  // less than a power of two: leaves room for malloc's own

  /// The class of a size up to `largest`, and the bytes of its blocks. Size 0 has a class of its own. What has an odd
  /// class is cut in pairs, so that the rest of a region stays aligned.
  static constexpr std::size_t class_of(std::size_t size) noexcept {
    bool const by_words = size > sizeof(frame_block) && size <= largest / 2;
    std::size_t const step = by_words ? granule : frame_granule;
    return (size + step - 1) / step * (step / granule);
  }
  static constexpr bool comes_in_pairs(std::size_t size_class) noexcept { return size_class % 2 != 0; }
  static constexpr std::size_t block_bytes(std::size_t size_class) noexcept {
    return size_class == 0 ? frame_granule : size_class * granule;
  }
  /// Blocks in a full batch: not more than 32 KiB.
  static constexpr std::uint32_t batch(std::size_t size_class) noexcept {
    return block_bytes(size_class) <= 512 ? 64 : 32;
  }

  constexpr frame_depot() noexcept = default;

  /// How many blocks lie here; may be out of date by the time it returns.
  std::size_t blocks(std::size_t size_class) const noexcept;
  /// How much memory was ever taken from operator new.
  std::size_t bytes() const noexcept;

  /// Takes up to a batch; a count of 0 and null when there is none.
  frame_chain take(std::size_t size_class) noexcept;
  /// Gives exactly a batch, linked and ended by null.
  void put_batch(std::size_t size_class, frame_block* first) noexcept;
  void put_one(std::size_t size_class, void* block) noexcept;

  /// One block, for a thread without lists. Throws std::bad_alloc.
  void* take_one(std::size_t size_class);

  /// Memory to cut blocks from: more than `largest` bytes. Throws std::bad_alloc.
  frame_region take_region();
  void put_region(frame_region region) noexcept;

 private:
  struct shelf {
    frame_block* batches = nullptr;
    frame_block* loose = nullptr;
    std::uint32_t loose_count = 0;  // less than a batch
    // Written under the lock; read without it to learn whether taking the lock pays.
    os::machine_atomic<std::size_t> blocks{0};
  };
  struct stored_region {
    stored_region* next;
    std::byte* end;
  };
  struct slab {
    alignas(frame_granule) slab* next;
  };

  void add_loose(std::size_t size_class, void* block) noexcept;
  static void count(shelf& changed, std::size_t more) noexcept;

  // All under lock_, but for the counters.
  shelf shelves_[classes];
  stored_region* regions_ = nullptr;
  slab* slabs_ = nullptr;  // keeps every slab reachable, for leak checkers
  os::machine_atomic<std::size_t> slab_count_{0};
};

inline constinit process_lock frame_depot_lock;
inline constinit frame_depot depot_of_frames;

// The counters are relaxed: they are hints and statistics, and what they count is guarded by the lock.
inline std::size_t frame_depot::blocks(std::size_t size_class) const noexcept {
  return shelves_[size_class].blocks.load(std::memory_order_relaxed);
}

inline std::size_t frame_depot::bytes() const noexcept {
  return slab_count_.load(std::memory_order_relaxed) * slab_bytes;
}

inline void frame_depot::count(shelf& changed, std::size_t more) noexcept {
  changed.blocks.store(changed.blocks.load(std::memory_order_relaxed) + more, std::memory_order_relaxed);
}

inline frame_chain frame_depot::take(std::size_t size_class) noexcept {
  process_lock::guard const held(frame_depot_lock);
  shelf& from = shelves_[size_class];
  frame_chain taken{nullptr, 0};
  if (from.batches != nullptr) {
    taken = {from.batches, batch(size_class)};
    from.batches = taken.first->next_batch;
  } else {
    taken = {from.loose, from.loose_count};
    from.loose = nullptr;
    from.loose_count = 0;
  }
  count(from, std::size_t{0} - taken.count);
  return taken;
}

inline void frame_depot::put_batch(std::size_t size_class, frame_block* first) noexcept {
  process_lock::guard const held(frame_depot_lock);
  shelf& to = shelves_[size_class];
  first->next_batch = to.batches;
  to.batches = first;
  count(to, batch(size_class));
}

inline void frame_depot::put_one(std::size_t size_class, void* block) noexcept {
  process_lock::guard const held(frame_depot_lock);
  add_loose(size_class, block);
}

inline void frame_depot::add_loose(std::size_t size_class, void* block) noexcept {
  shelf& to = shelves_[size_class];
  to.loose = ::new (block) frame_block{to.loose, nullptr};
  count(to, 1);
  if (++to.loose_count < batch(size_class)) return;
  to.loose->next_batch = to.batches;
  to.batches = to.loose;
  to.loose = nullptr;
  to.loose_count = 0;
}

inline void* frame_depot::take_one(std::size_t size_class) {
  if (frame_block* const first = take(size_class).first) {
    for (frame_block* rest = first->next; rest != nullptr;) {
      frame_block* const next = rest->next;
      put_one(size_class, rest);
      rest = next;
    }
    return first;
  }
  frame_region region = take_region();
  std::byte* const block = region.begin;
  region.begin += block_bytes(size_class);
  if (comes_in_pairs(size_class)) {
    put_one(size_class, region.begin);
    region.begin += block_bytes(size_class);
  }
  put_region(region);
  return block;
}

inline frame_region frame_depot::take_region() {
  keep_over_fork<frame_depot_lock>();
  {
    process_lock::guard const held(frame_depot_lock);
    if (stored_region* const first = regions_) {
      regions_ = first->next;
      return {reinterpret_cast<std::byte*>(first), first->end};
    }
  }
  auto* const memory = static_cast<std::byte*>(::operator new(slab_bytes));
  process_lock::guard const held(frame_depot_lock);
  slabs_ = ::new (static_cast<void*>(memory)) slab{slabs_};
  slab_count_.store(slab_count_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  return {memory + sizeof(slab), memory + slab_bytes};
}

inline void frame_depot::put_region(frame_region region) noexcept {
  if (region.size() == 0) return;
  process_lock::guard const held(frame_depot_lock);
  // A small rest serves as a block, so nothing is wasted and every stored region is enough for any block.
  if (region.size() <= largest) return add_loose(region.size() / granule, region.begin);
  regions_ = ::new (static_cast<void*>(region.begin)) stored_region{regions_, region.end};
}

}  // namespace process_wide
}  // namespace concur
