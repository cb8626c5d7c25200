// SPDX-License-Identifier: BSL-1.0
//
// A meeting point for so many parties: nobody passes before all have arrived, again and again. Python's
// threading.Barrier, with the completion step of the standard's.
//
//     concur::barrier b(3);
//     b.arrive_and_wait();                    // a thread or fiber
//     co_await b.async_arrive_and_wait();     // a coroutine
//
//     concur::barrier step(3, [&] { swap(now, next); });   // called once each time, before anybody passes
#pragma once

#include <concur/core/awaiter.hpp>
#include <concur/core/blocking.hpp>
#include <concur/core/deadline.hpp>
#include <concur/core/errors.hpp>
#include <concur/core/os.hpp>
#include <concur/core/spin.hpp>
#include <concur/core/wait_list.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// The completion step of a barrier that has none.
struct no_completion {
  constexpr void operator()() const noexcept {}
};

/// What does not depend on the completion step: who has arrived, and whether the barrier is broken.
class barrier_state {
 public:
  barrier_state(barrier_state const&) = delete;
  barrier_state& operator=(barrier_state const&) = delete;

  /// Breaks the barrier: the parties that wait, and all that come before `reset`, get broken_barrier. O(parties woken).
  void abort() noexcept { release_broken(is_broken); }

  /// Makes the barrier as new: nobody has arrived, and it is not broken. Parties that wait get broken_barrier.
  /// O(parties woken).
  void reset() noexcept { release_broken(0); }

  /// Whether it is broken. What happened before it was broken is visible after `true`.
  [[nodiscard]] bool broken() const noexcept { return (word_.bits().load(std::memory_order_acquire) & is_broken) != 0; }

  /// How many have to arrive; fewer than in the beginning when parties were dropped.
  [[nodiscard]] std::size_t parties() const noexcept { return read(parties_); }

  /// How many have arrived and wait for the others. For statistics and tests: it may be wrong when it returns.
  [[nodiscard]] std::size_t waiting() const noexcept { return read(arrived_); }

 protected:
  using bits_type = wait_word::bits_type;

  // The word: the list of those who wait, its lock, and
  static constexpr bits_type is_broken = wait_word::first_flag;  // set only while nobody waits
  static constexpr bits_type completing = wait_word::second_flag;  // a party runs the completion step

  // While `completing`, the parties of that phase are in the hands of the party that runs the step, out of reach of
  // limits, stops, cancels, abort and reset. The list then holds parties that came for the next phase and have not been
  // counted: they are told to try again when the step has ended. So whoever completes a phase is always a party that
  // is just arriving, and two steps never overlap.

  enum class arrival {
    queued,  // it waits now, or it would have to
    last,  // it has completed the phase and owes the others their wake
    refused,  // a task whose scope is cancelled
  };

  constexpr explicit barrier_state(std::ptrdiff_t parties);
  ~barrier_state() = default;

  arrival arrive(waiter* arriving, std::size_t& index, wait_list& phase, bits_type while_completed);
  bool drop(wait_list& phase, bits_type while_completed);
  bool withdraw(waiter& leaving) noexcept;
  void end_step(wait_list phase, bool failed) noexcept;

 private:
  wait_list complete(wait_list waiting, bits_type while_completed) noexcept;
  void release_broken(bits_type flag) noexcept;
  std::size_t read(os::plain<std::size_t> const& field) const noexcept;

  mutable wait_word word_;
  // Under the lock of the list. Fewer have arrived than there are parties, unless both are zero.
  os::plain<std::size_t> parties_;
  os::plain<std::size_t> arrived_{0};
};

/// A phase ends when as many parties as were asked for have arrived; all of them go on, and the next phase begins. The
/// last to arrive calls `Completion`, outside all locks, and the others go on when it has returned. If it throws, the
/// barrier is broken, and the exception leaves the call of the party that ran it. The step must not wait at this
/// barrier without a limit; `abort`, `reset`, `arrive_and_drop` and the like may be called from it.
///
/// A party that gives up waiting, because of a limit, a stop or a cancel, leaves the others one short: it breaks the
/// barrier, and they get broken_barrier, as does everybody who comes later, until `reset`. With the arrival of the last
/// party the phase has succeeded: a limit, a stop, a cancel, `abort` or `reset` that comes later, even while the
/// completion step runs, changes nothing for its parties, who wait for the step, and strikes those who come for the
/// next. More threads than parties may use a barrier; who comes while the step runs has to wait until it has ended.
///
/// What the parties did before they arrived is visible to the completion step, and that and what the step did to all
/// who pass.
///
/// May be destroyed as soon as the parties that waited in the last phase have returned and nobody will call anything:
/// the last to arrive touches nothing of it once the first of them can go on. All members may be called from any
/// thread. Static storage is fine before main and after it, if it is for the completion step.
template <class Completion = no_completion>
class barrier : public barrier_state {
  static_assert(std::is_invocable_v<Completion&>, "the completion step is called without arguments");

