// SPDX-License-Identifier: BSL-1.0
//
// The entry point of a test program: Catch2 3 brings its own in a library, version 2 makes it here.
#if !__has_include(<catch2/catch_all.hpp>)
#define CATCH_CONFIG_MAIN
#endif
#include "catch.hpp"
