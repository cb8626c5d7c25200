// SPDX-License-Identifier: BSL-1.0
//
// The switches of the library and the inline namespace they select.
//
// Every switch that changes a layout or an inline body changes the namespace, so that objects compiled with and
// without it can be linked into one program without violating the one-definition rule. A namespace name cannot
// depend on a switch without a macro: CONCUR_ABI is that macro, and every header opens
// `namespace concur::inline CONCUR_ABI`.
#pragma once

/// 1: wrong use is reported through the misuse handler (`core/assert.hpp`). The CMake target sets it with Debug.
#ifndef CONCUR_CHECKED
#define CONCUR_CHECKED 0
#endif

/// 1: atomics, clock and threads come from the explorer (`testing/explorer.hpp`) instead of the machine.
#ifndef CONCUR_EXPLORE
#define CONCUR_EXPLORE 0
#endif

/// 1: event loops use io_uring where the kernel permits it. The CMake target concur::io_uring sets it, and links
/// liburing. Explored loops do without.
#ifndef CONCUR_IO_URING
#define CONCUR_IO_URING 0
#endif

#if CONCUR_EXPLORE && CONCUR_CHECKED
#define CONCUR_ABI v0_explore_checked
#elif CONCUR_EXPLORE
#define CONCUR_ABI v0_explore
#elif CONCUR_IO_URING && CONCUR_CHECKED
#define CONCUR_ABI v0_io_uring_checked
#elif CONCUR_IO_URING
#define CONCUR_ABI v0_io_uring
#elif CONCUR_CHECKED
#define CONCUR_ABI v0_checked
#else
#define CONCUR_ABI v0
#endif
