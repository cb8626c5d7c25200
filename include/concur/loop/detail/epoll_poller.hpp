// SPDX-License-Identifier: BSL-1.0
//
// The descriptors that an event loop watches, by epoll.
//
// A descriptor is registered when it is first waited for, and armed for one event by each wait (EPOLLONESHOT): one
// system call a wait, and no event that nobody waits for wakes the loop. That call also says whether the number still
// stands for the file that was registered; edge-triggered registrations would save it for owners who tell us when they
// close a file, but a library that closes its descriptors without telling would wait for ever on the next one.
#pragma once

#include <concur/core/deadline.hpp>
#include <concur/core/intrusive_list.hpp>
#include <concur/core/os.hpp>
#include <concur/core/unique_fd.hpp>
#include <concur/loop/detail/loop_inbox.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <fcntl.h>
#include <memory>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

namespace concur::inline CONCUR_ABI::detail {

/// Somebody who waits until a descriptor can be read or written, or has failed.
class descriptor_waiter : public intrusive_list_node<> {
 public:
  enum class what : bool { readable, writable };

  descriptor_waiter(int fd, what wanted) noexcept : fd_(fd), wanted_(wanted) {}

  int fd() const noexcept { return fd_; }
  what wanted() const noexcept { return wanted_; }

  /// Called on the loop's thread, once, when it is no longer in any list: with 0, or an error number when the
  /// descriptor cannot be waited for any more. Must not call the poller.
  virtual void ready(int error) noexcept = 0;

 protected:
  ~descriptor_waiter() = default;

 private:
  int fd_;
  what wanted_;
};

/// Of one thread at a time. Its descriptors are made when something is first watched.
class epoll_poller {
 public:
  explicit epoll_poller(loop_inbox& inbox) noexcept : inbox_(inbox) {}
  epoll_poller(epoll_poller const&) = delete;
  epoll_poller& operator=(epoll_poller const&) = delete;

  static constexpr char const* name = "epoll";

  /// Whether anybody waits.
  bool watching() const noexcept { return waiters_ != 0; }

  /// Returns false when there is nothing to wait for, as with regular files. Throws std::system_error and
  /// std::bad_alloc; then nothing has changed.
  bool add(descriptor_waiter& waiter);
  /// Requires: it was added, and not told since.
  void remove(descriptor_waiter& waiter) noexcept {
    waiter.unlink();
    --waiters_;
  }

  /// Whoever waits for the descriptor is told ECANCELED, and no event of it comes any more.
  void forget(int fd) noexcept;

  /// Tells those whose descriptors are ready. The first does not wait, the second until somebody was told, the inbox
  /// has something, or `deadline`; it may return for no reason. Throw std::system_error when epoll is broken.
  void look() { dispatch_some(0, nullptr); }
  void wait(time_point deadline);

 private:
  struct descriptor {
    intrusive_list<descriptor_waiter> readers;
    intrusive_list<descriptor_waiter> writers;
    std::uint32_t generation = 0;  // of the registration: events of an earlier one are not for us
    bool registered = false;       // as far as we know: closing the file undoes it
  };
  using waiters = intrusive_list<descriptor_waiter>;

  descriptor& entry_of(int fd);
  descriptor* known_entry(int fd) const noexcept {
    return fd >= 0 && std::size_t(fd) < table_.size() ? table_[std::size_t(fd)].get() : nullptr;
  }
  void open();
  int arm(int fd, descriptor& entry, std::uint32_t events) noexcept;
  int control(int operation, int fd, descriptor const& entry, std::uint32_t events) const noexcept;
  static std::uint32_t wanted_events(descriptor const& entry) noexcept;
  void dispatch_some(int timeout_ms, timespec const* timeout);
  void dispatch(epoll_event const& event) noexcept;
  void tell(waiters& those, int error) noexcept;

  static constexpr std::uint64_t inbox_tag = ~std::uint64_t{0};
  static constexpr int most_events = 128;  // at once; the others come next time

