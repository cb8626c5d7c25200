// SPDX-License-Identifier: BSL-1.0
//
// For the scenarios of rings and queues: elements that the explorer checks for races and that count their lives, and
// histories of operations that must be explained by some order of them, one after the other.
#pragma once

#include "support/bounded.hpp"

#include <concur/core/os.hpp>
#include <concur/queue/ring.hpp>

#include <algorithm>
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

/// The model of a bounded queue, and what was done to the real one. What a call is called with and returns is added
/// when it has returned, with the moment at which it began:
///
///     auto const at = log.begin();
///     q.put(7);
///     log.add_put(at, 7);
///
/// A wait that a stop or a cancel has ended need not be added, since it did nothing.
class history {
  struct model {
    std::deque<int> elements{};
    bool closed = false;
  };
  using step_type = std::function<bool(model&)>;  // does it to the model; false if the result cannot be

 public:
  using outcome = concur::ring_outcome;
  /// Which of the elements that are in comes out next; of the model's, which are in the order in which they came.
  using next_out = std::function<std::size_t(std::deque<int> const&)>;

  static std::size_t oldest(std::deque<int> const&) { return 0; }
  static std::size_t newest(std::deque<int> const& elements) { return elements.size() - 1; }
  static std::size_t greatest(std::deque<int> const& elements) {
    return std::size_t(std::max_element(elements.begin(), elements.end()) - elements.begin());
  }

  explicit history(std::size_t capacity, next_out next = oldest) : capacity_(capacity), next_(std::move(next)) {}

  void start_with(std::vector<int> const& values) { model_.elements.assign(values.begin(), values.end()); }

  int begin() { return ++now_; }
  /// A put that succeeded, found the queue full, or closed.
  void add_put(int began, int value, outcome result = outcome::done) { add(began, put_step(value, result)); }
  /// A get that gave the value, found the queue empty, or at its end.
  void add_get(int began, int value) { add(began, get_step(value, outcome::done)); }
  void add_get(int began, outcome result) { add(began, get_step(element::moved_from, result)); }
  /// Several puts, or gets, one after the other; what others do may come between.
  void add_puts(int began, std::vector<int> const& values) {
    add_all(began, values, [this](int value) { return put_step(value, outcome::done); });
  }
  void add_gets(int began, std::vector<int> const& values) {
    add_all(began, values, [this](int value) { return get_step(value, outcome::done); });
  }
  void add_close(int began) {
    add(began, [](model& m) { return m.closed = true; });
  }

  outcome push(concur::ring<element>& r, int value, lives& counted) {
    element item(value, counted);
    auto const at = begin();
    auto const result = r.push(std::move(item));
    bool const intact = result == outcome::done || item.value() == value;
    add(at, [intact, step = put_step(value, result)](model& m) { return intact && step(m); });
    return result;
  }

  outcome pop(concur::ring<element>& r) {
    int value = element::moved_from;
    auto const at = begin();
    auto const result = r.pop([&value](element&& item) noexcept {
      element const mine(std::move(item));
      value = mine.value();
    });
    add(at, get_step(value, result));
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
  struct operation {
    int began;
    int ended;
    step_type step;
    unsigned after = 0;  // the operation that has to come first, as a set
  };

  step_type put_step(int value, outcome result) const {
    return [=, this](model& m) {
      bool const full = m.elements.size() == capacity_;
      if ((result == outcome::closed) != m.closed) return false;
      if (m.closed) return true;
      if (full != (result == outcome::refused)) return false;
      if (!full) m.elements.push_back(value);
      return true;
    };
  }
  step_type get_step(int value, outcome result) const {
    return [=, this](model& m) {
      if (m.elements.empty()) return result == (m.closed ? outcome::closed : outcome::refused);
      auto const next = m.elements.begin() + std::ptrdiff_t(next_(m.elements));
      if (result != outcome::done || *next != value) return false;
      m.elements.erase(next);
      return true;
    };
  }

  void add(int began, step_type step) { operations_.push_back({began, ++now_, std::move(step)}); }
  template <class Step>
  void add_all(int began, std::vector<int> const& values, Step step) {
    unsigned before = 0;
    for (int value : values) {
      add(began, step(value));
      operations_.back().after = std::exchange(before, 1u << (operations_.size() - 1));
    }
  }

  bool explain(model const& before, unsigned done) const {
    if (done + 1 == 1u << operations_.size()) return true;
    int earliest_end = now_ + 1;
    for (std::size_t i = 0; i < operations_.size(); ++i) {
      if ((done & 1u << i) == 0 && operations_[i].ended < earliest_end) earliest_end = operations_[i].ended;
    }
    for (std::size_t i = 0; i < operations_.size(); ++i) {
      if ((done & 1u << i) != 0 || operations_[i].began > earliest_end) continue;
      if ((operations_[i].after & ~done) != 0) continue;
      model after = before;
      if (operations_[i].step(after) && explain(after, done | 1u << i)) return true;
    }
    return false;
  }

  std::size_t const capacity_;
  next_out const next_;
  model model_;
  int now_ = 0;
  std::vector<operation> operations_;
};

}  // namespace explored
