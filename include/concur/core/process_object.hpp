// SPDX-License-Identifier: BSL-1.0
//
// An object of the whole process that is made when it is first asked for, and never destroyed.
//
//     inline constinit process_wide::process_lock default_pool_lock;
//     inline constinit process_object<thread_pool> the_default_pool;
//     thread_pool& pool = object_of_process<default_pool_lock>(the_default_pool, [] { return … a unique_ptr …; });
#pragma once

#include <concur/core/abi.hpp>
#include <concur/core/process_lock.hpp>
#include <concur/core/registry.hpp>

namespace concur::inline CONCUR_ABI {

/// Where it is kept. What was made in a parent process is of no use in a forked child, and its memory is left alone.
// Both under the lock that goes with it.
template <class T>
struct process_object {
  T* object = nullptr;
  unsigned forks = 0;
};

/// The object in `kept`; `make()`, which gives a std::unique_ptr, is called if there is none of this process. Two
/// threads that come first may both call it, and one of the two is destroyed again. Throws what `make` throws. Any
/// thread.
template <process_wide::process_lock& Lock, class T, class Make>
T& object_of_process(process_object<T>& kept, Make make) {
  process_wide::keep_over_fork<Lock>();
  // relaxed: written in a child while it has one thread.
  unsigned const now = process_wide::forks.load(std::memory_order_relaxed);
  auto const made_here = [&]() -> T* { return kept.forks == now ? kept.object : nullptr; };
  {
    process_wide::process_lock::guard const held(Lock);
    if (T* const there = made_here()) return *there;
  }
  // Not under the lock, which a fork wants together with those that the making takes.
  auto fresh = make();
  process_wide::process_lock::guard const held(Lock);
  if (made_here() == nullptr) {
    kept.object = fresh.release();
    kept.forks = now;
  }
  return *kept.object;
}

}  // namespace concur::inline CONCUR_ABI
