// SPDX-License-Identifier: BSL-1.0
//
// What a buffered reader is to read, as far as no stream is needed for it. `met(content)` says whether enough is there,
// and is asked again when there is more; then `take(store)` gives it. `at_end(store)` gives what it is if nothing more
// comes. What any of them throws has taken nothing.
#pragma once

#include <concur/core/abi.hpp>
#include <concur/io/buffer.hpp>
#include <concur/io/byte_store.hpp>
#include <concur/io/stream_errors.hpp>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace concur::inline CONCUR_ABI::detail {

inline std::string taken(byte_store& store, std::size_t count) {
  std::string text(store.content().substr(0, count));
  store.consume(count);
  return text;
}

/// Up to a delimiter, and with it.
template <class Text>
class until_delimiter {
 public:
  using result = std::optional<std::string>;

  until_delimiter(Text delimiter, std::size_t limit) noexcept : delimiter_(std::move(delimiter)), limit_(limit) {}

  bool met(std::string_view content) {
    auto const within = content.substr(0, limit_);
    // Nothing is looked at twice, but for a delimiter of which a part was there.
    auto const found = within.find(delimiter_, searched_);
    if (found != within.npos) {
      size_ = found + delimiter_.size();
      return true;
    }
    if (content.size() >= limit_) throw limit_exceeded(limit_);
    searched_ = content.size() >= delimiter_.size() ? content.size() - delimiter_.size() + 1 : 0;
    return false;
  }
  result take(byte_store& store) { return taken(store, size_); }
  result at_end(byte_store& store) {
    if (store.empty()) return std::nullopt;
    throw unexpected_end(store.size());
  }

 private:
  Text delimiter_;
  std::size_t limit_;
  std::size_t searched_ = 0;
  std::size_t size_ = 0;
};

/// Up to a line feed, without it; the last line need not have one.
class whole_line {
 public:
  using result = std::optional<std::string>;

  explicit whole_line(std::size_t limit) noexcept : limit_(limit) {}

  bool met(std::string_view content) {
    auto const found = content.find('\n', searched_);
    size_ = std::min(found, content.size());
    if (size_ > limit_) throw limit_exceeded(limit_);
    searched_ = size_;
    return found != content.npos;
  }
  result take(byte_store& store) {
    std::string line(store.content().substr(0, size_));
    store.consume(size_ + 1);
    return line;
  }
  result at_end(byte_store& store) {
    if (store.empty()) return std::nullopt;
    return taken(store, store.size());
  }

 private:
  std::size_t limit_;
  std::size_t searched_ = 0;
  std::size_t size_ = 0;
};

/// So many bytes.
class exact_count {
 public:
  using result = std::string;

  explicit exact_count(std::size_t count) noexcept : count_(count) {}

  bool met(std::string_view content) const noexcept { return content.size() >= count_; }
  result take(byte_store& store) const { return taken(store, count_); }
  result at_end(byte_store& store) const { throw unexpected_end(store.size(), count_); }

 private:
  std::size_t count_;
};

/// The same, to a place of the caller's.
class filled_buffer {
 public:
  using result = void;

  explicit filled_buffer(mutable_buffer into) noexcept : into_(into) {}

  bool met(std::string_view content) const noexcept { return content.size() >= into_.size(); }
  void take(byte_store& store) const noexcept {
    if (into_.empty()) return;
    std::memcpy(into_.data(), store.content().data(), into_.size());
    store.consume(into_.size());
  }
  void at_end(byte_store& store) const { throw unexpected_end(store.size(), into_.size()); }

 private:
  mutable_buffer into_;
};

/// So many bytes, if they come, which stay where they are.
class look_ahead {
 public:
  using result = std::string_view;

  explicit look_ahead(std::size_t count) noexcept : count_(count) {}

  bool met(std::string_view content) const noexcept { return content.size() >= count_; }
  result take(byte_store const& store) const noexcept { return store.content().substr(0, count_); }
  result at_end(byte_store const& store) const noexcept { return store.content(); }

 private:
  std::size_t count_;
};

/// All that comes.
class whole_stream {
 public:
  using result = std::string;

  explicit whole_stream(std::size_t limit) noexcept : limit_(limit) {}

  bool met(std::string_view content) const {
    if (content.size() > limit_) throw limit_exceeded(limit_);
    return false;
  }
  result take(byte_store& store) const { return at_end(store); }
  result at_end(byte_store& store) const { return taken(store, store.size()); }

 private:
  std::size_t limit_;
};

}  // namespace concur::inline CONCUR_ABI::detail
