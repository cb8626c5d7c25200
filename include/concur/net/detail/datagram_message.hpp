// SPDX-License-Identifier: BSL-1.0
//
// A datagram in the form of the system's calls.
#pragma once

#include <concur/core/abi.hpp>
#include <concur/io/buffer.hpp>
#include <concur/net/endpoint.hpp>
#include <concur/net/received_datagram.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <sys/socket.h>
#include <sys/uio.h>
#include <system_error>

namespace concur::inline CONCUR_ABI::detail {

/// Stays where it is while the call is under way; so do the buffer and the endpoint.
class datagram_message {
 public:
  /// To be sent; `to` is null for a connected socket.
  explicit datagram_message(const_buffer from, endpoint const* to = nullptr) noexcept
      : piece_{const_cast<void*>(from.data()), from.size()} {
    fill_in();
    if (to == nullptr) return;
    header_.msg_name = const_cast<sockaddr*>(to->data());
    header_.msg_namelen = to->size();
  }
  /// To be received.
  explicit datagram_message(mutable_buffer into) noexcept : piece_{into.data(), into.size()} {
    fill_in();
    header_.msg_name = &source_;
    header_.msg_namelen = sizeof source_;
  }
  datagram_message(datagram_message const&) = delete;
  datagram_message& operator=(datagram_message const&) = delete;

  msghdr& header() noexcept { return header_; }

  /// Of the result of a call with MSG_TRUNC. Throw std::system_error.
  received_datagram received(std::int64_t result) const {
    auto const full_size = checked(result, "receiving a datagram");
    auto const* const source = reinterpret_cast<sockaddr const*>(&source_);
    return received_datagram(std::min(full_size, piece_.iov_len), full_size,
                             endpoint::from_sockaddr(source, header_.msg_namelen));
  }
  static std::size_t checked(std::int64_t result, char const* what) {
    if (result < 0) throw std::system_error(static_cast<int>(-result), std::generic_category(), what);
    return static_cast<std::size_t>(result);
  }

 private:
  void fill_in() noexcept {
    header_.msg_iov = &piece_;
    header_.msg_iovlen = 1;
  }

  msghdr header_{};
  iovec piece_;
  sockaddr_storage source_;
};

}  // namespace concur::inline CONCUR_ABI::detail
