// SPDX-License-Identifier: BSL-1.0
//
// The entry point of a test program: Catch2 3 brings its own in a library, version 2 makes it here. And what the thread
// sanitizer has to know.
#if !__has_include(<catch2/catch_all.hpp>)
#define CATCH_CONFIG_MAIN
#endif
#include "catch.hpp"

// libstdc++.so counts the owners of an exception and is not instrumented, so the sanitizer does not see that the last
// owner frees it after the others have read it. Hides only races with what such a release does.
extern "C" char const* __tsan_default_suppressions() { return "race:std::__exception_ptr::exception_ptr::_M_release"; }
