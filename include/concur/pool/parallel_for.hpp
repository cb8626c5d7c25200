// SPDX-License-Identifier: BSL-1.0
//
// A loop whose elements are visited by the workers of a pool and the calling thread.
//
//     concur::parallel_for(pool, 0, height, [&](int row) { draw(row); });
//     concur::parallel_for(pool, pictures, [](picture& each) { each.sharpen(); });
#pragma once

#include <concur/pool/detail/loop_range.hpp>
#include <concur/pool/detail/split_loop.hpp>
#include <concur/pool/grain.hpp>
#include <concur/pool/thread_pool.hpp>

#include <cstdint>
#include <functional>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// Calls `body(i)` once for each i from `first` up to, not including, `last`: integers, in their common type (none when
/// `last` is not greater), or iterators with random access, where it is called as `body(*i)`. Returns when all have
/// returned, and what they did is visible.
///
/// The calls may run at the same time, in any order, or one after the other on the calling thread; so none may wait for
/// another. They share `body` itself, which is not copied. They may use the pool: submit jobs and wait for them, run
/// parallel algorithms. The caller may be any thread. On a worker of the pool it works as one; else it takes the place
/// of a worker for the time, and workers take parts only while as many others sleep as there are such callers.
/// More than eight such callers at a time do everything themselves, and so does the caller after a shutdown.
///
/// When a call throws, the rest of its part is left out and no other part is begun; what other threads are at runs on:
/// ten microseconds or so, with a grain the whole part. Then one error is thrown as it is, several as multiple_errors.
/// Throws misuse when `first` is negative and the common type unsigned. Allocates nothing unless a call throws.
///
/// Without a grain, a loop of many elements that takes some microseconds costs little more than a plain one: see
/// grain.hpp.
template <class First, class Last, class Body>
  requires detail::loop_bounds<First, Last>
void parallel_for(thread_pool& pool, First first, Last last, Body&& body, grain const& parts = grain::automatic());

/// Calls `body(element)` for each element of a range.
template <detail::loop_elements Range, class Body>
void parallel_for(thread_pool& pool, Range&& range, Body&& body, grain const& parts = grain::automatic());

namespace detail {

template <class Source, class Body>
class for_job {
 public:
  struct result {};

  for_job(Source const& source, Body& body) noexcept : source_(source), body_(body) {}

  void run(result&, std::uint64_t begin, std::uint64_t end) {
    source_.each(begin, end, [&body = body_](auto&& element) {
      static_cast<void>(std::invoke(body, std::forward<decltype(element)>(element)));
    });
  }
  void join(result&, result&) noexcept {}

 private:
  Source const& source_;
  Body& body_;
};

template <class Source, class Body>
void for_each_in(thread_pool& pool, loop_range<Source> const& range, Body& body, grain const& parts) {
  for_job<Source, Body> job(range.source, body);
  typename for_job<Source, Body>::result none;
  run_loop(thread_pool_access::state(pool), job, none, range.size, parts);
}

}  // namespace detail

template <class First, class Last, class Body>
  requires detail::loop_bounds<First, Last>
void parallel_for(thread_pool& pool, First first, Last last, Body&& body, grain const& parts) {
  detail::for_each_in(pool, detail::range_between(first, last), body, parts);
}

template <detail::loop_elements Range, class Body>
void parallel_for(thread_pool& pool, Range&& range, Body&& body, grain const& parts) {
  detail::for_each_in(pool, detail::range_of(range), body, parts);
}

}  // namespace concur::inline CONCUR_ABI
