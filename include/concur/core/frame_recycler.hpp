// SPDX-License-Identifier: BSL-1.0
//
// Memory for coroutine frames and other small blocks that come and go all the time: two to three times as fast as
// malloc, and without its header.
//
//     static void* operator new(std::size_t size) { return frame_recycler::allocate(size); }
//     static void operator delete(void* block, std::size_t size) noexcept { frame_recycler::free(block, size); }
//
// Each thread keeps two short lists of free blocks for every size class of 8 or 16 bytes; what is more goes, a batch at
// a time, to a depot of the process. So a frame that is freed on another thread than its own finds its way back, and no
// list grows without bound. After Bonwick and Adams, "Magazines and Vmem" (2001).
#pragma once

#include <concur/core/abi.hpp>
#include <concur/core/detail/frame_depot.hpp>
#include <concur/core/os.hpp>

#include <cstddef>
#include <cstdint>
#include <new>
#include <type_traits>
#include <utility>

namespace concur {
namespace [[gnu::visibility("default")]] process_wide {

/// Any function may be called from any thread at any time, also from destructors that run while a thread or the
/// process ends, and a block may be freed on another thread than it came from (with the usual happens-before between
/// use and free). Memory is kept for ever, for the next block of its size. What touches the lists is not inlined
/// into a coroutine, which could use those of a thread that it has left; what only depends on the size is.
class recycled_frames {
 public:
  /// Bigger blocks come from operator new.
  static constexpr std::size_t largest = frame_depot::largest;

  /// At least `size` bytes, aligned to 16 if the size is a multiple of 16, else to 8: no object needs more whose size
  /// that is. For coroutines see bytes_of_frame. Throws std::bad_alloc. O(1).
  [[nodiscard]] static void* allocate(std::size_t size);

  /// Gives back what allocate(size) returned, with the same size. O(1).
  static void free(void* block, std::size_t size) noexcept;

  /// Statistics: free blocks for this size on the lists of the calling thread, and at most there can be; free blocks
  /// in the depot; bytes ever taken from operator new.
  static std::size_t held_by_this_thread(std::size_t size) noexcept;
  static constexpr std::size_t most_held_by_a_thread(std::size_t size) noexcept;
  static std::size_t held_by_depot(std::size_t size) noexcept;
  /// Bytes in the free blocks of all sizes, on the lists of the calling thread and in the depot.
  static std::size_t bytes_free() noexcept;
  static std::size_t bytes_reserved() noexcept { return depot_of_frames.bytes(); }

 private:
  class cache;
  struct at_thread_end;
  static constexpr std::size_t shelf_of(std::size_t size_class) noexcept;
  static void* take(std::size_t shelf_begins);
  static void give(void* block, std::size_t shelf_begins) noexcept;
  // Not inlined either: where GCC inlines only one of the two it takes them for a mismatch.
  [[gnu::cold, gnu::noinline]] static void* allocate_big(std::size_t size) { return ::operator new(size); }
  [[gnu::cold, gnu::noinline]] static void free_big(void* block) noexcept { ::operator delete(block); }
};

/// The same with operator new and delete, so that the address sanitizer and the explorer see every block.
class watched_frames {
 public:
  [[nodiscard, gnu::noinline]] static void* allocate(std::size_t size) { return ::operator new(size); }
  // Where GCC inlines only one of the two it takes them for a mismatch.
  [[gnu::noinline]] static void free(void* block, std::size_t) noexcept { ::operator delete(block); }
};

}  // namespace process_wide
}  // namespace concur

namespace concur::inline CONCUR_ABI {

/// Where frames come from in this build. A program must not mix objects with and without the address sanitizer.
using frame_recycler =
    std::conditional_t<os::watches_memory, process_wide::watched_frames, process_wide::recycled_frames>;

/// How much to allocate for a coroutine's frame of that size, to have it aligned. Inlined in any case, since a program
/// may be of two compilers.
[[gnu::always_inline]] constexpr std::size_t bytes_of_frame(std::size_t size) noexcept {
  constexpr std::size_t most_aligned = 16;
  return os::frames_are_rounded ? size : (size + most_aligned - 1) / most_aligned * most_aligned;
}

}  // namespace concur::inline CONCUR_ABI

namespace concur {
namespace process_wide {

// The lists of one thread. Trivially destroyed, so that it can be used to the very end of the thread; what empties it
// is the destructor of `at_thread_end`.
class recycled_frames::cache {
 public:
  constexpr cache() noexcept = default;

  // Zero-initialised, a class has no block to give and no room to take one, so the first call of either kind finds
  // the slow path; so it is again when the thread has ended.
  struct shelf {
    frame_block* active = nullptr;
    frame_block* spare = nullptr;  // a full batch, or none
    std::uint32_t room = 0;  // blocks that still fit on the active list
  };
  shelf shelves[frame_depot::classes];

  shelf& shelf_at(std::size_t begins) noexcept {
    return *std::launder(reinterpret_cast<shelf*>(reinterpret_cast<std::byte*>(shelves) + begins));
  }
  std::size_t class_of(shelf const& one) const noexcept { return static_cast<std::size_t>(&one - shelves); }

  void* allocate_slowly(std::size_t size_class);
  void free_slowly(void* block, std::size_t size_class) noexcept;
  void retire() noexcept;
  std::size_t held(std::size_t size_class) const noexcept;

  static cache& mine() noexcept { return thread_slot<cache, cache>(); }

 private:
  enum class phase : unsigned char { untouched, in_use, retired };
  void start() noexcept;
  void* cut(std::size_t size_class);

