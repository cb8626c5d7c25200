// SPDX-License-Identifier: BSL-1.0
//
// How streams in memory are to behave.
//
//     auto [client, server] = concur::make_memory_streams(concur::memory_stream_options().most_per_read(1));
#pragma once

#include <concur/core/abi.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace concur::inline CONCUR_ABI {

/// A value, made by chained calls. Counts of 0 are taken as 1.
class memory_stream_options {
 public:
  memory_stream_options() noexcept = default;

  /// How many bytes may be on their way in one direction before the writer has to wait. If not given: 64 KiB.
  memory_stream_options& capacity(std::size_t value) noexcept {
    capacity_ = std::max<std::size_t>(value, 1);
    return *this;
  }

  /// How many bytes one read, or one write, moves at the most. If not given: as many as there are, or fit.
  memory_stream_options& most_per_read(std::size_t value) noexcept {
    most_per_read_ = std::max<std::size_t>(value, 1);
    return *this;
  }
  memory_stream_options& most_per_write(std::size_t value) noexcept {
    most_per_write_ = std::max<std::size_t>(value, 1);
    return *this;
  }

  /// How often each operation of a coroutine lets others run before it moves anything: 0 if not given.
  memory_stream_options& suspensions(unsigned value) noexcept {
    suspensions_ = value;
    return *this;
  }

  std::size_t capacity() const noexcept { return capacity_; }
  std::size_t most_per_read() const noexcept { return most_per_read_; }
  std::size_t most_per_write() const noexcept { return most_per_write_; }
  unsigned suspensions() const noexcept { return suspensions_; }

 private:
  std::size_t capacity_ = 64 * 1024;
  std::size_t most_per_read_ = SIZE_MAX;
  std::size_t most_per_write_ = SIZE_MAX;
  unsigned suspensions_ = 0;
};

}  // namespace concur::inline CONCUR_ABI
