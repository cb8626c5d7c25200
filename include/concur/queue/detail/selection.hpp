// SPDX-License-Identifier: BSL-1.0
//
// One party that waits for several event counts, to do one of several things: it stands in the list of each with a
// waiter of its own, and sleeps in a list of its own until one of them tells it to look again.
#pragma once

#include <concur/core/blocking.hpp>
#include <concur/core/errors.hpp>
#include <concur/core/os.hpp>
#include <concur/core/spin.hpp>
#include <concur/core/wait_list.hpp>
#include <concur/core/waiter.hpp>
#include <concur/queue/ring.hpp>
#include <concur/sync/event_count.hpp>

#include <cstddef>
#include <cstdint>

namespace concur::inline CONCUR_ABI::detail {

class selection;

/// One of the things, and its place in a list.
class selection_arm : public waiter {
 public:
  /// Tries once. May throw: then nothing was done.
  virtual ring_outcome attempt() = 0;

  std::size_t index() const noexcept { return index_; }

 protected:
  /// Adds itself to `all`. `hints` is notified when an attempt may succeed that was refused before, or is closed.
  selection_arm(selection& all, std::size_t index, event_count& hints) noexcept;
  ~selection_arm() = default;

 private:
  friend class selection;

  enum class place : std::uint8_t {
    away,     // in no list, and nothing is owed
    in_list,  // until a notify takes it out
    hinted,   // a notify has; the hint has to be followed or passed on
  };

  event_count& hints_;
  selection_arm* next_arm_ = nullptr;
  std::size_t const index_;
  // The party's own.
  place place_ = place::away;
  // Set by who has taken it out of the list, under the lock of the selection; read by the party under the same.
  os::plain<bool> hint_arrived_{false};
};

/// Everything but `wake` belongs to one party, and `withdraw` to cancellers too. Exactly one arm succeeds in its life.
///
/// Guarantees: hints are not lost. One that came for another arm than that which succeeded is passed on; so is every
/// one when the party gives up, or when an attempt throws. In each of these cases it has left all lists.
class selection final : public party {
 public:
  selection() noexcept = default;
  selection(selection const&) = delete;
  selection& operator=(selection const&) = delete;

  /// The arm that has succeeded.
  selection_arm& chosen() const noexcept { return *chosen_; }

  /// Tries the arms one after the other, beginning with any of them; says whether one has succeeded. Throws `closed`
  /// when all are.
  bool attempt();

  /// Tries and waits; says whether an arm has succeeded within the limit.
  bool wait_within(wait_limit const& limit);

  /// What `wait_within` is made of, for tasks. Stands in all lists and tries again:
  bool announce();
  /// … sleeps, which is false when there is a hint already or the task is cancelled:
  bool enqueue(waiter& me) noexcept {
    return word_.enqueue(me, [](wait_word::bits_type bits) { return (bits & news) == 0; });
  }
  bool withdraw(waiter& me) noexcept { return word_.withdraw(me); }
  /// … after the wake, follows the hints, which needs another `announce` when this is false:
  bool follow_hints();
  /// … or gives up.
  void leave() noexcept;

  void wake(waiter& woken, wake_reason) noexcept override;
  wake_reason park(waiter&, time_point) noexcept override { return wake_reason::none; }  // it is no fiber

 private:
  friend class selection_arm;
  static constexpr wait_word::bits_type news = wait_word::first_flag;
  using place = selection_arm::place;

  template <class Do>
  void for_each_arm(Do visit) const {
    for (auto* each = first_; each != nullptr; each = each->next_arm_) visit(*each);
  }
  selection_arm& any_arm() const noexcept;
  bool attempt_or_leave();
  bool hint_has_arrived(selection_arm const& at) noexcept {
    auto const bits = word_.lock_list();
    bool const yes = at.hint_arrived_.get();
    word_.unlock_list(bits);
    return yes;
  }

