// SPDX-License-Identifier: BSL-1.0
//
// Waits until one of several queues can give an element, or take one, and does exactly one of these things: Go's
// select, for threads, fibers and coroutines.
//
//     concur::select(concur::on_get(orders, [&](order&& o) { serve(o); }),
//                    concur::on_get(alarms, [&](alarm&& a) { ring(a); }),
//                    concur::on_put(log, std::move(line)));
//
//     auto const order = concur::on_get(orders, [&](order&& o) { serve(o); });     // in a coroutine: named first
//     auto const alarm = concur::on_get(alarms, [&](alarm&& a) { ring(a); });
//     std::size_t const which = co_await concur::async_select(order, alarm);
#pragma once

#include <concur/core/awaiter.hpp>
#include <concur/core/blocking.hpp>
#include <concur/core/deadline.hpp>
#include <concur/core/os.hpp>
#include <concur/queue/basic_queue.hpp>
#include <concur/queue/detail/select_case.hpp>
#include <concur/queue/detail/select_operation.hpp>

#include <chrono>
#include <concepts>
#include <cstddef>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// What `on_get` and `on_put` make: one of the things that a select may do. It may have a name and be used again, by
/// several parties too if its handler is fit for that.
template <class Case>
concept select_case = std::derived_from<std::remove_cvref_t<Case>, detail::any_select_case>;

/// Takes an element out and calls `handler(T&&)` with it.
template <class T, class Store, class Handler>
  requires std::invocable<Handler&, T>
[[nodiscard]] select_case auto on_get(basic_queue<T, Store>& from, Handler handler) {
  return detail::get_case<basic_queue<T, Store>, Handler>(from, std::move(handler));
}

/// Puts the element in and calls `handler()`. The element stays with the caller until there is room, and is moved from
/// then; so it has to be there until the select has returned. Such a case is made within the select, since it could
/// otherwise refer to a temporary that is gone.
template <class T, class Store, class Handler = detail::nothing_follows>
  requires std::invocable<Handler&>
[[nodiscard]] select_case auto on_put(basic_queue<T, Store>& to, std::type_identity_t<T>&& item, Handler handler = {}) {
  return detail::put_case<basic_queue<T, Store>, T, Handler>(to, item, std::move(handler));
}
/// The same with a copy of what the element is when the select begins. It has to be there as long as the case is used.
template <std::copy_constructible T, class Store, class Handler = detail::nothing_follows>
  requires std::invocable<Handler&>
[[nodiscard]] select_case auto on_put(basic_queue<T, Store>& to, std::type_identity_t<T> const& item,
                                      Handler handler = {}) {
  return detail::put_case<basic_queue<T, Store>, T const, Handler>(to, item, std::move(handler));
}

/// Waits until one of the cases can be done, does it, calls its handler, and returns its place among the cases, counted
/// from 0. Cases of any number, on queues of any kind, the same queue more than once too.
///
/// If several can be done, chance decides, as in Go: each has a chance of at least one in the number of cases, so none
/// waits for ever behind another.
///
/// A queue that is closed, for a get also empty, is passed over, and the others are waited for. When that is so for all
/// of them, select throws `closed`: a loop around it gets everything there is, and then ends.
///
/// The handler runs on the selecting party when all else is over: nothing is locked, and it may use the queues. What it
/// throws comes out of the select; the element has been got or put then. It returns nothing.
///
/// A limit, a stop, a cancel or an error of an element loses no element and no room; what was not put is with the
/// caller as it was. Who was told of one queue and served by another tells the next in line.
///
/// Errors: `closed`, std::bad_alloc where a queue allocates, and what the elements' own members throw; with any of them
/// nothing was done. The queues must live until it has returned. Nobody allocates to wait.
template <select_case... Cases>
std::size_t select(Cases&&... cases) {
  detail::select_operation operation(detail::refer_to<Cases...>(cases...));
  if (!operation.all().attempt()) operation.all().wait_within({});
  return operation.follow();
}

/// The same until a stop is requested; none then.
template <select_case... Cases>
[[nodiscard]] std::optional<std::size_t> select(os::stop_token const& stop, Cases&&... cases) {
  detail::select_operation operation(detail::refer_to<Cases...>(cases...));
  if (!operation.all().attempt() && !operation.all().wait_within({.stop = &stop})) return std::nullopt;
  return operation.follow();
}

/// Does one that can be done without waiting; none if there is none.
template <select_case... Cases>
[[nodiscard]] std::optional<std::size_t> try_select(Cases&&... cases) {
  detail::select_operation operation(detail::refer_to<Cases...>(cases...));
  if (!operation.all().attempt()) return std::nullopt;
  return operation.follow();
}

/// Waits so long, or until then; none if nothing could be done. A limit that has passed tries once or twice.
template <class Rep, class Period, select_case... Cases>
[[nodiscard]] std::optional<std::size_t> try_select_for(std::chrono::duration<Rep, Period> const& limit,
                                                        Cases&&... cases) {
  detail::select_operation operation(detail::refer_to<Cases...>(cases...));
  auto& all = operation.all();
  if (!all.attempt() && !all.wait_within({.deadline = deadline_after(limit)})) return std::nullopt;
  return operation.follow();
}
template <class Clock, class Duration, select_case... Cases>
[[nodiscard]] std::optional<std::size_t> try_select_until(std::chrono::time_point<Clock, Duration> const& limit,
                                                          Cases&&... cases) {
  detail::select_operation operation(detail::refer_to<Cases...>(cases...));
  if (!operation.all().attempt() && !operation.all().wait_within(limit_at(limit))) return std::nullopt;
  return operation.follow();
}

/// `std::size_t which = co_await async_select(order, alarm);` waits without blocking the thread; the handler runs in
/// the coroutine. Throws `cancelled`. Name the cases first, as above, if a handler captures anything but references:
/// GCC 12 destroys twice what a temporary lambda in an await expression holds.
template <select_case... Cases>
[[nodiscard]] awaitable<std::size_t> auto async_select(Cases&&... cases) {
  return detail::async_select_operation<Cases...>(std::forward<Cases>(cases)...);
}

}  // namespace concur::inline CONCUR_ABI
