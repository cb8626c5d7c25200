// SPDX-License-Identifier: BSL-1.0
//
// A binary heap for `priority_queue`: equal elements leave in the order in which they came, and a comparison or a move
// that throws changes nothing.
#pragma once

#include <concur/core/abi.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

namespace concur::inline CONCUR_ABI::detail {

/// Everything that can throw is done before anything moves: first the comparisons, which find the way, then the memory,
/// then the moves within the heap, which do not throw. Elements whose moves could throw stand in it by pointer.
template <class T, class Compare>
class priority_elements {
 public:
  explicit priority_elements(Compare compare = Compare()) : compare_(std::move(compare)) {}

  void push(T&& item) {
    // Up from the end, past all that leave after it. Equal ones are older and stay before it.
    std::size_t target = heap_.size();
    while (target != 0 && compare_(value_of(heap_[parent(target)]), std::as_const(item))) target = parent(target);
    if (heap_.size() == heap_.capacity()) heap_.reserve(heap_.empty() ? 16 : 2 * heap_.size());
    heap_.emplace_back(std::move(item), next_number_);
    ++next_number_;
    entry arriving = std::move(heap_.back());
    for (std::size_t at = heap_.size() - 1; at != target; at = parent(at)) heap_[at] = std::move(heap_[parent(at)]);
    heap_[target] = std::move(arriving);
  }

  template <class Take>
  void pop(Take& take) {
    // Down from the top, to where the last one may stand.
    std::size_t const count = heap_.size() - 1;
    entry& last = heap_[count];
    std::size_t target = 0;
    for (std::size_t child = 1; child < count; child = 2 * target + 1) {
      if (child + 1 < count && leaves_after(heap_[child], heap_[child + 1])) ++child;
      if (!leaves_after(last, heap_[child])) break;
      target = child;
    }
    take(std::move(value_of(heap_[0])));
    for (std::size_t at = 0; at != target;) {
      std::size_t const next = step_towards(target, at);
      heap_[at] = std::move(heap_[next]);
      at = next;
    }
    if (count != 0) heap_[target] = std::move(last);
    heap_.pop_back();
  }

 private:
  static constexpr bool in_place = std::is_nothrow_move_constructible_v<T> && std::is_nothrow_move_assignable_v<T>;
  using holder = std::conditional_t<in_place, T, std::unique_ptr<T>>;

  struct entry {
    entry(T&& item, std::uint64_t arrival) : held(hold(std::move(item))), number(arrival) {}
    static holder hold(T&& item) {
      if constexpr (in_place) {
        return std::move(item);
      } else {
        return std::make_unique<T>(std::move(item));
      }
    }
    holder held;
    std::uint64_t number;  // of its arrival
  };

  static T& value_of(entry& of) noexcept {
    if constexpr (in_place) {
      return of.held;
    } else {
      return *of.held;
    }
  }

  static std::size_t parent(std::size_t child) noexcept { return (child - 1) / 2; }
  /// The child of `from` on the way down to `target`: counted from 1, its number is a prefix of the target's.
  static std::size_t step_towards(std::size_t target, std::size_t from) noexcept {
    int const levels = int(std::bit_width(target + 1)) - int(std::bit_width(from + 1));
    return ((target + 1) >> (levels - 1)) - 1;
  }

  bool leaves_after(entry& a, entry& b) {
    T const& first = value_of(a);
    T const& second = value_of(b);
    if (compare_(first, second)) return true;
    return !compare_(second, first) && a.number > b.number;
  }

  std::vector<entry> heap_;
  std::uint64_t next_number_ = 0;
  [[no_unique_address]] Compare compare_;
};

}  // namespace concur::inline CONCUR_ABI::detail
