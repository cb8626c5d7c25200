// SPDX-License-Identifier: BSL-1.0
//
// A call that is put together here and made later, once: a function with its arguments, and with a stop token if it
// wants one. What a thread runs, and a pool.
//
//     bound_call<void (*)(std::string), std::string> call(print, "hello");
//     std::move(call)([&] { return source.get_token(); });
#pragma once

#include <concur/core/abi.hpp>
#include <concur/core/os.hpp>

#include <functional>
#include <tuple>
#include <type_traits>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// A function and its arguments, of decayed types. It stays where it is made, and takes no more room than its parts:
/// as much as the function when there are no arguments.
///
/// The function gets its arguments as rvalues, and before them a stop token if it can be called with one (a member
/// function: after its object). The parts live as long as this object: when, and on which thread, they end is up to
/// its owner, who may destroy it without having called it.
template <class Function, class... Arguments>
class bound_call {
  static_assert(std::is_same_v<Function, std::decay_t<Function>> &&
                    (std::is_same_v<Arguments, std::decay_t<Arguments>> && ...),
                "a bound call holds values");

  using token_first = std::is_invocable<Function, os::stop_token, Arguments...>;

  template <class...>
  struct token_after_object : std::false_type {
    using result = std::type_identity<void>;
  };
  template <class Object, class... Rest>
  struct token_after_object<Object, Rest...>
      : std::conjunction<std::is_member_function_pointer<Function>,
                         std::is_invocable<Function, Object, os::stop_token, Rest...>> {
    using result = std::invoke_result<Function, Object, os::stop_token, Rest...>;
  };
  using token_second = token_after_object<Arguments...>;

 public:
  /// Whether the function gets a stop token.
  static constexpr bool takes_token = std::disjunction_v<token_first, token_second>;

  /// Whether the function can be called in one of these ways. Left to the owner to assert, who knows what to say.
  static constexpr bool callable =
      std::disjunction_v<token_first, token_second, std::is_invocable<Function, Arguments...>>;

  /// What the call returns; void if there can be none.
  using result_type = typename std::conditional_t<
      token_first::value, std::invoke_result<Function, os::stop_token, Arguments...>,
      std::conditional_t<
          token_second::value, typename token_second::result,
          std::conditional_t<callable, std::invoke_result<Function, Arguments...>, std::type_identity<void>>>>::type;

  /// Throws what copying or moving the parts throws.
  template <class GivenFunction, class... Given>
    requires(!std::is_same_v<std::remove_cvref_t<GivenFunction>, bound_call>)
  explicit bound_call(GivenFunction&& function, Given&&... arguments)
      : function_(std::forward<GivenFunction>(function)), arguments_(std::forward<Given>(arguments)...) {}
  bound_call(bound_call const&) = delete;
  bound_call& operator=(bound_call const&) = delete;

  /// Makes the call, which moves from the parts: once at the most. The stop token is what `get_token()` returns, which
  /// is not asked when none is wanted.
  template <class GetToken>
  result_type operator()(GetToken get_token) &&;

 private:
  [[no_unique_address]] Function function_;
  [[no_unique_address]] std::tuple<Arguments...> arguments_;
};

template <class Function, class... Arguments>
template <class GetToken>
auto bound_call<Function, Arguments...>::operator()([[maybe_unused]] GetToken get_token) && -> result_type {
  if constexpr (token_first::value) {
    return std::apply(
        [&](Arguments&... each) -> result_type {
          return std::invoke(std::move(function_), get_token(), std::move(each)...);
        },
        arguments_);
  } else if constexpr (token_second::value) {
    return std::apply(
        [&](auto& object, auto&... rest) -> result_type {
          return std::invoke(function_, std::move(object), get_token(), std::move(rest)...);
        },
        arguments_);
  } else {
    return std::apply(
        [&](Arguments&... each) -> result_type { return std::invoke(std::move(function_), std::move(each)...); },
        arguments_);
  }
}

}  // namespace concur::inline CONCUR_ABI
