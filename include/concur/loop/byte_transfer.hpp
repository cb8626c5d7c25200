// SPDX-License-Identifier: BSL-1.0
//
// What calls of the system that move bytes have in common: where those are, how many, and whether it must be all.
//
//     class io_call : public byte_transfer<io_call> { … };
//     call.all()
#pragma once

#include <concur/core/abi.hpp>

#include <cstddef>

namespace concur::inline CONCUR_ABI {

/// Base of a call, which is a plain value and does not own them.
template <class Call>
class byte_transfer {
 public:
  /// The same until all of it was moved, or the end has come: a count that is less than the size says so.
  Call all() const noexcept {
    Call whole = static_cast<Call const&>(*this);
    whole.all_ = true;
    return whole;
  }
  bool wants_all() const noexcept { return all_; }

  /// What is left of it after so many bytes.
  void advance(std::size_t count) noexcept {
    data_ = static_cast<char const*>(data_) + count;
    size_ -= count;
  }

  void* data() const noexcept { return const_cast<void*>(data_); }
  std::size_t size() const noexcept { return size_; }

 private:
  friend Call;
  byte_transfer(void const* data, std::size_t size) noexcept : data_(data), size_(size) {}

  void const* data_;
  std::size_t size_;
  bool all_ = false;
};

}  // namespace concur::inline CONCUR_ABI
