// SPDX-License-Identifier: BSL-1.0
//
// The descriptors that an event loop watches, by io_uring.
//
// A call on a socket that has to wait is given to the system, which makes it as soon as it can; all that the tasks of
// a round have given is handed over with the one call in which the loop sleeps. When several tasks were told together,
// so is what they send, without a try. The first of a descriptor's direction is with the system, the others stand
// behind it.
//
// Calls on files, which take as long as a disk does, are made by threads of the system's where need be.
//
// What only waits until a descriptor is ready goes by epoll, in which the ring looks: the ring would keep a descriptor
// open that a library closes without telling. So do calls that the system does not wait in when the descriptor does not
// block (read), that raise signals (write) or begin before they wait (connect).
//
// While a call is with the system, the operation must stay where it is, and its buffer too. One that is to end early
// is withdrawn, and told when it has come back: with its outcome, if it came too late. So its address is all that the
// system has to know it by: no other operation is there before it has come back, and a withdrawal has ended by then.
// Nothing is with the system when the loop does not run: what still waits then goes by epoll.
#pragma once

#include <concur/core/assert.hpp>
#include <concur/core/deadline.hpp>
#include <concur/core/errors.hpp>
#include <concur/core/intrusive_list.hpp>
#include <concur/loop/detail/descriptor_table.hpp>
#include <concur/loop/detail/descriptor_waiter.hpp>
#include <concur/loop/detail/epoll_poller.hpp>
#include <concur/loop/detail/file_operation.hpp>
#include <concur/loop/detail/io_operation.hpp>
#include <concur/loop/detail/io_ring.hpp>
#include <concur/loop/detail/loop_inbox.hpp>
#include <concur/loop/detail/ring_entry.hpp>
#include <concur/loop/event_loop_options.hpp>
#include <concur/loop/file_call.hpp>
#include <concur/loop/io_call.hpp>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <new>
#include <system_error>

namespace concur::inline CONCUR_ABI::detail {

/// As epoll_poller; which does all the work where there is no ring to be had.
class ring_poller {
 public:
  ring_poller(loop_inbox& inbox, event_loop_options const& options) noexcept
      : inbox_(inbox),
        epoll_(inbox, options),
        wanted_entries_(options.backend() == loop_backend::best ? options.io_uring_entries() : 0) {}
  ring_poller(ring_poller const&) = delete;
  ring_poller& operator=(ring_poller const&) = delete;
  ~ring_poller() { CONCUR_ASSERT(in_flight_ == 0 || ring_.is_parents(), "an event loop left calls in its ring"); }

  /// Finds out whether there is a ring to be had.
  char const* name() noexcept { return has_ring() ? "io_uring" : epoll_.name(); }

  bool watching() const noexcept { return waiters_ != 0 || epoll_.watching(); }

  void enter_thread() noexcept {
    running_ = true;
    // The ring of another thread: nothing is in it.
    if (ring_.is_open() && !ring_.is_parents() && !ring_.is_of_this_thread()) close_ring();
  }
  void leave_thread() noexcept {
    running_ = false;
    if (in_flight_ != 0) [[unlikely]]
      withdraw_all();
  }

  bool add(descriptor_waiter& waiter) { return epoll_.add(waiter); }
  bool remove(descriptor_waiter& waiter) noexcept { return epoll_.remove(waiter); }

  using attempted = epoll_poller::attempted;
  attempted attempt_owned(io_operation& operation);
  void add_owned(io_operation& operation);

  /// Returns whether it is out; otherwise it will be told: ECANCELED, or 0 when it has its result.
  bool remove(io_operation& operation) noexcept;

  void forget(int fd) noexcept;

  /// Whether calls on files as this one go into the ring. If so, `begin` has it done, unless it returns false; such a
  /// call is not withdrawn.
  bool carries(file_call const& call) noexcept {
    return running_ && ring_carries(call) && has_ring() && !ring_.is_parents();
  }
  bool begin(file_operation& operation) noexcept;

  void look();
  void wait(time_point deadline);

 private:
  using direction = descriptor_direction;
  using place = io_operation::place;
  using progress = descriptor_waiter::progress;

  // What the ring tells of, beside the addresses of operations.
  enum tag : std::uint64_t { of_inbox = 1, of_epoll = 2 };

  bool has_ring() noexcept;
  void close_ring() noexcept;
  direction& direction_of(io_operation const& operation) {
    return table_[operation.fd()].direction(operation.wanted());
  }
  bool goes_by_epoll(io_operation const& operation, direction& way) noexcept;

  bool submit(io_operation& operation, bool ready) noexcept;
  void proceed(direction& way) noexcept;
  void leave_to_epoll(direction& way) noexcept;
  void take_back(io_operation& operation) noexcept;
  void take_out(io_operation& operation) noexcept;
  void withdraw_all() noexcept;

  void take_completions() noexcept;
  void dispatch(io_uring_cqe const& completion) noexcept;
  void on_completion(io_operation& operation, std::int64_t result) noexcept;
  void on_withdrawn(io_operation& operation, std::int64_t result) noexcept;

