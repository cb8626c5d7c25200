// SPDX-License-Identifier: BSL-1.0
//
// A future holds its value, so there is none of references.
// expect: take a pointer or std::reference_wrapper instead of a reference
#include <concur/future/promise.hpp>

#include <functional>

#if GOOD
concur::promise<std::reference_wrapper<int>> made;
#else
concur::promise<int&> made;
#endif