 public:
  /// For so many parties. Throws misuse unless they are at least one.
  constexpr explicit barrier(std::ptrdiff_t parties, Completion completion = Completion())
      : barrier_state(parties), completion_(std::move(completion)) {}

  /// Arrives and waits for the others. Returns how many had arrived before, 0 … parties − 1, so that one of them can be
  /// chosen for something. Throws broken_barrier, what the completion step throws, and misuse if all parties have been
  /// dropped.
  std::size_t arrive_and_wait() { return *arrive_within({}); }

  /// The same for so long, or until then, or until a stop is requested: no value when that came first. Then this party
  /// has broken the barrier. The last to arrive succeeds whatever the limit.
  template <class Rep, class Period>
  [[nodiscard]] std::optional<std::size_t> arrive_and_wait_for(std::chrono::duration<Rep, Period> const& limit) {
    return arrive_within({.deadline = deadline_after(limit)});
  }
  template <class Clock, class Duration>
  [[nodiscard]] std::optional<std::size_t> arrive_and_wait_until(
      std::chrono::time_point<Clock, Duration> const& limit) {
    return arrive_within(limit_at(limit));
  }
  [[nodiscard]] std::optional<std::size_t> arrive_and_wait(os::stop_token const& stop) {
    return arrive_within({.stop = &stop});
  }

  /// `std::size_t index = co_await b.async_arrive_and_wait();` does not block the thread. Throws `cancelled` also: a
  /// task that is cancelled before the await does not arrive, one that is cancelled while it waits breaks the barrier.
  /// The completion step runs on the task's executor.
  [[nodiscard]] awaitable<std::size_t> auto async_arrive_and_wait() noexcept;

  /// Leaves for good, without waiting: one party less from now on, in this phase too. If the others have all arrived,
  /// this completes the phase and calls the completion step; the last party of all does so too, unless the step of the
  /// phase before is still running. A broken barrier is left without a word. Throws what the step throws, and misuse if
  /// there are no parties any more.
  void arrive_and_drop();

 private:
  class async_arrival_operation;

  // How long a thread looks before it sleeps. With more parties than processors, every pause of one that waits keeps
  // another from arriving: 32 pauses, as elsewhere, make a phase a third slower there, and none faster.
  static constexpr spin_effort patience{.pauses = 8, .yields = 32};

  static constexpr bool has_step = !std::is_same_v<Completion, no_completion>;
  static constexpr bits_type while_completed = has_step ? completing : 0;

  std::optional<std::size_t> arrive_within(wait_limit const& limit);
  void let_go(wait_list phase);

  [[no_unique_address]] Completion completion_;
};

template <class Completion>
class [[nodiscard]] barrier<Completion>::async_arrival_operation final
    : public stepping_awaiter<async_arrival_operation> {
  using base = stepping_awaiter<async_arrival_operation>;

 public:
  explicit async_arrival_operation(barrier& meeting) noexcept : barrier_(meeting) {}

  std::size_t await_resume() const {
    base::await_resume();
    return index_;
  }

  void cancel() noexcept override {
    if (barrier_.withdraw(waiter_)) waiter_.wake(wake_reason::stopped);
  }

 private:
  friend base;

  bool attempt() { return arrive(nullptr) == arrival::last; }
  bool step(task_context& task);
  arrival arrive(waiter* arriving);

  barrier& barrier_;
  waiter waiter_{nullptr};
  std::size_t index_ = 0;
};

template <class Completion>
awaitable<std::size_t> auto barrier<Completion>::async_arrive_and_wait() noexcept {
  return async_arrival_operation(*this);
}

template <class Completion>
barrier_state::arrival barrier<Completion>::async_arrival_operation::arrive(waiter* arriving) {
  wait_list phase;
  auto const how = barrier_.arrive(arriving, index_, phase, while_completed);
  // Queued: it may run elsewhere already, and nothing of it may be touched.
  if (how == arrival::last) barrier_.let_go(phase);
  return how;
}

template <class Completion>
bool barrier<Completion>::async_arrival_operation::step(task_context& task) {
  switch (waiter_.reason()) {
    case wake_reason::granted: return false;
    case wake_reason::failed: throw broken_barrier();
    case wake_reason::stopped: this->stopped_ = true; return false;
    default: break;
  }
  waiter_.reuse();
  waiter_.bind(task);
  auto const how = arrive(&waiter_);
  if (how == arrival::refused) this->stopped_ = true;
  return how == arrival::queued;
}