  static constexpr std::uint8_t many_in_a_row = 32;

  loop_inbox& inbox_;
  epoll_poller epoll_;
  unsigned wanted_entries_;  // none: it has turned out that there is no ring
  io_ring ring_;
  bool running_ = false;
  bool several_ = false;  // were told when the ring was last looked at
  bool inbox_armed_ = false;
  bool epoll_armed_ = false;
  std::size_t waiters_ = 0;  // all but those of epoll
  std::size_t in_flight_ = 0;  // of them: with the system
  intrusive_list<descriptor_waiter> leaving_;  // withdrawn, and not come back yet
  descriptor_table table_;  // only of sockets whose calls went into the ring
};

// ---- the ring

inline bool ring_poller::has_ring() noexcept {
  if (ring_.is_open()) [[likely]]
    return true;
  if (wanted_entries_ == 0) return false;
  if (ring_.open(wanted_entries_)) return true;
  wanted_entries_ = 0;
  return false;
}

inline void ring_poller::close_ring() noexcept {
  ring_.close();
  inbox_armed_ = epoll_armed_ = false;
}

// ---- operations

inline bool ring_poller::goes_by_epoll(io_operation const& operation, direction& way) noexcept {
  if (!way.watched) [[likely]]
    return false;
  if (epoll_.has_waiters(operation.fd(), operation.wanted())) return true;
  way.watched = false;
  return false;
}

inline ring_poller::attempted ring_poller::attempt_owned(io_operation& operation) {
  if (wanted_entries_ == 0 || !ring_carries(operation.call())) return epoll_.attempt_owned(operation);
  auto& way = direction_of(operation);
  if (goes_by_epoll(operation, way)) return attempted::blocked;
  if (!way.may_be_ready || !way.waiters.empty()) return attempted::blocked;
  if (several_ && !operation.call().reads()) return attempted::blocked;  // together, with one system call
  auto const made = operation.advance();
  way.may_be_ready = made == progress::done;
  if (made != progress::done && made != progress::exhausted) return attempted::blocked;
  if (++way.in_a_row < many_in_a_row) return attempted::done;
  way.in_a_row = 0;
  return attempted::done_too_often;
}

inline void ring_poller::add_owned(io_operation& operation) {
  if (ring_.is_open() && ring_.is_parents()) [[unlikely]]
    throw misuse("a descriptor was waited for in a child process, on an event loop of its parent");
  if (!ring_carries(operation.call()) || !has_ring()) return epoll_.add_owned(operation);
  auto& way = direction_of(operation);
  if (goes_by_epoll(operation, way)) return epoll_.add_owned(operation);
  way.in_a_row = 0;
  if (way.waiters.empty()) {
    if (!submit(operation, way.may_be_ready)) {
      epoll_.add_owned(operation);
      way.watched = true;
      return;
    }
  } else {
    operation.move_to(place::queued);
  }
  way.waiters.push_back(operation);
  ++waiters_;
}

inline bool ring_poller::submit(io_operation& operation, bool ready) noexcept {
  auto* const entry = running_ ? ring_.next_entry() : nullptr;
  if (entry == nullptr) return false;
  fill_in(*entry, operation.call(), ready);
  entry->user_data = reinterpret_cast<std::uint64_t>(&operation);
  operation.move_to(place::with_kernel);
  ++in_flight_;
  return true;
}

// Those who wait when nobody of them is with the system.
inline void ring_poller::proceed(direction& way) noexcept {
  while (!way.waiters.empty()) {
    auto& operation = static_cast<io_operation&>(way.waiters.front());
    auto made = progress::blocked;
    if (way.may_be_ready) {
      made = operation.advance();
      way.may_be_ready = made == progress::done || made == progress::paused;
    }
    if (made == progress::blocked || made == progress::paused) {
      // One that has paused has its turn when the others had theirs.
      if (!submit(operation, made == progress::paused)) leave_to_epoll(way);
      return;
    }
    take_out(operation);
    operation.ready(0);
  }
}

inline void ring_poller::take_out(io_operation& operation) noexcept {
  operation.unlink();
  operation.move_to(place::elsewhere);
  --waiters_;
}

// Requires: nobody of them is with the system.
inline void ring_poller::leave_to_epoll(direction& way) noexcept {
  while (!way.waiters.empty()) {
    auto& operation = static_cast<io_operation&>(way.waiters.front());
    take_out(operation);
    try {
      epoll_.add_owned(operation);
      way.watched = true;
    } catch (std::system_error const& error) {
      operation.ready(error.code().value());
    } catch (std::bad_alloc const&) {
      operation.ready(ENOMEM);
    }
  }
}

inline bool ring_poller::remove(io_operation& operation) noexcept {
  switch (operation.where()) {
    case place::elsewhere: return epoll_.remove(operation);
    case place::queued: take_out(operation); return true;
    case place::leaving:
    case place::with_kernel: break;
  }
  if (ring_.is_parents()) {
    take_out(operation);
    return true;
  }
  if (operation.where() == place::leaving) return false;
  auto& way = table_.find(operation.fd())->direction(operation.wanted());
  take_back(operation);
  proceed(way);
  return false;
}

// From here on the system does nothing more for it; what came of it comes later.
inline void ring_poller::take_back(io_operation& operation) noexcept {
  ring_.withdraw(reinterpret_cast<std::uint64_t>(&operation));
  operation.unlink();
  leaving_.push_back(operation);
  operation.move_to(place::leaving);
}

inline void ring_poller::forget(int fd) noexcept {
  epoll_.forget(fd);
  auto* const known = table_.find(fd);
  if (known == nullptr) return;
  bool taken_back = false;
  for (auto* const way : {&known->reading, &known->writing}) {
    while (!way->waiters.empty()) {
      auto& operation = static_cast<io_operation&>(way->waiters.front());
      if (operation.where() == place::with_kernel) {
        take_back(operation);
        taken_back = true;
      } else {
        take_out(operation);
        operation.ready(ECANCELED);
      }
    }
    way->reset();
  }
  // Until they have come back the ring keeps the file open: its other side would not see it closed.
  if (taken_back) ring_.fetch();
}

// The loop ceases to run. Those who still wait do so by epoll.
[[gnu::noinline]] inline void ring_poller::withdraw_all() noexcept {
  if (ring_.is_parents()) return;
  ring_.withdraw_all();
  while (in_flight_ != 0) {
    ring_.wait(os::never);
    take_completions();
  }
}

// ---- files

inline bool ring_poller::begin(file_operation& operation) noexcept {
  auto* const entry = ring_.next_entry();
  if (entry == nullptr) return false;
  fill_in(*entry, operation.call());
  entry->user_data = tag_of(operation);
  ++waiters_;
  ++in_flight_;
  return true;
}

// ---- looking and waiting

inline void ring_poller::look() {
  if (epoll_.watching()) epoll_.look();
  if (in_flight_ == 0 || ring_.is_parents()) return;
  ring_.submit();
  take_completions();
}

inline void ring_poller::wait(time_point deadline) {
  if (in_flight_ == 0) return epoll_.wait(deadline);
  if (!inbox_armed_) inbox_armed_ = ring_.tell_when_readable(inbox_.eventfd(), of_inbox);
  if (!epoll_armed_ && epoll_.watching()) epoll_armed_ = ring_.tell_when_readable(epoll_.fd(), of_epoll);
  bool const heard = inbox_armed_ && (epoll_armed_ || !epoll_.watching()) && !epoll_.has_paused();
  // From here on a post writes to the eventfd, which the ring finds readable also when that comes before the wait.
  bool const may_sleep = inbox_.sleep_in_poll() && heard;
  if (may_sleep) {
    ring_.wait(deadline);
  } else {
    ring_.submit();
  }
  inbox_.wake_up();
  bool const had_epoll = epoll_armed_;
  take_completions();
  if (epoll_.watching() && (!had_epoll || !epoll_armed_ || epoll_.has_paused())) epoll_.look();
}

inline void ring_poller::take_completions() noexcept {
  several_ = ring_.take([this](io_uring_cqe const& completion) { dispatch(completion); }) > 1;
}

inline void ring_poller::dispatch(io_uring_cqe const& completion) noexcept {
  switch (completion.user_data) {
    case of_inbox:
      inbox_armed_ = false;
      inbox_.read_eventfd();
      break;
    case of_epoll: epoll_armed_ = false; break;
    default: {
      --in_flight_;
      if (auto* const of_file = file_operation_of(completion.user_data)) {
        --waiters_;
        return of_file->take(completion.res);
      }
      auto& operation = *reinterpret_cast<io_operation*>(completion.user_data);
      if (operation.where() == place::leaving) {
        on_withdrawn(operation, completion.res);
      } else {
        on_completion(operation, completion.res);
      }
    }
  }
}

inline void ring_poller::on_completion(io_operation& operation, std::int64_t result) noexcept {
  auto& way = table_.find(operation.fd())->direction(operation.wanted());
  operation.move_to(place::queued);
  // Older systems do not wait for a descriptor that does not block. Or the loop ceases to run.
  if (result == -EAGAIN || result == -ECANCELED) return leave_to_epoll(way);
  way.may_be_ready = true;
  bool const again = result == -EINTR || (operation.call().what() == io_call::kind::accept && result < 0 &&
                                          concerns_connection(static_cast<int>(-result)));
  auto const made = again ? progress::paused : operation.take(result);
  if (made == progress::done || made == progress::exhausted) {
    way.may_be_ready = made == progress::done;
    take_out(operation);
    operation.ready(0);
  }
  if (!way.waiters.empty()) proceed(way);
}

inline void ring_poller::on_withdrawn(io_operation& operation, std::int64_t result) noexcept {
  take_out(operation);
  bool const none = result == -ECANCELED || result == -EAGAIN || result == -EINTR;
  bool const whole = !none && operation.take(result) != progress::paused;
  operation.ready(whole ? 0 : ECANCELED);
}

}  // namespace concur::inline CONCUR_ABI::detail
