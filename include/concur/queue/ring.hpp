// SPDX-License-Identifier: BSL-1.0
//
// A bounded queue that never blocks, for any number of producers and consumers: what `queue` is made of.
//
//     concur::ring<int> r(1024);
//     if (!r.try_push(7)) retry_later();              // it was full
//     if (auto item = r.try_pop()) use(*item);        // else it was empty
#pragma once

#include <concur/core/cache_line.hpp>
#include <concur/core/errors.hpp>
#include <concur/core/os.hpp>
#include <concur/core/spin.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// What became of an attempt to put something in or to take something out.
enum class ring_outcome : unsigned char {
  done,
  refused,  ///< full, or empty
  closed,   ///< nothing more goes in, or nothing more will come out
};

/// What a ring can hold.
template <class T>
concept ring_element = std::is_nothrow_move_constructible_v<T> && std::is_nothrow_destructible_v<T>;

/// First in, first out; linearizable, which means in particular: it is full or empty at a moment within a call that
/// says so. Elements need a move constructor and a destructor that do not throw, since nobody else could fill or empty
/// a place that was claimed. What happened before a push is visible after the pop that got the element, and what
/// happened before a pop after the push that found its place free.
///
/// Any thread may call any member; construction and destruction belong to one, and destroy what is left. Nothing
/// blocks, but an operation that meets another one of which the thread has lost its processor half-way waits for that.
///
/// Memory: all of it is allocated by the constructor, sizeof(T) plus a word for each element. Costs one
/// compare-exchange an operation, or one for many elements in the forms with `many`.
///
/// Algorithm: D. Vyukov's bounded queue with a stamp in each place; any capacity and the closed flag as in crossbeam's
/// ArrayQueue and channels.
template <class T>
class ring {
  static_assert(ring_element<T>,
                "a ring needs elements whose move constructor and destructor do not throw; `queue` takes others too");

 public:
  using value_type = T;

  /// Room for `capacity` elements. Throws misuse when that is none or more than max_capacity(), and std::bad_alloc.
  explicit ring(std::size_t capacity);
  ring(ring const&) = delete;
  ring& operator=(ring const&) = delete;
  ~ring();

  static constexpr std::size_t max_capacity() noexcept { return SIZE_MAX >> 4; }

  /// Appends the element. Returns false when it is full or closed; then the element is as it was.
  [[nodiscard]] bool try_push(T&& item) noexcept { return push(std::move(item)) == ring_outcome::done; }
  /// The same with a copy. Throws what copying throws.
  [[nodiscard]] bool try_push(T const& item)
    requires std::copy_constructible<T>
  {
    T copy(item);
    return push(std::move(copy)) == ring_outcome::done;
  }

  /// Takes the first element out; none when it is empty.
  [[nodiscard]] std::optional<T> try_pop() noexcept {
    std::optional<T> taken;
    pop([&taken](T&& item) noexcept { taken.emplace(std::move(item)); });
    return taken;
  }

  /// The same operations, telling full or empty from closed. `push` moves from the element only if it is done; `pop`
  /// calls `take(T&&)`, which must not throw, at most once.
  ring_outcome push(T&& item) noexcept;
  template <class Take>
  ring_outcome pop(Take take) noexcept;

  /// The same for who will ask again if it is refused. That tells less: perhaps somebody is still busy at the next
  /// place, and `pop_if_ready` does not learn that it is closed. But who asks in vain does not read what the other side
  /// writes at each operation, and so hardly slows it down.
  ring_outcome push_if_ready(T&& item) noexcept {
    return push_or([](position_type) { return ring_outcome::refused; }, item);
  }
  template <class Take>
  ring_outcome pop_if_ready(Take take) noexcept {
    return pop_or([](position_type) { return ring_outcome::refused; }, take);
  }

  /// Appends up to `count` elements, in order and with no other between them; returns how many. They are made of
  /// `*from` and what follows it, which must not throw: a pointer, or a move_iterator over one.
  template <class Iterator>
  std::size_t push_many(Iterator from, std::size_t count) noexcept;
  /// Takes up to `count` elements out, that follow each other, and gives them to `take(T&&)`, which must not throw;
  /// returns how many. None when it is empty; `pop` tells whether it is closed too.
  template <class Take>
  std::size_t pop_many(std::size_t count, Take take) noexcept;

  /// From now on nothing goes in. What is in still comes out. Returns whether this was the first close.
  bool close() noexcept { return (tail_.position.fetch_or(closed_flag, std::memory_order_seq_cst) & closed_flag) == 0; }
  [[nodiscard]] bool is_closed() const noexcept { return (read(tail_) & closed_flag) != 0; }

  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
  /// How many elements there are at a moment within the call.
  [[nodiscard]] std::size_t size() const noexcept;
  [[nodiscard]] bool empty() const noexcept { return size() == 0; }
  [[nodiscard]] bool full() const noexcept { return size() == capacity_; }