template <class Completion>
std::optional<std::size_t> barrier<Completion>::arrive_within(wait_limit const& limit) {
  waiter me;
  for (;;) {
    std::size_t index = 0;
    wait_list phase;
    if (arrive(&me, index, phase, while_completed) == arrival::last) {
      let_go(phase);
      return index;
    }
    switch (wait_in_list(me, limit, [&] { return withdraw(me); }, patience)) {
      case wake_reason::granted: return index;
      case wake_reason::failed: throw broken_barrier();
      case wake_reason::retry: me.reuse(); break;
      default: return std::nullopt;
    }
  }
}

template <class Completion>
void barrier<Completion>::arrive_and_drop() {
  wait_list phase;
  if (drop(phase, while_completed)) let_go(phase);
}

// The phase is complete: calls the step, if there is one, and wakes the others.
template <class Completion>
void barrier<Completion>::let_go(wait_list phase) {
  if constexpr (has_step) {
    try {
      std::invoke(completion_);
    } catch (...) {
      end_step(phase, true);
      throw;
    }
    end_step(phase, false);
  } else {
    phase.wake_all(wake_reason::granted);
  }
}

constexpr barrier_state::barrier_state(std::ptrdiff_t parties) : parties_(std::size_t(parties)) {
  if (parties <= 0) throw misuse("a barrier was made for no parties, or for less than none");
}

// Counts the party in, and puts its waiter into the list unless it is the last. A null waiter arrives only if it is
// that. Throws, with nothing changed, when it cannot arrive. The index is written while the list is locked.
inline barrier_state::arrival barrier_state::arrive(waiter* arriving, std::size_t& index, wait_list& phase,
                                                    bits_type while_completed) {
  bits_type const bits = word_.lock_list();
  if (arriving != nullptr && arriving->refused()) {
    word_.unlock_list(bits);
    return arrival::refused;
  }
  if ((bits & is_broken) != 0) {
    word_.unlock_list(bits);
    throw broken_barrier();
  }
  auto list = wait_word::list_in(bits);
  if ((bits & completing) == 0) {
    if (parties_.get() == 0) {
      word_.unlock_list(bits);
      throw misuse("a party arrived at a barrier that all parties had left for good");
    }
    index = arrived_.get();
    if (index + 1 == parties_.get()) {
      phase = complete(list, while_completed);
      return arrival::last;
    }
    if (arriving != nullptr) arrived_.set(index + 1);
  }
  if (arriving != nullptr) list.push_back(*arriving);
  word_.unlock_list(wait_word::with_list(list, bits));
  return arrival::queued;
}

// One party less. Returns whether that completes the phase.
inline bool barrier_state::drop(wait_list& phase, bits_type while_completed) {
  bits_type const bits = word_.lock_list();
  std::size_t const before = parties_.get();
  if (before == 0) {
    word_.unlock_list(bits);
    throw misuse("a party left a barrier that all parties had left for good");
  }
  parties_.set(before - 1);
  if ((bits & (is_broken | completing)) != 0 || arrived_.get() != before - 1) {
    word_.unlock_list(bits);
    return false;
  }
  phase = complete(wait_word::list_in(bits), while_completed);
  return true;
}

// With the list locked: takes the parties of the phase out, begins the next, and lets go of the list.
inline wait_list barrier_state::complete(wait_list waiting, bits_type while_completed) noexcept {
  auto const phase = waiting.split(SIZE_MAX);
  arrived_.set(0);
  word_.unlock_list(while_completed);  // the last access, if there is no step
  return phase;
}

inline void barrier_state::end_step(wait_list phase, bool failed) noexcept {
  bits_type const bits = word_.lock_list();
  auto next_phase = wait_word::list_in(bits).split(SIZE_MAX);
  word_.unlock_list(failed ? is_broken : bits & is_broken);  // the last access
  phase.wake_all(failed ? wake_reason::failed : wake_reason::granted);
  next_phase.wake_all(wake_reason::retry);
}

// Takes the waiter out if it still waits, and says whether; then the others wait in vain, and the barrier is broken.
inline bool barrier_state::withdraw(waiter& leaving) noexcept {
  bits_type const bits = word_.lock_list();
  auto list = wait_word::list_in(bits);
  if (!list.remove(leaving)) {
    word_.unlock_list(bits);
    return false;
  }
  auto others = list.split(SIZE_MAX);
  arrived_.set(0);
  word_.unlock_list((bits & completing) | is_broken);
  others.wake_all(wake_reason::failed);
  return true;
}

inline void barrier_state::release_broken(bits_type flag) noexcept {
  bits_type const bits = word_.lock_list();
  auto all = wait_word::list_in(bits).split(SIZE_MAX);
  arrived_.set(0);
  word_.unlock_list((bits & completing) | flag);
  all.wake_all(wake_reason::failed);
}

inline std::size_t barrier_state::read(os::plain<std::size_t> const& field) const noexcept {
  bits_type const bits = word_.lock_list();
  std::size_t const value = field.get();
  word_.unlock_list(bits);
  return value;
}

}  // namespace concur::inline CONCUR_ABI
