// SPDX-License-Identifier: BSL-1.0
//
// What all queues have in common: waiting, limits, closing, and the count of what is still to be done, over a store
// that never waits. Users know it as `queue`, `lifo_queue` and `priority_queue`.
#pragma once

#include <concur/core/awaiter.hpp>
#include <concur/core/blocking.hpp>
#include <concur/core/deadline.hpp>
#include <concur/core/os.hpp>
#include <concur/queue/detail/outgoing.hpp>
#include <concur/queue/detail/queue_awaits.hpp>
#include <concur/queue/detail/queue_core.hpp>
#include <concur/queue/ring.hpp>
#include <concur/queue/unbounded.hpp>

#include <chrono>
#include <concepts>
#include <cstddef>
#include <iterator>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

namespace concur::inline CONCUR_ABI {

/// Elements go in by `put` and come out by `get`, from any thread, fiber or coroutine. A full queue lets producers
/// wait, an empty one consumers. What happened before a put is visible after the get that got the element.
///
/// Closing is for the end of work: producers are refused with the exception `closed`; consumers get what is left, and
/// then `closed` too. An element that is refused, for whatever reason, stays with the caller as it was. A limit, a stop
/// or a cancel loses no element and no room; one that comes too late has no effect. A limit that has passed tries once.
///
/// Errors, unless a member says more: `closed`, std::bad_alloc where the store allocates, and what the elements' own
/// members throw; with any of them nothing has changed. Elements whose move constructor can throw are kept under a lock
/// in every queue, so that one that throws on its way stays where it was; only the last move, out of `get` itself,
/// comes after the element has left the queue.
///
/// May be destroyed as soon as all calls have returned; what is left in it is destroyed with it. All members but
/// construction and destruction may be called from any thread.
///
/// With GCC 12 an element that is an aggregate has to have a name before `co_await q.async_put(…)`: a temporary inside
/// an await is destroyed twice.
template <class T, class Store>
class basic_queue {
 public:
  using value_type = T;
  class iterator;

  /// Room for so many elements. Throws misuse for 0, and for more than memory could ever hold. `order` is for queues
  /// that have one, such as the comparison of a priority_queue.
  template <class... Order>
    requires std::constructible_from<Store, std::size_t, Order const&...>
  explicit basic_queue(std::size_t capacity, Order const&... order) : core_(capacity, order...) {}
  /// Room for as many as there is memory for: put never waits.
  template <class... Order>
    requires std::constructible_from<Store, unbounded_t, Order const&...>
  explicit basic_queue(unbounded_t, Order const&... order) : core_(unbounded, order...) {}
  basic_queue(basic_queue const&) = delete;
  basic_queue& operator=(basic_queue const&) = delete;

  /// Puts the element in; waits while the queue is full.
  void put(T&& item) {
    if (!core_.put_if_ready(item)) [[unlikely]]
      core_.put_within(item, {});
  }
  void put(T const& item)
    requires std::copy_constructible<T>
  {
    T copy(item);
    put(std::move(copy));
  }

  /// Waits for room until a stop is requested; says whether the element was put in.
  [[nodiscard]] bool put(T&& item, os::stop_token const& stop) {
    return core_.put_if_ready(item) || core_.put_within(item, {.stop = &stop});
  }
  [[nodiscard]] bool put(T const& item, os::stop_token const& stop)
    requires std::copy_constructible<T>
  {
    T copy(item);
    return put(std::move(copy), stop);
  }

  /// Puts it in if there is room, without waiting; says whether.
  [[nodiscard]] bool try_put(T&& item) { return core::done(core_.attempt_put(item)); }
  [[nodiscard]] bool try_put(T const& item)
    requires std::copy_constructible<T>
  {
    T copy(item);
    return core::done(core_.attempt_put(copy));
  }

  /// Waits for room so long, or until then; says whether it was put in.
  template <class Rep, class Period>
  [[nodiscard]] bool try_put_for(T&& item, std::chrono::duration<Rep, Period> const& limit) {
    return core_.put_if_ready(item) || core_.put_within(item, {.deadline = deadline_after(limit)});
  }
  template <class Rep, class Period>
  [[nodiscard]] bool try_put_for(T const& item, std::chrono::duration<Rep, Period> const& limit)
    requires std::copy_constructible<T>
  {
    T copy(item);
    return try_put_for(std::move(copy), limit);
  }
  template <class Clock, class Duration>
  [[nodiscard]] bool try_put_until(T&& item, std::chrono::time_point<Clock, Duration> const& limit) {
    return core_.put_if_ready(item) || core_.put_within(item, limit_at(limit));
  }
  template <class Clock, class Duration>
  [[nodiscard]] bool try_put_until(T const& item, std::chrono::time_point<Clock, Duration> const& limit)
    requires std::copy_constructible<T>
  {
    T copy(item);
    return try_put_until(std::move(copy), limit);
  }

