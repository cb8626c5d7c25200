// SPDX-License-Identifier: BSL-1.0
//
// A function applied to the elements of a range by the workers of a pool; the results come in the order of the
// elements. Python's Executor.map, but it never takes more of the range than it needs to keep the workers busy.
//
//     for (auto& page : pool.map(fetch, addresses)) show(page);            // a thread or fiber
//
//     auto pages = pool.map(fetch, addresses);                             // a coroutine
//     while (auto* page = co_await pages.next()) show(*page);
#pragma once

#include <concur/core/awaiter.hpp>
#include <concur/core/blocking.hpp>
#include <concur/core/deadline.hpp>
#include <concur/core/os.hpp>
#include <concur/core/registry.hpp>
#include <concur/core/waiter.hpp>
#include <concur/future/future.hpp>
#include <concur/pool/detail/element_call.hpp>
#include <concur/pool/detail/job.hpp>
#include <concur/pool/detail/pool_state.hpp>

#include <chrono>
#include <cstddef>
#include <deque>
#include <exception>
#include <iterator>
#include <memory>
#include <optional>
#include <ranges>
#include <type_traits>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// Made by `thread_pool::map`, which says what it does with the function and the range. It takes elements and gives
/// jobs only when it is asked for a result, on the thread that asks: while one result is waited for, and until the next
/// one is asked for, at most `look_ahead` elements have been taken beyond its own.
///
/// What a job throws is thrown when its turn has come, and one may go on with the next one. If the range throws, the
/// pool refuses a job (`closed`) or memory runs out, that comes after the results before it, and nothing comes after
/// it.
///
/// One party at a time; it may be a job of the same pool, which runs what it waits for in place unless it has begun
/// elsewhere. The pool must be there while there are elements left. Moves only; a moved-from one can only be destroyed
/// or assigned to.
///
/// Destroyed or assigned to, it cancels the jobs that have not begun, asks those that run to stop, and waits for these,
/// since they use its function and perhaps its elements. Errors that were not asked for go to the hook for unhandled
/// errors, cancelled jobs do not.
template <class Function, class View, bool Owned>
class [[nodiscard]] mapped {
  using call = detail::element_call<Function, View, Owned>;
  class awaited_result;

 public:
  /// What the function returns; for void an empty object.
  using value_type = stored_value<typename call::result_type>;

  template <class Given, class Range>
  mapped(detail::pool_state& pool, Given&& function, Range&& range, std::size_t look_ahead)
      : progress_(new progress(pool, std::forward<Given>(function), std::forward<Range>(range), look_ahead)) {}

  /// Blocks for the next result; null after the last. It stays where it is until the next one is asked for, and may be
  /// moved from.
  [[nodiscard]] value_type* wait_next() {
    static_cast<void>(progress_->advance({}));
    return progress_->result();
  }

  /// The same with a limit: nothing if the result is not there in time, a null pointer after the last. The result that
  /// was given before stays where it is then. A limit that has passed looks once, and gives the jobs all the same.
  template <class Rep, class Period>
  [[nodiscard]] std::optional<value_type*> wait_next_for(std::chrono::duration<Rep, Period> const& limit) {
    return next_within({.deadline = deadline_after(limit)});
  }
  template <class Clock, class Duration>
  [[nodiscard]] std::optional<value_type*> wait_next_until(std::chrono::time_point<Clock, Duration> const& limit) {
    return next_within(limit_at(limit));
  }
  /// The same until a stop is requested.
  [[nodiscard]] std::optional<value_type*> wait_next(os::stop_token const& stop) {
    return next_within({.stop = &stop});
  }

  /// `co_await m.next()` gives the same without blocking. A cancel ends the wait only: it throws `cancelled`, and no
  /// result is skipped.
  [[nodiscard]] awaitable<value_type*> auto next() { return awaited_result(*progress_); }

  /// Goes through what is left, once, blocking at each step. An error is thrown where the result would be read.
  class iterator;
  iterator begin() { return iterator(*progress_); }
  std::default_sentinel_t end() const noexcept { return {}; }

 private:
  struct progress;

  std::optional<value_type*> next_within(wait_limit const& limit) {
    if (!progress_->advance(limit)) return std::nullopt;
    return progress_->result();
  }

  std::unique_ptr<progress> progress_;  // stays where it is: jobs refer to what is in it
};

template <class Function, class View, bool Owned>
class mapped<Function, View, Owned>::iterator {
 public:
  using value_type = typename mapped::value_type;
  using difference_type = std::ptrdiff_t;
  using iterator_concept = std::input_iterator_tag;

  explicit iterator(progress& all) : all_(&all) { static_cast<void>(all.advance({})); }
  iterator(iterator&&) noexcept = default;
  iterator& operator=(iterator&&) noexcept = default;

