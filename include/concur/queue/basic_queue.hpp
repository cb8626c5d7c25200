// SPDX-License-Identifier: BSL-1.0
//
// What all queues have in common: waiting, limits, closing, and the count of what is still to be done, over a store
// that never waits. Users know it as `queue`, `lifo_queue` and `priority_queue`.
//
// More than 400 lines because every form of putting exists for elements that are moved in and for those that are
// copied.
#pragma once

#include <concur/core/awaiter.hpp>
#include <concur/core/blocking.hpp>
#include <concur/core/cache_line.hpp>
#include <concur/core/deadline.hpp>
#include <concur/core/errors.hpp>
#include <concur/core/os.hpp>
#include <concur/queue/detail/run_spin.hpp>
#include <concur/queue/ring.hpp>
#include <concur/queue/unbounded.hpp>
#include <concur/sync/event_count.hpp>

#include <chrono>
#include <concepts>
#include <coroutine>
#include <cstddef>
#include <iterator>
#include <memory>
#include <optional>
#include <ranges>
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
template <class T, class Store>
class basic_queue {
  // Whether put_many moves elements out of the range, and what it makes them of.
  template <class Range>
  static constexpr bool moves_out_of = !std::is_lvalue_reference_v<Range> && !std::ranges::borrowed_range<Range> &&
                                       std::is_same_v<std::ranges::range_rvalue_reference_t<Range>, T&&>;
  template <class Range>
  using put_reference = std::conditional_t<moves_out_of<Range>, std::ranges::range_rvalue_reference_t<Range>,
                                           std::ranges::range_reference_t<Range>>;

 public:
  using value_type = T;
  class iterator;

  /// Room for so many elements. Throws misuse for 0, and for more than memory could ever hold. `order` is for queues
  /// that have one, such as the comparison of a priority_queue.
  template <class... Order>
    requires std::constructible_from<Store, std::size_t, Order const&...>
  explicit basic_queue(std::size_t capacity, Order const&... order) : store_(capacity, order...) {
    os::prepare_barriers();
  }
  /// Room for as many as there is memory for: put never waits.
  template <class... Order>
    requires std::constructible_from<Store, unbounded_t, Order const&...>
  explicit basic_queue(unbounded_t, Order const&... order) : store_(unbounded, order...) {
    os::prepare_barriers();
  }
  basic_queue(basic_queue const&) = delete;
  basic_queue& operator=(basic_queue const&) = delete;

  /// Puts the element in; waits while the queue is full.
  void put(T&& item) {
    if (!put_if_ready(item)) [[unlikely]]
      put_within(item, {});
  }
  void put(T const& item)
    requires std::copy_constructible<T>
  {
    T copy(item);
    put(std::move(copy));
  }

  /// Waits for room until a stop is requested; says whether the element was put in.
  [[nodiscard]] bool put(T&& item, os::stop_token const& stop) {
    return put_if_ready(item) || put_within(item, {.stop = &stop});
  }
  [[nodiscard]] bool put(T const& item, os::stop_token const& stop)
    requires std::copy_constructible<T>
  {
    T copy(item);
    return put(std::move(copy), stop);
  }

  /// Puts it in if there is room, without waiting; says whether.
  [[nodiscard]] bool try_put(T&& item) { return done(attempt_put(item)); }
  [[nodiscard]] bool try_put(T const& item)
    requires std::copy_constructible<T>
  {
    T copy(item);
    return done(attempt_put(copy));
  }

