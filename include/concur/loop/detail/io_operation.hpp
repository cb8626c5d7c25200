// SPDX-License-Identifier: BSL-1.0
//
// A call on a descriptor that waits until the system can carry it out.
#pragma once

#include <concur/loop/detail/descriptor_waiter.hpp>
#include <concur/loop/io_call.hpp>

#include <cerrno>
#include <cstddef>
#include <cstdint>

namespace concur::inline CONCUR_ABI::detail {

/// Does not own what the call points at. Ends as its call does; one that wants all, when all was moved.
class io_operation : public descriptor_waiter {
 public:
  explicit io_operation(io_call const& call) noexcept
      : descriptor_waiter(call.fd(), call.reads() ? what::readable : what::writable), call_(call) {}

  /// What is left to do.
  io_call const& call() const noexcept { return call_; }

  /// Makes the call, some times in a row if it takes more than one.
  progress advance() noexcept final {
    for (int turns = 0; turns < most_turns; ++turns) {
      if (auto const made = take(perform(call_)); made != progress::paused) return made;
    }
    return progress::paused;
  }

  /// The call was made, and that is what `perform` would have returned; `paused` when there is more of it to do.
  progress take(std::int64_t result) noexcept {
    if (result == blocked) return progress::blocked;
    if (!call_.wants_all() || result <= 0) {
      result_ = result == 0 ? moved_ : result;
      return result > 0 && call_.exhausted_by(result) ? progress::exhausted : progress::done;
    }
    moved_ += result;
    call_.advance(static_cast<std::size_t>(result));
    if (call_.size() != 0) return progress::paused;
    result_ = moved_;
    return progress::done;
  }

  bool has_result() const noexcept { return result_ != blocked; }
  std::int64_t result() const noexcept { return result_; }

  /// For a back end that has the system make the call while it waits.
  enum class place : unsigned char {
    elsewhere,    ///< not in its hands
    queued,       ///< behind others of its direction
    with_kernel,  ///< must stay, and its buffer too
    leaving,      ///< the same, but withdrawn
  };
  place where() const noexcept { return place_; }
  void move_to(place now) noexcept { place_ = now; }

 protected:
  ~io_operation() = default;

 private:
  static constexpr std::int64_t blocked = -EAGAIN;
  static constexpr int most_turns = 16;  // before others have theirs

  place place_ = place::elsewhere;
  io_call call_;
  std::int64_t result_ = blocked;
  std::int64_t moved_ = 0;  // of a call that wants all
};

}  // namespace concur::inline CONCUR_ABI::detail
