// SPDX-License-Identifier: BSL-1.0
//
// Bytes to read into and to write from: whatever lies in one piece of memory, as a pointer and a size.
//
//     std::array<char, 4096> space;
//     auto const count = stream.read_some(space);
//     stream.write(std::string_view(space.data(), count));
#pragma once

#include <concur/core/abi.hpp>

#include <concepts>
#include <cstddef>
#include <ranges>
#include <type_traits>

namespace concur::inline CONCUR_ABI {

/// What stands for bytes.
template <class T>
concept byte_like = sizeof(T) == 1 && (std::is_integral_v<T> || std::same_as<T, std::byte>) && !std::same_as<T, bool>;

/// One piece of memory whose elements are bytes: arrays, std::string, std::vector<char>, std::span<std::byte> …
template <class Range>
concept byte_range = std::ranges::contiguous_range<Range> && std::ranges::sized_range<Range> &&
                     byte_like<std::remove_cv_t<std::remove_reference_t<std::ranges::range_reference_t<Range>>>>;

/// The same, to be written to, and no temporary that owns what it holds.
template <class Range>
concept writable_byte_range =
    byte_range<Range> && !std::is_const_v<std::remove_reference_t<std::ranges::range_reference_t<Range>>> &&
    (std::is_lvalue_reference_v<Range> || std::ranges::view<std::remove_cvref_t<Range>>);

/// Owns nothing. What it stands for must stay until the operation has ended. Its constructors are not explicit, so that
/// anything of the kind can be given to a verb.
class mutable_buffer {
 public:
  constexpr mutable_buffer() noexcept = default;
  constexpr mutable_buffer(void* data, std::size_t size) noexcept : data_(data), size_(size) {}
  template <writable_byte_range Range>
    requires(!std::same_as<std::remove_cvref_t<Range>, mutable_buffer>)
  constexpr mutable_buffer(Range&& range) noexcept  // NOLINT: see above
      : data_(std::ranges::data(range)), size_(std::ranges::size(range)) {}

  constexpr void* data() const noexcept { return data_; }
  constexpr std::size_t size() const noexcept { return size_; }
  constexpr bool empty() const noexcept { return size_ == 0; }
  /// What comes after so many bytes. Requires: it has them.
  mutable_buffer after(std::size_t count) const noexcept { return {static_cast<char*>(data_) + count, size_ - count}; }

 private:
  void* data_ = nullptr;
  std::size_t size_ = 0;
};

/// The same, to be read only. Of a string literal: the characters without the null at its end.
class const_buffer {
 public:
  constexpr const_buffer() noexcept = default;
  constexpr const_buffer(void const* data, std::size_t size) noexcept : data_(data), size_(size) {}
  constexpr const_buffer(mutable_buffer const& other) noexcept : data_(other.data()), size_(other.size()) {}
  template <std::size_t Size>
  constexpr const_buffer(char const (&literal)[Size]) noexcept
      : data_(literal), size_(literal[Size - 1] == '\0' ? Size - 1 : Size) {}
  template <byte_like Byte, std::size_t Size>
  constexpr const_buffer(Byte (&array)[Size]) noexcept : data_(array), size_(Size) {}
  template <byte_range Range>
    requires(!std::same_as<std::remove_cvref_t<Range>, const_buffer> && !std::is_array_v<std::remove_cvref_t<Range>>)
  constexpr const_buffer(Range const& range) noexcept  // NOLINT: see above
      : data_(std::ranges::data(range)), size_(std::ranges::size(range)) {}

  constexpr void const* data() const noexcept { return data_; }
  constexpr std::size_t size() const noexcept { return size_; }
  constexpr bool empty() const noexcept { return size_ == 0; }
  /// What comes after so many bytes. Requires: it has them.
  const_buffer after(std::size_t count) const noexcept {
    return {static_cast<char const*>(data_) + count, size_ - count};
  }

 private:
  void const* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace concur::inline CONCUR_ABI
