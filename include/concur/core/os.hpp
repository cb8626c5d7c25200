// SPDX-License-Identifier: BSL-1.0
//
// The seam: the only file that names std::atomic, the futex, the clock, threads, thread-local storage, the spin hint,
// plain shared fields and stop tokens. All else in the library takes them from here, so that the explorer can stand in
// for the machine when CONCUR_EXPLORE is set. A release build pays nothing: these are the standard's own types.
//
//     os::atomic<int> word{0};
//     while (word.load(std::memory_order_acquire) == 0) os::spin_pause();
#pragma once

#include <concur/core/abi.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <stop_token>
#include <type_traits>

#if CONCUR_EXPLORE
#include <concur/testing/engine/engine.hpp>
#else
#include <cerrno>
#include <ctime>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace concur {
// Outside the ABI tag: what belongs to the process is shared by everything in it, plugins of whatever build included.
namespace [[gnu::visibility("default")]] process_wide {

/// As os::thread_slot, but never explored, the same object for code of every build, and inlined: only functions that
/// are themselves never inlined may call it (trap C7). When T has a destructor, it runs at the end of each thread
/// that called this; trivially destroyed slots may be used even after that.
template <class Tag, class T>
[[gnu::always_inline]] inline T& thread_slot() noexcept {
  static constinit thread_local T slot{};
  return slot;
}

}  // namespace process_wide
}  // namespace concur

namespace concur::inline CONCUR_ABI::os {

/// The point in time that never comes: a wait until then has no limit.
inline constexpr std::chrono::steady_clock::time_point never = std::chrono::steady_clock::time_point::max();

/// Whether every allocation should be seen by the address sanitizer or the explorer, so that nothing is recycled.
#if CONCUR_EXPLORE || defined(__SANITIZE_ADDRESS__)
constexpr bool watches_memory = true;
#elif defined(__has_feature)
constexpr bool watches_memory = __has_feature(address_sanitizer);
#else
constexpr bool watches_memory = false;
#endif

/// Whether the size of a coroutine's frame is a multiple of its alignment, as an object's is. Not so with Clang.
#ifdef __clang__
constexpr bool frames_are_rounded = false;
#else
constexpr bool frames_are_rounded = true;
#endif

/// An atomic that is never explored, for state that belongs to the process and not to the algorithm under test:
/// handlers, the registry's lock, the frame depot. It is no scheduling point and has one type in every build.
template <class T>
using machine_atomic = std::atomic<T>;

/// A call to be made when a thread ends: `run(self)`. The object belongs to whoever registers it, until it runs.
struct thread_end_call {
  void (*run)(thread_end_call& self) noexcept = nullptr;
  thread_end_call* next = nullptr;  // the list's own
};

#if CONCUR_EXPLORE

using testing::engine::atomic;
using testing::engine::at_thread_end;
using testing::engine::clock;
using testing::engine::detach_thread;
using testing::engine::drop_wake;
using testing::engine::fail_execution;
using testing::engine::futex_wait;
using testing::engine::futex_wake;
using testing::engine::heavy_barrier;
using testing::engine::join_thread;
using testing::engine::light_barrier;
using testing::engine::may_spin;
using testing::engine::name_this_thread;
using testing::engine::native_thread;
using testing::engine::plain;
using testing::engine::prepare_barriers;
using testing::engine::site;
using testing::engine::spin_pause;
using testing::engine::spin_rounds;
using testing::engine::start_thread;
using testing::engine::stop_callback;
using testing::engine::stop_source;
using testing::engine::stop_token;
using testing::engine::this_thread_id;
using testing::engine::thread_slot;
using testing::engine::yield;

#else

template <class T>
using atomic = std::atomic<T>;
using clock = std::chrono::steady_clock;
using std::stop_callback;
using std::stop_source;
using std::stop_token;

/// A place in the source, for the explorer's reports; nothing in every other build.
struct site {
  static constexpr site here() noexcept { return {}; }
};

/// A field that several threads use under a rule of their own (a lock, a hand-over). The explorer checks that the
/// rule holds: two accesses without a happens-before between them, one of them a write, are a failure there.
template <class T>
class plain {
 public:
  constexpr plain() noexcept = default;
  constexpr explicit plain(T value) noexcept : value_(value) {}
  plain(plain const&) = delete;
  plain& operator=(plain const&) = delete;

