// SPDX-License-Identifier: BSL-1.0
//
// How the parties of one side of a queue spin before they sleep: a single element is met at once, a stream of them is
// taken in long runs.
#pragma once

#include <concur/core/os.hpp>

#include <cstddef>

namespace concur::inline CONCUR_ABI::detail {

/// Every look in vain takes cache lines from the other side, which is at work. So there are two pauses between
/// looks for each element that has passed since the last wait of this side: who waits for single ones looks all the
/// time, while a stream, of which more passes the longer one waits, soon comes in long runs. Now and then a wait tries
/// the longest pause, because a stream that is looked at too often can look like single elements.
///
/// Any number of threads of the side may use it at the same time.
class run_spin {
 public:
  /// Looks until `look()` is true or the effort is spent; says which. About a microsecond with pauses between, of 0.7
  /// at most each; then with yields, since the other side may need this processor. `passed()`: how many elements have
  /// passed on this side in the queue's life; `room`: for how many there is room.
  template <class Look, class Passed>
  bool spin(Look& look, Passed passed, std::size_t room);

  /// To be called when a wait has ended.
  template <class Passed>
  void ended(Passed passed) noexcept(noexcept(passed())) {
    // relaxed: no more than the length of a pause depends on it.
    if constexpr (os::spin_rounds(1) != 0) passed_before_.store(passed(), std::memory_order_relaxed);
  }

  /// How many pauses come before each look, when so many elements have passed in all, and so many of them since the
  /// last wait: no more than it takes the other side to get through an eighth of the room, or it had to wait too.
  static constexpr std::size_t pause_length(std::size_t passed, std::size_t run, std::size_t room) noexcept {
    std::size_t const limit = room / 8 < longest_pause ? room / 8 : longest_pause;
    bool const long_one = run > limit / 2 || passed % elements_between_trials == 0;
    std::size_t const wanted = long_one ? limit : 2 * run;
    return wanted == 0 ? 1 : wanted;
  }
  static constexpr std::size_t longest_pause = 32;
  static constexpr std::size_t elements_between_trials = 64;

 private:
  static constexpr std::size_t most_pauses = 48;
  static constexpr int yields = 16;

  // How many had passed when the last wait ended. Written and read by the threads of the side that wait; several of
  // them at a time make a number that means less, and pause_length bounds it.
  os::atomic<std::size_t> passed_before_{0};
};

template <class Look, class Passed>
bool run_spin::spin(Look& look, Passed passed, std::size_t room) {
  if constexpr (os::spin_rounds(1) != 0) {
    if (os::may_spin()) {
      // relaxed: as in `ended`.
      std::size_t const in_all = passed();
      std::size_t const run = in_all - passed_before_.load(std::memory_order_relaxed);
      std::size_t const length = pause_length(in_all, run, room);
      for (std::size_t pauses = length; pauses <= most_pauses; pauses += length) {
        for (std::size_t i = 0; i < length; ++i) os::spin_pause();
        if (look()) return true;
      }
    }
    for (int i = 0; i < yields; ++i) {
      os::yield();
      if (look()) return true;
    }
  }
  return false;
}

}  // namespace concur::inline CONCUR_ABI::detail
