// SPDX-License-Identifier: BSL-1.0
//
// A variable of which each thread has its own: Python's threading.local, for one value of any type.
//
//     concur::thread_specific<int> attempts;       // also as a member, or local to a function
//     ++*attempts;                                 // this thread's, 0 in the beginning
//     concur::thread_specific<connection> server([&] { return connect(address); });
//
// Unlike thread_local it belongs to an object, of which there may be any number.
#pragma once

#include <concur/core/intrusive_list.hpp>
#include <concur/core/move_only_function.hpp>
#include <concur/core/process_lock.hpp>
#include <concur/thread/detail/thread_values.hpp>

#include <concepts>
#include <memory>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// A value is made when its thread first asks for it, and destroyed when the thread ends, after its thread_local
/// objects; or with this object, by whoever destroys that. Any thread may ask at any time while the object lives, also
/// in destructors of thread_local objects. The values of the main thread go with the object.
///
/// Requires: when the object is destroyed, no thread uses its value any more. A thread that ends at that moment may
/// still be in the destructor of its value; to have seen all of them go, join the threads first.
///
/// An access costs a few nanoseconds, O(1), and no lock once the value is there. Pthread keys are not used up: there
/// may be any number of objects.
template <class T>
class thread_specific {
 public:
  /// Each value begins as `T()`. Throws std::bad_alloc.
  thread_specific()
    requires std::default_initializable<T>
      : place_(detail::thread_value_places::take()) {}

  /// Each value begins as what `initial()` returns, called on its thread; several threads may call it at once. What it
  /// throws leaves the access, and the next access calls it again. Throws std::bad_alloc.
  explicit thread_specific(move_only_function<T()> initial)
      : place_(detail::thread_value_places::take()), initial_(std::move(initial)) {}

  thread_specific(thread_specific const&) = delete;
  thread_specific& operator=(thread_specific const&) = delete;

  /// Destroys the values of all threads that are still there.
  ~thread_specific();

  /// The calling thread's value, made if it is not there. Throws std::bad_alloc, and what making it throws.
  [[nodiscard]] T& get() {
    if (auto* const found = detail::thread_value_table::find(place_)) [[likely]]
      return static_cast<holder*>(found)->value;
    return make();
  }
  T& operator*() { return get(); }
  T* operator->() { return &get(); }

  /// Whether the calling thread has a value.
  [[nodiscard]] bool has_value() const noexcept { return detail::thread_value_table::find(place_) != nullptr; }

  /// Destroys the calling thread's value, if it has one; the next access makes a new one.
  void reset() noexcept { detail::thread_value_table::take(place_); }

  /// Calls `function(T&)` for the value of every thread, in the order of their making: for sums at the end. Requires:
  /// no other thread uses its value meanwhile; the function uses no thread_specific, does not start, name or list
  /// threads, and does not fork.
  template <class Function>
  void for_each(Function function) {
    process_wide::process_lock::guard const held(detail::thread_values_lock);
    for (auto& each : values_) function(static_cast<holder&>(each).value);
  }

 private:
  struct holder final : detail::thread_value {
    holder()
      requires std::default_initializable<T>
        : value() {}
    explicit holder(move_only_function<T()>& initial) : value(initial()) {}
    T value;
  };

  T& make();

  detail::thread_value_place const place_;
  move_only_function<T()> initial_;
  intrusive_list<detail::thread_value, detail::in_object> values_;  // under the lock
};

template <class T>
[[gnu::noinline]] T& thread_specific<T>::make() {
  auto const made = [this]() -> std::unique_ptr<detail::thread_value> {
    if constexpr (std::default_initializable<T>) {
      if (!initial_) return std::make_unique<holder>();
    }
    return std::make_unique<holder>(initial_);
  };
  return static_cast<holder&>(detail::thread_value_table::fill(place_, values_, made)).value;
}

template <class T>
thread_specific<T>::~thread_specific() {
  for (;;) {
    std::unique_ptr<detail::thread_value> first;
    {
      process_wide::process_lock::guard const held(detail::thread_values_lock);
      if (!values_.empty()) {
        first.reset(&values_.front());
        detail::thread_value_table::leave_both(*first);
      } else {
        detail::thread_value_places::give_back(place_);
        return;
      }
    }
  }
}

}  // namespace concur::inline CONCUR_ABI