  wait_word word_;  // the party when it sleeps, and `news`: a hint has arrived since the party looked
  selection_arm* first_ = nullptr;
  selection_arm* begin_with_ = nullptr;
  selection_arm* chosen_ = nullptr;
  std::size_t count_ = 0;
};

inline selection_arm::selection_arm(selection& all, std::size_t index, event_count& hints) noexcept
    : waiter(&all), hints_(hints), next_arm_(all.first_), index_(index) {
  all.first_ = this;
  ++all.count_;
}

// By chance, so that no arm waits for ever behind one that is always ready. A count that goes round would be in step
// with a program that selects here and there in turn. Generator: D. Knuth's MMIX.
inline selection_arm& selection::any_arm() const noexcept {
  auto& state = os::thread_slot<selection, std::uint64_t>();
  state = state * 6364136223846793005u + 1442695040888963407u;
  auto* arm = first_;
  for (auto skipped = (state >> 32) * count_ >> 32; skipped != 0; --skipped) arm = arm->next_arm_;
  return *arm;
}

inline bool selection::attempt() {
  if (begin_with_ == nullptr) begin_with_ = &any_arm();
  std::size_t ended = 0;
  auto* arm = begin_with_;
  do {
    auto const outcome = arm->attempt();
    if (outcome == ring_outcome::done) {
      chosen_ = arm;
      return true;
    }
    if (outcome == ring_outcome::closed) ++ended;
    arm = arm->next_arm_ == nullptr ? first_ : arm->next_arm_;
  } while (arm != begin_with_);
  if (ended == count_) throw closed();
  return false;
}

inline bool selection::attempt_or_leave() {
  bool done = false;
  try {
    done = attempt();
  } catch (...) {
    leave();
    throw;
  }
  // Who looks at an arm has followed its hint.
  for_each_arm([&](selection_arm& each) {
    if (each.place_ == place::hinted && (!done || &each == chosen_)) each.place_ = place::away;
  });
  if (done) leave();
  return done;
}

inline bool selection::announce() {
  // Those that still stand in their lists keep their turn.
  for_each_arm([](selection_arm& each) {
    if (each.place_ != place::away) return;
    each.hints_.enqueue(each);
    each.place_ = place::in_list;
  });
  // Once for all lists: every notify that has not seen an arm in its list happened before this, and is seen now.
  os::heavy_barrier();
  return attempt_or_leave();
}

inline bool selection::follow_hints() {
  auto const bits = word_.lock_list();
  for_each_arm([](selection_arm& each) {
    if (!each.hint_arrived_.get()) return;
    each.hint_arrived_.set(false);
    each.place_ = place::hinted;
  });
  word_.unlock_list(bits & ~news);
  return attempt_or_leave();
}

inline void selection::leave() noexcept {
  for_each_arm([this](selection_arm& each) {
    if (each.place_ == place::in_list && !each.hints_.withdraw(each)) {
      // It has been taken out, and its wake is under way.
      for (brief_wait waker; !hint_has_arrived(each); waker.pause()) {
      }
      each.place_ = place::hinted;
    }
    if (each.place_ == place::hinted) each.hints_.notify_one();
    each.place_ = place::away;
  });
}

inline void selection::wake(waiter& woken, wake_reason) noexcept {
  auto const bits = word_.lock_list();
  static_cast<selection_arm&>(woken).hint_arrived_.set(true);
  auto list = wait_word::list_in(bits);
  auto sleeper = list.split(1);
  word_.unlock_list(wait_word::with_list(list, bits | news));  // the last access
  sleeper.wake_all(wake_reason::retry);
}

[[gnu::noinline]] inline bool selection::wait_within(wait_limit const& limit) {
  if (limit.deadline == at_once) return attempt();
  if (spin_until([this] { return attempt(); })) return true;
  for (;;) {
    if (announce()) return true;
    waiter me;
    auto const why = enqueue(me) ? wait_in_list(me, limit, [&] { return withdraw(me); }, {0, 0}) : wake_reason::retry;
    if (follow_hints()) return true;
    if (why != wake_reason::retry) {
      leave();
      return false;
    }
  }
}

}  // namespace concur::inline CONCUR_ABI::detail
