// SPDX-License-Identifier: BSL-1.0
//
// Timers ordered by deadline: a heap with four children to a node, so that the children of one entry share a cache
// line, whose entries know their timer and whose timers know their entry. Timers with equal deadlines fire in the
// order in which they were added.
//
//     struct sleeper : timer_node { … };
//     timers.add(mine, os::clock::now() + 5ms);
//     while (timer_node* due = timers.pop_due(os::clock::now())) static_cast<sleeper*>(due)->wake();
//
// Heap: Johnson, "Priority queues with update and finding minimum spanning trees" (1975).
#pragma once

#include <concur/core/abi.hpp>
#include <concur/core/assert.hpp>
#include <concur/core/os.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace concur::inline CONCUR_ABI {

class work;

/// One timer; whoever waits derives from it. Not copyable: the heap points at it. Must not be armed when it is
/// destroyed, which checked builds assert (in a destructor: a handler that throws ends the program).
class timer_node {
 public:
  /// For a heap whose owner knows what to do with a node that is due.
  constexpr timer_node() noexcept = default;
  /// For executors: `item` is posted when the node is due (`executor::arm`).
  explicit timer_node(work& item) noexcept : word_(reinterpret_cast<std::uintptr_t>(&item)) {}
  timer_node(timer_node const&) = delete;
  timer_node& operator=(timer_node const&) = delete;
  constexpr ~timer_node() { CONCUR_ASSERT(!is_armed(), "a timer was destroyed while it was armed"); }

  /// Whether it stands in a heap. Under the rule that guards the heap.
  constexpr bool is_armed() const noexcept { return place_.in_heap.index != not_armed; }

  /// What is to be posted; null when that was not said.
  work* item() const noexcept { return reinterpret_cast<work*>(word_ & ~largest_note); }
  /// Not while it is armed.
  void set_item(work& item) noexcept { word_ = reinterpret_cast<std::uintptr_t>(&item) | note(); }

  /// A number from 0 to 7 for whoever has the node, which lies beside the item. Not changed while it is armed.
  unsigned note() const noexcept { return unsigned(word_ & largest_note); }
  void set_note(unsigned number) noexcept { word_ = (word_ & ~largest_note) | number; }

  /// Eight bytes for whoever has the node, until `clear`, which must come before it is armed or destroyed.
  void keep(std::int64_t number) noexcept { place_.kept = number; }
  std::int64_t kept() const noexcept { return place_.kept; }
  void clear() noexcept { place_.in_heap = in_heap(); }

 private:
  friend class timer_heap;
  static constexpr std::uint32_t not_armed = ~std::uint32_t{0};
  static constexpr std::uintptr_t largest_note = 7;  // items are aligned to as much

  struct in_heap {
    std::uint32_t index = not_armed;
    std::uint32_t sequence = 0;  // number of the add(); wraps, so only differences mean something
  };

  std::uintptr_t word_ = 0;  // the item, and the note
  union place {
    constexpr place() noexcept : in_heap() {}
    struct in_heap in_heap;
    std::int64_t kept;
  } place_;
};

/// The heap. Not thread-safe: it belongs to one thread or stands under its owner's lock. It owns no timer; when it is
/// destroyed, none may be armed. Takes 16 bytes a timer, and keeps the memory of its largest size. Holds up to
/// 2^32 - 2 timers. Any deadline will do, the clock's extremes included.
class timer_heap {
 public:
  using time_point = os::clock::time_point;

  timer_heap() noexcept = default;
  timer_heap(timer_heap const&) = delete;
  timer_heap& operator=(timer_heap const&) = delete;
  ~timer_heap() { CONCUR_ASSERT(empty(), "a timer heap was destroyed while timers were armed"); }

  bool empty() const noexcept { return entries_.empty(); }
  std::size_t size() const noexcept { return entries_.size(); }

  /// Arms `node` for `deadline`. Requires: it is not armed. Throws std::bad_alloc; then nothing has changed. O(log n),
  /// O(1) when it is later than most. Order among equal deadlines holds as long as fewer than 2^31 other timers are
  /// added while one is armed.
  void add(timer_node& node, time_point deadline);

  /// Disarms `node`. Requires: it is armed in this heap. O(log n), typically O(1).
  void remove(timer_node& node);

  /// Disarms and returns the first timer whose deadline is `now` or earlier; null when there is none. O(log n).
  timer_node* pop_due(time_point now) noexcept;

  /// When the first timer is due; os::never when there is none.
  time_point next_deadline() const noexcept { return empty() ? os::never : entries_.front().deadline; }

 private:
  struct entry {
    entry(time_point when, timer_node* which) noexcept : deadline(when), node(which) {}

    // The sequence is looked at only for equal deadlines, so the common case stays within the heap's own memory.
    bool before(entry const& other) const noexcept {
      if (deadline != other.deadline) [[likely]]
        return deadline < other.deadline;
      return static_cast<std::int32_t>(node->place_.in_heap.sequence - other.node->place_.in_heap.sequence) < 0;
    }

    time_point deadline;
    timer_node* node;
  };
  static_assert(sizeof(entry) == 16, "four entries fill a cache line");

  void place(std::size_t index, entry const& moved) noexcept;
  void sift_up(std::size_t hole, entry moved) noexcept;
  std::size_t first_child(std::size_t parent) const noexcept;
  void sift_down(std::size_t hole, entry moved) noexcept;
  void close_hole(std::size_t hole) noexcept;

  // entries_[i] is not after any of entries_[4i + 1 … 4i + 4], and entries_[i].node->place_.in_heap.index == i.
  std::vector<entry> entries_;
  std::uint32_t next_sequence_ = 0;
};

inline void timer_heap::add(timer_node& node, time_point deadline) {
  CONCUR_ASSERT(!node.is_armed(), "a timer was armed twice");
  CONCUR_ASSERT(entries_.size() < timer_node::not_armed, "too many timers in one heap");
  entries_.emplace_back(deadline, &node);
  node.place_.in_heap.sequence = next_sequence_++;
  sift_up(entries_.size() - 1, entry(deadline, &node));
}

inline void timer_heap::remove(timer_node& node) {
  CONCUR_ASSERT(node.place_.in_heap.index < entries_.size() && entries_[node.place_.in_heap.index].node == &node,
                "a timer was disarmed in a heap in which it is not armed");
  std::size_t const hole = node.place_.in_heap.index;
  node.place_.in_heap.index = timer_node::not_armed;
  close_hole(hole);
}

inline timer_node* timer_heap::pop_due(time_point now) noexcept {
  if (empty() || entries_.front().deadline > now) return nullptr;
  timer_node* const due = entries_.front().node;
  due->place_.in_heap.index = timer_node::not_armed;
  close_hole(0);
  return due;
}

inline void timer_heap::place(std::size_t index, entry const& moved) noexcept {
  entries_[index] = moved;
  moved.node->place_.in_heap.index = static_cast<std::uint32_t>(index);
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
