// SPDX-License-Identifier: BSL-1.0
//
// A set of transfers and the connections that they share: libcurl's multi interface behind one descriptor.
//
// libcurl's sockets stand in an epoll set of the driver, and so does a timer. So a thread waits for that one descriptor
// by poll, and a loop watches it as any other, whatever libcurl opens and closes. There is no task that drives: of
// those who wait for their transfers one leads, and goes round for all; when it has what it waits for, the next one
// leads.
#pragma once

#include <concur/core/assert.hpp>
#include <concur/core/blocking.hpp>
#include <concur/core/errors.hpp>
#include <concur/core/intrusive_list.hpp>
#include <concur/core/unique_fd.hpp>
#include <concur/core/waiter.hpp>
#include <concur/coro/task.hpp>
#include <concur/http/client_options.hpp>
#include <concur/http/detail/curl_handles.hpp>
#include <concur/http/detail/curl_transfer.hpp>
#include <concur/io/wait_for_descriptor.hpp>
#include <concur/loop/event_loop.hpp>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <curl/curl.h>
#include <exception>
#include <new>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <system_error>
#include <unistd.h>

namespace concur::inline CONCUR_ABI::detail {

/// Of one thread at a time: coroutines of one loop, or one thread that blocks.
class curl_driver {
 public:
  using what = curl_transfer::what;

  /// Throws std::bad_alloc and std::system_error.
  explicit curl_driver(client_options const& options);
  curl_driver(curl_driver const&) = delete;
  curl_driver& operator=(curl_driver const&) = delete;
  ~curl_driver() { CONCUR_ASSERT(transfers_ == 0, "an http_client was destroyed while it was used"); }

  [[nodiscard]] bool idle() const noexcept { return transfers_ == 0; }

  /// Starts it. From then until `remove`, which lets go of all that it points at, and closes its connection if it has
  /// not ended.
  void add(curl_transfer& transfer);
  void remove(curl_transfer& transfer) noexcept;

  /// Lets it go on, if it waited for its reader.
  void resume(curl_transfer& transfer) noexcept;

  /// Return when it has what is wanted; or false, when the limit was reached. Throw std::system_error, and `cancelled`.
  bool wait(curl_transfer& transfer, what wanted, wait_limit const& limit);
  task<> async_wait(curl_transfer& transfer, what wanted);

 private:
  class leading;
  class waiting;

  template <class Value>
  void set(CURLMoption option, Value value) {
    if (::curl_multi_setopt(multi_.get(), option, value) != CURLM_OK) throw std::bad_alloc();
  }
  void round() noexcept;
  void act(curl_socket_t socket, int events) noexcept;
  void settle() noexcept;
  void set_timer(long milliseconds) noexcept;
  void take_results() noexcept;
  void pass_on_lead() noexcept {
    if (!led_ && !waiting_.empty()) waiting_.front().news().set();
  }

  static int socket_callback(CURL*, curl_socket_t socket, int events, void* self, void* known) noexcept;
  static int timer_callback(CURLM*, long milliseconds, void* self) noexcept;
  static curl_socket_t open_callback(void*, curlsocktype, curl_sockaddr* address) noexcept;
  static int close_callback(void* self, curl_socket_t socket) noexcept;

  static constexpr int timer_tag = -1;  // not a descriptor
  static constexpr int most_events = 32;
  static constexpr int most_turns = 4;  // before others have theirs: each may read 1.6 MB

  // Before the connections, which are closed through them.
  unique_fd epoll_;
  unique_fd timer_;
  bool due_ = false;  // libcurl wants to go on at once
  bool led_ = false;
  std::size_t transfers_ = 0;
  intrusive_list<curl_transfer> waiting_;  // for the one who leads
  curl_multi_handle multi_;
};

inline curl_driver::curl_driver(client_options const& options)
    : epoll_(::epoll_create1(EPOLL_CLOEXEC)), timer_(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)) {
  if (!epoll_ || !timer_) throw std::system_error(errno, std::generic_category(), "preparing for HTTP requests");
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = timer_tag;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, timer_.get(), &event) != 0) {
    throw std::system_error(errno, std::generic_category(), "epoll_ctl");
  }
  auto const limit = [](std::size_t count) { return static_cast<long>(std::min<std::size_t>(count, LONG_MAX)); };
  set(CURLMOPT_SOCKETFUNCTION, &socket_callback);
  set(CURLMOPT_SOCKETDATA, this);
  set(CURLMOPT_TIMERFUNCTION, &timer_callback);
  set(CURLMOPT_TIMERDATA, this);
  set(CURLMOPT_MAXCONNECTS, std::max(limit(options.idle_connections()), 1L));
  set(CURLMOPT_MAX_HOST_CONNECTIONS, limit(options.connections_per_host()));
}

