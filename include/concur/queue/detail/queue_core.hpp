// SPDX-License-Identifier: BSL-1.0
//
// What all queues have behind their face: a store that never waits, and those who wait for it.
#pragma once

#include <concur/core/blocking.hpp>
#include <concur/core/cache_line.hpp>
#include <concur/core/deadline.hpp>
#include <concur/core/errors.hpp>
#include <concur/core/os.hpp>
#include <concur/queue/detail/outgoing.hpp>
#include <concur/queue/detail/run_spin.hpp>
#include <concur/queue/ring.hpp>
#include <concur/sync/event_count.hpp>

#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

namespace concur::inline CONCUR_ABI::detail {

/// Any thread may call any member but construction and destruction. What the elements' own members throw comes out of
/// whatever uses them; the guarantees are those of basic_queue.
template <class T, class Store>
class queue_core {
 public:
  template <class... Arguments>
  explicit queue_core(Arguments const&... arguments) : store_(arguments...) {
    os::prepare_barriers();
  }
  queue_core(queue_core const&) = delete;
  queue_core& operator=(queue_core const&) = delete;

  // Each tries once, tells the other side of a success, and throws nothing for `closed`. The glances are for who will
  // ask again: they refuse more often (ring::push_if_ready).
  ring_outcome attempt_put(T& item) { return told(store_.push(std::move(item)), not_empty_); }
  ring_outcome glance_put(T& item) { return told(store_.push_if_ready(std::move(item)), not_empty_); }
  ring_outcome attempt_get(std::optional<T>& taken) { return told(store_.pop(into(taken)), not_full_); }
  ring_outcome glance_get(std::optional<T>& taken) { return told(store_.pop_if_ready(into(taken)), not_full_); }

  /// Whether it was done; throws if closed.
  static bool done(ring_outcome outcome) {
    if (outcome == ring_outcome::closed) [[unlikely]]
      throw closed();
    return outcome == ring_outcome::done;
  }
  // For the forms that wait if it is not done.
  bool put_if_ready(T& item) { return done(glance_put(item)); }
  bool get_if_ready(std::optional<T>& taken) { return done(glance_get(taken)); }

  /// Wait within the limit; `refused` if that is over.
  ring_outcome give_within(T& item, wait_limit const& limit);
  ring_outcome take_within(std::optional<T>& taken, wait_limit const& limit);
  bool put_within(T& item, wait_limit const& limit) { return done(give_within(item, limit)); }
  bool get_within(std::optional<T>& taken, wait_limit const& limit) { return done(take_within(taken, limit)); }

  /// Puts in one after the other, and many at once where that is possible, until none is left, or says why not more.
  template <class Range>
  ring_outcome attempt_put_many(outgoing<T, Range>& items) {
    return put_each(items, [this](T& item) { return attempt_put(item); });
  }
  template <class Range>
  ring_outcome give_many_within(outgoing<T, Range>& items, wait_limit const& limit) {
    return put_each(items, [&](T& item) {
      if constexpr (!outgoing<T, Range>::in_bulk) {
        if (auto const outcome = glance_put(item); outcome != ring_outcome::refused) return outcome;
      }
      return give_within(item, limit);
    });
  }

  /// Takes out what is there, up to `max`, at least one, unless it says why not.
  ring_outcome attempt_get_many(std::vector<T>& taken, std::size_t max);
  ring_outcome take_many_within(std::vector<T>& taken, std::size_t max, wait_limit const& limit) {
    auto const attempt = [&] { return attempt_get_many(taken, max); };
    auto const outcome = attempt();
    if (outcome != ring_outcome::refused || limit.deadline == at_once) return outcome;
    return attempt_within<side::getting>(attempt, attempt, limit);
  }

  void close() {
    store_.close();
    not_empty_.notify_all();
    not_full_.notify_all();
  }

  void task_done();
  bool join_within(wait_limit const& limit) {
    nothing_to_do const ready(*this);
    return ready() || all_done_.wait_within(ready, limit);
  }
  auto async_join() { return all_done_.async_wait(nothing_to_do(*this)); }

  Store const& store() const noexcept { return store_; }
  /// What is notified when a get, or a put, may succeed that was refused before, or learns that it is closed.
  event_count& not_empty() noexcept { return not_empty_; }
  event_count& not_full() noexcept { return not_full_; }

 private:
  // Whether everything is done; asked for by `join`.
  class nothing_to_do {
   public:
    explicit nothing_to_do(queue_core& in) noexcept : queue_(&in) {}
    bool operator()() const {
      // The count of reports first: it cannot overtake the other, so if the two are equal now, all was done when it was
      // read. acquire: what was done before the reports.
      std::size_t const finished = queue_->finished_.load(std::memory_order_acquire);
      return finished == queue_->store_.pushed();
    }

