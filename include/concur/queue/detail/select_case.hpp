// SPDX-License-Identifier: BSL-1.0
//
// The cases of `select`: what is to be done with which queue, and what follows. A case is a description that may be
// used again and again; each select makes an arm of it, which holds the element under way.
#pragma once

#include <concur/core/abi.hpp>
#include <concur/queue/detail/queue_access.hpp>
#include <concur/queue/detail/selection.hpp>
#include <concur/queue/ring.hpp>

#include <cstddef>
#include <functional>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

namespace concur::inline CONCUR_ABI::detail {

/// What an arm is made of, in one piece, since a tuple makes each of its members of one argument. `Case` may be const.
template <class Case>
struct arm_start {
  selection& all;
  Case& made_of;
  std::size_t index;
};

/// The base of every case, to tell them from other arguments.
class any_select_case {
 public:
  // Whether it may have a name: not if it refers to an element that may be gone at the end of the expression.
  static constexpr bool may_have_name = true;
};

/// To be asserted with `Cases` as they were deduced: `Case&` for one that has a name.
template <class... Cases>
constexpr bool may_be_selected =
    ((!std::is_lvalue_reference_v<Cases> || std::remove_cvref_t<Cases>::may_have_name) && ...);

/// What a select over these cases refers to.
template <class... Cases>
auto refer_to(std::remove_reference_t<Cases>&... cases) noexcept {
  static_assert(may_be_selected<Cases...>,
                "on_put of an element to be moved belongs into the select itself: name the element, not the case");
  return std::tie(cases...);
}

struct nothing_follows {
  void operator()() const noexcept {}
};

template <class Queue, class Handler>
class get_case : public any_select_case {
  using item_type = typename Queue::value_type;
  static_assert(std::is_void_v<std::invoke_result_t<Handler&, item_type>>,
                "the handler of a select returns nothing: what it returned, such as a task, would be lost");

 public:
  get_case(Queue& from, Handler&& handler) : queue_(&from), handler_(std::move(handler)) {}

  template <class Case>
  class arm final : public selection_arm {
   public:
    explicit arm(arm_start<Case> start) noexcept
        : selection_arm(start.all, start.index, queue_access::not_empty(*start.made_of.queue_)), case_(start.made_of) {}

    ring_outcome attempt() override { return queue_access::attempt_get(*case_.queue_, taken_); }
    void follow() { std::invoke(case_.handler_, std::move(*taken_)); }

   private:
    Case& case_;
    std::optional<item_type> taken_;
  };

 private:
  Queue* queue_;
  Handler handler_;
};

/// Puts the caller's element in, or a copy made for each select: `Element` is T or T const.
template <class Queue, class Element, class Handler>
class put_case : public any_select_case {
  static_assert(std::is_void_v<std::invoke_result_t<Handler&>>,
                "the handler of a select returns nothing: what it returned, such as a task, would be lost");

 public:
  static constexpr bool may_have_name = std::is_const_v<Element>;

  put_case(Queue& to, Element& item, Handler&& handler) : queue_(&to), item_(&item), handler_(std::move(handler)) {}

  template <class Case>
  class arm final : public selection_arm {
   public:
    explicit arm(arm_start<Case> start)
        : selection_arm(start.all, start.index, queue_access::not_full(*start.made_of.queue_)),
          case_(start.made_of),
          item_(*case_.item_) {}

    ring_outcome attempt() override { return queue_access::attempt_put(*case_.queue_, item_); }
    void follow() { std::invoke(case_.handler_); }

   private:
    Case& case_;
    std::conditional_t<std::is_const_v<Element>, std::remove_const_t<Element>, Element&> item_;
  };

 private:
  Queue* queue_;
  Element* item_;
  Handler handler_;
};

}  // namespace concur::inline CONCUR_ABI::detail
