// SPDX-License-Identifier: BSL-1.0
//
// What `receive_from` tells of a datagram.
//
//     auto const got = co_await socket.async_receive_from(space);
//     if (!got.truncated()) co_await socket.async_send_to(std::span(space).first(got.size()), got.source());
#pragma once

#include <concur/core/abi.hpp>
#include <concur/net/endpoint.hpp>

#include <cstddef>

namespace concur::inline CONCUR_ABI {

class received_datagram {
 public:
  received_datagram() noexcept = default;
  received_datagram(std::size_t size, std::size_t full_size, endpoint const& source) noexcept
      : size_(size), full_size_(full_size), source_(source) {}

  /// How many bytes of it are in the buffer, and how many it had. What did not fit is lost.
  std::size_t size() const noexcept { return size_; }
  std::size_t full_size() const noexcept { return full_size_; }
  bool truncated() const noexcept { return size_ < full_size_; }

  /// Who sent it; nowhere for a Unix socket without a name.
  endpoint const& source() const noexcept { return source_; }

 private:
  std::size_t size_ = 0;
  std::size_t full_size_ = 0;
  endpoint source_;
};

}  // namespace concur::inline CONCUR_ABI
