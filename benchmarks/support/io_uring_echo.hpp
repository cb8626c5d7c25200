// SPDX-License-Identifier: BSL-1.0
//
// The other floor of the echo workloads: io_uring by liburing, in two ways. `io_uring`: one accept and one receive for
// each connection that go on by themselves, into buffers that the kernel takes from a ring. `io_uring_plain`: a
// receive, then a send, then a receive, with a buffer for each connection. All that became ready is answered with one
// system call.
#pragma once

#include "server.hpp"

#include <liburing.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace bench {

/// What both have: a ring, and a listening socket.
class io_uring_echo_base {
 protected:
  enum operation : std::uint64_t { accepted, received, sent };

  explicit io_uring_echo_base(std::uint16_t port) : listening_(listen_on(port)) {
    // Without the newer flags where the kernel does not know them: 6.1, 5.19.
    int status = 0;
    for (unsigned flags : {IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN, IORING_SETUP_COOP_TASKRUN, 0u}) {
      io_uring_params wanted{};
      wanted.flags = flags | IORING_SETUP_CQSIZE;
      wanted.cq_entries = 4096;
      status = io_uring_queue_init_params(1024, &ring_, &wanted);
      if (status == 0) return;
    }
    fail(status, "skipped: no io_uring here");
  }

  [[noreturn]] static void fail(int status, char const* what) {
    errno = -status;
    throw_errno(what);
  }

  io_uring_sqe* next_entry() {
    io_uring_sqe* entry = io_uring_get_sqe(&ring_);
    while (entry == nullptr) {
      io_uring_submit(&ring_);
      entry = io_uring_get_sqe(&ring_);
    }
    return entry;
  }

  // `handle(completion)` for all that has completed, for ever.
  template <class Handle>
  [[noreturn]] void serve_with(Handle handle) {
    ready_with(listening_);
    for (;;) {
      int const status = io_uring_submit_and_wait(&ring_, 1);
      if (status < 0 && status != -EINTR && status != -EBUSY) fail(status, "io_uring_enter");
      unsigned head = 0;
      unsigned found = 0;
      io_uring_cqe* completion = nullptr;
      io_uring_for_each_cqe(&ring_, head, completion) {
        handle(*completion);
        ++found;
      }
      io_uring_cq_advance(&ring_, found);
    }
  }

  int const listening_;
  io_uring ring_{};
};

