// SPDX-License-Identifier: BSL-1.0
//
// The calling thread as a member of a pool, for the length of a parallel algorithm.
#pragma once

#include <concur/core/assert.hpp>
#include <concur/core/spin.hpp>
#include <concur/pool/detail/fork.hpp>
#include <concur/pool/detail/pool_member.hpp>
#include <concur/pool/detail/pool_state.hpp>
#include <concur/sync/event_count.hpp>

#include <utility>

namespace concur::inline CONCUR_ABI::detail {

/// A worker of the pool, or a guest in it, or neither, when too many guests are there: then nothing can be offered, and
/// the caller does everything itself.
class participant {
 public:
  explicit participant(pool_state& pool) noexcept : pool_(pool), me_(pool_member::current()) {
    if (me_ == nullptr || me_->pool != &pool) [[unlikely]]
      enter();
  }
  ~participant() {
    if (guest_) [[unlikely]]
      leave();
  }
  participant(participant const&) = delete;
  participant& operator=(participant const&) = delete;

  explicit operator bool() const noexcept { return me_ != nullptr; }

  /// Lets others have the fork. Returns false when there is no room: then it is the caller's alone. One that was
  /// offered ends in one of two ways: `take_back` gives it back to the caller, who runs what it stands for or not; or
  /// it says no, and `await` returns when it has been run. They are taken back, or awaited, newest first.
  bool offer(fork& part) noexcept {
    if (me_ == nullptr || !me_->forks.push(&part)) return false;
    me_->helpers.notify_one();
    pool_.invite();
    return true;
  }
  bool take_back(fork& part) noexcept {
    fork* const newest = me_->forks.pop();
    CONCUR_ASSERT(newest == nullptr || newest == &part, "forks were not taken back in their order");
    return newest == &part;
  }

  /// Waits for a fork that was stolen. Meanwhile runs forks that were made by it, and nothing else.
  void await(fork& part);

  /// Whether somebody might want more: all that was offered is gone.
  bool hungry() const noexcept { return me_ != nullptr && me_->forks.empty(); }

 private:
  [[gnu::noinline]] void enter() noexcept {
    me_ = pool_.guests().admit();
    guest_ = me_ != nullptr;
    if (guest_) me_->outer = std::exchange(pool_member::current(), me_);
  }
  [[gnu::noinline]] void leave() noexcept {
    pool_member::current() = me_->outer;
    pool_.guests().dismiss(*me_);
  }

  pool_state& pool_;
  pool_member* me_;
  bool guest_ = false;
};

inline void participant::await(fork& part) {
  pool_member* thief = nullptr;
  for (brief_wait begin;; begin.pause()) {
    if (part.done()) return;
    thief = part.thief();
    if (thief != nullptr) break;
    // Taken, but not begun. It may have been handed back by a thief that had no right to it.
    if (pool_.take_back(part)) return part.run();
  }
  for (;;) {
    fork* help = nullptr;
    auto const look = [&] { return part.done() || (help = thief->forks.steal()) != nullptr; };
    if (!spin_until(look)) thief->helpers.wait_within(look, {}, {0, 0});
    if (help == nullptr) return;
    // While the thief is at this part, what it has to steal was made by it: what it had before was stolen before this,
    // since thieves take the oldest. If it has finished meanwhile, that is not so certain, and what was stolen is left
    // to whoever may run anything.
    if (part.done()) return pool_.hand_back(*help);
    help->run();
  }
}

}  // namespace concur::inline CONCUR_ABI::detail