  value_type& operator*() const { return *all_->result(); }
  iterator& operator++() {
    static_cast<void>(all_->advance({}));
    return *this;
  }
  void operator++(int) { ++*this; }
  bool operator==(std::default_sentinel_t) const noexcept { return all_->over(); }

 private:
  progress* all_;
};

/// Whoever maps its results takes them over.
template <class Function, class View, bool Owned>
inline constexpr bool detail::owns_elements<mapped<Function, View, Owned>> = true;

/// How far it has come. Used by the party that asks; the workers use the function and the elements.
template <class Function, class View, bool Owned>
struct mapped<Function, View, Owned>::progress {
  template <class Given, class Range>
  progress(detail::pool_state& to, Given&& given, Range&& range, std::size_t ahead)
      : pool(to), function(std::forward<Given>(given)), view(std::forward<Range>(range)), look_ahead(ahead) {}
  progress(progress const&) = delete;
  progress& operator=(progress const&) = delete;
  ~progress();

  /// Takes elements and gives jobs, as far as may be looked ahead of the next result. Whatever is thrown waits for its
  /// turn.
  void give_jobs() noexcept;
  void take_element();

  /// Goes to the next result, which `arrived` has said to be there.
  void step();
  bool arrived() const { return jobs.empty() || jobs.front().done(); }
  /// Returns whether it did within the limit.
  bool advance(wait_limit const& limit) {
    give_jobs();
    if (!arrived() && !future_access::state(jobs.front()).wait_within(limit)) return false;
    step();
    return true;
  }

  /// Whether it has gone beyond the last result.
  bool over() const noexcept { return !value && !error; }
  value_type* result() {
    if (error) [[unlikely]]
      std::rethrow_exception(error);
    return value ? &*value : nullptr;
  }

  detail::pool_state& pool;
  unsigned const forks = process_wide::forks.load(std::memory_order_relaxed);  // of the process that it was made in
  Function const function;
  View view;
  std::size_t const look_ahead;

  std::optional<std::ranges::iterator_t<View>> last_taken;
  bool all_taken = false;
  std::exception_ptr last_error;  // what ended the taking
  std::deque<future<typename call::result_type>> jobs;  // in order

  // The present result, or neither.
  std::optional<value_type> value;
  std::exception_ptr error;
};

/// Waits for the job whose turn it is.
template <class Function, class View, bool Owned>
class [[nodiscard]] mapped<Function, View, Owned>::awaited_result final : public waiting_awaiter<awaited_result> {
 public:
  explicit awaited_result(progress& all) noexcept : all_(all) {}

  value_type* await_resume() {
    this->throw_if_stopped();
    all_.step();
    return all_.result();
  }

 private:
  friend waiting_awaiter<awaited_result>;
  auto& state() const { return future_access::state(all_.jobs.front()); }
  bool attempt() {
    all_.give_jobs();
    return all_.arrived();
  }
  bool enqueue(waiter& arriving) { return state().enqueue(arriving); }
  bool withdraw(waiter& leaving) { return state().withdraw(leaving); }

  progress& all_;
};

template <class Function, class View, bool Owned>
mapped<Function, View, Owned>::progress::~progress() {
  if (forks != process_wide::forks.load(std::memory_order_relaxed)) return;  // in a forked child nobody runs them
  // The last one first, or a worker that was asked to stop would begin another one.
  for (auto each = jobs.rbegin(); each != jobs.rend(); ++each) each->cancel();
  for (auto const& each : jobs) each.wait();
}

template <class Function, class View, bool Owned>
void mapped<Function, View, Owned>::progress::give_jobs() noexcept {
  try {
    while (!all_taken && jobs.size() <= look_ahead) take_element();
  } catch (...) {
    all_taken = true;
    last_error = std::current_exception();
  }
}

template <class Function, class View, bool Owned>
void mapped<Function, View, Owned>::progress::take_element() {
  // A stream is read only when the next element is needed.
  if (last_taken) {
    ++*last_taken;
  } else {
    last_taken.emplace(std::ranges::begin(view));
  }
  if (*last_taken == std::ranges::end(view)) {
    all_taken = true;
    return;
  }
  auto& place = jobs.emplace_back();  // before the job is given: afterwards nothing may throw
  try {
    place = detail::submit_job(pool, detail::lane::normal, call(function, *last_taken));
  } catch (...) {
    jobs.pop_back();
    throw;
  }
}

template <class Function, class View, bool Owned>
void mapped<Function, View, Owned>::progress::step() {
  value.reset();
  error = nullptr;
  if (jobs.empty()) {
    error = std::exchange(last_error, nullptr);
    return;
  }
  auto const job = std::move(jobs.front());
  jobs.pop_front();
  auto&& how = future_access::state(job).take_outcome();
  error = how.error();
  if (error) return;
  try {
    value.emplace(std::move(how).stored_or_throw());
  } catch (...) {
    error = std::current_exception();
  }
}

}  // namespace concur::inline CONCUR_ABI