  /// `co_await q.async_put(std::move(item));` waits without blocking the thread. Moves from the caller's own element
  /// when there is room, and not before. Throws `cancelled`.
  [[nodiscard]] awaitable<void> auto async_put(T&& item) { return detail::put_await<T, Store, T&>(core_, item); }
  [[nodiscard]] awaitable<void> auto async_put(T const& item)
    requires std::copy_constructible<T>
  {
    return detail::put_await<T, Store, T>(core_, item);
  }

  /// Puts all elements of the range in, in order, and waits as often as it is full; others may come between. They are
  /// moved out of a range that is passed as an rvalue and owns them, copied out of every other.
  ///
  /// All these forms return how many were put in. That is fewer than all if the queue was closed meanwhile, or the wait
  /// is over: what was not put in is still in the range, unless the range makes its elements as it goes. They throw
  /// `closed` if none was. If an element or the range throws, those before it are in.
  template <detail::range_to_put<T> Range>
  std::size_t put_many(Range&& range) {
    return put_each<Range>(range, {});
  }

  /// The same until a stop is requested; without waiting; and for so long, or until then.
  template <detail::range_to_put<T> Range>
  [[nodiscard]] std::size_t put_many(Range&& range, os::stop_token const& stop) {
    return put_each<Range>(range, {.stop = &stop});
  }
  template <detail::range_to_put<T> Range>
  [[nodiscard]] std::size_t try_put_many(Range&& range) {
    return put_each<Range>(range, {.deadline = at_once});
  }
  template <detail::range_to_put<T> Range, class Rep, class Period>
  [[nodiscard]] std::size_t try_put_many_for(Range&& range, std::chrono::duration<Rep, Period> const& limit) {
    return put_each<Range>(range, {.deadline = deadline_after(limit)});
  }
  template <detail::range_to_put<T> Range, class Clock, class Duration>
  [[nodiscard]] std::size_t try_put_many_until(Range&& range, std::chrono::time_point<Clock, Duration> const& limit) {
    return put_each<Range>(range, limit_at(limit));
  }

  /// `co_await q.async_put_many(std::move(items))` waits without blocking the thread. The range must stay as it is
  /// until then. Throws `cancelled` if none was put in; otherwise a cancel strikes at the next await, and this one
  /// tells how many were.
  template <detail::range_to_put<T> Range>
  [[nodiscard]] awaitable<std::size_t> auto async_put_many(Range&& range) {
    return detail::put_many_await<T, Store, Range>(core_, range);
  }

  /// Takes the next element out; waits while the queue is empty.
  T get() {
    std::optional<T> taken;
    if (!core_.get_if_ready(taken)) [[unlikely]]
      core_.get_within(taken, {});
    return std::move(*taken);
  }

  /// Waits for an element until a stop is requested; none then.
  [[nodiscard]] std::optional<T> get(os::stop_token const& stop) {
    std::optional<T> taken;
    if (!core_.get_if_ready(taken)) core_.get_within(taken, {.stop = &stop});
    return taken;
  }

  /// Takes it out if there is one, without waiting.
  [[nodiscard]] std::optional<T> try_get() {
    std::optional<T> taken;
    core::done(core_.attempt_get(taken));
    return taken;
  }

  /// Waits for an element so long, or until then.
  template <class Rep, class Period>
  [[nodiscard]] std::optional<T> try_get_for(std::chrono::duration<Rep, Period> const& limit) {
    std::optional<T> taken;
    if (!core_.get_if_ready(taken)) core_.get_within(taken, {.deadline = deadline_after(limit)});
    return taken;
  }
  template <class Clock, class Duration>
  [[nodiscard]] std::optional<T> try_get_until(std::chrono::time_point<Clock, Duration> const& limit) {
    std::optional<T> taken;
    if (!core_.get_if_ready(taken)) core_.get_within(taken, limit_at(limit));
    return taken;
  }

  /// `T item = co_await q.async_get();` waits without blocking the thread. Throws `cancelled`.
  [[nodiscard]] awaitable<T> auto async_get() { return detail::get_await<T, Store>(core_); }