inline void curl_driver::add(curl_transfer& transfer) {
  set_curl(transfer.handle(), CURLOPT_OPENSOCKETFUNCTION, &open_callback);
  set_curl(transfer.handle(), CURLOPT_CLOSESOCKETFUNCTION, &close_callback);
  set_curl(transfer.handle(), CURLOPT_CLOSESOCKETDATA, this);
  if (auto const code = ::curl_multi_add_handle(multi_.get(), transfer.handle()); code != CURLM_OK) {
    if (code == CURLM_OUT_OF_MEMORY) throw std::bad_alloc();
    throw std::system_error(make_curl_error(CURLE_FAILED_INIT), ::curl_multi_strerror(code));
  }
  ++transfers_;
  settle();
}

inline void curl_driver::remove(curl_transfer& transfer) noexcept {
  static_cast<void>(::curl_multi_remove_handle(multi_.get(), transfer.handle()));
  --transfers_;
  // One that waited for the connection begins when somebody goes round.
  if (due_) set_timer(0);
}

inline void curl_driver::resume(curl_transfer& transfer) noexcept {
  if (!transfer.take_pause()) return;
  static_cast<void>(::curl_easy_pause(transfer.handle(), CURLPAUSE_CONT));
  settle();
}

// Who has waited for the lead, or led, lets the next one lead: in every case, and if nobody does.
class curl_driver::leading {
 public:
  explicit leading(curl_driver& driver) noexcept : driver_(driver) { driver_.led_ = true; }
  ~leading() {
    driver_.led_ = false;
    driver_.pass_on_lead();
  }
  leading(leading const&) = delete;
  leading& operator=(leading const&) = delete;

 private:
  curl_driver& driver_;
};

class curl_driver::waiting {
 public:
  waiting(curl_driver& driver, curl_transfer& transfer) noexcept : driver_(driver), transfer_(transfer) {
    transfer_.news().clear();
    driver_.waiting_.push_back(transfer_);
  }
  ~waiting() {
    transfer_.unlink();
    driver_.pass_on_lead();
  }
  waiting(waiting const&) = delete;
  waiting& operator=(waiting const&) = delete;

 private:
  curl_driver& driver_;
  curl_transfer& transfer_;
};

inline bool curl_driver::wait(curl_transfer& transfer, what wanted, wait_limit const& limit) {
  while (!transfer.has(wanted)) {
    // Asked first: a descriptor that is always ready would hide it.
    if (limit.stop != nullptr && limit.stop->stop_requested()) return false;
    if (wait_for_descriptor(epoll_.get(), POLLIN, limit) != wake_reason::granted) return false;
    round();
  }
  return true;
}

inline task<> curl_driver::async_wait(curl_transfer& transfer, what wanted) {
  event_loop* const here = event_loop::current();
  if (here == nullptr) throw misuse("an HTTP request was awaited on a thread that runs no event loop");
  while (!transfer.has(wanted)) {
    if (led_) {
      waiting const among_others(*this, transfer);
      co_await transfer.news().async_wait();
    } else {
      leading const for_all(*this);
      while (!transfer.has(wanted)) {
        co_await here->wait_readable(epoll_.get());
        round();
      }
    }
  }
}

