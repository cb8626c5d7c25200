// SPDX-License-Identifier: BSL-1.0
//
// The load of the echo workloads, the same for every server: n connections to 127.0.0.1, each of which sends 64 bytes,
// waits for all of them to come back, compares them and sends the next 64. One thread, epoll, and it never sleeps.
#pragma once

#include "client_socket.hpp"
#include "request_figures.hpp"
#include "server.hpp"
#include "server_process.hpp"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace bench {

/// How a load talks to a server on a socket of its own: without anything between. It is made when the socket is
/// connected, and the load closes that.
class plain_channel {
 public:
  explicit plain_channel(int fd) : fd_(fd) {}

  /// As the call of that name; may wait.
  ssize_t send(void const* from, std::size_t size) { return ::send(fd_, from, size, MSG_NOSIGNAL); }
  /// As recv; never waits.
  ssize_t receive(void* into, std::size_t size) { return recv(fd_, into, size, MSG_DONTWAIT); }
  /// Says that nothing more will be sent.
  void finish() { shutdown(fd_, SHUT_WR); }

 private:
  int fd_;
};

/// Every function throws std::runtime_error with a sentence when the server does not do what it should, or not within
/// five seconds.
template <class Channel>
class basic_echo_load {
 public:
  using clock = std::chrono::steady_clock;

  /// Connects, and exchanges one request on each connection.
  basic_echo_load(std::uint16_t port, int connections);
  ~basic_echo_load();
  basic_echo_load(basic_echo_load const&) = delete;
  basic_echo_load& operator=(basic_echo_load const&) = delete;

  /// Keeps all connections busy for a quarter of `length` and then counts for `length`. `server`: its CPU time.
  request_figures run(std::chrono::nanoseconds length, clockid_t server);

  /// One request on each connection, and its answer.
  void send_all();
  void receive_all();

  /// Half-closes all connections; the server has to close them.
  void finish();

 private:
  static constexpr std::size_t size = 64;
  static constexpr auto patience = std::chrono::seconds(5);
  using message = std::array<std::uint64_t, size / 8>;

  struct connection {
    int fd = -1;
    std::optional<Channel> channel = {};
    std::size_t received = 0;
    std::uint64_t serial = 0;
    clock::time_point sent = {};
    message answer = {};
  };

  // A different one each time.
  static message request(connection const& of) {
    message all;
    std::uint64_t word = (std::uint64_t(of.fd) << 40) + of.serial;
    for (auto& each : all) each = word *= 0x9e3779b97f4a7c15;
    return all;
  }

  void connect_one(std::uint16_t port);
  void send(connection& one, clock::time_point now);
  bool receive(connection& one);  // whether the answer is complete
  template <class Ready>
  void poll(clock::time_point& last, Ready ready);

  basic_echo_load() = default;

  int poll_ = epoll_create1(EPOLL_CLOEXEC);
  std::vector<connection> all_;
  std::size_t waiting_ = 0;  // for an answer
};

// Delegates, so that the destructor closes what has been opened when this throws.
template <class Channel>
basic_echo_load<Channel>::basic_echo_load(std::uint16_t port, int connections) : basic_echo_load() {
  constexpr std::size_t at_a_time = 256;  // below everybody's backlog
  auto const count = std::size_t(connections);
  all_.reserve(count);
  while (all_.size() < count) {
    auto const first = all_.size();
    auto const more = std::min(count - first, at_a_time);
    for (std::size_t n = 0; n < more; ++n) connect_one(port);
    for (std::size_t n = first; n < all_.size(); ++n) send(all_[n], clock::now());
    receive_all();
  }
}

template <class Channel>
basic_echo_load<Channel>::~basic_echo_load() {
  for (auto& one : all_) close(one.fd);
  close(poll_);
}

template <class Channel>
void basic_echo_load<Channel>::connect_one(std::uint16_t port) {
  int const fd = connect_to(port);
  all_.push_back({});
  all_.back().fd = fd;
  all_.back().channel.emplace(fd);
  epoll_event wanted{EPOLLIN | EPOLLRDHUP | EPOLLET, {}};
  wanted.data.u64 = all_.size() - 1;
  if (epoll_ctl(poll_, EPOLL_CTL_ADD, fd, &wanted) != 0) throw_errno("epoll_ctl");
}

