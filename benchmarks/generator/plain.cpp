// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

#include <array>
#include <cstddef>

namespace {

class sequence {
 public:
  explicit sequence(std::uint64_t end) : end_(end) {}

  [[gnu::noinline]] static bool next(sequence& self, std::uint64_t& number) {
    if (self.next_ == self.end_) return false;
    number = self.next_++;
    return true;
  }

 private:
  std::uint64_t next_ = 0;
  std::uint64_t end_;
};

class random_numbers {
 public:
  explicit random_numbers(std::uint64_t count) : left_(count) {}

  [[gnu::noinline]] static bool next(random_numbers& self, std::uint64_t& number) {
    if (self.left_ == 0) return false;
    --self.left_;
    number = self.last_ = step(self.last_);
    return true;
  }

 private:
  std::uint64_t last_ = 1;
  std::uint64_t left_;
};

class walk {
 public:
  explicit walk(node const& root) { descend(&root); }

  [[gnu::noinline]] static bool next(walk& self, std::uint64_t& number) {
    if (self.depth_ == 0) return false;
    node const& at = *self.path_[--self.depth_];
    number = at.number;
    self.descend(at.right.get());
    return true;
  }

 private:
  void descend(node const* from) {
    for (; from != nullptr; from = from->left.get()) path_[depth_++] = from;
  }

  std::array<node const*, tree_depth> path_;  // the nodes whose left part is being walked, or has been
  std::size_t depth_ = 0;
};

auto sum_of(auto numbers) {
  std::uint64_t sum = 0;
  std::uint64_t number = 0;
  while (numbers.next(numbers, number)) sum += number;
  return sum;
}

// The same through a pointer: the loop does not know what produces the numbers, as with a generator.
auto sum_through_a_pointer(auto numbers) {
  using producer = decltype(numbers);
  using function = bool (*)(producer&, std::uint64_t&);
  function volatile hidden = producer::next;
  function const next = hidden;
  std::uint64_t sum = 0;
  std::uint64_t number = 0;
  while (next(numbers, number)) sum += number;
  return sum;
}

}  // namespace

bench::cases const here = generators_of(
    "plain", [](std::uint64_t n) { return sum_of(sequence(n)); },
    [](std::uint64_t n) { return sum_of(random_numbers(n)); }, [](node const& root) { return sum_of(walk(root)); });
bench::cases const through_a_pointer = generators_of(
    "plain_pointer", [](std::uint64_t n) { return sum_through_a_pointer(sequence(n)); },
    [](std::uint64_t n) { return sum_through_a_pointer(random_numbers(n)); },
    [](node const& root) { return sum_through_a_pointer(walk(root)); });
