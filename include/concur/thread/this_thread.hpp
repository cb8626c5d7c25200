// SPDX-License-Identifier: BSL-1.0
//
// What a thread can say of itself and do with itself, whoever has started it.
//
//     concur::this_thread::set_name("spider");
//     concur::this_thread::sleep_for(100ms);
#pragma once

#include <concur/core/blocking.hpp>
#include <concur/core/deadline.hpp>
#include <concur/core/os.hpp>
#include <concur/thread/detail/processor_set.hpp>
#include <concur/thread/detail/thread_state.hpp>
#include <concur/thread/thread_info.hpp>

#include <cerrno>
#include <chrono>
#include <pthread.h>
#include <sched.h>
#include <string>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

namespace concur::inline CONCUR_ABI::this_thread {

/// The kernel's number of the thread, as in /proc/self/task.
inline int native_id() noexcept { return os::this_thread_id(); }

/// Whether it is the main thread; in a forked child, the thread that forked.
inline bool is_main() noexcept { return os::this_thread_id() == ::getpid(); }

/// Its name: the whole one for threads of the library and the main thread, which is "main" unless renamed; what the
/// kernel knows for others. Throws std::bad_alloc.
std::string name();

/// All that a list of threads would tell of it. Throws std::bad_alloc.
thread_info info();

/// Renames it, for lists and reports; the kernel is told the first 15 bytes, and for the main thread shows them as the
/// name of the process. Throws std::bad_alloc.
void set_name(std::string name);

/// Sleeps for so long, or until then; does not sleep when that has passed. A fiber is suspended instead of its thread.
template <class Rep, class Period>
void sleep_for(std::chrono::duration<Rep, Period> const& length);
template <class Clock, class Duration>
void sleep_until(std::chrono::time_point<Clock, Duration> const& when);

/// The same until a stop is requested: returns whether it slept to the end. With hours::max() it waits for the stop.
template <class Rep, class Period>
bool sleep_for(std::chrono::duration<Rep, Period> const& length, os::stop_token const& stop);
template <class Clock, class Duration>
bool sleep_until(std::chrono::time_point<Clock, Duration> const& when, os::stop_token const& stop);

/// Lets other threads run on this processor.
inline void yield() noexcept { os::yield(); }

/// The stop token of a thread of the library; one that is never asked to stop for others.
[[nodiscard]] inline os::stop_token get_stop_token() {
  auto* const state = detail::thread_state::current();
  return state == nullptr ? os::stop_token() : state->stop().get_token();
}

/// The processors it may run on, by number. Throws std::bad_alloc.
inline std::vector<int> affinity() { return detail::processor_set::of_this_thread().numbers(); }

/// Lets it run on these processors only, from now on; numbers that do not exist are ignored as long as one of them
/// does. Throws std::system_error otherwise, and std::bad_alloc.
void set_affinity(std::vector<int> const& processors);

inline std::string name() {
  if (auto const* const entry = process_wide::thread_entry::current()) return entry->name();
  if (is_main()) return process_wide::thread_entry::of_main().name();
  char text[16] = {};
  pthread_getname_np(pthread_self(), text, sizeof text);
  return text;
}

inline thread_info info() {
  auto const* const entry = process_wide::thread_entry::current();
  return {name(), native_id(), entry != nullptr && entry->daemon(), is_main()};
}

inline void set_name(std::string name) {
  os::name_this_thread(detail::kernel_name(name).c_str());
  if (auto* const entry = process_wide::thread_entry::current()) {
    entry->rename(std::move(name));
  } else if (is_main()) {
    process_wide::thread_entry::of_main().rename(std::move(name));
  }
}

inline void set_affinity(std::vector<int> const& processors) {
  detail::processor_set set(processors);
  if (sched_setaffinity(0, set.bytes(), set.get()) != 0) {
    throw std::system_error(errno, std::generic_category(),
                            "none of the processors that a thread is to run on can be used");
  }
}

template <class Rep, class Period>
void sleep_for(std::chrono::duration<Rep, Period> const& length) {
  sleep_within({.deadline = deadline_after(length)});
}
template <class Clock, class Duration>
void sleep_until(std::chrono::time_point<Clock, Duration> const& when) {
  sleep_within(limit_at(when));
}
template <class Rep, class Period>
bool sleep_for(std::chrono::duration<Rep, Period> const& length, os::stop_token const& stop) {
  return sleep_within({.deadline = deadline_after(length), .stop = &stop});
}
template <class Clock, class Duration>
bool sleep_until(std::chrono::time_point<Clock, Duration> const& when, os::stop_token const& stop) {
  auto limit = limit_at(when);
  limit.stop = &stop;
  return sleep_within(limit);
}

}  // namespace concur::inline CONCUR_ABI::this_thread
