// SPDX-License-Identifier: BSL-1.0
//
// A translation unit that includes everything, with the switches of the build, a second time.
#include "use.hpp"

int two() { return use(); }