class io_uring_echo_server : io_uring_echo_base {
 public:
  explicit io_uring_echo_server(std::uint16_t port) : io_uring_echo_base(port) {
    if ((ring_.flags & IORING_SETUP_SINGLE_ISSUER) == 0) {
      throw std::runtime_error("skipped: no receive that goes on by itself, which takes Linux 6.1");
    }
    void* const memory =
        mmap(nullptr, buffers * sizeof(io_uring_buf), PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
    if (memory == MAP_FAILED) throw_errno("no memory");
    free_ = static_cast<io_uring_buf_ring*>(memory);
    io_uring_buf_reg wanted{};
    wanted.ring_addr = reinterpret_cast<std::uint64_t>(memory);
    wanted.ring_entries = buffers;
    if (int const status = io_uring_register_buf_ring(&ring_, &wanted, 0); status < 0) {
      fail(status, "skipped: no ring of buffers");
    }
    io_uring_buf_ring_init(free_);
    for (unsigned n = 0; n < buffers; ++n) give_back(n);
    accept_all();
  }

  [[noreturn]] void serve() {
    serve_with([this](io_uring_cqe const& completion) {
      auto const tag = completion.user_data;
      switch (operation(tag & 3)) {
        case accepted: return on_accept(completion);
        case received: return on_receive(int(tag >> 2), completion);
        case sent: return on_send(int(tag >> 2), completion.res);
      }
    });
  }

 private:
  static constexpr unsigned buffers = 4096;  // a power of two

  struct part {
    unsigned buffer;
    unsigned begin;
    unsigned end;
  };
  struct connection {
    part now{};              // being sent
    std::vector<part> later;  // came meanwhile; almost always nothing
    bool sends = false;
    bool receives = false;
    bool ended = false;
  };

  char* memory_of(unsigned buffer) { return memory_.get() + std::size_t(buffer) * echo_buffer; }

  void give_back(unsigned buffer) {
    io_uring_buf_ring_add(free_, memory_of(buffer), echo_buffer, std::uint16_t(buffer), int(buffers - 1), 0);
    io_uring_buf_ring_advance(free_, 1);
  }

  void accept_all() {
    auto* const entry = next_entry();
    io_uring_prep_multishot_accept(entry, listening_, nullptr, nullptr, SOCK_CLOEXEC);
    entry->user_data = accepted;
  }

  void receive(int fd) {
    auto* const entry = next_entry();
    io_uring_prep_recv_multishot(entry, fd, nullptr, 0, 0);
    entry->flags |= IOSQE_BUFFER_SELECT;
    entry->buf_group = 0;
    entry->user_data = std::uint64_t(fd) << 2 | received;
    at(fd).receives = true;
  }

  void send(int fd) {
    part const& now = at(fd).now;
    auto* const entry = next_entry();
    io_uring_prep_send(entry, fd, memory_of(now.buffer) + now.begin, now.end - now.begin, MSG_NOSIGNAL);
    entry->user_data = std::uint64_t(fd) << 2 | sent;
    at(fd).sends = true;
  }

  void on_accept(io_uring_cqe const& completion) {
    if (completion.res < 0 && completion.res != -ECONNABORTED) fail(completion.res, "accept");
    if (completion.res >= 0) {
      if (std::size_t(completion.res) >= all_.size()) all_.resize(std::size_t(completion.res) + 64);
      receive(completion.res);
    }
    if ((completion.flags & IORING_CQE_F_MORE) == 0) accept_all();
  }

  void on_receive(int fd, io_uring_cqe const& completion) {
    connection& one = at(fd);
    one.receives = (completion.flags & IORING_CQE_F_MORE) != 0;
    if (completion.res > 0) {
      part const got{completion.flags >> IORING_CQE_BUFFER_SHIFT, 0, unsigned(completion.res)};
      if (one.sends) {
        one.later.push_back(got);
      } else {
        one.now = got;
        send(fd);
      }
    } else if (completion.res != -ENOBUFS) {
      one.ended = true;
    }
    if (!one.receives && !one.ended) receive(fd);  // it ran out of buffers, or the ring was full
    close_if_done(fd);
  }

  void on_send(int fd, int result) {
    connection& one = at(fd);
    one.sends = false;
    if (result < 0) one.ended = true;
    one.now.begin += result < 0 ? one.now.end : unsigned(result);
    if (one.now.begin < one.now.end) return send(fd);
    give_back(one.now.buffer);
    if (one.later.empty()) return close_if_done(fd);
    one.now = one.later.front();
    one.later.erase(one.later.begin());
    send(fd);
  }

  void close_if_done(int fd) {
    connection& one = at(fd);
    if (!one.ended || one.sends) return;
    if (one.receives) {  // the send failed; that ends the receive too
      shutdown(fd, SHUT_RDWR);
      return;
    }
    one = {};
    close(fd);
  }

  connection& at(int fd) { return all_[std::size_t(fd)]; }

  io_uring_buf_ring* free_ = nullptr;
  std::unique_ptr<char[]> const memory_ = std::make_unique<char[]>(buffers * echo_buffer);
  std::vector<connection> all_;  // by file number
};

class io_uring_plain_echo_server : io_uring_echo_base {
 public:
  explicit io_uring_plain_echo_server(std::uint16_t port) : io_uring_echo_base(port) { accept_one(); }

  [[noreturn]] void serve() {
    serve_with([this](io_uring_cqe const& completion) {
      if (completion.user_data == accepted) return on_accept(completion.res);
      auto& one = *reinterpret_cast<connection*>(completion.user_data & ~std::uint64_t(3));
      if (completion.res <= 0) return end(one);
      if ((completion.user_data & 3) == received) {
        one.begin = 0;
        one.end = unsigned(completion.res);
        send(one);
      } else {
        one.begin += unsigned(completion.res);
        one.begin < one.end ? send(one) : receive(one);
      }
    });
  }

 private:
  struct connection {
    int fd;
    unsigned begin = 0;
    unsigned end = 0;
    std::array<char, echo_buffer> bytes;
  };

  void accept_one() {
    auto* const entry = next_entry();
    io_uring_prep_accept(entry, listening_, nullptr, nullptr, SOCK_CLOEXEC);
    entry->user_data = accepted;
  }
  void receive(connection& one) {
    auto* const entry = next_entry();
    io_uring_prep_recv(entry, one.fd, one.bytes.data(), one.bytes.size(), 0);
    entry->user_data = reinterpret_cast<std::uint64_t>(&one) | received;
  }
  void send(connection& one) {
    auto* const entry = next_entry();
    io_uring_prep_send(entry, one.fd, one.bytes.data() + one.begin, one.end - one.begin, MSG_NOSIGNAL);
    entry->user_data = reinterpret_cast<std::uint64_t>(&one) | sent;
  }
  void on_accept(int result) {
    if (result < 0 && result != -ECONNABORTED) fail(result, "accept");
    if (result >= 0) receive(*new connection{result, 0, 0, {}});
    accept_one();
  }
  static void end(connection& one) {
    close(one.fd);
    delete &one;
  }
};

inline server io_uring_echo() {
  return {"io_uring", [](std::uint16_t port) { io_uring_echo_server(port).serve(); }};
}
inline server io_uring_plain_echo() {
  return {"io_uring_plain", [](std::uint16_t port) { io_uring_plain_echo_server(port).serve(); }};
}

}  // namespace bench