// What is ready, once; the rest makes the descriptor readable again.
inline void curl_driver::round() noexcept {
  epoll_event events[most_events];
  int const count = ::epoll_wait(epoll_.get(), events, most_events, 0);
  for (int i = 0; i < count; ++i) {
    auto const& each = events[i];
    if (each.data.fd == timer_tag) {
      std::uint64_t times = 0;
      if (::read(timer_.get(), &times, sizeof times) == sizeof times) due_ = true;
    } else {
      // For a socket that one before it has closed: libcurl knows no such socket, or finds the new one not ready.
      int const ready = ((each.events & (EPOLLIN | EPOLLHUP)) != 0 ? CURL_CSELECT_IN : 0) |
                        ((each.events & (EPOLLOUT | EPOLLHUP)) != 0 ? CURL_CSELECT_OUT : 0) |
                        ((each.events & EPOLLERR) != 0 ? CURL_CSELECT_ERR : 0);
      act(each.data.fd, ready);
    }
  }
  settle();
}

inline void curl_driver::act(curl_socket_t socket, int events) noexcept {
  int running = 0;
  auto const code = ::curl_multi_socket_action(multi_.get(), socket, events, &running);
  // The system has refused to watch a socket. libcurl ends all transfers then, each when it looks at it.
  if (code == CURLM_ABORTED_BY_CALLBACK) static_cast<void>(::curl_multi_perform(multi_.get(), &running));
}

inline void curl_driver::settle() noexcept {
  for (int turn = 0; due_ && turn < most_turns; ++turn) {
    due_ = false;
    act(CURL_SOCKET_TIMEOUT, 0);
  }
  if (due_) set_timer(0);
  take_results();
}

inline void curl_driver::take_results() noexcept {
  int left = 0;
  while (CURLMsg const* const message = ::curl_multi_info_read(multi_.get(), &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    auto const code = message->data.result;
    char* transfer = nullptr;
    static_cast<void>(::curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer));
    reinterpret_cast<curl_transfer*>(transfer)->finish(code);
  }
}

// Not at all when negative, at once when zero. The descriptor is readable then.
inline void curl_driver::set_timer(long milliseconds) noexcept {
  itimerspec when{};
  if (milliseconds >= 0) {
    when.it_value.tv_sec = milliseconds / 1000;
    when.it_value.tv_nsec = milliseconds == 0 ? 1 : milliseconds % 1000 * 1'000'000;
  }
  static_cast<void>(::timerfd_settime(timer_.get(), 0, &when, nullptr));
}

// It must not call libcurl from here, so what is due at once is left to whoever has called.
inline int curl_driver::timer_callback(CURLM*, long milliseconds, void* self) noexcept {
  auto& mine = *static_cast<curl_driver*>(self);
  mine.due_ = milliseconds == 0;
  if (milliseconds != 0) mine.set_timer(milliseconds);
  return 0;
}

// Returns -1, which ends all transfers, when the system has no memory.
inline int curl_driver::socket_callback(CURL*, curl_socket_t socket, int events, void* self, void* known) noexcept {
  auto& mine = *static_cast<curl_driver*>(self);
  epoll_event event{};
  event.events = ((events & CURL_POLL_IN) != 0 ? EPOLLIN : 0u) | ((events & CURL_POLL_OUT) != 0 ? EPOLLOUT : 0u);
  event.data.fd = socket;
  if (events == CURL_POLL_REMOVE) {
    // libcurl 7.88 also says so of a socket that it closed while it connected. Its number may be another thread's by
    // now, of which the system knows that it is not watched here, but the thread sanitizer's epoll_ctl does not.
    static_cast<void>(::syscall(SYS_epoll_ctl, mine.epoll_.get(), EPOLL_CTL_DEL, socket, nullptr));
    return 0;
  }
  int const operation = known != nullptr ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
  if (::epoll_ctl(mine.epoll_.get(), operation, socket, &event) != 0) return -1;
  static_cast<void>(::curl_multi_assign(mine.multi_.get(), socket, self));
  return 0;
}

inline curl_socket_t curl_driver::open_callback(void*, curlsocktype, curl_sockaddr* address) noexcept {
  return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

inline int curl_driver::close_callback(void*, curl_socket_t socket) noexcept { return ::close(socket); }

}  // namespace concur::inline CONCUR_ABI::detail
