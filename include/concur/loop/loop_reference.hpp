// SPDX-License-Identifier: BSL-1.0
//
// What an object that belongs to an event loop keeps of it: the loop may be gone first.
//
//     loop_reference const mine(loop);
//     if (event_loop* const there = mine.get()) there->forget(fd);
#pragma once

#include <concur/core/os.hpp>

#include <utility>

namespace concur::inline CONCUR_ABI {

class event_loop;

/// Counted, and null by default. Copies may go on any thread; `get` is for those who may use the loop, which they do on
/// its thread, or when it does not run or has been destroyed and they know it.
class loop_reference {
 public:
  /// What is shared by the references to one loop; the loop has one of them, from its construction on.
  class anchor;

  constexpr loop_reference() noexcept = default;
  explicit loop_reference(anchor& shared) noexcept : anchor_(&shared) { add(); }
  loop_reference(loop_reference const& other) noexcept : anchor_(other.anchor_) { add(); }
  loop_reference(loop_reference&& other) noexcept : anchor_(std::exchange(other.anchor_, nullptr)) {}
  loop_reference& operator=(loop_reference other) noexcept {
    std::swap(anchor_, other.anchor_);
    return *this;
  }
  ~loop_reference() {
    if (anchor_ != nullptr) drop();
  }

  /// Null when it refers to none, or that has been destroyed.
  event_loop* get() const noexcept;

  /// For the destructor of the loop: all references to it are null from now on.
  void end() const noexcept;

 private:
  void add() const noexcept;
  void drop() const noexcept;

  anchor* anchor_ = nullptr;
};

class loop_reference::anchor {
 public:
  explicit anchor(event_loop& owner) noexcept : loop(&owner) {}

  event_loop* loop;  // written by the loop's destructor
  os::machine_atomic<unsigned> references{0};
};

inline event_loop* loop_reference::get() const noexcept { return anchor_ == nullptr ? nullptr : anchor_->loop; }

inline void loop_reference::end() const noexcept {
  if (anchor_ != nullptr) anchor_->loop = nullptr;
}

// relaxed: who copies has one already.
inline void loop_reference::add() const noexcept {
  if (anchor_ != nullptr) anchor_->references.fetch_add(1, std::memory_order_relaxed);
}

inline void loop_reference::drop() const noexcept {
  // acq_rel: all uses of the others come before the end.
  if (anchor_->references.fetch_sub(1, std::memory_order_acq_rel) == 1) delete anchor_;
}

}  // namespace concur::inline CONCUR_ABI
