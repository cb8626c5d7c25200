// SPDX-License-Identifier: BSL-1.0
//
// What `call_soon`, `call_later` and `call_at` return, for those who may change their minds.
//
//     auto limit = loop.call_later(5s, [&] { connection.abort(); });
//     …
//     limit.cancel();
#pragma once

#include <concur/loop/detail/loop_callback.hpp>

#include <utility>

namespace concur::inline CONCUR_ABI {

class event_loop;

/// Moves only. The loop's thread; it may outlive the loop. A call whose handle is dropped is made all the same.
class callback_handle {
 public:
  /// Of no call.
  callback_handle() noexcept = default;
  callback_handle(callback_handle&& other) noexcept : call_(std::exchange(other.call_, nullptr)) {}
  callback_handle& operator=(callback_handle&& other) noexcept {
    if (this != &other) {
      drop();
      call_ = std::exchange(other.call_, nullptr);
    }
    return *this;
  }
  ~callback_handle() { drop(); }

  /// Sees to it that the call is not made, and destroys its function and arguments. Returns false if there was nothing
  /// to cancel: it has begun, it was cancelled before, or the loop was closed. O(log n) in the number of timers,
  /// typically O(1).
  bool cancel() noexcept { return call_ != nullptr && call_->cancel(); }

  /// Whether the call is still to be made.
  [[nodiscard]] bool pending() const noexcept { return call_ != nullptr && call_->pending(); }

 private:
  friend class event_loop;
  explicit callback_handle(detail::loop_callback& call) noexcept : call_(&call) { call.add_reference(); }

  void drop() noexcept {
    if (call_ != nullptr) call_->drop_reference();
  }

  detail::loop_callback* call_ = nullptr;
};

}  // namespace concur::inline CONCUR_ABI
