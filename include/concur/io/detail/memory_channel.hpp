// SPDX-License-Identifier: BSL-1.0
//
// One direction between two memory streams.
#pragma once

#include <concur/core/abi.hpp>
#include <concur/core/os.hpp>
#include <concur/io/buffer.hpp>
#include <concur/sync/condition.hpp>
#include <concur/sync/mutex.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <system_error>
#include <vector>

namespace concur::inline CONCUR_ABI::detail {

// How a thread waits in a channel: `wait(condition, lock, ready)` returns whether it has become ready.
inline auto without_limit() noexcept {
  return [](condition& changed, std::unique_lock<mutex>& held, auto ready) {
    changed.wait(held, ready);
    return true;
  };
}
inline auto not_at_all() noexcept {
  return [](condition&, std::unique_lock<mutex>&, auto ready) { return ready(); };
}
inline auto until_stopped(os::stop_token const& stop) noexcept {
  return [&stop](condition& changed, std::unique_lock<mutex>& held, auto ready) {
    return changed.wait(held, stop, ready);
  };
}
template <class Clock, class Duration>
auto until(std::chrono::time_point<Clock, Duration> const& limit) noexcept {
  return [limit](condition& changed, std::unique_lock<mutex>& held, auto ready) {
    return changed.wait_until(held, limit, ready);
  };
}

/// What is to happen to one side of a channel: nothing, or after so many more bytes an error (or, of reading, with 0 as
/// the number, the end).
class planned_fault {
 public:
  void set(std::uint64_t after, int error) noexcept {
    planned_ = true;
    left_ = after;
    error_ = error;
  }
  bool due() const noexcept { return planned_ && left_ == 0; }
  int error() const noexcept { return error_; }
  std::size_t most(std::size_t wanted) const noexcept {
    return planned_ && left_ < wanted ? static_cast<std::size_t>(left_) : wanted;
  }
  void moved(std::size_t count) noexcept {
    if (planned_) left_ -= count;
  }

 private:
  bool planned_ = false;
  int error_ = 0;
  std::uint64_t left_ = 0;
};

/// All but `lock` and `changed` is used under the lock. Notify after each change.
class memory_channel {
 public:
  explicit memory_channel(std::size_t capacity) : space_(capacity) {}

  mutex lock;
  condition changed;

  planned_fault read_fault;
  planned_fault write_fault;

  void end_writing() noexcept { writing_over_ = true; }
  void close_writer() noexcept { writing_over_ = writer_closed_ = true; }
  void close_reader() noexcept { reader_closed_ = true; }

  bool can_read() const noexcept { return count_ != 0 || writing_over_ || reader_closed_ || read_fault.due(); }
  bool can_write() const noexcept {
    return count_ < space_.size() || writing_over_ || reader_closed_ || write_fault.due();
  }

  /// Requires: `can_read`.
  std::size_t take(mutable_buffer into, std::size_t most) {
    if (reader_closed_) throw failure(ECANCELED, "reading a stream");
    if (read_fault.due()) {
      if (read_fault.error() == 0) return 0;
      throw failure(read_fault.error(), "reading a stream");
    }
    auto const wanted = read_fault.most(std::min({into.size(), count_, most}));
    auto const first = std::min(wanted, space_.size() - begin_);
    std::memcpy(into.data(), space_.data() + begin_, first);
    std::memcpy(static_cast<char*>(into.data()) + first, space_.data(), wanted - first);
    begin_ = (begin_ + wanted) % space_.size();
    count_ -= wanted;
    read_fault.moved(wanted);
    return wanted;
  }

  /// Requires: `can_write`.
  std::size_t put(const_buffer from, std::size_t most) {
    if (writer_closed_) throw failure(ECANCELED, "writing a stream");
    if (write_fault.due()) throw failure(write_fault.error(), "writing a stream");
    if (reader_closed_ || writing_over_) throw failure(EPIPE, "writing a stream");
    auto const wanted = write_fault.most(std::min({from.size(), space_.size() - count_, most}));
    auto const end = (begin_ + count_) % space_.size();
    auto const first = std::min(wanted, space_.size() - end);
    std::memcpy(space_.data() + end, from.data(), first);
    std::memcpy(space_.data(), static_cast<char const*>(from.data()) + first, wanted - first);
    count_ += wanted;
    write_fault.moved(wanted);
    return wanted;
  }

 private:
  static std::system_error failure(int error, char const* what) {
    return std::system_error(error, std::generic_category(), what);
  }

  std::vector<char> space_;  // a ring
  std::size_t begin_ = 0;
  std::size_t count_ = 0;
  bool writing_over_ = false;
  bool writer_closed_ = false;
  bool reader_closed_ = false;
};

}  // namespace concur::inline CONCUR_ABI::detail
