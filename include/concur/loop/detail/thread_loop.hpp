// SPDX-License-Identifier: BSL-1.0
//
// The loop that a thread keeps for `run`: made when it is first needed, gone with the thread.
#pragma once

#include <concur/core/os.hpp>
#include <concur/core/registry.hpp>
#include <concur/loop/event_loop.hpp>

#include <memory>
#include <new>

namespace concur::inline CONCUR_ABI::detail {

class kept_loop {
 public:
  constexpr kept_loop() noexcept = default;

  event_loop& get() {
    // relaxed: written when there is one thread.
    if (loop_ == nullptr || forks_ != process_wide::forks.load(std::memory_order_relaxed)) [[unlikely]]
      make();
    return *loop_;
  }

 private:
  // A loop of the parent process stays as it is: its tasks are not ours to end.
  [[gnu::noinline]] void make() {
    auto fresh = std::make_unique<event_loop>();
    bool const first = loop_ == nullptr;
    forks_ = process_wide::forks.load(std::memory_order_relaxed);
    end_.run = &drop;
    end_.owner = this;
    if (first && !os::at_thread_end(end_)) throw std::bad_alloc();
    loop_ = fresh.release();
  }

  struct end_call : os::thread_end_call {
    kept_loop* owner = nullptr;
  };
  static void drop(os::thread_end_call& call) noexcept {
    kept_loop& mine = *static_cast<end_call&>(call).owner;
    delete mine.loop_;
    mine.loop_ = nullptr;
  }

  event_loop* loop_ = nullptr;
  unsigned forks_ = 0;
  end_call end_;
};

/// Throws std::bad_alloc.
inline event_loop& loop_of_this_thread() { return os::thread_slot<kept_loop, kept_loop>().get(); }

}  // namespace concur::inline CONCUR_ABI::detail
