// SPDX-License-Identifier: BSL-1.0
//
// Timers: work items ordered by deadline, in a heap with four children to a node, so that the children of one entry
// share a cache line. The entries know their items, and an item, whose link nobody else needs meanwhile, knows its
// entry. Items with equal deadlines fire in the order in which they were added.
//
//     timers.add(item, os::clock::now() + 5ms);
//     while (work* due = timers.pop_due(os::clock::now())) queue.push(*due);
//
// Heap: Johnson, "Priority queues with update and finding minimum spanning trees" (1975).
#pragma once

#include <concur/core/abi.hpp>
#include <concur/core/assert.hpp>
#include <concur/core/executor.hpp>
#include <concur/core/os.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace concur::inline CONCUR_ABI {

/// The heap. Not thread-safe: it belongs to one thread or stands under its owner's lock. It owns no item; when it is
/// destroyed, none may be armed. Takes 16 bytes a timer, and keeps the memory of its largest size. Holds up to
/// 2^32 - 1 timers. Any deadline will do, the clock's extremes included.
class timer_heap {
 public:
  using time_point = os::clock::time_point;

  timer_heap() noexcept = default;
  timer_heap(timer_heap const&) = delete;
  timer_heap& operator=(timer_heap const&) = delete;
  ~timer_heap() { CONCUR_ASSERT(empty(), "a timer heap was destroyed while timers were armed"); }

  bool empty() const noexcept { return entries_.empty(); }
  std::size_t size() const noexcept { return entries_.size(); }

  /// Whether the item is armed here. It may be in use by another thread if it is not. O(1).
  // Whatever its link is by then: only the entry of an item that is armed leads back to it.
  bool holds(work const& item) const noexcept {
    std::size_t const index = index_of(item);
    return index < entries_.size() && entries_[index].item == &item;
  }

  /// Arms `item` for `deadline`. Requires: it is neither armed nor queued anywhere. Throws std::bad_alloc; then nothing
  /// has changed. O(log n), O(1) when it is later than most. Order among equal deadlines holds as long as fewer than
  /// 2^31 other timers are added while one is armed.
  void add(work& item, time_point deadline);

  /// Disarms `item`. Requires: it is armed here. O(log n), typically O(1).
  void remove(work& item);

  /// Disarms and returns the first item whose deadline is `now` or earlier; null when there is none. O(log n).
  work* pop_due(time_point now) noexcept;

  /// When the first item is due; os::never when there is none.
  time_point next_deadline() const noexcept { return empty() ? os::never : entries_.front().deadline; }

 private:
  struct entry {
    entry(time_point when, work* which) noexcept : deadline(when), item(which) {}

    // The sequence is looked at only for equal deadlines, so the common case stays within the heap's own memory.
    bool before(entry const& other) const noexcept {
      if (deadline != other.deadline) [[likely]]
        return deadline < other.deadline;
      return static_cast<std::int32_t>(sequence_of(*item) - sequence_of(*other.item)) < 0;
    }

    time_point deadline;
    work* item;
  };
  static_assert(sizeof(entry) == 16, "four entries fill a cache line");

  // What an item that is armed has in place of its link: the index of its entry, and the number of the add(), which
  // wraps, so that only differences mean something.
  static std::uint32_t index_of(work const& item) noexcept { return item.timer_.index.load(std::memory_order_relaxed); }
  static std::uint32_t sequence_of(work const& item) noexcept {
    return item.timer_.sequence.load(std::memory_order_relaxed);
  }

  void place(std::size_t index, entry const& moved) noexcept;
  void sift_up(std::size_t hole, entry moved) noexcept;
  std::size_t first_child(std::size_t parent) const noexcept;
  void sift_down(std::size_t hole, entry moved) noexcept;
  void close_hole(std::size_t hole) noexcept;

  // entries_[i] is not after any of entries_[4i + 1 … 4i + 4], and index_of(*entries_[i].item) == i.
  std::vector<entry> entries_;
  std::uint32_t next_sequence_ = 0;
};

inline void timer_heap::add(work& item, time_point deadline) {
  CONCUR_ASSERT(!holds(item), "a timer was armed twice");
  CONCUR_ASSERT(entries_.size() < UINT32_MAX, "too many timers in one heap");
  entries_.emplace_back(deadline, &item);
  item.timer_.sequence.store(next_sequence_++, std::memory_order_relaxed);
  sift_up(entries_.size() - 1, entry(deadline, &item));
}

inline void timer_heap::remove(work& item) {
  CONCUR_ASSERT(holds(item), "a timer was disarmed in a heap in which it is not armed");
  close_hole(index_of(item));
}

inline work* timer_heap::pop_due(time_point now) noexcept {
  if (empty() || entries_.front().deadline > now) return nullptr;
  work* const due = entries_.front().item;
  close_hole(0);
  return due;
}

inline void timer_heap::place(std::size_t index, entry const& moved) noexcept {
  entries_[index] = moved;
  moved.item->timer_.index.store(static_cast<std::uint32_t>(index), std::memory_order_relaxed);
}

inline void timer_heap::sift_up(std::size_t hole, entry moved) noexcept {
  while (hole > 0) {
    std::size_t const parent = (hole - 1) / 4;
    if (!moved.before(entries_[parent])) break;
    place(hole, entries_[parent]);
    hole = parent;
  }
  place(hole, moved);
}

// Which of the children of `parent` comes first. Requires: it has one.
inline std::size_t timer_heap::first_child(std::size_t parent) const noexcept {
  std::size_t const child = 4 * parent + 1;
  if (child + 4 <= entries_.size()) [[likely]] {
    // A tournament without branches, since nothing predicts its outcome. Only without ties are deadlines enough.
    auto const when = [this](std::size_t index) { return entries_[index].deadline; };
    std::size_t const left = child + static_cast<std::size_t>(when(child + 1) < when(child));
    std::size_t const right = child + 2 + static_cast<std::size_t>(when(child + 3) < when(child + 2));
    bool const tie = when(child) == when(child + 1) || when(child + 2) == when(child + 3) || when(left) == when(right);
    if (!tie) [[likely]]
      return when(right) < when(left) ? right : left;
  }
  std::size_t first = child;
  for (std::size_t other = child + 1; other < std::min(child + 4, entries_.size()); ++other) {
    if (entries_[other].before(entries_[first])) first = other;
  }
  return first;
}

inline void timer_heap::sift_down(std::size_t hole, entry moved) noexcept {
  while (4 * hole + 1 < entries_.size()) {
    std::size_t const child = first_child(hole);
    if (!entries_[child].before(moved)) break;
    place(hole, entries_[child]);
    hole = child;
  }
  place(hole, moved);
}

// The last entry fills the hole. Where the hole is not at the root, it may belong above as well as below.
inline void timer_heap::close_hole(std::size_t hole) noexcept {
  entry const last = entries_.back();
  entries_.pop_back();
  if (hole == entries_.size()) return;
  if (hole > 0 && last.before(entries_[(hole - 1) / 4])) {
    sift_up(hole, last);
  } else {
    sift_down(hole, last);
  }
}

}  // namespace concur::inline CONCUR_ABI