  frame_region region_{nullptr, nullptr};
  phase phase_ = phase::untouched;
};

struct recycled_frames::at_thread_end {
  constexpr at_thread_end() noexcept = default;
  ~at_thread_end() { cache::mine().retire(); }
};

// Where the list of a class begins, in bytes: a constant where the size is one.
constexpr std::size_t recycled_frames::shelf_of(std::size_t size_class) noexcept {
  return size_class * sizeof(cache::shelf);
}

inline void* recycled_frames::allocate(std::size_t size) {
  return size > largest ? allocate_big(size) : take(shelf_of(frame_depot::class_of(size)));
}

[[gnu::noinline]] inline void* recycled_frames::take(std::size_t shelf_begins) {
  cache& mine = cache::mine();
  cache::shelf& shelf = mine.shelf_at(shelf_begins);
  frame_block* const first = shelf.active;
  if (first == nullptr) [[unlikely]]
    return mine.allocate_slowly(mine.class_of(shelf));
  shelf.active = first->next;
  ++shelf.room;
  return first;
}

inline void recycled_frames::free(void* block, std::size_t size) noexcept {
  size > largest ? free_big(block) : give(block, shelf_of(frame_depot::class_of(size)));
}

[[gnu::noinline]] inline void recycled_frames::give(void* block, std::size_t shelf_begins) noexcept {
  cache& mine = cache::mine();
  cache::shelf& shelf = mine.shelf_at(shelf_begins);
  if (shelf.room == 0) [[unlikely]]
    return mine.free_slowly(block, mine.class_of(shelf));
  --shelf.room;
  shelf.active = ::new (block) frame_block{shelf.active, nullptr};
}

[[gnu::noinline]] inline std::size_t recycled_frames::held_by_this_thread(std::size_t size) noexcept {
  return cache::mine().held(frame_depot::class_of(size));
}

constexpr std::size_t recycled_frames::most_held_by_a_thread(std::size_t size) noexcept {
  return 2 * std::size_t{frame_depot::batch(frame_depot::class_of(size))};
}

inline std::size_t recycled_frames::held_by_depot(std::size_t size) noexcept {
  return depot_of_frames.blocks(frame_depot::class_of(size));
}

[[gnu::noinline]] inline std::size_t recycled_frames::bytes_free() noexcept {
  std::size_t all = 0;
  for (std::size_t each = 0; each < frame_depot::classes; ++each) {
    all += frame_depot::block_bytes(each) * (cache::mine().held(each) + depot_of_frames.blocks(each));
  }
  return all;
}

inline void recycled_frames::cache::start() noexcept {
  thread_slot<at_thread_end, at_thread_end>();
  for (std::size_t each = 0; each < frame_depot::classes; ++each) shelves[each].room = frame_depot::batch(each);
  phase_ = phase::in_use;
}

[[gnu::cold, gnu::noinline]] inline void* recycled_frames::cache::allocate_slowly(std::size_t size_class) {
  if (phase_ == phase::retired) return depot_of_frames.take_one(size_class);
  if (phase_ == phase::untouched) start();
  shelf& empty = shelves[size_class];
  if (empty.spare != nullptr) {
    empty.active = std::exchange(empty.spare, nullptr);
    empty.room = 0;
  } else if (depot_of_frames.blocks(size_class) != 0) {
    frame_chain const taken = depot_of_frames.take(size_class);
    empty.active = taken.first;
    empty.room = frame_depot::batch(size_class) - taken.count;
  }
  frame_block* const first = empty.active;
  if (first == nullptr) return cut(size_class);
  empty.active = first->next;
  ++empty.room;
  return first;
}

inline void* recycled_frames::cache::cut(std::size_t size_class) {
  std::size_t const bytes = frame_depot::block_bytes(size_class);
  bool const two = frame_depot::comes_in_pairs(size_class);
  if (region_.size() < (two ? 2 * bytes : bytes)) {
    frame_region const fresh = depot_of_frames.take_region();
    depot_of_frames.put_region(std::exchange(region_, fresh));
  }
  if (two) {
    shelf& empty = shelves[size_class];
    empty.active = ::new (region_.begin + bytes) frame_block{nullptr, nullptr};
    --empty.room;
  }
  return std::exchange(region_.begin, region_.begin + (two ? 2 * bytes : bytes));
}

[[gnu::cold, gnu::noinline]] inline void recycled_frames::cache::free_slowly(void* block,
                                                                             std::size_t size_class) noexcept {
  if (phase_ == phase::retired) return depot_of_frames.put_one(size_class, block);
  if (phase_ == phase::untouched) start();
  shelf& full = shelves[size_class];
  if (full.room == 0) {
    if (full.spare != nullptr) depot_of_frames.put_batch(size_class, full.spare);
    full.spare = std::exchange(full.active, nullptr);
    full.room = frame_depot::batch(size_class);
  }
  --full.room;
  full.active = ::new (block) frame_block{full.active, nullptr};
}

inline void recycled_frames::cache::retire() noexcept {
  phase_ = phase::retired;
  for (std::size_t each = 0; each < frame_depot::classes; ++each) {
    shelf const leaving = std::exchange(shelves[each], shelf{});
    if (leaving.spare != nullptr) depot_of_frames.put_batch(each, leaving.spare);
    for (frame_block* block = leaving.active; block != nullptr;) {
      frame_block* const next = block->next;
      depot_of_frames.put_one(each, block);
      block = next;
    }
  }
  depot_of_frames.put_region(std::exchange(region_, frame_region{nullptr, nullptr}));
}

inline std::size_t recycled_frames::cache::held(std::size_t size_class) const noexcept {
  if (phase_ != phase::in_use) return 0;
  shelf const& asked = shelves[size_class];
  return frame_depot::batch(size_class) - asked.room + (asked.spare != nullptr ? frame_depot::batch(size_class) : 0);
}

}  // namespace process_wide
}  // namespace concur
