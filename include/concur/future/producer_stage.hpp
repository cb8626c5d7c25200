// SPDX-License-Identifier: BSL-1.0
//
// How far the producer of a result has come, and who may write the outcome: the producer, or whoever cancels it before
// it has begun. Two bytes.
//
//     if (stage.begin()) { …; }                               // the producer; it completes without a claim
//     if (stage.claim()) …;                                   // any producer of several: the first one
//     if (stage.cancel([] {}) == cancelled_when::running) …;  // whoever cancels it
//
// A producer that begins and ends often, a task, says so by plain stores, and its cancellers pay for that:
//
//     task                                     canceller
//     progress = begun; light barrier          asked, by an exchange; heavy barrier
//     asked? → decided by an exchange          not begun? → decided by an exchange
//     …
//     progress = ended; light barrier
//     asked? → waits until the cancel is over  not ended? → may use the task, then: the cancel is over
//
// Of each pair at least one sees the other. If both do, the exchange decides who was first, or the task waits.
#pragma once

#include <concur/core/os.hpp>
#include <concur/core/spin.hpp>

#include <cstdint>

namespace concur::inline CONCUR_ABI {

/// What became of a cancel.
enum class cancelled_when : std::uint8_t {
  too_late,  ///< somebody writes the outcome, or has
  again,     ///< somebody else has asked before
  unbegun,   ///< the work never begins: the canceller writes the outcome
  running,   ///< the producer goes on, and may be asked to stop
};

/// All of it is relaxed but for `cancel_over`: it decides who writes, by the order of the changes of one word or by the
/// barriers above, and hands nothing over. Any thread, but where it says "the producer".
class producer_stage {
 public:
  /// How the producer begins: by a locked instruction, or by a store.
  enum class manner : bool { locked, light };

  constexpr explicit producer_stage(manner how = manner::locked) noexcept
      : word_(how == manner::light ? begins_lightly : 0) {}

  /// The producer begins. False if it was cancelled or claimed before: then the work must not be done.
  bool begin() noexcept {
    std::uint8_t expected = 0;
    return word_.compare_exchange_strong(expected, running, std::memory_order_relaxed, std::memory_order_relaxed);
  }
  bool begin_lightly() noexcept {
    progress_.store(begun, std::memory_order_relaxed);
    os::light_barrier();
    if ((word_.load(std::memory_order_relaxed) & (asked | claimed)) == 0) [[likely]]
      return true;
    return begin_beside_cancel();
  }

  /// Whether the outcome is the caller's to write.
  bool claim() noexcept {
    std::uint8_t now = word_.load(std::memory_order_relaxed);
    while ((now & claimed) == 0) {
      if (try_add(now, claimed)) return true;
    }
    return false;
  }

  /// The producer, which has begun lightly, is not to be asked any more. Returns whether it was before; the canceller
  /// may still be at work with it.
  bool end_cancels() noexcept {
    progress_.store(begun | ended, std::memory_order_relaxed);
    os::light_barrier();
    return cancel_requested();
  }
  /// After that, if it was and has begun: waits for the canceller.
  void wait_for_canceller() const noexcept {
    for (brief_wait canceller; (word_.load(std::memory_order_acquire) & cancel_over) == 0; canceller.pause()) {
    }
  }
  /// By the canceller of one that runs: it is not used any more.
  // mutant: locks order all of a canceller but for one that has no memory for its message, and just leaves a note.
  void note_cancel_over() noexcept { word_.fetch_or(cancel_over, std::memory_order_release); }

  /// Asks it to stop. Of two at the same moment, beside its end, the second may hear `again` where the first one was
  /// too late. `order()` is called between the two looks at one that begins lightly: a heavy barrier, unless
  /// the caller is the producer's own thread.
  template <class Order>
  cancelled_when cancel(Order order) noexcept;

  /// Whether anybody has cancelled it, before or after it began.
  bool cancel_requested() const noexcept { return (word_.load(std::memory_order_relaxed) & asked) != 0; }

  /// Whether a cancel wrote the outcome.
  bool completed_by_cancel() const noexcept { return (word_.load(std::memory_order_relaxed) & by_cancel) != 0; }

 private:
  enum : std::uint8_t {
    running = 1,  // it has begun; where it begins lightly: beside a cancel
    claimed = 2,  // somebody writes the outcome, or has
    asked = 4,  // a cancel came before the claim
    by_cancel = 8,  // it was a cancel that claimed it
    cancel_over = 16,  // the cancel has done with the producer, which waits for that
    begins_lightly = 32,
  };
  enum : std::uint8_t { begun = 1, ended = 2 };

  bool try_add(std::uint8_t& now, unsigned more) noexcept {
    return word_.compare_exchange_weak(now, std::uint8_t(now | more), std::memory_order_relaxed,
                                       std::memory_order_relaxed);
  }
  [[gnu::noinline]] bool begin_beside_cancel() noexcept {
    return (word_.fetch_or(running, std::memory_order_relaxed) & claimed) == 0;
  }
  bool claim_unbegun() noexcept {
    std::uint8_t now = word_.load(std::memory_order_relaxed);
    while ((now & (running | claimed)) == 0) {
      if (try_add(now, claimed | by_cancel)) return true;
    }
    return false;
  }

  os::atomic<std::uint8_t> word_;  // never just stored
  os::atomic<std::uint8_t> progress_{0};  // of a producer that begins lightly; written by it alone
};

template <class Order>
cancelled_when producer_stage::cancel(Order order) noexcept {
  std::uint8_t now = word_.load(std::memory_order_relaxed);
  unsigned mine = 0;
  do {
    if ((now & claimed) != 0 || (progress_.load(std::memory_order_relaxed) & ended) != 0)
      return cancelled_when::too_late;
    if ((now & asked) != 0) return cancelled_when::again;
    mine = (now & (running | begins_lightly)) == 0 ? asked | claimed | by_cancel : asked;
  } while (!try_add(now, mine));
  if ((mine & claimed) != 0) return cancelled_when::unbegun;
  if ((now & begins_lightly) == 0) return cancelled_when::running;
  order();
  auto const progress = progress_.load(std::memory_order_relaxed);
  if ((progress & ended) != 0) {
    note_cancel_over();  // it may have seen that it was asked
    return cancelled_when::too_late;
  }
  return (progress & begun) == 0 && claim_unbegun() ? cancelled_when::unbegun : cancelled_when::running;
}

}  // namespace concur::inline CONCUR_ABI
