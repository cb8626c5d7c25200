// SPDX-License-Identifier: BSL-1.0
//
// Every live task as text: its name, where it was spawned, where it waits now, and who awaits whom. Python's
// all_tasks() and print_stack(). For the moment when a program hangs.
//
//     std::fputs(concur::dump_tasks().c_str(), stderr);
//
//     event loop main, 2 tasks
//       task "spider" spawned at main.cpp:30, waits at crawl.cpp:12
//         crawl.cpp:12 task<std::string> fetch(url const&)
//         main.cpp:22 task<> crawl()
//       task spawned at main.cpp:31, runs
#pragma once

#include <concur/core/blocking.hpp>
#include <concur/core/cancellation.hpp>
#include <concur/core/deadline.hpp>
#include <concur/core/executor.hpp>
#include <concur/core/os.hpp>
#include <concur/core/registry.hpp>
#include <concur/core/task_report.hpp>

#include <algorithm>
#include <chrono>
#include <string>
#include <string_view>

namespace concur::inline CONCUR_ABI {

/// The tasks that were spawned to an executor and have not ended. Such a task has not begun, runs, is queued after a
/// yield or a hop, or waits; what was woken and has not come to run yet still waits. One whose future was cancelled
/// before it began is listed until the executor comes to drop it. The coroutines are shown with the
/// line of the co_await where each stands, innermost first, if the task neither runs nor has yet to begin, and as far
/// as those that belong to other libraries.
///
/// Any thread; but the tasks of an event loop can be listed by its own thread only, and others get a sentence that says
/// so. The text is no snapshot: tasks run on meanwhile, save that one that would go on waits until it is described. So
/// in programs with many tasks this is not for every second. Throws std::bad_alloc.
inline std::string describe_tasks(executor& where) {
  std::string text;
  append_tasks(text, where);
  return text;
}

/// The same for those in a scope.
inline std::string describe_tasks(cancellation& scope) {
  std::string text;
  append_tasks(text, scope);
  return text;
}

/// What dump_registry() says of all threads, pools and loops, each with its tasks, as far as the calling thread may see
/// them; then the tasks of executors that are in no registry. Any thread, but not while it holds a lock of the
/// registry, that is, in a `describe`. Throws std::bad_alloc.
inline std::string dump_tasks() {
  std::string text;
  auto const append_below = [&text](std::string_view tasks) {
    if (tasks.empty()) return;
    tasks.remove_suffix(1);  // the last line end
    text += "  ";
    append_indented(text, tasks);
    text += '\n';
  };
  registry::for_each([&](registry_entry const& entry) {
    append_entry(text, entry);
    std::string tasks;
    entry.describe_tasks(tasks);
    append_below(tasks);
  });
  if (auto const others = describe_tasks(executor::never_cancelled()); !others.empty()) {
    text += "other executors\n";
    append_below(others);
  }
  return text;
}

/// The same for a thread that watches over the others: it asks the loops that run elsewhere for their tasks, and waits
/// for them up to `patience`; zero or less: it takes what is there at once. A loop answers between two steps of its
/// tasks, also out of its sleep. Of one that a callback or a task holds for longer, and of one that does not run, there
/// is only the line about the loop, and a sentence. Any thread, but on a loop's own nothing else runs meanwhile, so
/// that two of them wait for each other in vain. Throws std::bad_alloc.
template <class Rep, class Period>
std::string dump_tasks(std::chrono::duration<Rep, Period> const& patience) {
  using namespace std::chrono_literals;
  auto const limit = deadline_after(patience);
  for (;;) {
    bool answered = true;
    registry::for_each([&](registry_entry const& entry) { answered = entry.ask_for_tasks() && answered; });
    auto const now = os::clock::now();
    if (answered || now >= limit) return dump_tasks();
    sleep_within({.deadline = std::min(limit, now + 1ms)});
  }
}

}  // namespace concur::inline CONCUR_ABI