  /// How many elements have been pushed in its life.
  [[nodiscard]] std::size_t pushed() const noexcept {
    // relaxed: whoever compares knows of the elements it has seen by other means, and so finds them counted.
    return count_of(tail_.position.load(std::memory_order_relaxed) & ~closed_flag);
  }
  /// How many have been popped, as a hint.
  [[nodiscard]] std::size_t popped() const noexcept {
    return count_of(head_.position.load(std::memory_order_relaxed));  // relaxed: a number that stands for nothing else
  }

 private:
  // A position says how often somebody has gone round the ring, and to which place: lap | index << 1 | flag. The flag
  // is `closed_flag` in the tail and `full_flag` in stamps. Positions only grow, and 64 bits last for ever.
  //
  // Both ends are accessed with seq_cst: in that single order a push or pop happens at its compare-exchange, and head
  // <= tail <= head + lap at every moment, since neither moves before it has seen the other. So an end that is read
  // first and found in the way of the other, which is read later, was so at the second read: the ring is full or empty
  // then. With less, a push and a pop that fail at the same time could each miss what the other thread did just before.
  using position_type = std::size_t;
  static constexpr position_type closed_flag = 1;
  static constexpr position_type full_flag = 1;

  struct place {
    // The position whose element may be put here, or with full_flag the position whose element is here. Written by the
    // party that has claimed that position, with release; read by all with acquire. It may lag by laps: the forms with
    // `many` move the ends past places of which an earlier party has not let go yet, and wait for each of them. Nobody
    // waits for a later position than its own, so the party with the earliest never waits.
    os::atomic<position_type> stamp;
    alignas(T) unsigned char memory[sizeof(T)];
  };
  struct alignas(2 * cache_line_size) end {
    os::atomic<position_type> position{0};
  };

  // For who has lost the race for a position: leaves the winner alone for a while, who will want the next one too. It
  // has to be long beside the way of a line between processors, 0.3 µs here: who is back after 0.1 µs meets a
  // winner that has hardly gone on, and two producers beside two consumers take 63 ns an element instead of 23.
  class back_off {
   public:
    void lost() noexcept {
      for (int i = 0; i < os::spin_rounds(pauses_); ++i) os::spin_pause();
      if (pauses_ < most_pauses) pauses_ *= 2;
    }

   private:
    static constexpr int most_pauses = 128;
    int pauses_ = 32;
  };

  std::size_t index_of(position_type at) const noexcept { return (at & (lap_ - 1)) >> 1; }
  /// How many were pushed or popped before this position.
  std::size_t count_of(position_type at) const noexcept { return at / lap_ * capacity_ + index_of(at); }
  std::size_t distance(position_type from, position_type to) const noexcept {
    return (to / lap_ - from / lap_) * capacity_ + index_of(to) - index_of(from);
  }
  static bool is_behind(position_type a, position_type b) noexcept { return std::ptrdiff_t(a - b) < 0; }
  position_type after(position_type at) const noexcept {
    return index_of(at) + 1 == capacity_ ? (at & ~(lap_ - 1)) + lap_ : at + 2;
  }
  position_type after(position_type at, std::size_t count) const noexcept {
    std::size_t const index = index_of(at) + count;
    return index < capacity_ ? at + 2 * count : (at & ~(lap_ - 1)) + lap_ + 2 * (index - capacity_);
  }

  static position_type read(end const& which) noexcept { return which.position.load(std::memory_order_seq_cst); }
  static bool move_on(end& which, position_type& from, position_type to) noexcept {
    // mutant: any order would do on failure, since what is seen then is only tried again.
    return which.position.compare_exchange_weak(from, to, std::memory_order_seq_cst, std::memory_order_seq_cst);
  }

  // When the place at an end is not ready, `behind(position of the end)` gives the outcome, or `not_yet` to look again.
  static constexpr ring_outcome not_yet = ring_outcome::done;
  template <class Behind>
  ring_outcome push_or(Behind behind, T& item) noexcept;
  template <class Behind, class Take>
  ring_outcome pop_or(Behind behind, Take& take) noexcept;
  template <class Take>
  void move_out(place& from, position_type at, Take& take) noexcept;

  std::size_t const capacity_;
  position_type const lap_;  // a power of two, at least twice the capacity
  std::unique_ptr<place[]> const places_;
  end tail_;  // of the next push; moved by producers, and its flag set by `close`
  end head_;  // of the next pop; moved by consumers
};

template <class T>
ring<T>::ring(std::size_t capacity)
    : capacity_(capacity == 0 || capacity > max_capacity()
                    ? throw misuse("a ring needs room for one element, and for no more than ring::max_capacity()")
                    : capacity),
      lap_(2 * std::bit_ceil(capacity)),
      places_(new place[capacity]) {
  // relaxed: nobody else knows the ring yet.
  for (std::size_t i = 0; i < capacity; ++i) places_[i].stamp.store(2 * i, std::memory_order_relaxed);
}

template <class T>
ring<T>::~ring() {
  while (pop([](T&&) noexcept {}) == ring_outcome::done) {
  }
}

