// SPDX-License-Identifier: BSL-1.0
//
// A job posts two jobs, each of which posts two, until there are 2^20 leaves; a thread outside waits until all have
// run. Two threads run jobs. Time of a post: elapsed time divided by all posts.
#pragma once

#include "../support/jobs.hpp"

#include <chrono>
#include <optional>

inline constexpr int height = 20;
inline constexpr long leaves = 1L << height;
inline constexpr long posts = 2 * leaves - 1;

/// `Pool` has post_from_inside.
template <class Pool>
struct node {
  Pool* pool;
  int above_leaves;

  void operator()() const {
    if (above_leaves == 0) return bench::tally::add();
    pool->post_from_inside(node{pool, above_leaves - 1});
    pool->post_from_inside(node{pool, above_leaves - 1});
  }
};

template <class Pool>
void grow(benchmark::State& state) {
  bench::on_both_cpus const pinned;
  std::optional<Pool> pool;
  bench::report_jobs(state, posts, leaves, [&] {
    if (Pool::waits_once || !pool) pool.emplace();
    long const all = bench::tally::sum() + leaves;
    auto const start = std::chrono::steady_clock::now();
    pool->post(node<Pool>{&*pool, height});
    pool->wait_for(all);
    return std::chrono::steady_clock::now() - start;
  });
}

template <class Pool>
bench::cases growing_in(char const* library) {
  return {{"pool_tree/posts_from_inside", library, grow<Pool>, bench::timing::own}};
}
