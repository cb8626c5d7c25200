// SPDX-License-Identifier: BSL-1.0
//
// The state of a future made by `then`: the callback of the future before it, with the function inside, in one block.
#pragma once

#include <concur/core/blocking.hpp>
#include <concur/future/future_state.hpp>
#include <concur/future/outcome.hpp>

#include <exception>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

namespace concur::inline CONCUR_ABI::detail {

/// Whether the function can be called with the value, or with nothing for void. Only if not, the outcome is tried,
/// since a generic function may not compile for it.
template <class T, class Function>
constexpr bool takes_value = std::is_invocable_v<Function, T>;
template <class Function>
constexpr bool takes_value<void, Function> = std::is_invocable_v<Function>;

template <class T, class Function>
constexpr auto continuation_result() {
  if constexpr (!takes_value<T, Function>) {
    static_assert(std::is_invocable_v<Function, outcome<T> const&>,
                  "then needs a function of the value, of nothing for void, or of outcome<T> const&");
    return std::type_identity<std::invoke_result_t<Function, outcome<T> const&>>();
  } else if constexpr (std::is_void_v<T>) {
    return std::type_identity<std::invoke_result_t<Function>>();
  } else {
    return std::type_identity<std::invoke_result_t<Function, T>>();
  }
}

/// Starts with two references: of the future that it completes, and of the callback.
template <class T, class Function>
class continuation final : public future_state_with_room<typename decltype(continuation_result<T, Function>())::type>,
                           public future_callback {
 public:
  using result_type = typename decltype(continuation_result<T, Function>())::type;

  /// Takes over a reference to `source` unless it throws.
  template <class Given>
  continuation(Given&& function, future_state<T>& source)
      : future_state_with_room<result_type>(2), function_(std::forward<Given>(function)), source_(&source) {}

  /// Once: waits for the source, or runs at once. The last access for the caller but to its own reference.
  void follow() noexcept {
    auto& source = *source_;
    source.add_reference();  // run lets go of the continuation's
    if (!source.call_to_take(*this)) run(source);
    source.drop_reference();
  }

  void run(future_state_base& done) noexcept override {
    complete(static_cast<future_state<T>&>(done));
    function_.reset();
    if (auto* const before = let_go_of_source()) before->drop_reference();
    this->drop_reference();
  }

 private:
  void complete(future_state<T>& source) noexcept {
    if (!this->begin()) return;  // cancelled; an error of the source is nobody's then
    auto&& how = source.take_outcome();
    if constexpr (!takes_value<T, Function>) {
      this->complete_with(std::move(*function_), std::as_const(how));
    } else if (!how.has_value()) {
      this->complete_error(how.error());
    } else if constexpr (std::is_void_v<T>) {
      this->complete_with(std::move(*function_));
    } else {
      this->complete_with(std::move(*function_), std::move(how).stored_or_throw());
    }
  }

  void request_cancel() noexcept override {
    if (held_source const before(*this); before.state != nullptr) before.state->cancel();
  }

  // Who waits for this waits for the source, which may have to be run in place.
  void about_to_block(wait_limit const& limit) override {
    held_source const before(*this);
    if (before.state != nullptr && !before.state->done()) before.state->about_to_block(limit);
  }

  /// The source, if it has not been let go of yet, with a reference.
  struct held_source {
    explicit held_source(continuation& mine) noexcept
        : state(mine.with_list_locked([&mine] {
            if (mine.source_ != nullptr) mine.source_->add_reference();
            return mine.source_;
          })) {}
    ~held_source() {
      if (state != nullptr) state->drop_reference();
    }
    held_source(held_source const&) = delete;
    held_source& operator=(held_source const&) = delete;

    future_state<T>* const state;
  };

  future_state<T>* let_go_of_source() noexcept {
    return this->with_list_locked([this] { return std::exchange(source_, nullptr); });
  }

  ~continuation() override {
    if (source_ != nullptr) source_->drop_reference();
  }

  std::optional<Function> function_;
  future_state<T>* source_;  // under the lock of the list
};

}  // namespace concur::inline CONCUR_ABI::detail
