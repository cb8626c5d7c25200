// SPDX-License-Identifier: BSL-1.0
//
// What a worker of the pool keeps its jobs in: it takes its newest first, and others steal the oldest from it.
//
//     work_deque<work_item, 256> mine;
//     if (!mine.push(&job)) elsewhere.push(&job);       // it was full
//     while (work_item* job = mine.pop()) job->run();   // the owner
//     if (work_item* job = mine.steal()) job->run();    // anybody else
#pragma once

#include <concur/core/cache_line.hpp>
#include <concur/core/os.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>

namespace concur::inline CONCUR_ABI::detail {

/// Pointers to at most `Capacity` items, a power of two. One thread at a time is the owner, who pushes and pops at one
/// end, newest first; whoever becomes the owner must see what the former one did. Any thread steals at the other end,
/// oldest first. Each item that was pushed is taken once. What happened before its push is visible to whoever gets it,
/// and what happened before a steal is visible to the owner after a push that found its place free.
///
/// Null from `pop` or `steal` means that every item whose push happened before the call has been taken, or is certain
/// to be taken by calls under way. A push that nothing orders before the call may be missed: to go to sleep, a thread
/// needs the barriers of an event_count around its last `steal`.
///
/// Lock-free: `steal` alone tries again, when another was faster. Never allocates, throws or waits. Before it is
/// destroyed all calls must have returned; what is left in it is forgotten. Constant-initialised.
///
/// Costs: a push is two plain stores; a pop one sequentially consistent store, and for the last item a compare-exchange
/// too; a steal one compare-exchange. Finding it empty costs two loads.
///
/// Algorithm: D. Chase and Y. Lev, "Dynamic circular work-stealing deque" (2005), with a fixed capacity; orders after
/// N. M. Lê, A. Pop, A. Cohen and F. Zappa Nardelli (2013), with sequentially consistent accesses for their fences.
template <class T, std::size_t Capacity>
class work_deque {
  static_assert(std::has_single_bit(Capacity), "places are found with a mask");

 public:
  constexpr work_deque() noexcept = default;
  work_deque(work_deque const&) = delete;
  work_deque& operator=(work_deque const&) = delete;

  /// Owner. Puts the item in, which is not null. False when it is full; then nothing has changed.
  [[nodiscard]] bool push(T* item) noexcept;

  /// Owner. Takes the newest; null when there is none.
  [[nodiscard]] T* pop() noexcept;

  /// Any thread. Takes the oldest; null when there is none.
  [[nodiscard]] T* steal() noexcept;

  /// Any thread. How many there were in the recent past, a hint for where to steal: it may be out of date, and with
  /// calls under way it may be a number that never was.
  [[nodiscard]] std::size_t size() const noexcept;
  [[nodiscard]] bool empty() const noexcept { return size() == 0; }

  static constexpr std::size_t capacity() noexcept { return Capacity; }

 private:
  // Items are numbered in the order of their pushes, and item n is in place n modulo the capacity; the number and place
  // of an item that was popped are used again. In the deque are those from top_ to bottom_ - 1. 64 bits last for ever.
  using number_type = std::uint64_t;

  os::atomic<T*>& place_of(number_type number) noexcept { return places_[number & (Capacity - 1)]; }

  // The number of the oldest. Read by all, moved on by whoever takes the oldest: always with a compare-exchange, so
  // only one of them gets it, and what one thief has released is passed on by the next.
  alignas(2 * cache_line_size) os::atomic<number_type> top_{0};

  // The number of the next push. Read by all, written by the owner: with release or stronger wherever items are left
  // below, so that whoever wants one of them has seen its push. One less than top_ while a pop finds out that the last
  // item has been stolen.
  alignas(2 * cache_line_size) os::atomic<number_type> bottom_{0};

  // The owner's own: what it last read in top_, with acquire. Spares `push` a look at a line that thieves write.
  number_type known_top_ = 0;

  // Written by the owner, before bottom_ says so; read by those who want the item.
  os::atomic<T*> places_[Capacity]{};
};

template <class T, std::size_t Capacity>
bool work_deque<T, Capacity>::push(T* item) noexcept {
  // relaxed: only the owner writes it.
  number_type const bottom = bottom_.load(std::memory_order_relaxed);
  if (bottom - known_top_ == Capacity) {
    // acquire: the thieves that made room have read the places.
    known_top_ = top_.load(std::memory_order_acquire);
    if (bottom - known_top_ == Capacity) return false;
  }
  // relaxed: bottom_ shows it to thieves. One that has come for what was here before finds that number gone.
  place_of(bottom).store(item, std::memory_order_relaxed);
  // release: the place, and what the item points to.
  bottom_.store(bottom + 1, std::memory_order_release);
  return true;
}

template <class T, std::size_t Capacity>
T* work_deque<T, Capacity>::pop() noexcept {
  // relaxed: only the owner writes bottom_, and top_ only grows, so if it has come so far there is nothing left.
  number_type const bottom = bottom_.load(std::memory_order_relaxed);
  if (top_.load(std::memory_order_relaxed) == bottom) return nullptr;
  number_type const last = bottom - 1;

  // seq_cst, both, against the two loads in `steal`. In the single order either this load comes first: then a thief
  // that finds the last item to be the oldest sees this store, and leaves it alone. Or the load sees that it is the
  // oldest, and the two race for it below. So an item that is not the oldest here is the owner's.
  bottom_.store(last, std::memory_order_seq_cst);
  number_type top = top_.load(std::memory_order_seq_cst);
  // relaxed: the owner put it there itself.
  T* item = place_of(last).load(std::memory_order_relaxed);
  if (top < last) return item;

  // relaxed: the owner needs to see nothing of a thief that was faster, and shows nothing that bottom_ does not.
  if (top > last || !top_.compare_exchange_strong(top, bottom, std::memory_order_relaxed, std::memory_order_relaxed)) {
    item = nullptr;
  }
  // relaxed: top_ has come so far already, so whoever reads this takes nothing by it.
  bottom_.store(bottom, std::memory_order_relaxed);
  return item;
}

template <class T, std::size_t Capacity>
T* work_deque<T, Capacity>::steal() noexcept {
  for (;;) {
    // seq_cst, both, against `pop`; the second also shows the pushes.
    number_type top = top_.load(std::memory_order_seq_cst);
    number_type const bottom = bottom_.load(std::memory_order_seq_cst);
    if (top >= bottom) return nullptr;
    // relaxed: bottom_ has shown the push. If the place has been used again since, this number is gone, and the
    // exchange fails.
    T* const item = place_of(top).load(std::memory_order_relaxed);
    // release: the place has been read. relaxed on failure: what is seen then is looked at again.
    if (top_.compare_exchange_weak(top, top + 1, std::memory_order_release, std::memory_order_relaxed)) return item;
  }
}

template <class T, std::size_t Capacity>
std::size_t work_deque<T, Capacity>::size() const noexcept {
  // relaxed: a hint. Top first, so that it rather looks too full than too empty.
  number_type const top = top_.load(std::memory_order_relaxed);
  number_type const bottom = bottom_.load(std::memory_order_relaxed);
  if (top >= bottom) return 0;
  return bottom - top < Capacity ? static_cast<std::size_t>(bottom - top) : Capacity;
}

}  // namespace concur::inline CONCUR_ABI::detail