  constexpr T get() const noexcept { return value_; }
  constexpr void set(T value) noexcept { value_ = value; }

 private:
  T value_{};
};

/// Sleeps while `word` holds `expected`, until woken or until `deadline`. May return early for no reason: look at
/// the word again. Returns false only when the deadline has passed. A word that differs returns at once.
inline bool futex_wait(atomic<std::uint32_t> const& word, std::uint32_t expected,
                       clock::time_point deadline = never) noexcept {
  timespec limit{};
  if (deadline != never) {
    auto const since_boot = std::chrono::duration_cast<std::chrono::nanoseconds>(deadline.time_since_epoch()).count();
    if (since_boot <= 0) return false;
    limit = {static_cast<time_t>(since_boot / 1'000'000'000), static_cast<long>(since_boot % 1'000'000'000)};
  }
  int const saved = errno;
  bool const expired = syscall(SYS_futex, &word, FUTEX_WAIT_BITSET_PRIVATE, expected,
                               deadline == never ? nullptr : &limit, nullptr, FUTEX_BITSET_MATCH_ANY) != 0 &&
                       errno == ETIMEDOUT;
  errno = saved;
  return !expired;
}

/// Wakes up to `count` threads that sleep on the word at this address. Only the address is used: the word may be
/// gone already, and a stranger at the same address may wake for no reason, which every futex user must bear.
inline void futex_wake(void const* address, int count = 1, site = site::here()) noexcept {
  int const saved = errno;
  syscall(SYS_futex, address, FUTEX_WAKE_PRIVATE, count, nullptr, nullptr, 0);
  errno = saved;
}

/// Tells the processor that this is a spin loop.
inline void spin_pause() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("isb" ::: "memory");
#endif
}

/// Lets another thread run on this CPU.
inline void yield() noexcept { sched_yield(); }

/// How many rounds of a bounded spin loop to make; none under the explorer, which could not see past them.
constexpr int spin_rounds(int rounds) noexcept { return rounds; }

/// Whether spinning can help: false when the process was started with one CPU to run on. A thread's own affinity does
/// not count: two threads pinned to one CPU each do meet.
inline bool const several_cpus_at_start = [] {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) != 0 || CPU_COUNT(&set) > 1;
}();
inline bool may_spin() noexcept { return several_cpus_at_start; }

/// One object of type T per thread and Tag. Never inlined: compilers keep thread-local addresses across a
/// coroutine's suspension, after which it may run on another thread (trap C7).
template <class Tag, class T>
[[gnu::noinline, gnu::visibility("default")]] T& thread_slot() noexcept {
  static constinit thread_local T slot{};
  return slot;
}

using native_thread = pthread_t;

/// Starts a thread that calls `Main(argument)`. Null attributes: the defaults. Returns 0 or an error number.
template <void (*Main)(void*)>
int start_thread(native_thread& started, pthread_attr_t const* attributes, void* argument) noexcept {
  auto const call = [](void* passed) -> void* {
    Main(passed);
    return nullptr;
  };
  return pthread_create(&started, attributes, call, argument);
}

/// Waits until the thread has ended, everything that runs at its end included. Of these two one may be called, once.
/// Here pthread_cancel takes effect.
inline void join_thread(native_thread which) { pthread_join(which, nullptr); }
inline void detach_thread(native_thread which) noexcept { pthread_detach(which); }

/// The kernel's number for the calling thread.
inline int this_thread_id() noexcept { return static_cast<int>(syscall(SYS_gettid)); }

/// What the kernel shows for the calling thread: at most 15 bytes, which the caller has seen to.
inline void name_this_thread(char const* name) noexcept { pthread_setname_np(pthread_self(), name); }

/// The calls to be made at the end of a thread, last registered first, after its thread_local objects are gone.
class thread_end_calls {
 public:
  static bool add(thread_end_call& call) noexcept {
    auto& mine = thread_slot<thread_end_calls, list>();
    if (mine.first == nullptr && !mine.running && !ask_for_round(mine.ending ? second_round : first_round))
      return false;
    call.next = mine.first;
    mine.first = &call;
    return true;
  }

