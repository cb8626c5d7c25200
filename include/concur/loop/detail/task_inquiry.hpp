// SPDX-License-Identifier: BSL-1.0
//
// How a report on another thread learns of a loop's tasks, which only the loop's own thread may look at: it asks, and
// the loop writes them down when it comes round.
#pragma once

#include <concur/core/cancellation.hpp>
#include <concur/core/os.hpp>
#include <concur/core/task_report.hpp>
#include <concur/loop/detail/loop_inbox.hpp>

#include <new>
#include <string>
#include <utility>

namespace concur::inline CONCUR_ABI::detail {

/// Of one loop. `ask` and `take`: other threads, under the lock of the registry; so the loop stays, and there is one of
/// them at a time. `answer`: the loop's thread.
class task_inquiry {
 public:
  enum class state : unsigned char {
    idle,  // the text belongs to nobody
    asked,  // to the loop
    answered,  // to whoever takes it
  };

  /// Returns whether the answer is there; wakes the loop for it if nobody has asked yet.
  bool ask(loop_inbox& inbox) noexcept {
    auto found = state::idle;
    // release: the text was taken before. relaxed: `take` looks again.
    if (state_.compare_exchange_strong(found, state::asked, std::memory_order_release, std::memory_order_relaxed)) {
      inbox.signal(loop_inbox::request);
    }
    return found == state::answered;
  }

  /// Appends the answer if there is one, and takes the question back otherwise: one that is given later is not used.
  /// Returns what was found. Throws std::bad_alloc.
  state take(std::string& out) {
    auto found = state::asked;
    // acquire: the text, where there is an answer; compilers want it on success as well.
    if (state_.compare_exchange_strong(found, state::idle, std::memory_order_acquire, std::memory_order_acquire)) {
      return found;
    }
    if (found != state::answered) return found;
    std::string const text = std::move(text_);
    state_.store(state::idle, std::memory_order_relaxed);  // the next `ask` publishes it
    out += text;
    return found;
  }

  void answer(cancellation& tasks) noexcept {
    // acquire: whoever asked has done with the text.
    if (state_.load(std::memory_order_acquire) != state::asked) return;
    text_.clear();
    try {
      append_tasks(text_, tasks);
    } catch (std::bad_alloc const&) {
      text_ = "no memory left\n";  // takes none
    }
    // If the question was taken back meanwhile, the text stays the loop's, and if it was asked again, this is the
    // answer. release: the text.
    auto expected = state::asked;
    state_.compare_exchange_strong(expected, state::answered, std::memory_order_release, std::memory_order_relaxed);
  }

 private:
  os::machine_atomic<state> state_{state::idle};
  std::string text_;
};

}  // namespace concur::inline CONCUR_ABI::detail
