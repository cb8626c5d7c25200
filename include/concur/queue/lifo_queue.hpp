// SPDX-License-Identifier: BSL-1.0
//
// Last in, first out, between threads, fibers and coroutines: Python's queue.LifoQueue.
//
//     concur::lifo_queue<buffer> spare(16);              // or spare(concur::unbounded)
//     spare.put(std::move(used));
//     buffer warm = spare.get();                         // the one put in last
#pragma once

#include <concur/queue/basic_queue.hpp>
#include <concur/queue/detail/locked_store.hpp>

namespace concur::inline CONCUR_ABI {

/// See basic_queue. Memory comes as elements do, also when it has a bound.
template <class T>
using lifo_queue = basic_queue<T, detail::locked_store<T, detail::lifo_elements<T>>>;

}  // namespace concur::inline CONCUR_ABI
