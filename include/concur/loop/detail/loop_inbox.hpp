// SPDX-License-Identifier: BSL-1.0
//
// What other threads touch when they post to an event loop: the list of what they posted, the word that says how the
// loop sleeps, and the eventfd that wakes it out of epoll. It is recycled and never freed, and its eventfd is never
// closed: so a poster may still be in here when its item has made the loop's owner destroy the loop. If the block
// serves another loop by then, that one is woken for no reason and goes back to sleep.
#pragma once

#include <concur/core/cache_line.hpp>
#include <concur/core/deadline.hpp>
#include <concur/core/executor.hpp>
#include <concur/core/os.hpp>
#include <concur/core/process_lock.hpp>
#include <concur/core/registry.hpp>
#include <concur/loop/detail/ready_queue.hpp>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <sys/eventfd.h>
#include <system_error>
#include <unistd.h>

namespace concur::inline CONCUR_ABI::detail {

/// `post` and `wake`: any thread. All else: the loop's thread.
///
/// The race between a post and a loop that falls asleep, by accesses that have one order for all threads:
///
///     poster, or signal handler       loop
///     first = item, or signals        sleep = how
///     sleep? → wake                   first, signals? → do not sleep
///
/// Whichever comes second sees what the other has written. The poster pays nothing for it, since its compare-exchange
/// is locked anyway; the loop pays before it sleeps.
class alignas(cache_line_size) loop_inbox {
 public:
  loop_inbox() noexcept = default;
  loop_inbox(loop_inbox const&) = delete;
  loop_inbox& operator=(loop_inbox const&) = delete;

  /// One for a new loop, and back when the loop is gone. The first throws std::bad_alloc.
  static loop_inbox& acquire();
  static void release(loop_inbox& used) noexcept;

  /// Puts the item in and wakes the loop if it sleeps. The loop may be gone before this returns. Returns false, and has
  /// not touched the item but for its link, if the inbox is closed.
  [[nodiscard]] bool post(work& item) noexcept {
    work* first = newest_.load(std::memory_order_relaxed);
    do {
      if (first == closed_mark()) [[unlikely]]
        return false;
      item.set_next(first);
    } while (!newest_.compare_exchange_weak(first, &item, std::memory_order_seq_cst, std::memory_order_relaxed));
    if (sleep_.load(std::memory_order_seq_cst) != awake) wake();
    return true;
  }

  /// Closes it, if it is empty, and returns whether it was. From then on nothing goes in, until it serves another loop.
  // The word that posters exchange decides between them and the loop. relaxed: it hands nothing over.
  bool close() noexcept {
    work* none = nullptr;
    return newest_.compare_exchange_strong(none, closed_mark(), std::memory_order_relaxed, std::memory_order_relaxed);
  }

  /// Whether there is nothing to take. This and `take_into`: while it is not closed.
  // relaxed: what is missed now is found in the next round, or before the loop sleeps.
  bool empty() const noexcept { return newest_.load(std::memory_order_relaxed) == nullptr; }

  /// Moves everything to the end of `ready`, in the order in which it came.
  void take_into(ready_queue& ready) noexcept {
    // acquire: the items. All posts are in one release sequence, so this sees every one of them.
    work* const last = newest_.exchange(nullptr, std::memory_order_acquire);
    if (last != nullptr) ready.append(*reversed(last), *last);
  }

  /// For a signal handler: notes that a signal came, 1 … last_signal, and wakes the loop as a post does.
  static constexpr int last_signal = 64;
  /// Means a request of another thread, to be told in the same way: no process can handle this signal.
  static constexpr int request = SIGKILL;
  void signal(int number) noexcept {
    signals_.fetch_or(bit(number), std::memory_order_seq_cst);
    if (sleep_.load(std::memory_order_seq_cst) != awake) wake();
  }
  /// Whether one came, and those that did since the last call: signal n is bit n - 1.
  // relaxed, as in empty. acquire: what was before the signal, where it came from a thread of this process.
  static constexpr std::uint64_t bit(int signal) noexcept { return std::uint64_t{1} << (signal - 1); }
  bool signalled() const noexcept { return signals_.load(std::memory_order_relaxed) != 0; }
  std::uint64_t take_signals() noexcept { return signals_.exchange(0, std::memory_order_acquire); }
  /// Takes that one, and returns whether it came.
  bool take_signal(int signal) noexcept {
    return signalled() && (signals_.fetch_and(~bit(signal), std::memory_order_acquire) & bit(signal)) != 0;
  }

