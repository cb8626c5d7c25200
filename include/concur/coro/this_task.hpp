// SPDX-License-Identifier: BSL-1.0
//
// What a task can ask about itself. Python's current_task. The task is the one that was spawned, or given to `run`, a
// group or a gather, with all the coroutines in it that await each other.
//
//     co_await log("task ", concur::this_task::name(), " has begun");
#pragma once

#include <concur/core/await_link.hpp>
#include <concur/core/task_context.hpp>
#include <concur/core/task_origin.hpp>

#include <cstdint>
#include <optional>
#include <source_location>
#include <string_view>

namespace concur::inline CONCUR_ABI::this_task {

// Each may be called on any thread, in a task or not.

/// The name that it was given; empty if it has none, and outside of tasks. Lives as long as the task.
inline std::string_view name() noexcept {
  auto const* const task = current_task();
  return task == nullptr ? std::string_view() : task->origin().name();
}

/// A number that no other task has at the same time; 0 outside of tasks.
inline std::uintptr_t id() noexcept { return reinterpret_cast<std::uintptr_t>(current_task()); }

/// Where it was spawned; nothing if nobody noted that, and outside of tasks.
inline std::optional<std::source_location> spawned_at() noexcept {
  auto const* const task = current_task();
  if (task == nullptr || task->origin().place() == nullptr) return std::nullopt;
  return location_of(task->origin().place());
}

/// Whether its next wait will be refused, since it was cancelled or a scope or group around it: for those that compute
/// for long without a wait. False outside of tasks.
inline bool cancelled() noexcept {
  auto const* const task = current_task();
  return task != nullptr && task->cancelled();
}

}  // namespace concur::inline CONCUR_ABI::this_task
