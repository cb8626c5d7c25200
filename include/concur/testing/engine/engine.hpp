// SPDX-License-Identifier: BSL-1.0
//
// The explorer's engine: what `core/os.hpp` takes its names from when CONCUR_EXPLORE is set.
//
// It runs a scenario again and again on fibers, each time with another schedule and other answers of the memory, the
// futex and the clock, until all within the bounds have been run or one has failed. From the ground up:
// vector_clock, history (the memory model), fiber (stacks), choices (the search), machine with its bodies in
// schedule, memory, blocking, report and run; then atomic, plain, seam and stop_token, which explored code uses.
// Users include `testing/explorer.hpp`.
#pragma once

#include <concur/testing/engine/atomic.hpp>
#include <concur/testing/engine/machine.hpp>
#include <concur/testing/engine/plain.hpp>
#include <concur/testing/engine/run.hpp>
#include <concur/testing/engine/seam.hpp>
#include <concur/testing/engine/stop_token.hpp>
