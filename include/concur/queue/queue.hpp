// SPDX-License-Identifier: BSL-1.0
//
// First in, first out, between threads, fibers and coroutines: Python's queue.Queue and asyncio.Queue in one.
//
//     concur::queue<job> jobs(1024);                     // or jobs(concur::unbounded)
//     jobs.put(job(7));           co_await jobs.async_put(job(7));
//     job next = jobs.get();      job next = co_await jobs.async_get();
//     for (job& each : jobs) run(each);                  // ends when it is closed and empty
//     jobs.close();
#pragma once

#include <concur/queue/basic_queue.hpp>
#include <concur/queue/detail/locked_store.hpp>
#include <concur/queue/detail/ring_or_locked.hpp>

#include <type_traits>

namespace concur::inline CONCUR_ABI {

/// See basic_queue. With a bound, and elements that a ring can hold, it takes no lock and never allocates after its
/// construction: an operation that need not wait costs one compare-exchange.
template <class T>
using queue = basic_queue<T, std::conditional_t<ring_element<T>, detail::ring_or_locked<T>,
                                                detail::locked_store<T, detail::fifo_elements<T>>>>;

}  // namespace concur::inline CONCUR_ABI