  /// Takes out what is there, up to `max` elements; waits for the first.
  [[nodiscard]] std::vector<T> get_many(std::size_t max) { return take_many(max, {}); }

  /// The same until a stop is requested; without waiting; and for so long, or until then: nothing if none came.
  [[nodiscard]] std::vector<T> get_many(std::size_t max, os::stop_token const& stop) {
    return take_many(max, {.stop = &stop});
  }
  [[nodiscard]] std::vector<T> try_get_many(std::size_t max) { return take_many(max, {.deadline = at_once}); }
  template <class Rep, class Period>
  [[nodiscard]] std::vector<T> try_get_many_for(std::size_t max, std::chrono::duration<Rep, Period> const& limit) {
    return take_many(max, {.deadline = deadline_after(limit)});
  }
  template <class Clock, class Duration>
  [[nodiscard]] std::vector<T> try_get_many_until(std::size_t max,
                                                  std::chrono::time_point<Clock, Duration> const& limit) {
    return take_many(max, limit_at(limit));
  }

  /// `co_await q.async_get_many(max)` waits without blocking the thread. Throws `cancelled`, and has taken none then.
  [[nodiscard]] awaitable<std::vector<T>> auto async_get_many(std::size_t max) {
    return detail::get_many_await<T, Store>(core_, max);
  }

  /// From now on nothing goes in, what is in still comes out, and who waits for room or for more is told. Any number of
  /// times.
  void close() { core_.close(); }
  [[nodiscard]] bool is_closed() const { return core_.store().is_closed(); }

  /// Says that the work of one element that was got is done. Throws misuse, and changes nothing, when as many have been
  /// reported as were ever put in.
  void task_done() { core_.task_done(); }

  /// Waits until every element that was put in has been reported done. What was done before the reports is visible.
  void join() { core_.join_within({}); }
  template <class Rep, class Period>
  [[nodiscard]] bool try_join_for(std::chrono::duration<Rep, Period> const& limit) {
    return core_.join_within({.deadline = deadline_after(limit)});
  }
  template <class Clock, class Duration>
  [[nodiscard]] bool try_join_until(std::chrono::time_point<Clock, Duration> const& limit) {
    return core_.join_within(limit_at(limit));
  }
  [[nodiscard]] bool join(os::stop_token const& stop) { return core_.join_within({.stop = &stop}); }
  [[nodiscard]] awaitable<void> auto async_join() { return core_.async_join(); }

  /// How it was at a moment within the call.
  [[nodiscard]] std::size_t size() const { return core_.store().size(); }
  [[nodiscard]] bool empty() const { return size() == 0; }
  [[nodiscard]] bool full() const { return size() == capacity(); }
  /// SIZE_MAX when it is unbounded.
  [[nodiscard]] std::size_t capacity() const noexcept { return core_.store().capacity(); }

  /// `for (auto& item : q) …` gets one element after the other until the queue is closed and empty. Several parties may
  /// do so; each element goes to one of them, and belongs to it until its next step.
  iterator begin() { return iterator(*this); }
  std::default_sentinel_t end() noexcept { return {}; }

 private:
  friend class queue_access;  // for select
  using core = detail::queue_core<T, Store>;

  template <class Range>
  std::size_t put_each(std::remove_reference_t<Range>& range, wait_limit const& limit) {
    detail::outgoing<T, Range> items(range);
    auto const outcome = core_.give_many_within(items, limit);
    if (items.count() == 0) core::done(outcome);
    return items.count();
  }
  std::vector<T> take_many(std::size_t max, wait_limit const& limit) {
    std::vector<T> taken;
    if (max != 0) core::done(core_.take_many_within(taken, max, limit));
    return taken;
  }

  core core_;
};

/// An input iterator: it holds the element it stands at.
template <class T, class Store>
class basic_queue<T, Store>::iterator {
 public:
  using value_type = T;
  using difference_type = std::ptrdiff_t;

  T& operator*() const noexcept { return *item_; }
  T* operator->() const noexcept { return &*item_; }
  iterator& operator++() {
    next();
    return *this;
  }
  void operator++(int) { next(); }
  bool operator==(std::default_sentinel_t) const noexcept { return !item_.has_value(); }

 private:
  friend basic_queue;
  explicit iterator(basic_queue& from) : queue_(&from) { next(); }
  void next() {
    item_.reset();
    auto& from = queue_->core_;
    if (from.glance_get(item_) == ring_outcome::refused) from.take_within(item_, {});
  }

  basic_queue* queue_;
  mutable std::optional<T> item_;
};

}  // namespace concur::inline CONCUR_ABI
