// SPDX-License-Identifier: BSL-1.0
//
// What can be said of live tasks: for each a line, and one more for each coroutine that awaits, innermost first.
//
//     task "spider" spawned at main.cpp:30, waits at crawl.cpp:12
//       crawl.cpp:12 task<std::string> fetch(url const&)
//       main.cpp:22 task<> crawl()
//     task "parser" spawned at main.cpp:31, runs
//
// For an executor's entry in the registry: `void describe_tasks(std::string& out) const override { append_tasks(…); }`.
// Users take describe_tasks and dump_tasks (coro/dump_tasks.hpp).
#pragma once

#include <concur/core/await_link.hpp>
#include <concur/core/cancellation.hpp>
#include <concur/core/executor.hpp>
#include <concur/core/hop.hpp>
#include <concur/core/scope_inspection.hpp>
#include <concur/core/task_context.hpp>
#include <concur/core/task_origin.hpp>

#include <source_location>
#include <string>
#include <string_view>

namespace concur::inline CONCUR_ABI {

/// Appends the tasks in a scope and in those inside it. They wait a moment when they come to go on meanwhile; see
/// cancellation::inspect. Requires: what stands there are tasks. Throws std::bad_alloc.
void append_tasks(std::string& out, cancellation& scope);

/// The same for the tasks of an executor; a sentence where they are another thread's business.
void append_tasks(std::string& out, executor& where);

/// Appends `file.cpp:12`, without the folders.
void append_place(std::string& out, std::source_location const& place);

/// Appends the function in which a place lies, as a reader knows it: GCC 12 names that which it made of a coroutine.
void append_function(std::string& out, std::source_location const& place);

inline void append_place(std::string& out, std::source_location const& place) {
  std::string_view const file = place.file_name();
  out += file.substr(file.find_last_of('/') + 1);
  out += ':';
  out += std::to_string(place.line());
}

// GCC 12 has `void names::f(f(arguments)::_Zname.Frame*)`, or `void names::operator()(names::_Zname.Frame*)`.
inline void append_function(std::string& out, std::source_location const& place) {
  std::string_view const whole = place.function_name();
  constexpr std::string_view begin = "void ", end = ".Frame*)";
  auto const mangled = whole.rfind("::_Z");
  if (!whole.starts_with(begin) || !whole.ends_with(end) || mangled == whole.npos) {
    out += whole;
    return;
  }
  auto open = whole.size() - 1;  // becomes where the last parenthesis was opened
  for (int depth = 1; depth != 0 && open > begin.size();) {
    --open;
    depth += whole[open] == ')' ? 1 : whole[open] == '(' ? -1 : 0;
  }
  auto const name = whole.substr(begin.size(), open - begin.size());
  out += name;
  auto const again = whole.substr(open + 1, mangled - open - 1);
  auto const arguments = again.find('(');
  if (arguments != again.npos && name.ends_with(again.substr(0, arguments))) out += again.substr(arguments);
}

namespace detail {

/// Requires: the task is held where it waits.
inline void append_await_chain(std::string& out, task_context const& task) {
  for (await_link const* link = task.innermost();;) {
    out += "  ";
    if (link == nullptr) {
      out += "a coroutine of another library\n";
      return;
    }
    if (auto const place = link->stands_at()) {
      append_place(out, location_of(place));
      out += ' ';
      append_function(out, location_of(place));
    } else {
      out += "a coroutine that has not begun";
    }
    out += '\n';
    tagged_frame const next = link->awaiting();
    if (!next) return;
    link = next.link();
  }
}

inline void append_task(std::string& out, task_context const& task, wait_operation const* operation) {
  out += "task ";
  if (auto const name = task.origin().name(); !name.empty()) {
    out += '"';
    out += name;
    out += "\" ";
  }
  if (auto const place = task.origin().place()) {
    out += "spawned at ";
    append_place(out, location_of(place));
  }
  if (out.back() == ' ') out.pop_back();
  bool const stands = operation != nullptr && operation != &not_begun;
  if (stands) {
    out += operation == &in_queue || operation == &in_other_queue ? ", is queued" : ", waits";
    await_link const* const innermost = task.innermost();
    if (auto const place = innermost != nullptr ? innermost->stands_at() : nullptr) {
      out += " at ";
      append_place(out, location_of(place));
    }
  } else {
    out += operation == nullptr ? ", runs" : ", has not begun";
  }
  if (task.cancelled()) out += ", is cancelled";
  out += '\n';
  if (stands) append_await_chain(out, task);
}

}  // namespace detail

inline void append_tasks(std::string& out, cancellation& scope) {
  scope.inspect([&out](cancellable const& task, wait_operation const* operation) {
    detail::append_task(out, static_cast<task_context const&>(task), operation);
  });
}

inline void append_tasks(std::string& out, executor& where) {
  if (where.is_elsewhere()) {
    out += "its tasks can be listed by its own thread only\n";
  } else {
    append_tasks(out, where.tasks());
  }
}

}  // namespace concur::inline CONCUR_ABI