 private:
  struct list {
    thread_end_call* first = nullptr;
    bool ending = false;   // the first round has come
    bool running = false;  // the calls are being made: those that are added now are made too
  };

  // Destructors of pthread keys run in rounds, after those of thread_local objects. The first round is left to others,
  // whose destructors may still use what goes here; the last one belongs to the sanitizers, so none is asked for in
  // vain.
  static constexpr char first_round = 1;
  static constexpr char second_round = 2;

  static bool ask_for_round(char const& round) noexcept {
    static pthread_key_t key;
    static bool const made = pthread_key_create(&key, &run) == 0;
    return made && pthread_setspecific(key, &round) == 0;
  }
  static void run(void* round) noexcept {
    auto& mine = thread_slot<thread_end_calls, list>();
    mine.ending = true;
    if (round == &first_round && ask_for_round(second_round)) return;
    mine.running = true;
    while (mine.first != nullptr) {
      thread_end_call& call = *mine.first;
      mine.first = call.next;
      call.run(call);
    }
    mine.running = false;
  }
};

/// Registers a call for the end of the calling thread: after its function has returned and its thread_local objects
/// are gone, before a join returns; last registered first. The end of the process is not the end of a thread. Returns
/// false when there is no memory for it.
inline bool at_thread_end(thread_end_call& call) noexcept { return thread_end_calls::add(call); }

/// True where the explorer's mutation run drops the wake at this place.
constexpr bool drop_wake(site) noexcept { return false; }

/// Under the explorer, reported misuse ends the execution as a failure, and this does not return there.
constexpr void fail_execution(char const*, char const*, unsigned) noexcept {}

/// The two sides of an asymmetric Dekker pair: "write mine, light_barrier, read theirs" against
/// "write theirs, heavy_barrier, read mine" guarantees that at least one of the two reads sees the other's write.
class asymmetric_barrier {
 public:
  /// The cheap side. A compiler barrier where the kernel has membarrier (Linux 4.14), a full barrier elsewhere.
  [[gnu::always_inline]] static void light() noexcept {
    // relaxed: a stale `false` only makes this side stronger.
    if (granted_.load(std::memory_order_relaxed)) [[likely]] {
      std::atomic_signal_fence(std::memory_order_seq_cst);
    } else {
      full();
    }
  }

  /// Makes light barriers cheap from now on; otherwise the first heavy one does. A system call, once in a process.
  static void prepare() noexcept { ask_kernel(); }

  /// The dear side, for the party that is about to sleep: 0.3 to 10 microseconds.
  static void heavy() noexcept {
    if (ask_kernel()) {
      syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
    } else {
      full();
    }
  }

 private:
  // Every heavy side goes through here first, so all of them take the same branch for ever.
  static bool ask_kernel() noexcept {
    static bool const registered = [] {
      int const saved = errno;
      bool const done = syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
      errno = saved;
      // seq_cst for simplicity, once per process. A light side that still reads false makes a full barrier, which
      // pairs with either heavy side.
      granted_.store(done);
      return done;
    }();
    return registered;
  }

  static void full() noexcept {
    // Not a fence, which thread sanitizers do not see: a seq_cst read-modify-write of one object, at which both sides
    // meet. Whoever comes second has seen all that the first had written.
    meeting_point_.fetch_add(1);
  }

  // Written once, before the first heavy barrier; read by every light side.
  static inline atomic<bool> granted_{false};
  static inline atomic<int> meeting_point_{0};
};

inline void prepare_barriers() noexcept { asymmetric_barrier::prepare(); }
[[gnu::always_inline]] inline void light_barrier() noexcept { asymmetric_barrier::light(); }
inline void heavy_barrier() noexcept { asymmetric_barrier::heavy(); }

static_assert(std::is_same_v<atomic<int>, std::atomic<int>>, "a release build uses the standard's own atomics");

#endif

}  // namespace concur::inline CONCUR_ABI::os
