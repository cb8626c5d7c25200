// SPDX-License-Identifier: BSL-1.0
//
// Uses something and closes it on every way out. Python's `async with`.
//
//     co_await with(connect(address), [&](connection& c) -> task<> {
//       co_await c.send(message);
//     });
//     // closed here
//
// For users of GCC 12: inside a co_await expression capture by reference, or name the lambda first.
#pragma once

#include <concur/core/abi.hpp>
#include <concur/core/error_collector.hpp>
#include <concur/core/task_context.hpp>
#include <concur/core/task_origin.hpp>
#include <concur/coro/detail/kept_child.hpp>
#include <concur/coro/detail/nursery.hpp>
#include <concur/coro/detail/task_call.hpp>
#include <concur/coro/detail/task_result.hpp>
#include <concur/coro/task.hpp>

#include <exception>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

namespace concur::inline CONCUR_ABI {

namespace detail {

template <class Resource>
concept closes_async = requires(Resource& resource) { resource.async_close(); };
template <class Resource>
concept can_be_closed = closes_async<Resource> || requires(Resource& resource) { resource.close(); };

template <class Resource, class Body>
concept used_by = can_be_closed<Resource> && gives_task<Body, Resource&>;

// The coroutines below refer to the frame of the one that awaits them. They are made before anything is open, so that
// no lack of memory can keep it open.

template <class Resource>
task<> run_async_close(Resource* const& resource) {
  co_await resource->async_close();
}

/// For what is closed without waiting: none.
template <class Resource>
task<> make_closing(Resource* const& resource) {
  if constexpr (closes_async<Resource>) {
    return run_async_close(resource);
  } else {
    return task<>();
  }
}

/// Runs the body with what `resource` points to by then, and closes it: if that may wait, as a task of its own that no
/// cancel reaches.
template <class Resource, class Body>
std::invoke_result_t<Body&, Resource&> use_and_close(Resource* const& resource, Body& body, task<> closing) {
  using value = typename std::invoke_result_t<Body&, Resource&>::value_type;
  task_result<value> result;
  error_collector errors;
  try {
    auto running = std::invoke(body, *resource);
    if constexpr (std::is_void_v<value>) {
      co_await std::move(running);
    } else {
      result.return_value(co_await std::move(running));
    }
  } catch (...) {
    errors.add(std::current_exception());
  }
  if constexpr (closes_async<Resource>) {
    nursery shelter(*current_task(), nursery::kind::shielded);
    kept_child<void> child(shelter, task_origin(__builtin_source_location()));
    shelter.start(child, closing.release());
    nursery_await ended(shelter);
    co_await ended;
    if (child.failed()) errors.add(child.take_own_error());
  } else {
    try {
      resource->close();
    } catch (...) {
      errors.add(std::current_exception());
    }
  }
  errors.throw_any();
  co_return result.take_value();
}

/// Kept is a reference, or the resource itself.
template <class Kept, class Body>
auto with_resource(Kept resource, Body body) -> std::invoke_result_t<Body&, std::remove_reference_t<Kept>&> {
  auto* const place = std::addressof(resource);
  auto running = use_and_close(place, body, make_closing(place));
  co_return co_await std::move(running);
}

template <class Opened, class Body>
auto with_opened(task<Opened> open, Body body) -> std::invoke_result_t<Body&, std::remove_reference_t<Opened>&> {
  std::remove_reference_t<Opened>* place = nullptr;
  auto running = use_and_close(place, body, make_closing(place));
  if constexpr (std::is_reference_v<Opened>) {
    place = std::addressof(co_await std::move(open));
    co_return co_await std::move(running);
  } else {
    Opened resource = co_await std::move(open);
    place = std::addressof(resource);
    co_return co_await std::move(running);
  }
}

}  // namespace detail

/// `co_await with(resource, body)`: runs `body(resource)`, which gives a task, closes the resource, and gives what the
/// body returned. It is closed when the body returned, when it threw and when it was cancelled: by
/// `co_await resource.async_close()`, if there is one, else by `resource.close()`. An error of that is thrown; after an
/// error of the body, `cancelled` too, both together as `multiple_errors`.
///
/// The waits of async_close are not ended by a cancel of the task, so a close that hangs hangs the task. It runs as a
/// task of its own. Keeps the body, and a resource that is given as a temporary or moved, until then. Throws
/// std::bad_alloc when it is called or awaited; then the body has not run, and nothing was opened or closed.
template <class Resource, class Body>
  requires detail::used_by<std::remove_reference_t<Resource>, Body>
[[nodiscard]] auto with(Resource&& resource, Body body) {
  return detail::with_resource<Resource>(std::forward<Resource>(resource), std::move(body));
}

/// The same with what a task opens. If it throws, there is nothing to close.
template <class Opened, class Body>
  requires detail::used_by<std::remove_reference_t<Opened>, Body>
[[nodiscard]] auto with(task<Opened> open, Body body) {
  return detail::with_opened(std::move(open), std::move(body));
}

}  // namespace concur::inline CONCUR_ABI