  /// Waits for room so long, or until then; says whether it was put in.
  template <class Rep, class Period>
  [[nodiscard]] bool try_put_for(T&& item, std::chrono::duration<Rep, Period> const& limit) {
    return put_if_ready(item) || put_within(item, {.deadline = deadline_after(limit)});
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
    return put_if_ready(item) || put_within(item, limit_at(limit));
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
  [[nodiscard]] awaitable<void> auto async_put(T&& item) { return async_put_operation<T&>(*this, item); }
  [[nodiscard]] awaitable<void> auto async_put(T const& item)
    requires std::copy_constructible<T>
  {
    return async_put_operation<T>(*this, item);
  }

  /// Puts all elements of the range in, in order, and waits as often as it is full; others may come between. They are
  /// moved out of a range that is passed as an rvalue and owns them, copied out of every other.
  ///
  /// Returns how many were put in. That is fewer than all if the queue was closed meanwhile: what was not put in is
  /// still in the range. Throws `closed` if none was. If an element or the range throws, those before it are in.
  template <std::ranges::input_range Range>
    requires std::constructible_from<T, put_reference<Range>>
  std::size_t put_many(Range&& range) {
    return put_each<Range>(range);
  }

  /// Takes the next element out; waits while the queue is empty.
  T get() {
    std::optional<T> taken;
    if (!get_if_ready(taken)) [[unlikely]]
      get_within(taken, {});
    return std::move(*taken);
  }

  /// Waits for an element until a stop is requested; none then.
  [[nodiscard]] std::optional<T> get(os::stop_token const& stop) {
    std::optional<T> taken;
    if (!get_if_ready(taken)) get_within(taken, {.stop = &stop});
    return taken;
  }

  /// Takes it out if there is one, without waiting.
  [[nodiscard]] std::optional<T> try_get() {
    std::optional<T> taken;
    done(attempt_get(taken));
    return taken;
  }

  /// Waits for an element so long, or until then.
  template <class Rep, class Period>
  [[nodiscard]] std::optional<T> try_get_for(std::chrono::duration<Rep, Period> const& limit) {
    std::optional<T> taken;
    if (!get_if_ready(taken)) get_within(taken, {.deadline = deadline_after(limit)});
    return taken;
  }
  template <class Clock, class Duration>
  [[nodiscard]] std::optional<T> try_get_until(std::chrono::time_point<Clock, Duration> const& limit) {
    std::optional<T> taken;
    if (!get_if_ready(taken)) get_within(taken, limit_at(limit));
    return taken;
  }

  /// `T item = co_await q.async_get();` waits without blocking the thread. Throws `cancelled`.
  [[nodiscard]] awaitable<T> auto async_get() { return async_get_operation(*this); }

  /// Takes out what is there, up to `max` elements; waits for the first. `try_get_many` does not wait.
  [[nodiscard]] std::vector<T> get_many(std::size_t max);
  [[nodiscard]] std::vector<T> try_get_many(std::size_t max);

  /// From now on nothing goes in, what is in still comes out, and who waits for room or for more is told. Any number of
  /// times.
  void close() {
    store_.close();
    not_empty_.notify_all();
    not_full_.notify_all();
  }
  [[nodiscard]] bool is_closed() const { return store_.is_closed(); }

  /// Says that the work of one element that was got is done. Throws misuse, and changes nothing, when as many have been
  /// reported as were ever put in.
  void task_done();

  /// Waits until every element that was put in has been reported done. What was done before the reports is visible.
  void join() { join_within({}); }
  template <class Rep, class Period>
  [[nodiscard]] bool try_join_for(std::chrono::duration<Rep, Period> const& limit) {
    return join_within({.deadline = deadline_after(limit)});
  }
  template <class Clock, class Duration>
  [[nodiscard]] bool try_join_until(std::chrono::time_point<Clock, Duration> const& limit) {
    return join_within(limit_at(limit));
  }
  [[nodiscard]] bool join(os::stop_token const& stop) { return join_within({.stop = &stop}); }
  [[nodiscard]] awaitable<void> auto async_join() { return all_done_.async_wait(nothing_to_do(*this)); }

  /// How it was at a moment within the call.
  [[nodiscard]] std::size_t size() const { return store_.size(); }
  [[nodiscard]] bool empty() const { return size() == 0; }
  [[nodiscard]] bool full() const { return size() == capacity(); }
  /// SIZE_MAX when it is unbounded.
  [[nodiscard]] std::size_t capacity() const noexcept { return store_.capacity(); }

  /// `for (auto& item : q) …` gets one element after the other until the queue is closed and empty. Several parties may
  /// do so; each element goes to one of them, and belongs to it until its next step.
  iterator begin() { return iterator(*this); }
  std::default_sentinel_t end() noexcept { return {}; }

 private:
  friend class queue_access;  // for select
  template <class Source>
  class async_put_operation;
  class async_get_operation;

  // Whether everything is done; asked for by `join`.
  class nothing_to_do {
   public:
    explicit nothing_to_do(basic_queue& in) noexcept : queue_(&in) {}
    bool operator()() const {
      // The count of reports first: it cannot overtake the other, so if the two are equal now, all was done when it was
      // read. acquire: what was done before the reports.
      std::size_t const finished = queue_->finished_.load(std::memory_order_acquire);
      return finished == queue_->store_.pushed();
    }

   private:
    basic_queue* queue_;
  };

  // Each tries once, tells the other side of a success, and throws nothing for `closed`. The glances are for who will
  // ask again: they refuse more often (ring::push_if_ready).
  ring_outcome attempt_put(T& item) { return told(store_.push(item), not_empty_); }
  ring_outcome glance_put(T& item) { return told(store_.push_if_ready(item), not_empty_); }
  ring_outcome attempt_get(std::optional<T>& taken) { return told(store_.pop(into(taken)), not_full_); }
  ring_outcome glance_get(std::optional<T>& taken) { return told(store_.pop_if_ready(into(taken)), not_full_); }

  static ring_outcome told(ring_outcome outcome, event_count& others) noexcept {
    if (outcome == ring_outcome::done) [[likely]]
      others.notify_one();
    return outcome;
  }
  static auto into(std::optional<T>& taken) noexcept {
    return [&taken](T&& item) { taken.emplace(std::move(item)); };
  }

  /// Whether it was done; throws if closed.
  static bool done(ring_outcome outcome) {
    if (outcome == ring_outcome::closed) [[unlikely]]
      throw closed();
    return outcome == ring_outcome::done;
  }
  // For the forms that wait if it is not done.
  bool put_if_ready(T& item) { return done(glance_put(item)); }
  bool get_if_ready(std::optional<T>& taken) { return done(glance_get(taken)); }

  enum class side { putting, getting };
  template <side Side, class Glance, class Attempt>
  ring_outcome attempt_within(Glance glance, Attempt attempt, wait_limit const& limit);
  ring_outcome give_within(T& item, wait_limit const& limit);
  ring_outcome take_within(std::optional<T>& taken, wait_limit const& limit);
  bool put_within(T& item, wait_limit const& limit) { return done(give_within(item, limit)); }
  bool get_within(std::optional<T>& taken, wait_limit const& limit) { return done(take_within(taken, limit)); }
  template <bool Move, class Element>
  std::size_t push_many(Element* from, std::size_t count) {
    if constexpr (Move) {
      return store_.push_many(std::move_iterator(from), count);
    } else {
      return store_.push_many(from, count);
    }
  }
  template <class Range>
  std::size_t put_each(std::remove_reference_t<Range>& range);
  ring_outcome attempt_get_many(std::vector<T>& taken, std::size_t max);
  bool join_within(wait_limit const& limit);

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
    if (queue_->glance_get(item_) == ring_outcome::refused) queue_->take_within(item_, {});
  }

