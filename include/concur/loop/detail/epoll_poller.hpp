// SPDX-License-Identifier: BSL-1.0
//
// The descriptors that an event loop watches, by epoll.
//
// Those with an owner that tells when it closes a file are registered once, edge-triggered, and asked before and after:
// no call of epoll's is made for an operation. Those of a library that closes its descriptors without telling are
// registered when they are first waited for, and armed for one event by each wait (EPOLLONESHOT): that call also says
// whether the number still stands for the file that was registered.
#pragma once

#include <concur/core/deadline.hpp>
#include <concur/core/intrusive_list.hpp>
#include <concur/core/os.hpp>
#include <concur/core/unique_fd.hpp>
#include <concur/loop/detail/descriptor_table.hpp>
#include <concur/loop/detail/descriptor_waiter.hpp>
#include <concur/loop/detail/file_operation.hpp>
#include <concur/loop/detail/loop_inbox.hpp>
#include <concur/loop/file_call.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace concur::inline CONCUR_ABI {
class event_loop_options;
}

namespace concur::inline CONCUR_ABI::detail {

/// Of one thread at a time. Its descriptors are made when something is first watched.
class epoll_poller {
 public:
  explicit epoll_poller(loop_inbox& inbox) noexcept : inbox_(inbox) {}
  epoll_poller(loop_inbox& inbox, event_loop_options const&) noexcept : epoll_poller(inbox) {}
  epoll_poller(epoll_poller const&) = delete;
  epoll_poller& operator=(epoll_poller const&) = delete;

  char const* name() const noexcept { return "epoll"; }

  /// The calling thread begins, or ends, to run the loop.
  void enter_thread() noexcept {}
  void leave_thread() noexcept {}

  /// Whether anybody waits.
  bool watching() const noexcept { return waiters_ != 0; }

  /// Returns false when there is nothing to wait for, as with regular files. Throws std::system_error and
  /// std::bad_alloc; then nothing has changed.
  bool add(descriptor_waiter& waiter);

  /// For the owner of a descriptor, who promises to call `forget` before it closes it: makes the attempt, unless others
  /// wait for their turn or it can be known to be in vain. Throws as `add` does.
  enum class attempted : unsigned char {
    blocked,  ///< it has to wait: `add_owned`
    done,
    done_too_often,  ///< the same, but others should run before the next one
  };
  attempted attempt_owned(descriptor_waiter& waiter);
  void add_owned(descriptor_waiter& waiter);

  /// Requires: it was added, and not told since. Returns true: it will not be told.
  bool remove(descriptor_waiter& waiter) noexcept {
    waiter.unlink();
    --waiters_;
    return true;
  }

  /// Whoever waits for the descriptor is told ECANCELED, and no event of it comes any more.
  void forget(int fd) noexcept;

  /// Tells those whose descriptors are ready. The first does not wait, the second until somebody was told, the inbox
  /// has something, or `deadline`; it may return for no reason. Throw std::system_error when epoll is broken.
  void look() { dispatch_some(0, nullptr); }
  void wait(time_point deadline);

  /// It knows nothing of files.
  bool carries(file_call const&) const noexcept { return false; }
  bool begin(file_operation&) const noexcept { return false; }

  // ---- for one that looks into this one

  /// Readable when `look` would tell somebody. Requires: somebody waits.
  int fd() const noexcept { return epoll_.get(); }
  /// Whether `look` has something to do, whatever the descriptors say.
  bool has_paused() const noexcept { return !paused_.empty(); }
  bool has_waiters(int fd, descriptor_waiter::what which) const noexcept {
    auto* const known = table_.find(fd);
    return known != nullptr && !known->direction(which).waiters.empty();
  }

 private:
  using waiters = intrusive_list<descriptor_waiter>;

