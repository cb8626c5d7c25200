// SPDX-License-Identifier: BSL-1.0
//
// Where the body of a request lies in the bytes that come, and where it ends. Touches no stream.
#pragma once

#include <concur/http/head_rules.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace concur::inline CONCUR_ABI::detail {

class body_decoder {
 public:
  /// What was found at the front of the bytes: so many of them are done with, of which these are of the body.
  class step {
   public:
    constexpr step() noexcept = default;
    constexpr step(std::size_t count, std::string_view body) noexcept : consumed(count), data(body) {}
    std::size_t consumed = 0;
    std::string_view data;
  };

  /// No body.
  body_decoder() noexcept = default;

  static body_decoder sized(std::uint64_t length) noexcept {
    body_decoder made;
    made.left_ = length;
    if (length != 0) made.state_ = state::sized;
    return made;
  }
  /// With at most so many bytes in the body, and in the trailer.
  static body_decoder chunked(std::uint64_t body_limit, std::size_t trailer_limit) noexcept {
    body_decoder made;
    made.state_ = state::line;
    made.body_limit_ = body_limit;
    made.overhead_left_ = trailer_limit;
    return made;
  }

  bool done() const noexcept { return state_ == state::done; }
  http_fault const& fault() const noexcept { return fault_; }
  /// How much of the body may be read past the decoder, straight from the stream.
  std::uint64_t plain_bytes() const noexcept { return is_plain() ? left_ : 0; }
  void skip_plain(std::uint64_t count) noexcept { take(count); }
  bool is_sized() const noexcept { return state_ == state::sized; }

  /// Looks at `bytes`, which begin where the last step ended, and takes no more of the body than `most`. A step that
  /// takes nothing, while there is no fault and no end, needs more bytes. Requires: no fault so far.
  step decode(std::string_view bytes, std::size_t most) noexcept {
    std::size_t consumed = 0;
    while (!done() && !fault_) {
      auto const rest = bytes.substr(consumed);
      if (is_plain()) {
        auto const count = static_cast<std::size_t>(std::min<std::uint64_t>({left_, rest.size(), most}));
        take(count);
        return {consumed + count, rest.substr(0, count)};
      }
      auto const count = take_line(rest);
      if (count == 0) break;
      consumed += count;
    }
    return {consumed, {}};
  }

 private:
  // done      nothing more belongs to the body
  // sized     left_ bytes
  // line      the line that begins a chunk
  // chunk     left_ bytes of a chunk
  // chunk_end the end of the line behind them
  // trailer   a field, or the empty line that ends it all
  enum class state : unsigned char { done, sized, line, chunk, chunk_end, trailer };

  static constexpr std::size_t longest_chunk_line = 1024;

  bool is_plain() const noexcept { return state_ == state::sized || state_ == state::chunk; }
  void take(std::uint64_t count) noexcept {
    left_ -= count;
    if (left_ == 0) state_ = state_ == state::sized ? state::done : state::chunk_end;
  }
  std::size_t fail(int status, char const* reason) noexcept {
    fault_ = http_fault(status, reason);
    return 0;
  }

  /// Returns how long the line was, with its end; 0 if it is not all there, or wrong.
  std::size_t take_line(std::string_view rest) noexcept {
    if (state_ == state::chunk_end) {
      if (rest.empty() || rest == "\r") return 0;
      if (!rest.starts_with("\r\n")) return fail(400, "a chunk is longer than it says");
      state_ = state::line;
      return 2;
    }
    auto const end = rest.find('\n');
    auto const size = std::min(end, rest.size());
    bool const too_long = state_ == state::line ? size > longest_chunk_line : size > 2 && size - 2 > overhead_left_;
    if (too_long) return fail(400, "a chunk's line, or the trailer, is too long");
    if (end == rest.npos) return 0;
    if (end == 0 || rest[end - 1] != '\r') return fail(400, "a line between chunks does not end with CR and LF");
    auto const line = rest.substr(0, end - 1);
    if (!(state_ == state::line ? begin_chunk(line) : take_trailer(line))) return 0;
    return end + 1;
  }

  bool begin_chunk(std::string_view line) noexcept {
    auto const size = http_chunk_size(line);
    if (!size) return fail(400, "a chunk does not begin with its size"), false;
    // Extensions count as well: they must not be a way to keep a reader busy with nothing.
    auto const extension = line.size() - std::min(line.find(';'), line.size());
    if (!spend(extension)) return false;
    if (*size > body_limit_ - total_) return fail(413, "the body is too large"), false;
    total_ += *size;
    left_ = *size;
    state_ = left_ != 0 ? state::chunk : state::trailer;
    return true;
  }

  bool take_trailer(std::string_view line) noexcept {
    if (line.empty()) {
      state_ = state::done;
      return true;
    }
    fault_ = http_field_fault(line);
    return !fault_ && spend(line.size());
  }

  bool spend(std::size_t count) noexcept {
    if (count > overhead_left_) return fail(400, "too much beside the body"), false;
    overhead_left_ -= count;
    return true;
  }

  state state_ = state::done;
  http_fault fault_;
  std::uint64_t left_ = 0;
  std::uint64_t total_ = 0;
  std::uint64_t body_limit_ = 0;
  std::size_t overhead_left_ = 0;
};

}  // namespace concur::inline CONCUR_ABI::detail
