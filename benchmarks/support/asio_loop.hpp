// SPDX-License-Identifier: BSL-1.0
//
// The same for Boost.Asio: its awaitables on an io_context that is made once and run by one thread.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>

#include <exception>
#include <future>
#include <optional>
#include <type_traits>
#include <utility>

namespace bench {

/// Operations are `deferred`, the lighter of the two forms that a coroutine can await, but for `co_spawn`, where that
/// does not compile.
template <class Executor>
class basic_asio_loop {
 public:
  template <class T>
  using task = boost::asio::awaitable<T, Executor>;

  /// With a completion handler, which is the lighter way to a result.
  template <class T>
  T run(task<T> body) {
    std::exception_ptr error;
    context_.restart();
    if constexpr (std::is_void_v<T>) {
      boost::asio::co_spawn(context_, std::move(body), [&](std::exception_ptr thrown) { error = thrown; });
      context_.run();
      if (error) std::rethrow_exception(error);
    } else {
      std::optional<T> result;
      boost::asio::co_spawn(context_, std::move(body), [&](std::exception_ptr thrown, T value) {
        error = thrown;
        result.emplace(std::move(value));
      });
      context_.run();
      if (error) std::rethrow_exception(error);
      return std::move(*result);
    }
  }

  static auto yield() { return boost::asio::post(boost::asio::deferred); }
  template <class T>
  auto spawn(task<T> body) {
    return boost::asio::co_spawn(context_, std::move(body), boost::asio::use_awaitable_t<Executor>());
  }
  void start(task<void> body) { boost::asio::co_spawn(context_, std::move(body), boost::asio::detached); }

 protected:
  boost::asio::io_context context_{1};  // one thread runs it
};

/// What `awaitable<T>` is by default.
using asio_loop = basic_asio_loop<boost::asio::any_io_executor>;

/// With the name of the executor in the type of every coroutine, which saves virtual calls.
using asio_typed_loop = basic_asio_loop<boost::asio::io_context::executor_type>;

/// The other form.
class asio_use_awaitable_loop : public asio_loop {
 public:
  static auto yield() { return boost::asio::post(boost::asio::use_awaitable); }
};

/// A result through a future.
class asio_use_future_loop : public asio_loop {
 public:
  template <class T>
  T run(task<T> body) {
    context_.restart();
    auto result = boost::asio::co_spawn(context_, std::move(body), boost::asio::use_future);
    context_.run();
    return result.get();
  }
};

}  // namespace bench
