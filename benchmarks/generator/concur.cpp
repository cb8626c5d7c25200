// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

#include <concur/coro/generator.hpp>

namespace {

concur::generator<std::uint64_t> sequence(std::uint64_t end) {
  for (std::uint64_t number = 0; number != end; ++number) co_yield number;
}

concur::generator<std::uint64_t> random_numbers(std::uint64_t count) {
  std::uint64_t number = 1;
  for (; count != 0; --count) {
    number = step(number);
    co_yield number;
  }
}

concur::generator<std::uint64_t const&> walk(node const& root) {
  if (root.left != nullptr) co_yield concur::elements_of(walk(*root.left));
  co_yield root.number;
  if (root.right != nullptr) co_yield concur::elements_of(walk(*root.right));
}

auto sum_of(auto numbers) {
  std::uint64_t sum = 0;
  for (std::uint64_t const number : numbers) sum += number;
  return sum;
}

}  // namespace

bench::cases const here = generators_of(
    "concur", [](std::uint64_t n) { return sum_of(sequence(n)); },
    [](std::uint64_t n) { return sum_of(random_numbers(n)); }, [](node const& root) { return sum_of(walk(root)); });
