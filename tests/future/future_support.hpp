// SPDX-License-Identifier: BSL-1.0
//
// What the tests of futures share: errors that nobody took, values that count themselves, types that are hard to hold.
#pragma once

#include <concur/core/errors.hpp>
#include <concur/future/future.hpp>
#include <concur/future/promise.hpp>

#include <atomic>
#include <exception>
#include <memory>
#include <string>
#include <utility>

namespace support::inline CONCUR_ABI {

/// While it lives, counts what goes to the hook for unhandled errors.
class counted_unhandled_errors {
 public:
  counted_unhandled_errors()
      : before_(concur::set_unhandled_error_hook([](std::exception_ptr const&, char const*) { ++counter(); })) {
    counter() = 0;
  }
  ~counted_unhandled_errors() { concur::set_unhandled_error_hook(before_); }
  counted_unhandled_errors(counted_unhandled_errors const&) = delete;
  counted_unhandled_errors& operator=(counted_unhandled_errors const&) = delete;

  int count() const { return counter().load(); }

 private:
  static std::atomic<int>& counter() {
    static std::atomic<int> errors{0};
    return errors;
  }

  concur::unhandled_error_hook before_;
};

/// How many of them live. Moving does not throw; one that was moved from lives too.
class counted_value {
 public:
  explicit counted_value(int value = 0) : value_(value) { ++alive(); }
  counted_value(counted_value const& other) : value_(other.value_) { ++alive(); }
  counted_value(counted_value&& other) noexcept : value_(std::exchange(other.value_, -1)) { ++alive(); }
  counted_value& operator=(counted_value const&) = default;
  ~counted_value() { --alive(); }

  int value() const { return value_; }
  static std::atomic<int>& alive() {
    static std::atomic<int> objects{0};
    return objects;
  }

 private:
  int value_;
};

/// An error with a number.
struct numbered_error {
  int number;
};

/// The number in an error, or -1.
inline int number_of(std::exception_ptr const& error) {
  try {
    if (error) std::rethrow_exception(error);
  } catch (numbered_error const& thrown) {
    return thrown.number;
  } catch (...) {
  }
  return -1;
}

inline bool is_cancelled(std::exception_ptr const& error) {
  try {
    if (error) std::rethrow_exception(error);
  } catch (concur::cancelled const&) {
    return true;
  } catch (...) {
  }
  return false;
}

/// A future that is done.
template <class T, class... Arguments>
concur::future<T> ready_future(Arguments&&... arguments) {
  concur::promise<T> p;
  auto f = p.get_future();
  p.set_value(std::forward<Arguments>(arguments)...);
  return f;
}
template <class T>
concur::future<T> failed_future(int number) {
  concur::promise<T> p;
  auto f = p.get_future();
  p.set_error(numbered_error{number});
  return f;
}

}  // namespace support::inline CONCUR_ABI
