// SPDX-License-Identifier: BSL-1.0
//
// A translation unit that includes everything, with CONCUR_CHECKED=0.
#include "use.hpp"

int unchecked() { return use(); }
