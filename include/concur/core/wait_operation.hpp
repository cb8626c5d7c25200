// SPDX-License-Identifier: BSL-1.0
//
// What a task waits in, as its trampoline and those who cancel it see it. Leaf awaiters derive from it.
//
//     class my_awaiter : public wait_operation {
//       bool publish(task_context& task) noexcept override { return list_.enqueue(waiter_); }
//       void cancel() noexcept override { if (list_.withdraw(waiter_)) waiter_.wake(wake_reason::stopped); }
//     };
#pragma once

#include <concur/core/abi.hpp>

namespace concur::inline CONCUR_ABI {

class task_context;

/// What a suspended coroutine is waiting in: it stands in the list of a primitive, among timers, or the like. Lives
/// in the awaiter, thus in the coroutine's frame.
class wait_operation {
 public:
  /// Called by the task's trampoline when the coroutine's whole stack has unwound: starts the wait, so that others may
  /// wake the task. Returns true when it waits; then nothing of the task may be touched any more. Returns false when
  /// there is nothing to wait for. An operation of several steps is called again after each wake, until it returns
  /// false.
  virtual bool publish(task_context& task) noexcept = 0;

  /// Called by a canceller: ends the wait if it has not succeeded yet, and then posts the task. May come before
  /// `publish` and more than once.
  virtual void cancel() noexcept = 0;

 protected:
  ~wait_operation() = default;
};

/// What a task "waits" in that has ended, but stands in its scope until that goes.
class ended_operation final : public wait_operation {
 public:
  constexpr ended_operation() noexcept = default;
  bool publish(task_context&) noexcept override { return false; }
  void cancel() noexcept override {}
};
inline constinit ended_operation has_ended;

}  // namespace concur::inline CONCUR_ABI
