// SPDX-License-Identifier: BSL-1.0
//
// A call on a file that the system carries out while its loop does other things.
#pragma once

#include <concur/loop/file_call.hpp>

#include <cerrno>
#include <cstdint>
#include <optional>

namespace concur::inline CONCUR_ABI::detail {

/// Must stay where it is until it is told, and what the call points at too.
class file_operation {
 public:
  explicit file_operation(file_call const& call) noexcept : call_(call) {}

  file_call const& call() const noexcept { return call_; }

  /// The system has returned that, or minus an error number.
  void take(std::int64_t result) noexcept {
    // It was withdrawn as the loop ceased to run; or cannot be done in this way.
    bool const none = result == -ECANCELED || result == -EINTR || result == -EAGAIN || result == -EOPNOTSUPP;
    ready(none ? std::nullopt : std::optional(result));
  }

 protected:
  /// Called on the loop's thread, once; with nothing when it has not been done. Must not call the poller.
  virtual void ready(std::optional<std::int64_t> result) noexcept = 0;

  ~file_operation() = default;

 private:
  file_call call_;
};

/// What the ring knows it by: its address, and a bit that no address has.
inline std::uint64_t tag_of(file_operation& operation) noexcept {
  static_assert(alignof(file_operation) > 1);
  return reinterpret_cast<std::uintptr_t>(&operation) | 1u;
}
/// Null for another tag. Requires: it is that of an operation.
inline file_operation* file_operation_of(std::uint64_t tag) noexcept {
  return (tag & 1u) == 0 ? nullptr : reinterpret_cast<file_operation*>(static_cast<std::uintptr_t>(tag - 1));
}

}  // namespace concur::inline CONCUR_ABI::detail