   private:
    queue_core* queue_;
  };

  static ring_outcome told(ring_outcome outcome, event_count& others) noexcept {
    if (outcome == ring_outcome::done) [[likely]]
      others.notify_one();
    return outcome;
  }
  static auto into(std::optional<T>& taken) noexcept {
    return [&taken](T&& item) { taken.emplace(std::move(item)); };
  }

  enum class side { putting, getting };
  template <side Side, class Glance, class Attempt>
  ring_outcome attempt_within(Glance glance, Attempt attempt, wait_limit const& limit);
  template <class Range, class Give>
  ring_outcome put_each(outgoing<T, Range>& items, Give give);

  Store store_;
  // Asked by producers at every put, written only when somebody sleeps or when a producer has waited.
  alignas(2 * cache_line_size) event_count not_empty_;
  detail::run_spin put_runs_;
  // The same with consumers and get.
  alignas(2 * cache_line_size) event_count not_full_;
  detail::run_spin get_runs_;
  // Written by task_done. How many elements have been put in, the store knows.
  alignas(2 * cache_line_size) os::atomic<std::size_t> finished_{0};
  event_count all_done_;
};

// A hand-over through the caches takes less time than the way to sleep: glances first, and then, to sleep or to learn
// that it is closed, attempts.
template <class T, class Store>
template <typename queue_core<T, Store>::side Side, class Glance, class Attempt>
ring_outcome queue_core<T, Store>::attempt_within(Glance glance, Attempt attempt, wait_limit const& limit) {
  auto outcome = ring_outcome::refused;
  auto const glanced = [&] { return (outcome = glance()) != ring_outcome::refused; };
  auto const settled = [&] { return (outcome = attempt()) != ring_outcome::refused; };
  auto const passed = [this] { return Side == side::putting ? store_.pushed() : store_.popped(); };
  auto& runs = Side == side::putting ? put_runs_ : get_runs_;
  auto& hint = Side == side::putting ? not_full_ : not_empty_;
  if (limit.deadline == at_once || !runs.spin(glanced, passed, store_.capacity()))
    hint.wait_within(settled, limit, {0, 0});
  runs.ended(passed);
  return outcome;
}

template <class T, class Store>
[[gnu::noinline]] ring_outcome queue_core<T, Store>::give_within(T& item, wait_limit const& limit) {
  return attempt_within<side::putting>([&] { return glance_put(item); }, [&] { return attempt_put(item); }, limit);
}

template <class T, class Store>
[[gnu::noinline]] ring_outcome queue_core<T, Store>::take_within(std::optional<T>& taken, wait_limit const& limit) {
  return attempt_within<side::getting>([&] { return glance_get(taken); }, [&] { return attempt_get(taken); }, limit);
}

template <class T, class Store>
template <class Range, class Give>
ring_outcome queue_core<T, Store>::put_each(outgoing<T, Range>& items, Give give) {
  while (!items.none_left()) {
    if constexpr (outgoing<T, Range>::in_bulk) {
      std::size_t const put = items.push_into(store_);
      not_empty_.notify(put);
      if (put != 0) continue;
    }
    // One, to wait for room or to learn that it is closed.
    if (auto const outcome = items.offer(give); outcome != ring_outcome::done) return outcome;
  }
  return ring_outcome::done;
}

// Without waiting. The memory is there before anything is taken.
template <class T, class Store>
ring_outcome queue_core<T, Store>::attempt_get_many(std::vector<T>& taken, std::size_t max) {
  auto const take = [&taken](T&& item) { taken.push_back(std::move(item)); };
  std::size_t const present = store_.size();
  taken.reserve(max < present ? max : present == 0 ? 1 : present);
  std::size_t const count = store_.pop_many(max < taken.capacity() ? max : taken.capacity(), take);
  not_full_.notify(count);
  if (count != 0) return ring_outcome::done;
  auto const outcome = store_.pop(take);  // says why
  if (outcome == ring_outcome::done) not_full_.notify_one();
  return outcome;
}

template <class T, class Store>
void queue_core<T, Store>::task_done() {
  // acquire, release: each report passes on all that came before it, the puts of the elements that were reported too.
  std::size_t finished = finished_.load(std::memory_order_acquire);
  do {
    // The caller's own element is among those put in, and not among those reported.
    if (finished == store_.pushed()) throw misuse("task_done() was called more often than elements were put in");
  } while (
      !finished_.compare_exchange_weak(finished, finished + 1, std::memory_order_release, std::memory_order_acquire));
  if (finished + 1 == store_.pushed()) all_done_.notify_all();
}

}  // namespace concur::inline CONCUR_ABI::detail