  basic_queue* queue_;
  mutable std::optional<T> item_;
};

/// Moves from the caller's element, or from a copy of its own: `Source` is T& or T.
template <class T, class Store>
template <class Source>
class [[nodiscard]] basic_queue<T, Store>::async_put_operation {
 public:
  using context_aware = void;  // see coro/detail/foreign_await.hpp

  template <class Item>
  async_put_operation(basic_queue& to, Item& item)
      : queue_(to), item_(item), wait_(to.not_full_.async_wait(attempt(*this))) {}
  async_put_operation(async_put_operation const&) = delete;
  async_put_operation& operator=(async_put_operation const&) = delete;

  bool await_ready() const noexcept { return false; }
  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> handle) {
    return wait_.await_suspend(handle);
  }
  void await_resume() const {
    wait_.await_resume();
    done(outcome_);
  }

 private:
  class attempt {
   public:
    explicit attempt(async_put_operation& operation) noexcept : operation_(&operation) {}
    bool operator()() const {
      operation_->outcome_ = operation_->queue_.attempt_put(operation_->item_);
      return operation_->outcome_ != ring_outcome::refused;
    }

   private:
    async_put_operation* operation_;
  };

  basic_queue& queue_;
  Source item_;
  ring_outcome outcome_ = ring_outcome::refused;
  decltype(std::declval<event_count&>().async_wait(std::declval<attempt>())) wait_;
};

template <class T, class Store>
class [[nodiscard]] basic_queue<T, Store>::async_get_operation {
 public:
  using context_aware = void;  // see coro/detail/foreign_await.hpp

  explicit async_get_operation(basic_queue& from) : queue_(from), wait_(from.not_empty_.async_wait(attempt(*this))) {}
  async_get_operation(async_get_operation const&) = delete;
  async_get_operation& operator=(async_get_operation const&) = delete;

  bool await_ready() const noexcept { return false; }
  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> handle) {
    return wait_.await_suspend(handle);
  }
  T await_resume() {
    wait_.await_resume();
    done(outcome_);
    return std::move(*taken_);
  }

 private:
  class attempt {
   public:
    explicit attempt(async_get_operation& operation) noexcept : operation_(&operation) {}
    bool operator()() const {
      operation_->outcome_ = operation_->queue_.attempt_get(operation_->taken_);
      return operation_->outcome_ != ring_outcome::refused;
    }

   private:
    async_get_operation* operation_;
  };

  basic_queue& queue_;
  std::optional<T> taken_;
  ring_outcome outcome_ = ring_outcome::refused;
  decltype(std::declval<event_count&>().async_wait(std::declval<attempt>())) wait_;
};