  void open();
  int arm(int fd, descriptor& entry, std::uint32_t events) noexcept;
  int control(int operation, int fd, descriptor const& entry, std::uint32_t events) const noexcept;
  static std::uint32_t wanted_events(descriptor const& entry) noexcept;
  void watch(int fd, descriptor& entry, descriptor_direction& way);
  bool advance(descriptor const& entry, descriptor_direction& way, descriptor_waiter& waiter) noexcept;
  void dispatch_some(int timeout_ms, timespec const* timeout);
  void dispatch(epoll_event const& event) noexcept;
  void dispatch_owned(descriptor& entry, std::uint32_t events) noexcept;
  void proceed(descriptor& entry, descriptor_direction& way) noexcept;
  void proceed_paused() noexcept;
  void tell(waiters& those, int error) noexcept;
  void tell_all(descriptor& entry, int error) noexcept {
    tell(entry.reading.waiters, error);
    tell(entry.writing.waiters, error);
  }

  static constexpr std::uint64_t inbox_tag = ~std::uint64_t{0};
  static constexpr int most_events = 128;  // at once; the others come next time
  static constexpr std::uint32_t edges_to_read = EPOLLIN | EPOLLPRI | EPOLLRDHUP;
  static constexpr std::uint8_t many_in_a_row = 32;

