// SPDX-License-Identifier: BSL-1.0
//
// A function bound to an element of a range: what a job of `thread_pool::map` calls.
#pragma once

#include <concur/core/os.hpp>

#include <concepts>
#include <functional>
#include <iterator>
#include <memory>
#include <ranges>
#include <type_traits>
#include <utility>

namespace concur::inline CONCUR_ABI::detail {

/// Whether nobody but the range has its elements: it is a container. A range whose elements can be changed although it
/// is const itself only refers to them, as most views do.
template <class Range>
inline constexpr bool owns_elements = [] {
  if constexpr (std::ranges::view<Range> || !std::ranges::range<Range const>) {
    return false;
  } else {
    return std::is_const_v<std::remove_reference_t<std::ranges::range_reference_t<Range const>>>;
  }
}();

/// Refers to the function, which several workers call at the same time, and to the element if that stays where it is
/// while the range does; else it holds the element. The function gets an rvalue of what the job holds, or of what is
/// the map's own (`Owned`).
template <class Function, class View, bool Owned>
class element_call {
  using reference = std::ranges::range_reference_t<View>;
  // Only references that iterators of several passes gave remain valid when the iterator goes on.
  static constexpr bool refers = std::ranges::forward_range<View> && std::is_lvalue_reference_v<reference>;
  using element = std::conditional_t<refers, std::remove_reference_t<reference>, std::ranges::range_value_t<View>>;
  using argument = std::conditional_t<refers && !Owned, element&, element&&>;

  static constexpr bool takes_token = std::is_invocable_v<Function const&, os::stop_token, argument>;
  static_assert(takes_token || std::is_invocable_v<Function const&, argument>,
                "map needs a function that can be called with an element of the range, or with a stop token before it, "
                "and that is not changed by that: several workers call it at the same time");

  static_assert(refers || Owned || std::constructible_from<element, reference>,
                "map copies the elements of a range that can be read only once: these cannot be copied");

  static auto call_type() {
    if constexpr (takes_token) {
      return std::invoke_result<Function const&, os::stop_token, argument>();
    } else {
      return std::invoke_result<Function const&, argument>();
    }
  }

 public:
  using result_type = typename decltype(call_type())::type;

  template <class Iterator>
  element_call(Function const& function, Iterator const& at) : function_(&function), element_(held(at)) {}

  result_type operator()()
    requires(!takes_token)
  {
    return std::invoke(*function_, get());
  }
  result_type operator()(os::stop_token const& stop)
    requires takes_token
  {
    return std::invoke(*function_, stop, get());
  }

 private:
  template <class Iterator>
  static auto held(Iterator const& at) {
    if constexpr (refers) {
      return std::addressof(*at);
    } else if constexpr (Owned) {
      return element(std::ranges::iter_move(at));
    } else {
      return element(*at);
    }
  }
  argument get() noexcept {
    if constexpr (refers) {
      return static_cast<argument>(*element_);
    } else {
      return std::move(element_);
    }
  }

  Function const* function_;
  std::conditional_t<refers, element*, element> element_;
};

}  // namespace concur::inline CONCUR_ABI::detail
