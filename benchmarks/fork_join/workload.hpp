// SPDX-License-Identifier: BSL-1.0
//
// Three recursions that fork at every step, on two threads: next to no work in a step (fib, without a cut-off), some
// (the queens, whose boards are copied) and much (matrices, divided down to 32 × 32). Time of a whole run.
//
// A `Pool` has `run(root)`, which calls it on one of the two threads and returns the result, and `fork(f, g)`, which
// calls both in parallel.
#pragma once

#include "../support/jobs.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <vector>

template <class Pool>
long fib(Pool& pool, int n) {
  if (n < 2) return n;
  long before = 0;
  long last = 0;
  pool.fork([&] { before = fib(pool, n - 2); }, [&] { last = fib(pool, n - 1); });
  return before + last;
}

inline constexpr int queens = 13;
using board = std::array<signed char, queens>;

/// One bit for each column that the queens in the rows above attack in this row.
inline unsigned attacked(board const& columns, int row) {
  unsigned result = 0;
  for (int above = 0; above < row; ++above) {
    unsigned const queen = 1u << columns[std::size_t(above)];
    result |= queen | queen << (row - above) | queen >> (row - above);
  }
  return result;
}

/// How many solutions begin with the first `row` queens.
template <class Pool>
long count_solutions(Pool& pool, board const& columns, int row);

/// The same with the next queen on one of the `count` places.
template <class Pool>
long count_solutions_at(Pool& pool, board const& columns, int row, signed char const* places, int count) {
  if (count == 1) {
    board next = columns;
    next[std::size_t(row)] = *places;
    return count_solutions(pool, next, row + 1);
  }
  int const half = count / 2;
  long left = 0;
  long right = 0;
  pool.fork([&] { left = count_solutions_at(pool, columns, row, places, half); },
            [&] { right = count_solutions_at(pool, columns, row, places + half, count - half); });
  return left + right;
}

template <class Pool>
long count_solutions(Pool& pool, board const& columns, int row) {
  if (row == queens) return 1;
  board places;
  int count = 0;
  for (unsigned left = ~attacked(columns, row) & ((1u << queens) - 1); left != 0; left &= left - 1) {
    places[std::size_t(count++)] = static_cast<signed char>(std::countr_zero(left));
  }
  return count == 0 ? 0 : count_solutions_at(pool, columns, row, places.data(), count);
}

inline constexpr std::size_t side = 1024;
inline constexpr std::size_t block = 32;

/// c += a × b, of squares of `size` within matrices of `side`. The four quarters of c in parallel, twice.
template <class Pool>
void multiply_add(Pool& pool, float const* a, float const* b, float* c, std::size_t size);

[[gnu::noinline]] inline void multiply_add_block(float const* a, float const* b, float* c) {
  for (std::size_t i = 0; i < block; i += 2, a += 2 * side, c += 2 * side) {
    std::array<float, block> upper{};
    std::array<float, block> lower{};
    for (std::size_t k = 0; k < block; ++k) {
      for (std::size_t j = 0; j < block; ++j) upper[j] += a[k] * b[k * side + j];
      for (std::size_t j = 0; j < block; ++j) lower[j] += a[side + k] * b[k * side + j];
    }
    for (std::size_t j = 0; j < block; ++j) c[j] += upper[j];
    for (std::size_t j = 0; j < block; ++j) c[side + j] += lower[j];
  }
}

template <class Pool>
void multiply_add(Pool& pool, float const* a, float const* b, float* c, std::size_t size) {
  if (size == block) return multiply_add_block(a, b, c);
  std::size_t const half = size / 2;
  std::size_t const down = half * side;
  for (std::size_t k = 0; k < 2; ++k) {
    float const* const left = a + k * half;
    float const* const above = b + k * down;
    auto const rows = [&](std::size_t row) {
      float const* const from = left + row * down;
      float* const to = c + row * down;
      pool.fork([&] { multiply_add(pool, from, above, to, half); },
                [&] { multiply_add(pool, from, above + half, to + half, half); });
    };
    pool.fork([&] { rows(0); }, [&] { rows(1); });
  }
}

template <class Pool>
void run_fib(benchmark::State& state) {
  bench::on_both_cpus const pinned;
  Pool pool;
  for (auto _ : state) {
    if (pool.run([&] { return fib(pool, 35); }) != 9'227'465) return state.SkipWithError("not the Fibonacci number");
  }
}

template <class Pool>
void run_queens(benchmark::State& state) {
  bench::on_both_cpus const pinned;
  Pool pool;
  for (auto _ : state) {
    long const found = pool.run([&] { return count_solutions(pool, board(), 0); });
    if (found != 73'712) return state.SkipWithError("not the number of solutions");
  }
}

template <class Pool>
void run_matmul(benchmark::State& state) {
  bench::on_both_cpus const pinned;
  Pool pool;
  std::vector<float> a(side * side), b(side * side), c(side * side);
  for (std::size_t i = 0; i < side * side; ++i) {
    a[i] = float(i % side % 7);       // by columns
    b[i] = float(i / side % 7 + 1);  // by rows
  }
  float expected = 0;
  for (std::size_t k = 0; k < side; ++k) expected += a[k] * b[k * side];
  for (auto _ : state) {
    std::fill(c.begin(), c.end(), 0.0f);
    pool.run([&] {
      multiply_add(pool, a.data(), b.data(), c.data(), side);
      return 0;
    });
  }
  for (float const each : c) {
    if (each != expected) return state.SkipWithError("a wrong product");  // exact: small whole numbers
  }
}

template <class Pool>
bench::cases recursions_on(char const* library) {
  constexpr auto wall = bench::timing::wall;
  return {
      {"fork_join/fib_35", library, run_fib<Pool>, wall},
      {"fork_join/queens_13", library, run_queens<Pool>, wall},
      {"fork_join/matmul_1024", library, run_matmul<Pool>, wall},
  };
}
