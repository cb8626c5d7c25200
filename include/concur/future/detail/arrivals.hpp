// SPDX-License-Identifier: BSL-1.0
//
// One party that waits for many futures: it stands in the list of each with a waiter of one array, and sleeps in a list
// of its own until something has arrived that it wants to know of.
#pragma once

#include <concur/core/awaiter.hpp>
#include <concur/core/blocking.hpp>
#include <concur/core/errors.hpp>
#include <concur/core/os.hpp>
#include <concur/core/spin.hpp>
#include <concur/core/task_context.hpp>
#include <concur/core/wait_list.hpp>
#include <concur/core/waiter.hpp>
#include <concur/future/future_state_base.hpp>

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

namespace concur::inline CONCUR_ABI::detail {

/// Which arrivals are news.
enum class news_of : std::uint8_t { each, error_or_last, last };

/// Everything but `wake` and `ring` belongs to one party. Arrivals are given out in the order in which they came.
class arrivals final : public party {
 public:
  static constexpr std::size_t none = SIZE_MAX;

  // What ends a sleep; flags of the word.
  static constexpr wait_word::bits_type news = wait_word::first_flag;  // until `pop` has found nothing
  static constexpr wait_word::bits_type alarm = wait_word::second_flag;  // for ever

  /// For exactly `count` futures. One allocation.
  arrivals(std::size_t count, news_of wanted)
      : entries_(count == 0 ? nullptr : new std::optional<entry>[count]), wanted_(wanted), missing_(count) {}
  arrivals(arrivals const&) = delete;
  arrivals& operator=(arrivals const&) = delete;
  ~arrivals();

  /// The next one; they are numbered from 0. Throws misuse in a callback of that future.
  void add(future_state_base& awaited) {
    awaited.require_not_in_callback();
    auto& mine = entries_[added_].emplace(*this, added_, awaited);
    ++added_;
    if (!awaited.enqueue(mine)) arrive(mine);
  }

  /// Takes the first arrival out; `none` if there is none.
  std::size_t pop() noexcept;

  /// From now on the last one only is news.
  void want_last() noexcept {
    auto const bits = word_.lock_list();
    wanted_.set(news_of::last);
    word_.unlock_list(bits);
  }

  /// Cancels all that are not done. Callbacks of theirs may run.
  void cancel_all() noexcept {
    for (std::size_t i = 0; i < added_; ++i) entries_[i]->state.cancel();
  }

  future_state_base& state(std::size_t which) noexcept { return entries_[which]->state; }

  /// Blocks until there is news, which `pop` then finds; returns whether it came within the limit.
  bool wait_for_news(wait_limit const& limit);
  /// Waits until one of these flags is set, or `me` is woken for no reason.
  bool enqueue(waiter& me, wait_word::bits_type ending = news) noexcept {
    return word_.enqueue(me, [ending](wait_word::bits_type bits) { return (bits & ending) == 0; });
  }
  bool withdraw(waiter& me) noexcept { return word_.withdraw(me); }

  /// Wakes the party if it sleeps, and says from now on that the alarm rang. Any thread. As soon as the party knows,
  /// all this may be gone.
  void ring() noexcept;
  // relaxed: it says that time has passed, and nothing else. Who has to know that `ring` has done with everything asks
  // under the lock, by `enqueue`.
  bool alarm_rang() const noexcept { return (word_.bits().load(std::memory_order_relaxed) & alarm) != 0; }

  void wake(waiter& woken, wake_reason) noexcept override { arrive(static_cast<entry&>(woken)); }
  wake_reason park(waiter&, time_point) noexcept override { return wake_reason::none; }  // it is no fiber

 private:
  struct entry : waiter {
    entry(arrivals& all, std::size_t number, future_state_base& awaited) noexcept
        : waiter(&all), index(number), state(awaited) {
      state.add_reference();
    }
    ~entry() { state.drop_reference(); }

    std::size_t const index;
    future_state_base& state;
    os::plain<entry*> next{nullptr};  // under the lock of the list
    os::plain<bool> has_arrived{false};  // the same
  };

  void tell_of_blocking(wait_limit const& limit);
  // relaxed: who is told of news takes it out under the lock, which orders the rest.
  bool has_news() const noexcept { return (word_.bits().load(std::memory_order_relaxed) & news) != 0; }
  void arrive(entry& which) noexcept;
  bool has_arrived(entry const& which) noexcept {
    auto const bits = word_.lock_list();
    bool const yes = which.has_arrived.get();
    word_.unlock_list(bits);
    return yes;
  }