template <class Channel>
void basic_echo_load<Channel>::send(connection& one, clock::time_point now) {
  ++one.serial;
  one.received = 0;
  one.sent = now;
  message const all = request(one);
  if (one.channel->send(all.data(), size) != ssize_t(size)) throw_errno("cannot send a request");
  ++waiting_;
}

template <class Channel>
bool basic_echo_load<Channel>::receive(connection& one) {
  std::array<char, 2 * size> bytes;  // room for more than there should be
  auto const got = one.channel->receive(bytes.data(), bytes.size());
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  if (got < 0) throw_errno("cannot receive an answer");
  if (got == 0) throw std::runtime_error("the server closed a connection");
  auto const length = std::size_t(got);
  if (waiting_ == 0 || one.received + length > size) throw std::runtime_error("the server sent more than it was sent");
  std::memcpy(reinterpret_cast<char*>(one.answer.data()) + one.received, bytes.data(), length);
  one.received += length;
  if (one.received < size) return false;
  if (one.answer != request(one)) throw std::runtime_error("the server sent something else than it was sent");
  --waiting_;
  return true;
}

// Polls once. `last`: when something came.
template <class Channel>
template <class Ready>
void basic_echo_load<Channel>::poll(clock::time_point& last, Ready ready) {
  std::array<epoll_event, 256> events;
  int const found = epoll_wait(poll_, events.data(), int(events.size()), 0);
  if (found < 0 && errno != EINTR) throw_errno("epoll_wait");
  if (found <= 0 && clock::now() - last > patience) throw std::runtime_error("the server has not answered for 5 s");
  for (int n = 0; n < found; ++n) ready(all_[std::size_t(events[std::size_t(n)].data.u64)], last = clock::now());
}

template <class Channel>
request_figures basic_echo_load<Channel>::run(std::chrono::nanoseconds length, clockid_t server) {
  std::vector<float> latencies;
  latencies.reserve(std::size_t(length.count() / 500));  // nobody is as fast
  auto last = clock::now();
  auto const begin = last + length / 4;
  clock::time_point first;  // answer from `begin` on; those after it count, up to the first that comes too late
  clock::time_point final;
  double cpu_first = 0;
  double cpu = 0;
  send_all();
  while (waiting_ > 0) {
    poll(last, [&](connection& one, clock::time_point now) {
      if (!receive(one) || final > first) return;
      if (first == clock::time_point()) {
        if (now >= begin) {
          first = final = now;
          cpu_first = cpu_seconds(server);
        }
      } else {
        latencies.push_back(std::chrono::duration<float>(now - one.sent).count());
        if (now >= first + length) {
          final = now;
          cpu = cpu_seconds(server) - cpu_first;
          return;
        }
      }
      send(one, now);
    });
  }
  auto const part = [&](std::size_t hundredths) {
    auto const place = latencies.begin() + std::ptrdiff_t(latencies.size() * hundredths / 100);
    std::ranges::nth_element(latencies, place);
    return double(*place);
  };
  auto const answers = double(latencies.size());
  return {std::chrono::duration<double>(final - first).count() / answers, cpu / answers, part(50), part(99)};
}

template <class Channel>
void basic_echo_load<Channel>::send_all() {
  for (auto& one : all_) send(one, clock::now());
}

template <class Channel>
void basic_echo_load<Channel>::receive_all() {
  auto last = clock::now();
  while (waiting_ > 0) poll(last, [&](connection& one, clock::time_point) { receive(one); });
}

template <class Channel>
void basic_echo_load<Channel>::finish() {
  auto last = clock::now();
  std::size_t open = all_.size();
  for (auto& one : all_) one.channel->finish();
  while (open > 0) {
    poll(last, [&](connection& one, clock::time_point) {
      char byte;
      auto const got = one.channel->receive(&byte, 1);
      if (got > 0) throw std::runtime_error("the server sent more than it was sent");
      if (got == 0) {
        epoll_ctl(poll_, EPOLL_CTL_DEL, one.fd, nullptr);  // it has no further events
        --open;
      }
      if (got < 0 && errno != EAGAIN) throw_errno("a connection ended badly");
    });
  }
}

using echo_load = basic_echo_load<plain_channel>;

/// All that a load does with a server: connects, is busy for so long, and ends.
template <class Load>
request_figures exchange_all_the_time(server_process& server, int connections, std::chrono::nanoseconds length) {
  Load load(server.port(), connections);
  auto const request = load.run(length, server.clock());
  load.finish();
  return request;
}

}  // namespace bench
