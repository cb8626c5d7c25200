// SPDX-License-Identifier: BSL-1.0
//
// The greatest first, as std::priority_queue has it, between threads, fibers and coroutines; equal ones first in, first
// out. Python's queue.PriorityQueue gives the smallest first: that is `priority_queue<T, std::greater<>>`.
//
//     concur::priority_queue<job> jobs(concur::unbounded);      // or jobs(1024), jobs(1024, by_deadline)
//     jobs.put(job(urgent));
//     job next = jobs.get();
#pragma once

#include <concur/queue/basic_queue.hpp>
#include <concur/queue/detail/locked_store.hpp>
#include <concur/queue/detail/priority_elements.hpp>

#include <functional>

namespace concur::inline CONCUR_ABI {

/// See basic_queue. `Compare` says whether its first argument comes out after its second. It runs under the queue's
/// lock; what it throws comes out of put or get, and nothing has changed then. O(log n).
template <class T, class Compare = std::less<T>>
using priority_queue = basic_queue<T, detail::locked_store<T, detail::priority_elements<T, Compare>>>;

}  // namespace concur::inline CONCUR_ABI