// A hand-over through the caches takes less time than the way to sleep: glances first, and then, to sleep or to learn
// that it is closed, attempts.
template <class T, class Store>
template <typename basic_queue<T, Store>::side Side, class Glance, class Attempt>
ring_outcome basic_queue<T, Store>::attempt_within(Glance glance, Attempt attempt, wait_limit const& limit) {
  auto outcome = ring_outcome::refused;
  auto const glanced = [&] { return (outcome = glance()) != ring_outcome::refused; };
  auto const settled = [&] { return (outcome = attempt()) != ring_outcome::refused; };
  auto const passed = [this] { return Side == side::putting ? store_.pushed() : store_.popped(); };
  auto& runs = Side == side::putting ? put_runs_ : get_runs_;
  auto& hint = Side == side::putting ? not_full_ : not_empty_;
  if (limit.deadline == at_once || !runs.spin(glanced, passed, capacity())) hint.wait_within(settled, limit, {0, 0});
  runs.ended(passed);
  return outcome;
}

template <class T, class Store>
[[gnu::noinline]] ring_outcome basic_queue<T, Store>::give_within(T& item, wait_limit const& limit) {
  return attempt_within<side::putting>([&] { return glance_put(item); }, [&] { return attempt_put(item); }, limit);
}

template <class T, class Store>
[[gnu::noinline]] ring_outcome basic_queue<T, Store>::take_within(std::optional<T>& taken, wait_limit const& limit) {
  return attempt_within<side::getting>([&] { return glance_get(taken); }, [&] { return attempt_get(taken); }, limit);
}

template <class T, class Store>
template <class Range>
std::size_t basic_queue<T, Store>::put_each(std::remove_reference_t<Range>& range) {
  std::size_t count = 0;
  auto each = std::ranges::begin(range);
  auto const last = std::ranges::end(range);
  while (each != last) {
    if constexpr (std::ranges::contiguous_range<Range> && std::ranges::sized_range<Range> &&
                  std::is_nothrow_constructible_v<T, put_reference<Range>>) {
      // As many at once as there is room for.
      std::size_t const put = push_many<moves_out_of<Range>>(std::to_address(each), std::size_t(last - each));
      not_empty_.notify(put);
      count += put;
      each += std::ranges::range_difference_t<Range>(put);
      if (put != 0) continue;
    }
    // One, to wait for room or to learn that it is closed.
    auto outcome = ring_outcome::refused;
    if constexpr (moves_out_of<Range>) {
      T&& item = std::ranges::iter_move(each);
      outcome = give_within(item, {});
    } else {
      T item(*each);
      outcome = give_within(item, {});
    }
    if (outcome == ring_outcome::closed) {
      if (count == 0) throw closed();
      return count;
    }
    ++count;
    ++each;
  }
  return count;
}

// Without waiting. The memory is there before anything is taken.
template <class T, class Store>
ring_outcome basic_queue<T, Store>::attempt_get_many(std::vector<T>& taken, std::size_t max) {
  auto const take = [&taken](T&& item) { taken.push_back(std::move(item)); };
  std::size_t const present = size();
  taken.reserve(max < present ? max : present == 0 ? 1 : present);
  std::size_t const count = store_.pop_many(max < taken.capacity() ? max : taken.capacity(), take);
  not_full_.notify(count);
  if (count != 0) return ring_outcome::done;
  auto const outcome = store_.pop(take);  // says why
  if (outcome == ring_outcome::done) not_full_.notify_one();
  return outcome;
}

template <class T, class Store>
std::vector<T> basic_queue<T, Store>::try_get_many(std::size_t max) {
  std::vector<T> taken;
  if (max != 0) done(attempt_get_many(taken, max));
  return taken;
}

template <class T, class Store>
std::vector<T> basic_queue<T, Store>::get_many(std::size_t max) {
  std::vector<T> taken;
  if (max != 0 && !done(attempt_get_many(taken, max))) {
    auto const attempt = [&] { return attempt_get_many(taken, max); };
    done(attempt_within<side::getting>(attempt, attempt, {}));
  }
  return taken;
}

template <class T, class Store>
void basic_queue<T, Store>::task_done() {
  // acquire, release: each report passes on all that came before it, the puts of the elements that were reported too.
  std::size_t finished = finished_.load(std::memory_order_acquire);
  do {
    // The caller's own element is among those put in, and not among those reported.
    if (finished == store_.pushed()) throw misuse("task_done() was called more often than elements were put in");
  } while (
      !finished_.compare_exchange_weak(finished, finished + 1, std::memory_order_release, std::memory_order_acquire));
  if (finished + 1 == store_.pushed()) all_done_.notify_all();
}

template <class T, class Store>
bool basic_queue<T, Store>::join_within(wait_limit const& limit) {
  nothing_to_do const ready(*this);
  return ready() || all_done_.wait_within(ready, limit);
}

}  // namespace concur::inline CONCUR_ABI
