// SPDX-License-Identifier: BSL-1.0
//
// What an event loop is asked to run and to call, soon or later: the functions of class event_loop.
#pragma once

#include <concur/core/assert.hpp>
#include <concur/core/deadline.hpp>
#include <concur/core/executor.hpp>
#include <concur/loop/callback_handle.hpp>
#include <concur/loop/detail/loop_callback.hpp>
#include <concur/loop/event_loop.hpp>

#include <concepts>
#include <type_traits>
#include <utility>

namespace concur::inline CONCUR_ABI {

inline void event_loop::post(work& item) noexcept {
  if (current_executor() == this) return ready_.push(item);
  CONCUR_ASSERT(!lost(), "work was posted to an event loop of the parent process");
  [[maybe_unused]] bool const taken = inbox_.post(item);
  CONCUR_ASSERT(taken, "work was posted to an event loop that is closed");
}

inline void event_loop::post_admitted(work& item) {
  if (current_executor() == this) return ready_.push(item);
  if (!inbox_.post(item)) [[unlikely]]
    throw_closed();
}

template <class Function, class... Arguments>
detail::loop_callback& event_loop::make_callback(Function&& function, Arguments&&... arguments) {
  require_open();
  return *new detail::bound_callback<std::decay_t<Function>, std::decay_t<Arguments>...>(
      callbacks_, std::forward<Function>(function), std::forward<Arguments>(arguments)...);
}

template <class Function, class... Arguments>
callback_handle event_loop::call_soon(Function&& function, Arguments&&... arguments) {
  assert_own_thread();
  auto& made = make_callback(std::forward<Function>(function), std::forward<Arguments>(arguments)...);
  callback_handle handle(made);
  post(made);
  return handle;
}

template <class Function, class... Arguments>
callback_handle event_loop::call_when_due(time_point when, Function&& function, Arguments&&... arguments) {
  assert_own_thread();
  auto& made = make_callback(std::forward<Function>(function), std::forward<Arguments>(arguments)...);
  callback_handle handle(made);
  try {
    contents_.timers.add(made, when);
  } catch (...) {
    made.cancel();
    made.drop_reference();
    throw;
  }
  callbacks_.timed.push_back(made);
  return handle;
}

template <class Function, class... Arguments>
  requires(!std::derived_from<std::remove_cvref_t<Function>, work>)
void event_loop::post(Function&& function, Arguments&&... arguments) {
  auto& made = make_callback(std::forward<Function>(function), std::forward<Arguments>(arguments)...);
  try {
    post_admitted(made);
  } catch (...) {
    made.cancel();
    made.drop_reference();
    throw;
  }
}

}  // namespace concur::inline CONCUR_ABI
