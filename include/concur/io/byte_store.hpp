// SPDX-License-Identifier: BSL-1.0
//
// Bytes that wait to be read or written: put in at the end, taken out at the front.
#pragma once

#include <concur/core/abi.hpp>
#include <concur/io/buffer.hpp>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// Grows as needed, by doubling. Moves leave an empty one behind.
class byte_store {
 public:
  byte_store() noexcept = default;
  byte_store(byte_store&& other) noexcept { *this = std::move(other); }
  byte_store& operator=(byte_store&& other) noexcept {
    space_ = std::move(other.space_);
    capacity_ = std::exchange(other.capacity_, 0);
    begin_ = std::exchange(other.begin_, 0);
    end_ = std::exchange(other.end_, 0);
    return *this;
  }

  std::string_view content() const noexcept { return {space_.get() + begin_, end_ - begin_}; }
  std::size_t size() const noexcept { return end_ - begin_; }
  bool empty() const noexcept { return begin_ == end_; }
  std::size_t capacity() const noexcept { return capacity_; }

  /// All the room after the content, which is so much at the least. Throws std::bad_alloc.
  mutable_buffer room(std::size_t least) {
    if (capacity_ - end_ < least) make_room(least);
    return {space_.get() + end_, capacity_ - end_};
  }
  void filled(std::size_t count) noexcept { end_ += count; }

  void append(const_buffer bytes) {
    if (bytes.empty()) return;
    std::memcpy(room(bytes.size()).data(), bytes.data(), bytes.size());
    filled(bytes.size());
  }

  void consume(std::size_t count) noexcept {
    begin_ += count;
    if (begin_ == end_) begin_ = end_ = 0;
  }

 private:
  void make_room(std::size_t least) {
    auto const there = size();
    if (capacity_ - there >= least && there <= capacity_ / 2) {
      std::memmove(space_.get(), space_.get() + begin_, there);
    } else {
      auto const larger = std::max(2 * capacity_, there + least);
      std::unique_ptr<char[]> fresh(new char[larger]);
      if (there != 0) std::memcpy(fresh.get(), space_.get() + begin_, there);
      space_ = std::move(fresh);
      capacity_ = larger;
    }
    begin_ = 0;
    end_ = there;
  }

  std::unique_ptr<char[]> space_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace concur::inline CONCUR_ABI
