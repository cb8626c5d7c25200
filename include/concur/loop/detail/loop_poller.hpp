// SPDX-License-Identifier: BSL-1.0
//
// How an event loop waits for descriptors: the back end that this program was compiled for.
#pragma once

#include <concur/core/abi.hpp>

#if CONCUR_IO_URING && !CONCUR_EXPLORE
#include <concur/loop/detail/ring_poller.hpp>
#else
#include <concur/loop/detail/epoll_poller.hpp>
#endif

namespace concur::inline CONCUR_ABI::detail {

// What the explorer sees of descriptors is the same with both.
#if CONCUR_IO_URING && !CONCUR_EXPLORE
using loop_poller = ring_poller;
#else
using loop_poller = epoll_poller;
#endif

}  // namespace concur::inline CONCUR_ABI::detail
