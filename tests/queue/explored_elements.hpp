// SPDX-License-Identifier: BSL-1.0
//
// For the scenarios of rings and queues: elements that the explorer checks for races and that count their lives, and
// histories of operations that must be explained by some order of them, one after the other.
#pragma once

#include "support/bounded.hpp"

#include <concur/core/os.hpp>
#include <concur/queue/ring.hpp>

#include <cstddef>
#include <deque>
#include <functional>
#include <utility>
#include <vector>

namespace explored {

/// How many elements were made, moves included, and how many are gone.
struct lives {
  int made = 0;
  int gone = 0;
};

class element {
 public:
  element(int value, lives& counted) : value_(value), lives_(&counted) { ++lives_->made; }
  element(element&& other) noexcept : value_(other.value_.get()), lives_(other.lives_) {
    other.value_.set(moved_from);
    ++lives_->made;
  }
  ~element() {
    value_.get();
    ++lives_->gone;
  }

  static constexpr int moved_from = -1;
  int value() const { return value_.get(); }

 private:
  concur::os::plain<int> value_;
  lives* lives_;
};

/// The model of a bounded queue, and what was done to the real one.
class history {
 public:
  explicit history(std::size_t capacity) : capacity_(capacity) {}

  using outcome = concur::ring_outcome;

  void start_with(std::vector<int> const& values) { model_.elements.assign(values.begin(), values.end()); }

  outcome push(concur::ring<element>& r, int value, lives& counted) {
    element item(value, counted);
    auto const at = begin();
    auto const result = r.push(item);
    bool const intact = result == outcome::done || item.value() == value;
    add(at, [=, this](model& m) {
      bool const full = m.elements.size() == capacity_;
      if (!intact || (result == outcome::closed) != m.closed) return false;
      if (m.closed) return true;
      if (full != (result == outcome::refused)) return false;
      if (!full) m.elements.push_back(value);
      return true;
    });
    return result;
  }

  outcome pop(concur::ring<element>& r) {
    int value = element::moved_from;
    auto const at = begin();
    auto const result = r.pop([&value](element&& item) noexcept {
      element const mine(std::move(item));
      value = mine.value();
    });
    add(at, [=](model& m) {
      if (m.elements.empty()) return result == (m.closed ? outcome::closed : outcome::refused);
      if (result != outcome::done || m.elements.front() != value) return false;
      m.elements.pop_front();
      return true;
    });
    return result;
  }

  void push_many(concur::ring<element>& r, std::vector<int> const& values, lives& counted) {
    std::vector<element> items;
    items.reserve(values.size());
    for (int value : values) items.emplace_back(value, counted);
    auto const at = begin();
    std::size_t const count = r.push_many(std::move_iterator(items.data()), items.size());
    bool intact = true;
    for (std::size_t i = count; i < values.size(); ++i) intact = intact && items[i].value() == values[i];
    add(at, [=, this](model& m) {
      std::size_t const room = capacity_ - m.elements.size();
      if (count == 0) return intact && (m.closed || room == 0);
      if (!intact || m.closed || count > room) return false;
      m.elements.insert(m.elements.end(), values.begin(), values.begin() + std::ptrdiff_t(count));
      return true;
    });
  }

  std::size_t pop_many(concur::ring<element>& r, std::size_t max) {
    std::vector<int> values;
    auto const at = begin();
    std::size_t const count = r.pop_many(max, [&values](element&& item) noexcept {
      element const mine(std::move(item));
      values.push_back(mine.value());
    });
    add(at, [=](model& m) {
      if (count != values.size() || count > max) return false;
      if (count == 0) return m.elements.empty();
      for (int value : values) {
        if (m.elements.empty() || m.elements.front() != value) return false;
        m.elements.pop_front();
      }
      return true;
    });
    return count;
  }

  void size(concur::ring<element> const& r) {
    auto const at = begin();
    std::size_t const seen = r.size();
    add(at, [=](model& m) { return m.elements.size() == seen; });
  }

  void close(concur::ring<element>& r) {
    auto const at = begin();
    bool const first = r.close();
    add(at, [=](model& m) { return std::exchange(m.closed, true) != first; });
  }

  void is_closed(concur::ring<element> const& r) {
    auto const at = begin();
    bool const seen = r.is_closed();
    add(at, [=](model& m) { return m.closed == seen; });
  }

  /// Whether some order explains every result, in which an operation that ended before another began comes first.
  bool explained() const { return explain(model_, 0); }

 private:
  struct model {
    std::deque<int> elements{};
    bool closed = false;
  };
  struct operation {
    int began;
    int ended;
    std::function<bool(model&)> step;  // does it to the model; false if the result cannot be
  };

  int begin() { return ++now_; }
  template <class Step>
  void add(int began, Step step) {
    operations_.push_back({began, ++now_, step});
  }

  bool explain(model const& before, unsigned done) const {
    if (done + 1 == 1u << operations_.size()) return true;
    int earliest_end = now_ + 1;
    for (std::size_t i = 0; i < operations_.size(); ++i) {
      if ((done & 1u << i) == 0 && operations_[i].ended < earliest_end) earliest_end = operations_[i].ended;
    }
    for (std::size_t i = 0; i < operations_.size(); ++i) {
      if ((done & 1u << i) != 0 || operations_[i].began > earliest_end) continue;
      model after = before;
      if (operations_[i].step(after) && explain(after, done | 1u << i)) return true;
    }
    return false;
  }

  std::size_t const capacity_;
  model model_;
  int now_ = 0;
  std::vector<operation> operations_;
};

}  // namespace explored
