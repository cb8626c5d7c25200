// SPDX-License-Identifier: BSL-1.0
//
// Runs several tasks beside each other and waits for all. Python's asyncio.gather. For futures alone, which are running
// already, see future/gather.hpp.
//
//     auto [page, count] = co_await gather(load(url), count_visits());
//     std::vector<int> sizes = co_await gather(std::move(tasks));
//     std::vector<int> sizes = co_await gather(urls | std::views::transform(size_of));
//     auto [a, b] = co_await gather(collect_outcomes, x(), y());     // values and errors
#pragma once

#include <concur/core/awaiter.hpp>
#include <concur/core/error_collector.hpp>
#include <concur/core/errors.hpp>
#include <concur/core/task_context.hpp>
#include <concur/coro/detail/gathered_tasks.hpp>
#include <concur/coro/detail/nursery.hpp>
#include <concur/future/gather.hpp>

#include <concepts>
#include <coroutine>
#include <optional>
#include <ranges>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// What `gather` of tasks gives; `co_await` it once.
template <bool Collect, class Tasks>
class [[nodiscard]] task_gathering final : public wait_operation {
 public:
  template <class... Given>
  explicit task_gathering(std::in_place_t, Given&&... tasks) : tasks_(std::forward<Given>(tasks)...) {}
  task_gathering(task_gathering const&) = delete;
  task_gathering& operator=(task_gathering const&) = delete;

  bool await_ready() const {
    if (awaited_) throw misuse("the same gather was awaited twice");
    return false;
  }

  template <promise_with_context Promise>
  bool await_suspend(std::coroutine_handle<Promise> handle) noexcept {
    task_context& parent = handle.promise().context();
    awaited_ = true;
    refused_ = parent.cancelled();
    if (refused_) {
      tasks_.for_each([](auto& slot) { slot.give_up(); });
      return false;
    }
    source_place place = nullptr;
    if constexpr (std::derived_from<Promise, await_link>) place = handle.promise().stands_at();
    auto& children = children_.emplace(parent, Collect ? kind::collecting : kind::plain, tasks_.size());
    tasks_.for_each([&](auto& slot) { slot.prepare(children, place); });
    parent.suspend_in(*this, handle);
    return true;
  }

  auto await_resume() {
    if (refused_) [[unlikely]]
      throw cancelled();
    bool const stopped = children_->stopped();
    children_.reset();
    if constexpr (Collect) {
      return tasks_.take([](auto& child) { return child.take_outcome(); });
    } else {
      error_collector errors;
      tasks_.for_each([&errors](auto& slot) {
        if (slot.child().failed()) [[unlikely]]
          errors.add(slot.child().take_own_error());
      });
      errors.throw_any();
      if (stopped) [[unlikely]]
        throw cancelled();
      return tasks_.take([](auto& child) { return child.take_value(); });
    }
  }

  bool publish(task_context&) noexcept override {
    children_->start_all(tasks_);
    return children_->publish();
  }
  void cancel() noexcept override { children_->cancel_from_parent(); }

 private:
  using kind = detail::nursery::kind;

  Tasks tasks_;
  std::optional<detail::nursery> children_;
  bool awaited_ = false;
  bool refused_ = false;
};

/// `co_await gather(x(), y())`: each runs as a task of its own on the executor of the task that awaits, on a pool at
/// the same time; they begin in the order of the arguments, but for those that another worker takes over, and none
/// inside the call. Gives a tuple of their values in that order, with std::monostate for void and a
/// std::reference_wrapper for a reference. Futures may be among them.
///
/// The first error cancels the rest, and is thrown when all have ended; if there are several, `multiple_errors`. That
/// those that were cancelled for it end with `cancelled` is no error. A cancel of the task that awaits cancels all of
/// them, and the wait goes on until they have ended; if all ended with values, these are what the await gives. In a
/// task that is cancelled already they never begin.
///
/// Takes over the tasks; allocates nothing but a frame for each future. Throws misuse for a task without a coroutine.
/// Only for coroutines with a task context.
template <class... Given>
  requires detail::tasks_and_futures<Given...>
[[nodiscard]] auto gather(Given... given) {
  using tasks = detail::gathered_task_tuple<typename Given::value_type...>;
  return task_gathering<false, tasks>(std::in_place, detail::gathered_task(std::move(given))...);
}
/// The same with a tuple of outcomes: then an error cancels nothing and is not thrown.
template <class... Given>
  requires detail::tasks_and_futures<Given...>
[[nodiscard]] auto gather(collect_outcomes_t, Given... given) {
  using tasks = detail::gathered_task_tuple<typename Given::value_type...>;
  return task_gathering<true, tasks>(std::in_place, detail::gathered_task(std::move(given))...);
}

/// The same for a range of tasks whose size is known: one that is given away, or one that makes them. Gives a vector.
/// Takes one block for all.
template <class Range>
  requires detail::range_of_tasks<Range>
[[nodiscard]] auto gather(Range&& range) {
  using tasks = detail::gathered_task_range<typename std::ranges::range_value_t<Range>::value_type>;
  return task_gathering<false, tasks>(std::in_place, std::forward<Range>(range));
}
template <class Range>
  requires detail::range_of_tasks<Range>
[[nodiscard]] auto gather(collect_outcomes_t, Range&& range) {
  using tasks = detail::gathered_task_range<typename std::ranges::range_value_t<Range>::value_type>;
  return task_gathering<true, tasks>(std::in_place, std::forward<Range>(range));
}

}  // namespace concur::inline CONCUR_ABI
