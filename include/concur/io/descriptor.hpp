// SPDX-License-Identifier: BSL-1.0
//
// A descriptor that threads and coroutines use alike: the base of pipes, sockets and their streams.
//
//     class pipe_reader : public descriptor { … };
#pragma once

#include <concur/core/blocking.hpp>
#include <concur/core/errors.hpp>
#include <concur/core/unique_fd.hpp>
#include <concur/io/wait_for_descriptor.hpp>
#include <concur/loop/event_loop.hpp>
#include <concur/loop/io_call.hpp>
#include <concur/loop/loop_reference.hpp>

#include <cerrno>
#include <cstdint>
#include <optional>
#include <poll.h>
#include <system_error>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// Owns a descriptor that does not block (O_NONBLOCK): blocking verbs wait by poll(2), those for coroutines in the loop
/// that runs when the first of them is called. To that loop it belongs from then on, until it is closed or released:
/// all that is done with it is done on that loop's thread, or after the loop was destroyed; blocking verbs may be
/// called on another thread while no coroutine waits. One thread at a time; one reader and one writer may wait.
///
/// May be moved while somebody waits, and must not be destroyed then, which checked builds report.
class descriptor {
 public:
  /// None: every operation fails with EBADF.
  descriptor() noexcept = default;
  /// Takes over one that does not block.
  explicit descriptor(unique_fd fd) noexcept : fd_(std::move(fd)) {}
  descriptor(descriptor&& other) noexcept = default;
  descriptor& operator=(descriptor&& other) noexcept {
    if (this != &other) {
      close();
      fd_ = std::move(other.fd_);
      loop_ = std::move(other.loop_);
    }
    return *this;
  }
  ~descriptor() { close(); }

  [[nodiscard]] int fd() const noexcept { return fd_.get(); }
  [[nodiscard]] bool is_open() const noexcept { return static_cast<bool>(fd_); }

  /// Closes it, now. Those who wait for it get a std::system_error (operation_canceled). Does nothing when it is
  /// closed.
  void close() noexcept {
    leave_loop();
    fd_.reset();
  }

  /// Gives the descriptor away, as it is, also to go to another loop. Those who wait for it as with `close`.
  [[nodiscard]] unique_fd release() noexcept {
    leave_loop();
    return std::move(fd_);
  }

 protected:
  /// For co_await; see event_loop::async_io. Throws misuse on a thread that runs no loop, or another than its own.
  template <class Finish>
  [[nodiscard]] auto async_io(io_call const& call, Finish finish) {
    return own_loop().async_io(call, std::move(finish));
  }
  /// The loop to which it belongs, which is the one that runs if it has none yet. Throws misuse as above.
  event_loop& own_loop();

  /// Makes the call as often as it takes, waiting in between; see perform. Returns nothing when the limit was reached:
  /// then nothing has happened, or of a call that wants all, a part.
  std::optional<std::int64_t> perform_within(io_call call, wait_limit const& limit) const;

 private:
  void leave_loop() noexcept {
    if (event_loop* const there = std::exchange(loop_, {}).get()) there->forget(fd());
  }

  unique_fd fd_;
  loop_reference loop_;
};

inline event_loop& descriptor::own_loop() {
  event_loop* const here = event_loop::current();
  event_loop* mine = loop_.get();
  if (mine == nullptr && here != nullptr) [[unlikely]] {
    loop_ = here->reference();
    mine = here;
  }
  if (here == nullptr || mine != here) [[unlikely]]
    throw misuse("a stream or socket was awaited on a thread that does not run its event loop");
  return *mine;
}

inline std::optional<std::int64_t> descriptor::perform_within(io_call call, wait_limit const& limit) const {
  std::int64_t moved = 0;
  for (;;) {
    auto const result = perform(call);
    if (result == -EAGAIN) {
      auto const why = wait_for_descriptor(call.fd(), call.reads() ? POLLIN : POLLOUT, limit);
      if (why == wake_reason::granted) continue;
      return std::nullopt;
    }
    if (!call.wants_all()) return result;
    if (result <= 0) return result == 0 ? moved : result;
    moved += result;
    call.advance(static_cast<std::size_t>(result));
    if (call.size() == 0) return moved;
  }
}

}  // namespace concur::inline CONCUR_ABI
