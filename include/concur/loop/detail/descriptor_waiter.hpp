// SPDX-License-Identifier: BSL-1.0
//
// Who waits at a descriptor of an event loop.
#pragma once

#include <concur/core/intrusive_list.hpp>

namespace concur::inline CONCUR_ABI::detail {

/// Waits until a descriptor can be read or written, or has failed; then it may have something to do with it.
class descriptor_waiter : public intrusive_list_node<> {
 public:
  enum class what : bool { readable, writable };

  /// What came of an attempt: it has to wait; it could go on, but others should have their turn; it has ended; it has
  /// ended, and there is nothing for the next one.
  enum class progress : unsigned char { blocked, paused, done, exhausted };

  descriptor_waiter(int fd, what wanted) noexcept : fd_(fd), wanted_(wanted) {}

  int fd() const noexcept { return fd_; }
  what wanted() const noexcept { return wanted_; }

  /// Does what is to be done once the descriptor is ready; by default only to know that is wanted.
  virtual progress advance() noexcept { return progress::done; }

  /// Called on the loop's thread, once, when it is no longer in any list: with 0 after an attempt that ended, or an
  /// error number when the descriptor cannot be waited for any more. Must not call the poller.
  virtual void ready(int error) noexcept = 0;

 protected:
  ~descriptor_waiter() = default;

 private:
  int fd_;
  what wanted_;
};

}  // namespace concur::inline CONCUR_ABI::detail
