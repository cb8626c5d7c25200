// SPDX-License-Identifier: BSL-1.0
//
// How a worker without work of its own looks for some: how often, and with what pauses, before it sleeps.
//
// Where many jobs come one after the other, it pays to let some gather before a look, since every look takes the lock
// of the queue from those who post. Where they come one at a time it only costs. So the worker keeps in mind whether
// the last pause let more than one gather, and tries now and then.
#pragma once

#include <concur/core/os.hpp>

#include <cstddef>

namespace concur::inline CONCUR_ABI::detail {

/// Belongs to one worker.
class search_pace {
 public:
  static constexpr std::size_t largest_share = 64;

  /// How many jobs to take at a time from a queue that others share: one at first, so that jobs begin in the order in
  /// which they came, but twice as many at each look that finds some, until it has to search.
  std::size_t share() noexcept {
    std::size_t const now = share_;
    if (share_ < largest_share) share_ *= 2;
    return now;
  }

  /// Before a look into a queue: waits for more if it pays, and if there is not much in it.
  template <class Queue>
  void before_look(Queue const& queue) noexcept {
    if (!jobs_flow_ || queue.size() >= few) return;
    if (os::may_spin()) pause(long_pause);
    jobs_flow_ = queue.size() > 1;
  }

  /// Calls `look()` until it returns true or it is time to sleep; `more()` then says whether there was more than that.
  template <class Look, class More>
  void spin(Look look, More more) noexcept {
    share_ = 1;
    if (os::may_spin()) {
      int const first = jobs_flow_ || ++searches_ % turns == 0 ? long_pause : 1;
      for (int length = first; length <= os::spin_rounds(longest_pause); length *= 2) {
        pause(length);
        if (!look()) continue;
        jobs_flow_ = length == first && more();
        return;
      }
      jobs_flow_ = false;
    }
    for (int i = 0; i < os::spin_rounds(yields); ++i) {
      os::yield();
      if (look()) return;
    }
    look();
  }

 private:
  static constexpr std::size_t few = 16;
  static constexpr unsigned turns = 16;  // of so many searches one begins with a long pause, to try
  static constexpr int long_pause = 32;  // 0.7 microseconds
  static constexpr int longest_pause = 32;
  static constexpr int yields = 16;

  static void pause(int length) noexcept {
    for (int i = 0; i < os::spin_rounds(length); ++i) os::spin_pause();
  }

  std::size_t share_ = 1;
  unsigned searches_ = 0;
  bool jobs_flow_ = false;
};

}  // namespace concur::inline CONCUR_ABI::detail
