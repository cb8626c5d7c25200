// SPDX-License-Identifier: BSL-1.0
//
// What a gather of tasks is given: the tasks, and from their start on the children that run them.
#pragma once

#include <concur/core/await_link.hpp>
#include <concur/core/errors.hpp>
#include <concur/core/task_origin.hpp>
#include <concur/coro/detail/giving_up.hpp>
#include <concur/coro/detail/kept_child.hpp>
#include <concur/coro/detail/nursery.hpp>
#include <concur/coro/detail/task_call.hpp>
#include <concur/coro/task.hpp>
#include <concur/future/future.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <ranges>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace concur::inline CONCUR_ABI::detail {

template <class... Given>
concept tasks_and_futures = ((is_task<Given> || is_future<Given>) && ...) && (is_task<Given> || ...);

template <class Range>
concept range_of_tasks =
    std::ranges::input_range<Range> && std::ranges::sized_range<Range> && is_task<std::ranges::range_value_t<Range>> &&
    (!std::is_lvalue_reference_v<Range> || !std::is_lvalue_reference_v<std::ranges::range_reference_t<Range>>);

/// A task, and from its start on the child that runs it. Not moved.
template <class T>
class gather_slot {
 public:
  gather_slot() noexcept = default;
  explicit gather_slot(task<T>&& body) : body_(std::move(body)) { require_body(); }
  gather_slot(gather_slot const&) = delete;
  gather_slot& operator=(gather_slot const&) = delete;

  void set_body(task<T>&& body) {
    body_ = std::move(body);
    require_body();
  }
  bool has_body() const noexcept { return body_.valid(); }

  void prepare(nursery& children, source_place place) noexcept {
    children.prepare(child_.emplace(children, task_origin(place)), body_.release());
  }
  void give_up() noexcept {
    giving_up const nobody_forgot_it;
    body_ = task<T>();
  }

  kept_child<T>& child() noexcept { return *child_; }

 private:
  void require_body() const {
    if (!has_body()) throw misuse("a task was given to gather that was moved from, or awaited or spawned before");
  }

  task<T> body_;
  std::optional<kept_child<T>> child_;
};

/// Tasks of several types; everything lies in the frame of whoever awaits.
template <class... Ts>
class gathered_task_tuple {
 public:
  explicit gathered_task_tuple(task<Ts>&&... tasks) : slots_(std::move(tasks)...) {}

  static constexpr std::size_t size() noexcept { return sizeof...(Ts); }

  template <class Each>
  void for_each(Each each) {
    std::apply([&each](auto&... slot) { (each(slot), ...); }, slots_);
  }
  template <class Each>
  void for_each_backwards(Each each) {
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      (each(std::get<sizeof...(Ts) - 1 - I>(slots_)), ...);
    }(std::index_sequence_for<Ts...>());
  }
  template <class Take>
  auto take(Take take_one) {
    // Braces: in order.
    return std::apply(
        [&take_one](auto&... slot) {
          return std::tuple<decltype(take_one(slot.child()))...>{take_one(slot.child())...};
        },
        slots_);
  }

 private:
  std::tuple<gather_slot<Ts>...> slots_;
};

/// Any number of tasks of one type, in one block.
template <class T>
class gathered_task_range {
 public:
  template <class Range>
  explicit gathered_task_range(Range&& tasks)
      : count_(std::size_t(std::ranges::size(tasks))), slots_(count_ == 0 ? nullptr : new gather_slot<T>[count_]) {
    std::size_t filled = 0;
    for (auto&& each : tasks) {
      if (filled == count_) break;
      slots_[filled++].set_body(std::move(each));
    }
    count_ = filled;
  }

  std::size_t size() const noexcept { return count_; }

  template <class Each>
  void for_each(Each each) {
    for (std::size_t i = 0; i < count_; ++i) each(slots_[i]);
  }
  template <class Each>
  void for_each_backwards(Each each) {
    for (std::size_t i = count_; i != 0; --i) each(slots_[i - 1]);
  }
  template <class Take>
  auto take(Take take_one) {
    std::vector<decltype(take_one(slots_[0].child()))> taken;
    taken.reserve(count_);
    for_each([&](auto& slot) { taken.push_back(take_one(slot.child())); });
    return taken;
  }

 private:
  std::size_t count_;
  std::unique_ptr<gather_slot<T>[]> slots_;
};

template <class T>
task<T> gathered_task(future<T> awaited) {
  co_return co_await awaited;
}
template <class T>
task<T> gathered_task(task<T> body) noexcept {
  return body;
}

}  // namespace concur::inline CONCUR_ABI::detail
