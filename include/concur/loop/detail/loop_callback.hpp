// SPDX-License-Identifier: BSL-1.0
//
// A call that an event loop is to make: at once, or when its timer is due.
#pragma once

#include <concur/core/bound_call.hpp>
#include <concur/core/errors.hpp>
#include <concur/core/executor.hpp>
#include <concur/core/frame_recycler.hpp>
#include <concur/core/intrusive_list.hpp>

#include <cstddef>
#include <exception>
#include <memory>
#include <new>
#include <utility>

namespace concur::inline CONCUR_ABI::detail {

class loop_callback;

/// What a loop and its callbacks share.
struct loop_callbacks {
  executor& loop;
  intrusive_list<loop_callback> timed{};  // armed, or posted since
  bool dropping = false;                  // what has not been called yet never will be
};

/// Counted: one reference for the loop, until the call has been made or never will be, and one for a handle. Made on
/// any thread, else used on the loop's.
class loop_callback : public work, public intrusive_list_node<> {
 public:
  // Recycled, unless it is over-aligned.
  static void* operator new(std::size_t size) { return frame_recycler::allocate(size); }
  static void* operator new(std::size_t size, std::align_val_t alignment) { return ::operator new(size, alignment); }
  static void operator delete(void* block, std::size_t size) noexcept { frame_recycler::free(block, size); }
  static void operator delete(void* block, std::size_t, std::align_val_t alignment) noexcept {
    ::operator delete(block, alignment);
  }

  void add_reference() noexcept { ++references_; }
  void drop_reference() noexcept {
    if (--references_ == 0) delete this;
  }

  /// Whether the call is still to come.
  bool pending() const noexcept { return pending_; }

  /// Sees to it that the call is not made, and ends it. Returns false if it has begun, or never will anyway.
  bool cancel() noexcept {
    if (!pending_) return false;
    bool const armed = is_linked() && owner_.loop.disarm(*this);
    unlink();
    pending_ = false;
    end_call();
    if (armed) drop_reference();  // else the loop comes across it
    return true;
  }

 protected:
  explicit loop_callback(loop_callbacks& owner) noexcept : work(&run_item), owner_(owner) {}
  virtual ~loop_callback() = default;

 private:
  /// Makes the call; throws what it throws. Ends it, called or not.
  virtual void call() = 0;
  virtual void end_call() noexcept = 0;

  static void run_item(work& self) noexcept {
    auto& mine = static_cast<loop_callback&>(self);
    mine.unlink();
    if (mine.pending_) {
      mine.pending_ = false;
      try {
        if (!mine.owner_.dropping) mine.call();
      } catch (...) {
        report_unhandled_error(std::current_exception(), "a callback of event_loop");
      }
      mine.end_call();
    }
    mine.drop_reference();
  }

  loop_callbacks& owner_;  // used while it is pending
  unsigned references_ = 1;
  bool pending_ = true;
};

template <class Function, class... Arguments>
class bound_callback final : public loop_callback {
  using call_type = bound_call<Function, Arguments...>;
  static_assert(call_type::callable && !call_type::takes_token,
                "a loop's callback is a function that can be called with these arguments, which are passed as rvalues");

 public:
  template <class... Given>
  explicit bound_callback(loop_callbacks& owner, Given&&... given)
      : loop_callback(owner), call_(std::forward<Given>(given)...) {}
  ~bound_callback() override {}  // end_call was called

 private:
  void call() override {
    std::move(call_)([] {});
  }
  void end_call() noexcept override { std::destroy_at(&call_); }

  union {
    call_type call_;
  };
};

}  // namespace concur::inline CONCUR_ABI::detail
