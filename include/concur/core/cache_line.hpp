// SPDX-License-Identifier: BSL-1.0
//
// The distance at which two fields that different threads write do not slow each other down.
//
//     padded<os::atomic<std::uint64_t>> head;  // written by consumers
//     padded<os::atomic<std::uint64_t>> tail;  // written by producers
#pragma once

#include <concur/core/abi.hpp>

#include <cstddef>
#include <type_traits>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// Bytes in a cache line of x86-64 and AArch64 servers. A fixed number, because the standard's
/// hardware_destructive_interference_size depends on compiler flags and must not enter a layout.
inline constexpr std::size_t cache_line_size = 64;

/// A value that shares its cache lines with nothing else.
template <class T>
class alignas(cache_line_size) padded {
 public:
  constexpr padded() noexcept(std::is_nothrow_default_constructible_v<T>) = default;

  /// Makes the value in place, since atomics cannot be moved.
  template <class... Args>
    requires(sizeof...(Args) > 0 && std::is_constructible_v<T, Args...>)
  constexpr explicit padded(std::in_place_t, Args&&... args) : value_(std::forward<Args>(args)...) {}

  constexpr T& operator*() noexcept { return value_; }
  constexpr T const& operator*() const noexcept { return value_; }
  constexpr T* operator->() noexcept { return &value_; }
  constexpr T const* operator->() const noexcept { return &value_; }

 private:
  T value_{};
};

}  // namespace concur::inline CONCUR_ABI