  /// Sleeps until somebody posts or until `deadline`; may return for no reason.
  void sleep(time_point deadline) noexcept {
    if (fall_asleep(on_futex)) os::futex_wait(sleep_, on_futex, deadline);
    wake_up();
  }

  /// The same in two steps for a loop that sleeps in epoll, where it watches `eventfd`. Returns whether it may sleep.
  bool sleep_in_poll() noexcept { return fall_asleep(in_poll); }
  void wake_up() noexcept { sleep_.store(awake, std::memory_order_relaxed); }  // late wakes do no harm

  /// Readable once the loop was woken out of `in_poll`; then `read_eventfd` has to be called. The first call makes it,
  /// and throws std::system_error when there is none to be had.
  int eventfd();
  void read_eventfd() noexcept;

 private:
  enum : std::uint32_t { awake, on_futex, in_poll };

  bool fall_asleep(std::uint32_t how) noexcept {
    sleep_.store(how, std::memory_order_seq_cst);
    return newest_.load(std::memory_order_seq_cst) == nullptr && signals_.load(std::memory_order_seq_cst) == 0;
  }
  void wake() noexcept;
  void start_anew() noexcept;

  // No work item is where the inbox is.
  work* closed_mark() noexcept { return reinterpret_cast<work*>(this); }

  // Null, the mark, or the first of a list: pushed by posters, taken whole and closed by the loop.
  os::atomic<work*> newest_{nullptr};
  os::atomic<std::uint32_t> sleep_{awake};  // how the loop sleeps: written by it, set to awake by the one who wakes it
  os::atomic<std::uint64_t> signals_{0};  // set by handlers, taken by the loop
  os::atomic<int> eventfd_{-1};  // written by the loop before it first sleeps in poll
  unsigned forks_ = process_wide::forks.load(std::memory_order_relaxed);  // when it was acquired
  loop_inbox* next_free_ = nullptr;  // under the lock of the free ones
};

/// The inboxes that no loop uses at the moment; never destroyed.
class [[gnu::visibility("default")]] free_inboxes {
 public:
  static inline constinit process_wide::process_lock lock;
  static inline constinit loop_inbox* first = nullptr;  // under the lock
};

inline loop_inbox& loop_inbox::acquire() {
  process_wide::keep_over_fork<free_inboxes::lock>();
  {
    process_wide::process_lock::guard const held(free_inboxes::lock);
    loop_inbox* const old = free_inboxes::first;
    if (!CONCUR_EXPLORE && old != nullptr) {  // the explorer's objects belong to one execution
      free_inboxes::first = old->next_free_;
      old->start_anew();
      return *old;
    }
  }
  return *new loop_inbox;
}

inline void loop_inbox::release(loop_inbox& used) noexcept {
  process_wide::process_lock::guard const held(free_inboxes::lock);
  used.next_free_ = free_inboxes::first;
  free_inboxes::first = &used;
}

inline void loop_inbox::start_anew() noexcept {
  // relaxed: whoever posts to the new loop learns of it later. The last loop has left nothing here but the mark.
  newest_.store(nullptr, std::memory_order_relaxed);
  unsigned const now = process_wide::forks.load(std::memory_order_relaxed);
  if (forks_ == now) return;
  // It comes from the parent process, which would share the eventfd and lose its wakes to this one. None of the
  // parent's threads is here, so this one may be closed.
  forks_ = now;
  if (int const shared = eventfd_.exchange(-1, std::memory_order_relaxed); shared >= 0) ::close(shared);
  wake_up();
}

[[gnu::noinline]] inline void loop_inbox::wake() noexcept {
  // Only one of several posters gets to wake the loop. acquire: the eventfd.
  // mutant: loops that are explored have none.
  switch (sleep_.exchange(awake, std::memory_order_acquire)) {
    case on_futex: os::futex_wake(&sleep_); break;
    case in_poll: {
      int const saved = errno;
      // It fails only when the count is at its end: then the loop is awake.
      static_cast<void>(::eventfd_write(eventfd_.load(std::memory_order_relaxed), 1));
      errno = saved;
      break;
    }
    default: break;
  }
}

inline int loop_inbox::eventfd() {
  int fd = eventfd_.load(std::memory_order_relaxed);
  if (fd >= 0) return fd;
  fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (fd < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
  eventfd_.store(fd, std::memory_order_relaxed);  // visible to those who see the loop in_poll
  return fd;
}

inline void loop_inbox::read_eventfd() noexcept {
  eventfd_t count = 0;
  static_cast<void>(::eventfd_read(eventfd_.load(std::memory_order_relaxed), &count));
}

}  // namespace concur::inline CONCUR_ABI::detail
