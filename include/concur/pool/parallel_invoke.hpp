// SPDX-License-Identifier: BSL-1.0
//
// Several functions at once, on the workers of a pool and the calling thread: fork and join.
//
//     concur::parallel_invoke(pool, [&] { sort(left); }, [&] { sort(right); });
#pragma once

#include <concur/core/error_collector.hpp>
#include <concur/pool/detail/fork.hpp>
#include <concur/pool/detail/participant.hpp>
#include <concur/pool/thread_pool.hpp>

#include <cstddef>
#include <exception>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// Calls every function once and returns when all have returned. They may run at the same time, in any order, or one
/// after the other on the calling thread, which always runs the last one itself; so none may wait for another. The
/// caller may be any thread. On a worker of the pool it works as one; else it takes the place of a worker for the time:
/// workers take parts only while as many others sleep as there are such callers.
///
/// All run to their end, also when some throw: one error is thrown as it is, several as multiple_errors, in the order
/// of the functions. Allocates nothing unless one throws. While it waits for a function that another thread has taken
/// over, the calling thread helps with what that one forks, and runs nothing else.
///
/// Algorithm: Chase–Lev deques; the waiting party steals from its thief only: D. Wagner and B. Calder, "Leapfrogging"
/// (1993).
template <class... Functions>
void parallel_invoke(thread_pool& pool, Functions&&... functions);

namespace detail {

[[gnu::cold, gnu::noinline]] inline void rethrow_errors(std::exception_ptr const* errors, std::size_t count) {
  error_collector thrown;
  for (std::size_t i = 0; i < count; ++i) {
    if (errors[i] != nullptr) thrown.add(errors[i]);
  }
  thrown.throw_any();
}

template <class Function>
void invoke_into(std::exception_ptr& error, Function& function) noexcept {
  try {
    function();
  } catch (...) {
    error = std::current_exception();
  }
}

template <class Last>
void invoke_forked(participant&, std::exception_ptr* errors, Last& last) {
  invoke_into(*errors, last);
}

template <class First, class... Rest>
void invoke_forked(participant& here, std::exception_ptr* errors, First& first, Rest&... rest) {
  forked_call<First> part(first);
  bool const offered = here.offer(part);
  invoke_forked(here, errors + 1, rest...);
  if (!offered || here.take_back(part)) return invoke_into(*errors, first);
  here.await(part);
  *errors = part.take_error();
}

}  // namespace detail

template <class... Functions>
void parallel_invoke(thread_pool& pool, Functions&&... functions) {
  static_assert(sizeof...(functions) != 0, "parallel_invoke needs a function");
  std::exception_ptr errors[sizeof...(functions)];
  {
    detail::participant here(thread_pool_access::state(pool));
    detail::invoke_forked(here, errors, functions...);
  }
  for (auto const& each : errors) {
    if (each != nullptr) [[unlikely]]
      detail::rethrow_errors(errors, sizeof...(functions));
  }
}

}  // namespace concur::inline CONCUR_ABI
