// SPDX-License-Identifier: BSL-1.0
//
// What an rvalue reference refers to has often gone when it is looked at.
// expect: a task cannot return an rvalue reference
#include <concur/coro/task.hpp>

#include <utility>

#if GOOD
concur::task<int> made(int& kept) { co_return std::move(kept); }
#else
concur::task<int&&> made(int& kept) { co_return std::move(kept); }
#endif