  loop_inbox& inbox_;
  unique_fd epoll_;
  std::size_t waiters_ = 0;
  std::vector<std::unique_ptr<descriptor>> table_;  // by number
};

inline bool epoll_poller::add(descriptor_waiter& waiter) {
  if (!epoll_) open();
  auto const fd = waiter.fd();
  auto& entry = entry_of(fd);
  bool const reads = waiter.wanted() == descriptor_waiter::what::readable;
  int const error = arm(fd, entry, wanted_events(entry) | (reads ? EPOLLIN : EPOLLOUT));
  if (error == EPERM) return false;
  if (error != 0) throw std::system_error(error, std::generic_category(), "waiting for a descriptor");
  (reads ? entry.readers : entry.writers).push_back(waiter);
  ++waiters_;
  return true;
}

inline epoll_poller::descriptor& epoll_poller::entry_of(int fd) {
  if (auto* const known = known_entry(fd)) return *known;
  // Asked before the table grows: a number that is no descriptor may be any number.
  if (fd < 0 || ::fcntl(fd, F_GETFD) < 0) {
    throw std::system_error(EBADF, std::generic_category(), "waiting for a descriptor");
  }
  if (std::size_t(fd) >= table_.size()) table_.resize(std::size_t(fd) + 1);
  auto& place = table_[std::size_t(fd)];
  place = std::make_unique<descriptor>();
  return *place;
}

inline void epoll_poller::open() {
  unique_fd made(::epoll_create1(EPOLL_CLOEXEC));
  if (!made) throw std::system_error(errno, std::generic_category(), "epoll_create1");
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = inbox_tag;
  if (::epoll_ctl(made.get(), EPOLL_CTL_ADD, inbox_.eventfd(), &event) != 0) {
    throw std::system_error(errno, std::generic_category(), "epoll_ctl");
  }
  epoll_ = std::move(made);
}

inline int epoll_poller::control(int operation, int fd, descriptor const& entry, std::uint32_t events) const noexcept {
  epoll_event event{};
  event.events = events | EPOLLONESHOT;
  event.data.u64 = std::uint64_t{entry.generation} << 32 | static_cast<std::uint32_t>(fd);
  return ::epoll_ctl(epoll_.get(), operation, fd, &event) == 0 ? 0 : errno;
}

// Returns 0 or an error number.
inline int epoll_poller::arm(int fd, descriptor& entry, std::uint32_t events) noexcept {
  int error = ENOENT;
  if (entry.registered) {
    error = control(EPOLL_CTL_MOD, fd, entry, events);
    if (error != ENOENT && error != EBADF && error != EPERM) return error;
    // The file was closed. Those who still wait for it would do so for ever.
    entry.registered = false;
    tell(entry.readers, EBADF);
    tell(entry.writers, EBADF);
    if (error != ENOENT) return error;
  }
  // A number that was closed and opened again is registered anew, and what the old file still had to say is not for
  // those who wait for the new one.
  ++entry.generation;
  error = control(EPOLL_CTL_ADD, fd, entry, events);
  if (error == EEXIST) error = control(EPOLL_CTL_MOD, fd, entry, events);
  entry.registered = error == 0;
  return error;
}

inline std::uint32_t epoll_poller::wanted_events(descriptor const& entry) noexcept {
  return (entry.readers.empty() ? 0u : EPOLLIN) | (entry.writers.empty() ? 0u : EPOLLOUT);
}

inline void epoll_poller::forget(int fd) noexcept {
  auto* const known = known_entry(fd);
  if (known == nullptr) return;
  auto& entry = *known;
  if (entry.registered) static_cast<void>(control(EPOLL_CTL_DEL, fd, entry, 0));
  entry.registered = false;
  ++entry.generation;
  tell(entry.readers, ECANCELED);
  tell(entry.writers, ECANCELED);
}

inline void epoll_poller::wait(time_point deadline) {
  using std::chrono::nanoseconds;
  timespec length{};
  if (deadline != os::never) {
    auto const left = std::max(nanoseconds(deadline - os::clock::now()), nanoseconds::zero()).count();
    length.tv_sec = static_cast<time_t>(left / 1'000'000'000);
    length.tv_nsec = static_cast<long>(left % 1'000'000'000);
  }
  // From here on a post writes to the eventfd, which epoll finds readable also when that comes before the wait.
  bool const may_sleep = inbox_.sleep_in_poll();
  if (deadline == os::never || !may_sleep) {
    dispatch_some(may_sleep ? -1 : 0, nullptr);
  } else {
    dispatch_some(0, &length);
  }
}

inline void epoll_poller::dispatch_some(int timeout_ms, timespec const* timeout) {
  epoll_event events[most_events];
  // Nanoseconds where the kernel has them (Linux 5.11), else milliseconds, rounded up.
  long count = -1;
  if (timeout != nullptr) {
    count = ::syscall(SYS_epoll_pwait2, epoll_.get(), events, most_events, timeout, nullptr, 0);
    if (count < 0 && errno == ENOSYS) {
      auto const seconds = std::min<std::int64_t>(timeout->tv_sec, 86'400);
      timeout_ms = static_cast<int>(seconds * 1000 + (timeout->tv_nsec + 999'999) / 1'000'000);
      timeout = nullptr;
    }
  }
  if (timeout == nullptr) count = ::epoll_wait(epoll_.get(), events, most_events, timeout_ms);
  int const error = count < 0 ? errno : 0;
  inbox_.wake_up();
  if (error != 0 && error != EINTR) throw std::system_error(error, std::generic_category(), "epoll_wait");
  for (long i = 0; i < count; ++i) dispatch(events[i]);
}

inline void epoll_poller::dispatch(epoll_event const& event) noexcept {
  if (event.data.u64 == inbox_tag) return inbox_.read_eventfd();
  auto const fd = static_cast<std::uint32_t>(event.data.u64);
  auto const generation = static_cast<std::uint32_t>(event.data.u64 >> 32);
  auto& entry = *table_[fd];
  if (entry.generation != generation) return;
  bool const failed = (event.events & (EPOLLERR | EPOLLHUP)) != 0;
  if (failed || (event.events & EPOLLIN) != 0) tell(entry.readers, 0);
  if (failed || (event.events & EPOLLOUT) != 0) tell(entry.writers, 0);
  // The event has disarmed it for those who wait for the other direction as well.
  auto const rest = wanted_events(entry);
  if (rest == 0) return;
  if (int const error = control(EPOLL_CTL_MOD, static_cast<int>(fd), entry, rest)) {
    entry.registered = false;
    tell(entry.readers, error);
    tell(entry.writers, error);
  }
}

inline void epoll_poller::tell(waiters& those, int error) noexcept {
  while (!those.empty()) {
    auto& each = those.front();
    remove(each);
    each.ready(error);
  }
}

}  // namespace concur::inline CONCUR_ABI::detail
