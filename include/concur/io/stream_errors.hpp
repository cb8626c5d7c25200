// SPDX-License-Identifier: BSL-1.0
//
// What may be wrong with what comes out of a stream, for those who read more than bytes.
//
//     try { header = reader.read_exactly(16); }
//     catch (concur::unexpected_end const& error) { if (error.available() == 0) return; throw; }
#pragma once

#include <concur/core/abi.hpp>

#include <cstddef>
#include <stdexcept>
#include <string>

namespace concur::inline CONCUR_ABI {

/// The stream ended in the middle of what was to be read. What came is still there to be read.
class [[gnu::visibility("default")]] unexpected_end : public std::runtime_error {
 public:
  /// How many bytes came, and were expected; 0 for `expected` if nobody can know. Throws std::bad_alloc.
  explicit unexpected_end(std::size_t available, std::size_t expected = 0)
      : std::runtime_error(
            "the stream ended after " + std::to_string(available) +
            (expected != 0 ? " of " + std::to_string(expected) + " bytes" : " bytes, before what ends a part of it")),
        available_(available),
        expected_(expected) {}

  std::size_t available() const noexcept { return available_; }
  std::size_t expected() const noexcept { return expected_; }

 private:
  std::size_t available_;
  std::size_t expected_;
};

/// What was to be read is longer than its limit. All that came is still there to be read.
class [[gnu::visibility("default")]] limit_exceeded : public std::runtime_error {
 public:
  /// Throws std::bad_alloc.
  explicit limit_exceeded(std::size_t limit)
      : std::runtime_error("what was to be read from a stream is longer than " + std::to_string(limit) + " bytes"),
        limit_(limit) {}

  std::size_t limit() const noexcept { return limit_; }

 private:
  std::size_t limit_;
};

}  // namespace concur::inline CONCUR_ABI