  loop_inbox& inbox_;
  unique_fd epoll_;
  std::size_t waiters_ = 0;
  intrusive_list<descriptor_direction> paused_;
  descriptor_table table_;
};

inline bool epoll_poller::add(descriptor_waiter& waiter) {
  if (!epoll_) open();
  auto const fd = waiter.fd();
  auto& entry = table_[fd];
  bool const reads = waiter.wanted() == descriptor_waiter::what::readable;
  if (entry.owned) {
    // Its owner may have seen the edge, and left something.
    pollfd now{fd, short(reads ? POLLIN : POLLOUT), 0};
    if (::poll(&now, 1, 0) != 0) return false;
    add_owned(waiter);
    return true;
  }
  int const error = arm(fd, entry, wanted_events(entry) | (reads ? EPOLLIN : EPOLLOUT) | EPOLLONESHOT);
  if (error == EPERM) return false;
  if (error != 0) throw std::system_error(error, std::generic_category(), "waiting for a descriptor");
  entry.direction(waiter.wanted()).waiters.push_back(waiter);
  ++waiters_;
  return true;
}

inline epoll_poller::attempted epoll_poller::attempt_owned(descriptor_waiter& waiter) {
  auto& entry = table_[waiter.fd()];
  auto& way = entry.direction(waiter.wanted());
  if (!way.may_be_ready || !way.waiters.empty()) return attempted::blocked;
  if (!advance(entry, way, waiter)) return attempted::blocked;
  if (++way.in_a_row < many_in_a_row) return attempted::done;
  way.in_a_row = 0;
  return attempted::done_too_often;
}

inline void epoll_poller::add_owned(descriptor_waiter& waiter) {
  if (!epoll_) open();
  auto& entry = table_[waiter.fd()];
  auto& way = entry.direction(waiter.wanted());
  if (!way.watched) [[unlikely]]
    watch(waiter.fd(), entry, way);
  way.in_a_row = 0;
  way.waiters.push_back(waiter);
  ++waiters_;
}

// Each direction when it is first waited for: most sockets never have to wait for room, and Unix ones would report it
// after each message.
inline void epoll_poller::watch(int fd, descriptor& entry, descriptor_direction& way) {
  // Some may wait since before it had an owner.
  bool const reads = &way == &entry.reading || entry.reading.watched || !entry.reading.waiters.empty();
  bool const writes = &way == &entry.writing || entry.writing.watched || !entry.writing.waiters.empty();
  // What is ready already is reported as the first edge.
  if (int const error = arm(fd, entry, (reads ? edges_to_read : 0u) | (writes ? EPOLLOUT : 0u) | EPOLLET)) {
    throw std::system_error(error, std::generic_category(), "waiting for a descriptor");
  }
  entry.owned = true;
  entry.reading.watched = reads;
  entry.writing.watched = writes;
}

// Returns whether it has ended.
inline bool epoll_poller::advance(descriptor const& entry, descriptor_direction& way,
                                  descriptor_waiter& waiter) noexcept {
  using progress = descriptor_waiter::progress;
  auto const made = waiter.advance();
  if (made == progress::blocked || (made == progress::exhausted && !entry.ask_always)) {
    way.may_be_ready = !way.watched;  // or nobody would tell us
  }
  if (made == progress::paused && !way.is_linked()) paused_.push_back(way);
  return made == progress::done || made == progress::exhausted;
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
  event.events = events;
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
    tell_all(entry, EBADF);
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
  return (entry.reading.waiters.empty() ? 0u : EPOLLIN) | (entry.writing.waiters.empty() ? 0u : EPOLLOUT);
}

inline void epoll_poller::forget(int fd) noexcept {
  auto* const known = table_.find(fd);
  if (known == nullptr) return;
  auto& entry = *known;
  if (entry.registered) static_cast<void>(control(EPOLL_CTL_DEL, fd, entry, 0));
  entry.registered = entry.owned = entry.ask_always = false;
  entry.reading.reset();
  entry.writing.reset();
  ++entry.generation;
  tell_all(entry, ECANCELED);
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
  bool const may_sleep = inbox_.sleep_in_poll() && paused_.empty();
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
    if (count < 0 && (errno == ENOSYS || errno == EPERM)) {  // EPERM: an old sandbox that does not know it
      auto const seconds = std::min<std::int64_t>(timeout->tv_sec, 86'400);
      timeout_ms = static_cast<int>(seconds * 1000 + (timeout->tv_nsec + 999'999) / 1'000'000);
      timeout = nullptr;
    }
  }
  if (timeout == nullptr) count = ::epoll_wait(epoll_.get(), events, most_events, timeout_ms);
  int const error = count < 0 ? errno : 0;
  inbox_.wake_up();
  if (error != 0 && error != EINTR) throw std::system_error(error, std::generic_category(), "epoll_wait");
  if (!paused_.empty()) [[unlikely]]
    proceed_paused();
  for (long i = 0; i < count; ++i) dispatch(events[i]);
}

inline void epoll_poller::dispatch(epoll_event const& event) noexcept {
  if (event.data.u64 == inbox_tag) return inbox_.read_eventfd();
  auto const fd = static_cast<std::uint32_t>(event.data.u64);
  auto const generation = static_cast<std::uint32_t>(event.data.u64 >> 32);
  auto& entry = *table_.find(static_cast<int>(fd));
  if (entry.generation != generation) return;
  if (entry.owned) return dispatch_owned(entry, event.events);
  bool const failed = (event.events & (EPOLLERR | EPOLLHUP)) != 0;
  if (failed || (event.events & EPOLLIN) != 0) tell(entry.reading.waiters, 0);
  if (failed || (event.events & EPOLLOUT) != 0) tell(entry.writing.waiters, 0);
  // The event has disarmed it for those who wait for the other direction as well.
  auto const rest = wanted_events(entry);
  if (rest == 0) return;
  if (int const error = control(EPOLL_CTL_MOD, static_cast<int>(fd), entry, rest | EPOLLONESHOT)) {
    entry.registered = false;
    tell_all(entry, error);
  }
}

inline void epoll_poller::dispatch_owned(descriptor& entry, std::uint32_t events) noexcept {
  bool const failed = (events & (EPOLLERR | EPOLLHUP)) != 0;
  if (failed || (events & (EPOLLRDHUP | EPOLLPRI)) != 0) entry.ask_always = true;
  if (failed || (events & (EPOLLIN | EPOLLRDHUP | EPOLLPRI)) != 0) proceed(entry, entry.reading);
  if (failed || (events & EPOLLOUT) != 0) proceed(entry, entry.writing);
}

inline void epoll_poller::proceed(descriptor& entry, descriptor_direction& way) noexcept {
  way.may_be_ready = true;
  while (way.may_be_ready && !way.waiters.empty()) {
    auto& each = way.waiters.front();
    if (!advance(entry, way, each)) return;
    remove(each);
    each.ready(0);
  }
}

inline void epoll_poller::proceed_paused() noexcept {
  // Those who pause again have their turn next time.
  intrusive_list<descriptor_direction> now;
  while (!paused_.empty()) {
    auto& each = paused_.front();
    each.unlink();
    now.push_back(each);
  }
  while (!now.empty()) {
    auto& each = now.front();
    each.unlink();
    if (!each.waiters.empty()) proceed(*table_.find(each.waiters.front().fd()), each);
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
