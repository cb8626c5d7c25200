// SPDX-License-Identifier: BSL-1.0
//
// A peer that breaks a connection off.
#pragma once

#include <sys/socket.h>

namespace support {

/// From now on the end of the stream is a reset of its connection.
template <class Stream>
void reset_at_close(Stream const& stream) {
  stream.options().set(SOL_SOCKET, SO_LINGER, linger{1, 0});
}

}  // namespace support
