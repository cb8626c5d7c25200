// SPDX-License-Identifier: BSL-1.0
//
// A translation unit that includes everything, with the switches of the build.
#include "use.hpp"

int one() { return use(); }