  wait_word word_;  // the party that sleeps, `news` and `alarm`
  std::unique_ptr<std::optional<entry>[]> const entries_;
  std::size_t added_ = 0;
  // The waiting party's: how many of them know that its thread blocks, and which that was.
  std::size_t told_ = 0;
  running_parties const* told_by_ = nullptr;
  // Under the lock of the list:
  os::plain<news_of> wanted_;
  os::plain<std::size_t> missing_;
  os::plain<entry*> first_{nullptr};
  os::plain<entry*> last_{nullptr};
};

/// What `co_await` uses. Owner gives `arrived()`, its arrivals; `ready()`, which takes news out and says whether the
/// wait is over; `result()`; and `owns_futures`: whether a cancel cancels them and waits for their end, or ends the
/// wait.
template <class Owner>
class [[nodiscard]] arrivals_await final : public wait_operation {
 public:
  explicit arrivals_await(Owner& owner) noexcept : owner_(owner) {}
  arrivals_await(arrivals_await const&) = delete;
  arrivals_await& operator=(arrivals_await const&) = delete;

  bool await_ready() const noexcept { return false; }

  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> handle) {
    if constexpr (promise_with_context<Promise>) {
      task_context& task = handle.promise().context();
      refused_ = task.cancelled();
      if (refused_ ? !Owner::owns_futures : owner_.ready()) return false;
      if (refused_) waiter_.settle(wake_reason::stopped);
      task.suspend_in_steps(*this, handle);
      return true;
    } else {
      return !owner_.ready() && foreign_context::suspend(handle, *this, true);
    }
  }

  auto await_resume() {
    if (refused_) [[unlikely]]
      throw cancelled();
    return owner_.result();
  }

  bool publish(task_context& task) noexcept override {
    for (;;) {
      if (waiter_.reason() == wake_reason::stopped) {
        refused_ = refused_ || !Owner::owns_futures;
        if (!Owner::owns_futures) break;
        if (how_ == waiter::manner::plain) owner_.arrived().cancel_all();
        how_ = waiter::manner::uncancellable;
      }
      if (owner_.ready()) break;
      waiter_.reuse();
      waiter_.bind(task, how_);
      if (owner_.arrived().enqueue(waiter_)) return true;
    }
    return false;
  }

  void cancel() noexcept override {
    if (owner_.arrived().withdraw(waiter_)) waiter_.wake(wake_reason::stopped);
  }

 private:
  Owner& owner_;
  waiter waiter_{nullptr};
  waiter::manner how_ = waiter::manner::plain;
  bool refused_ = false;
};

inline arrivals::~arrivals() {
  for (std::size_t i = 0; i < added_; ++i) {
    entry& each = *entries_[i];
    if (has_arrived(each) || each.state.withdraw(each)) continue;
    // It has been taken out of the future's list, and its wake is under way.
    for (brief_wait waker; !has_arrived(each); waker.pause()) {
    }
  }
}

inline void arrivals::arrive(entry& which) noexcept {
  bool const failed = which.state.failed();
  auto const bits = word_.lock_list();
  which.has_arrived.set(true);
  if (first_.get() == nullptr) {
    first_.set(&which);
  } else {
    last_.get()->next.set(&which);
  }
  last_.set(&which);
  missing_.set(missing_.get() - 1);
  auto list = wait_word::list_in(bits);
  if (missing_.get() != 0 && wanted_.get() != news_of::each && !(failed && wanted_.get() == news_of::error_or_last)) {
    return word_.unlock_list(bits);
  }
  auto sleeper = list.split(1);
  word_.unlock_list(wait_word::with_list(list, bits | news));  // the last access
  sleeper.wake_all(wake_reason::granted);
}

inline std::size_t arrivals::pop() noexcept {
  auto const bits = word_.lock_list();
  entry* const first = first_.get();
  if (first == nullptr) {
    word_.unlock_list(bits & ~news);
    return none;
  }
  first_.set(first->next.get());
  word_.unlock_list(bits);
  return first->index;
}

inline void arrivals::ring() noexcept {
  auto const bits = word_.lock_list();
  auto list = wait_word::list_in(bits);
  auto sleeper = list.split(1);
  word_.unlock_list(wait_word::with_list(list, bits | alarm));  // the last access
  sleeper.wake_all(wake_reason::granted);
}

// Each of them once, as long as the same thread waits: it would tell all again for every one that it takes.
inline void arrivals::tell_of_blocking(wait_limit const& limit) {
  auto const* const here = &this_threads_parties();
  if (std::exchange(told_by_, here) != here) told_ = 0;
  while (told_ < added_ && !has_news()) {
    auto& state = entries_[told_]->state;
    if (!state.done()) state.about_to_block(limit);
    if (limit_reached(limit)) return;  // it may have been told too late
    ++told_;
  }
}

[[gnu::noinline]] inline bool arrivals::wait_for_news(wait_limit const& limit) {
  if (has_news()) return true;
  if (limit.deadline == at_once) return false;
  tell_of_blocking(limit);
  if (spin_until([this] { return has_news(); })) return true;
  waiter me;
  if (!enqueue(me)) return true;
  return wait_in_list(me, limit, [&] { return withdraw(me); }, {0, 0}) == wake_reason::granted;
}

}  // namespace concur::inline CONCUR_ABI::detail