template <class T>
template <class Behind>
ring_outcome ring<T>::push_or(Behind behind, T& item) noexcept {
  back_off race;
  position_type tail = read(tail_);
  for (;;) {
    if ((tail & closed_flag) != 0) return ring_outcome::closed;
    place& here = places_[index_of(tail)];
    // acquire: the pop that made room has moved the element out.
    position_type const stamp = here.stamp.load(std::memory_order_acquire);
    if (stamp == tail) [[likely]] {
      if (move_on(tail_, tail, after(tail))) [[likely]] {
        ::new (static_cast<void*>(here.memory)) T(std::move(item));
        here.stamp.store(tail | full_flag, std::memory_order_release);
        return ring_outcome::done;
      }
      race.lost();
    } else if (is_behind(stamp, tail)) {
      if (auto const answer = behind(tail); answer != not_yet) return answer;
    }
    tail = read(tail_);
  }
}

template <class T>
ring_outcome ring<T>::push(T&& item) noexcept {
  brief_wait other;
  auto const full_or_wait = [&](position_type tail) {
    if (read(head_) + lap_ == tail) return ring_outcome::refused;
    other.pause();  // its element is being moved out
    return not_yet;
  };
  return push_or(full_or_wait, item);
}

template <class T>
template <class Behind, class Take>
ring_outcome ring<T>::pop_or(Behind behind, Take& take) noexcept {
  back_off race;
  position_type head = read(head_);
  for (;;) {
    place& here = places_[index_of(head)];
    // acquire: the element has been moved in.
    position_type const stamp = here.stamp.load(std::memory_order_acquire);
    if (stamp == (head | full_flag)) [[likely]] {
      if (move_on(head_, head, after(head))) [[likely]] {
        move_out(here, head, take);
        return ring_outcome::done;
      }
      race.lost();
    } else if (is_behind(stamp, head | full_flag)) {
      if (auto const answer = behind(head); answer != not_yet) return answer;
    }
    head = read(head_);
  }
}

template <class T>
template <class Take>
ring_outcome ring<T>::pop(Take take) noexcept {
  brief_wait other;
  auto const empty_or_wait = [&](position_type head) {
    position_type const tail = read(tail_);
    if (tail == head) return ring_outcome::refused;
    if (tail == (head | closed_flag)) return ring_outcome::closed;
    other.pause();  // an element is being moved in
    return not_yet;
  };
  return pop_or(empty_or_wait, take);
}

template <class T>
template <class Take>
void ring<T>::move_out(place& from, position_type at, Take& take) noexcept {
  T& item = *std::launder(reinterpret_cast<T*>(from.memory));
  take(std::move(item));
  item.~T();
  from.stamp.store(at + lap_, std::memory_order_release);
}

template <class T>
template <class Iterator>
std::size_t ring<T>::push_many(Iterator from, std::size_t count) noexcept {
  static_assert(std::is_nothrow_constructible_v<T, decltype(*from)>, "a place that was claimed has to be filled");
  position_type tail = read(tail_);
  std::size_t claimed = 0;
  do {
    if ((tail & closed_flag) != 0) return 0;
    // The head may have moved beyond a tail that is out of date, which gives nonsense here and no exchange below. It
    // may move afterwards too, and then there is more room than was claimed.
    claimed = capacity_ - distance(read(head_), tail);
    if (claimed > count) claimed = count;
    if (claimed == 0) return 0;
  } while (!move_on(tail_, tail, after(tail, claimed)));
  for (std::size_t i = 0; i < claimed; ++i, ++from, tail = after(tail)) {
    place& here = places_[index_of(tail)];
    for (brief_wait other; here.stamp.load(std::memory_order_acquire) != tail; other.pause()) {
    }
    ::new (static_cast<void*>(here.memory)) T(*from);
    here.stamp.store(tail | full_flag, std::memory_order_release);
  }
  return claimed;
}

template <class T>
template <class Take>
std::size_t ring<T>::pop_many(std::size_t count, Take take) noexcept {
  position_type head = read(head_);
  std::size_t claimed = 0;
  do {
    claimed = distance(head, read(tail_) & ~closed_flag);
    if (claimed > count) claimed = count;
    if (claimed == 0) return 0;
  } while (!move_on(head_, head, after(head, claimed)));
  for (std::size_t i = 0; i < claimed; ++i, head = after(head)) {
    place& here = places_[index_of(head)];
    for (brief_wait other; here.stamp.load(std::memory_order_acquire) != (head | full_flag); other.pause()) {
    }
    move_out(here, head, take);
  }
  return claimed;
}

template <class T>
std::size_t ring<T>::size() const noexcept {
  for (brief_wait others;; others.pause()) {
    position_type const tail = read(tail_) & ~closed_flag;
    position_type const head = read(head_);
    // The tail was the same before and after: the two belong together.
    if ((read(tail_) & ~closed_flag) == tail) return distance(head, tail);
  }
}

}  // namespace concur::inline CONCUR_ABI
