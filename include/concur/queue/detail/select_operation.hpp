// SPDX-License-Identifier: BSL-1.0
//
// One select under way: the arms of its cases and the selection among them; and the same as an awaiter.
#pragma once

#include <concur/core/awaiter.hpp>
#include <concur/core/blocking.hpp>
#include <concur/core/deadline.hpp>
#include <concur/core/task_context.hpp>
#include <concur/core/waiter.hpp>
#include <concur/queue/detail/select_case.hpp>
#include <concur/queue/detail/selection.hpp>

#include <cstddef>
#include <tuple>
#include <type_traits>
#include <utility>

namespace concur::inline CONCUR_ABI::detail {

/// Over these cases, each perhaps const, which it refers to.
template <class... Cases>
class select_operation {
  static_assert(sizeof...(Cases) != 0, "a select needs something to select from");

 public:
  explicit select_operation(std::tuple<Cases&...> cases)
      : select_operation(cases, std::index_sequence_for<Cases...>()) {}
  select_operation(select_operation const&) = delete;
  select_operation& operator=(select_operation const&) = delete;

  selection& all() noexcept { return all_; }

  /// Once an arm has succeeded: calls its handler and returns its index.
  std::size_t follow() {
    std::size_t const index = all_.chosen().index();
    std::apply([index](auto&... each) { ((each.index() == index ? each.follow() : void()), ...); }, arms_);
    return index;
  }

 private:
  template <std::size_t... Index>
  select_operation(std::tuple<Cases&...>& cases, std::index_sequence<Index...>)
      : arms_(arm_start<Cases>{all_, std::get<Index>(cases), Index}...) {}

  selection all_;  // made before the arms, which add themselves
  std::tuple<typename Cases::template arm<Cases>...> arms_;
};

/// What `co_await` uses. It refers to cases that have a name, `Case&`, and keeps the others.
template <class... Cases>
class [[nodiscard]] async_select_operation final : public stepping_awaiter<async_select_operation<Cases...>> {
  using base = stepping_awaiter<async_select_operation>;

 public:
  explicit async_select_operation(Cases&&... cases)
      : cases_(std::forward<Cases>(cases)...),
        operation_(std::apply([](auto&... each) { return refer_to<Cases...>(each...); }, cases_)) {}

  std::size_t await_resume() {
    base::await_resume();
    return operation_.follow();
  }

  void cancel() noexcept override {
    if (operation_.all().withdraw(waiter_)) waiter_.wake(wake_reason::stopped);
  }

 private:
  friend base;
  bool attempt() { return operation_.all().attempt(); }
  bool step(task_context& task);

  std::tuple<Cases...> cases_;
  select_operation<std::remove_reference_t<Cases>...> operation_;
  waiter waiter_{nullptr};
  bool announced_ = false;
};

template <class... Cases>
bool async_select_operation<Cases...>::step(task_context& task) {
  auto& all = operation_.all();
  for (;;) {
    if (announced_) {
      if (all.follow_hints()) return false;
      this->stopped_ = waiter_.reason() == wake_reason::stopped;
      if (this->stopped_) {
        all.leave();
        return false;
      }
    }
    announced_ = true;
    if (all.announce()) return false;
    waiter_.bind(task);
    if (all.enqueue(waiter_)) return true;
  }
}

}  // namespace concur::inline CONCUR_ABI::detail
