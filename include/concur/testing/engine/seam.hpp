// SPDX-License-Identifier: BSL-1.0
//
// The functions the seam takes from the explorer in place of the operating system's, in the seam's own words.
#pragma once

#include <concur/testing/engine/atomic.hpp>
#include <concur/testing/engine/run.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <new>
#include <string>
#include <type_traits>

namespace concur::testing::engine {

/// Virtual time: a nanosecond per look, and now and then an hour.
struct clock {
  using rep = std::chrono::steady_clock::rep;
  using period = std::chrono::steady_clock::period;
  using duration = std::chrono::steady_clock::duration;
  using time_point = std::chrono::steady_clock::time_point;
  static constexpr bool is_steady = true;

  static time_point now(site at = site::here()) noexcept {
    machine* const m = running();
    if (m == nullptr) return std::chrono::steady_clock::now();
    return time_point(std::chrono::nanoseconds(m->time_now(at)));
  }
};

/// Exactly FUTEX_WAIT. Returns false only on time-out. Outside an execution nobody could wake: it returns at once.
inline bool futex_wait(atomic<std::uint32_t> const& word, std::uint32_t expected,
                       clock::time_point deadline = clock::time_point::max(), site at = site::here()) noexcept {
  machine* const m = running();
  if (m == nullptr) return deadline == clock::time_point::max();
  std::int64_t const limit = std::chrono::nanoseconds(deadline.time_since_epoch()).count();
  return m->sleep(word.as("futex_wait", at), expected, limit);
}

inline void futex_wake(void const* address, int count = 1, site at = site::here()) noexcept {
  if (machine* const m = running()) m->wake(address, count, at);
}

inline bool drop_wake(site at) noexcept {
  machine* const m = running();
  return m != nullptr && m->drop_wake(at);
}

inline void spin_pause(site at = site::here()) noexcept {
  if (machine* const m = running()) m->pause("spin_pause", at);
}
inline void yield(site at = site::here()) noexcept {
  if (machine* const m = running()) m->pause("yield", at);
}
/// No rounds: a thread in a spin loop runs again only after a write, so a bounded loop would hide most of the schedules
/// in which it gives up and sleeps.
constexpr int spin_rounds(int) noexcept { return 0; }
inline bool may_spin() noexcept { return true; }

inline void prepare_barriers() noexcept {}
inline void light_barrier(site at = site::here()) noexcept {
  if (machine* const m = running()) m->light_barrier(at);
}
inline void heavy_barrier(site at = site::here()) noexcept {
  if (machine* const m = running()) m->heavy_barrier(at);
}

/// One T per explored thread and Tag, new in every execution and destroyed when its thread ends.
template <class Tag, class T>
[[gnu::noinline, gnu::visibility("default")]] T& thread_slot() noexcept {
  static constinit thread_local T outside{};
  struct cell {
    std::uint32_t epoch = 0;
    alignas(T) unsigned char memory[sizeof(T)];
  };
  machine* const m = running();
  if (m == nullptr) return outside;
  static thread_local cell cells[max_threads];
  cell& mine = cells[m->thread];
  T* const object = reinterpret_cast<T*>(mine.memory);
  if (mine.epoch != m->epoch) {
    mine.epoch = m->epoch;
    ::new (static_cast<void*>(mine.memory)) T{};
    if constexpr (!std::is_trivially_destructible_v<T>) {
      m->at_thread_exit({[](void* p) { static_cast<T*>(p)->~T(); }, object});
    }
  }
  return *std::launder(object);
}

using native_thread = int;

/// Threads that the code under test starts. There are no attributes, and 11 (EAGAIN) is the answer outside an
/// execution.
template <void (*Main)(void*)>
int start_thread(native_thread& started, void const*, void* argument) {
  machine* const m = running();
  if (m == nullptr) return 11;
  started = m->start({Main, argument}, "thread");
  return 0;
}
inline void detach_thread(native_thread) noexcept {}
inline int this_thread_id() noexcept {
  machine* const m = running();
  return m == nullptr ? 0 : m->thread;
}
inline void name_this_thread(char const*) noexcept {}

/// A call for the end of an explored thread; false outside an execution.
template <class Call>
bool at_thread_end(Call& call) {
  machine* const m = running();
  if (m == nullptr) return false;
  m->at_thread_exit({[](void* p) { static_cast<Call*>(p)->run(*static_cast<Call*>(p)); }, &call});
  return true;
}

/// Starts an explored thread; for use inside an execution. The callable must live until the thread has ended.
template <class F>
int start_thread(F& f, char const* name = "thread") {
  return running()->start({[](void* p) { (*static_cast<F*>(p))(); }, &f}, name);
}
inline void join_thread(int id, site at = site::here()) { running()->join(id, at); }

/// Misuse that the library reports: a failure of the execution. Outside one it returns.
inline void fail_execution(char const* sentence, char const* file, unsigned line) {
  machine* const m = running();
  if (m == nullptr) return;
  m->fail(std::string("misuse at ") + file_name(file) + ":" + std::to_string(line) + ": " + sentence);
}

/// A nondeterministic choice: 0 … count-1, each explored. 0 outside an execution.
inline int choose(int count, site at = site::here()) {
  machine* const m = running();
  return m == nullptr ? 0 : m->choose(count, at);
}

}  // namespace concur::testing::engine
