// SPDX-License-Identifier: BSL-1.0
//
// What peers may do to a TCP connection: reset it, shut half of it, never read, send a byte now and then, come and go
// by the thousand.
#include <concur/net/serve.hpp>
#include <concur/net/tcp_listener.hpp>
#include <concur/net/tcp_stream.hpp>

#include "../support/catch.hpp"
#include "../support/long_form.hpp"
#include "../support/open_descriptors.hpp"
#include "../support/recorded_errors.hpp"
#include "../support/refusals.hpp"
#include "../support/reset_at_close.hpp"
#include "../support/sanitizers.hpp"
#include "../support/uninterrupted.hpp"
#include "echo.hpp"

#include <concur/coro/gather.hpp>
#include <concur/coro/sleep.hpp>
#include <concur/coro/spawn.hpp>
#include <concur/coro/task.hpp>
#include <concur/coro/timeout.hpp>
#include <concur/coro/yield.hpp>
#include <concur/loop/event_loop.hpp>
#include <concur/loop/run.hpp>
#include <concur/net/unix_listener.hpp>
#include <concur/net/unix_stream.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stop_token>
#include <sys/socket.h>
#include <thread>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using concur::listen_options;
using concur::run;
using concur::serve;
using concur::serve_options;
using concur::spawn;
using concur::task;
using concur::tcp_listener;
using concur::tcp_stream;
using support::any_port;
using support::echo;
using support::is_answered;
using support::is_served;
using support::system_error_of;

template <class Stream>
struct pair_of {
  Stream mine;
  Stream peers;
};
pair_of<tcp_stream> tcp_pair() {
  tcp_listener listener(any_port());
  auto client = tcp_stream::connect(listener.local_endpoint());
  return {std::move(client), listener.accept()};
}

/// A write whose every form is tried on a stream whose peer has gone; each has to be an error.
template <class Stream>
void every_write_fails(Stream& stream) {
  // The first one may go out still; the answer to it is a reset.
  static_cast<void>(system_error_of([&] { stream.write("x"); }));
  pollfd gone{stream.fd(), 0, 0};
  REQUIRE(support::uninterrupted([&] { return ::poll(&gone, 1, -1); }) == 1);
  auto const fails = [](auto write) {
    int const error = system_error_of(write);
    return error == EPIPE || error == ECONNRESET;
  };
  std::stop_source stop;
  CHECK(fails([&] { stream.write("x"); }));
  CHECK(fails([&] { stream.write("x", stop.get_token()); }));
  CHECK(fails([&] { stream.try_write_for("x", 1s); }));
  CHECK(fails([&] { stream.try_write_until("x", std::chrono::steady_clock::now()); }));
  CHECK(fails([&] { stream.write_some("x"); }));
  CHECK(fails([&] { stream.write_some("x", stop.get_token()); }));
  CHECK(fails([&] { stream.try_write_some("x"); }));
  CHECK(fails([&] { stream.try_write_some_for("x", 1s); }));
  CHECK(fails([&] { stream.try_write_some_until("x", std::chrono::steady_clock::now()); }));
  auto const write = [&]() -> task<> { co_await stream.async_write("x"); };
  CHECK(fails([&] { run(write()); }));
  auto const write_some = [&]() -> task<> { co_await stream.async_write_some("x"); };
  CHECK(fails([&] { run(write_some()); }));
}

/// SIGPIPE would end the process.
class deadly_signal {
 public:
  deadly_signal() : before_(std::signal(SIGPIPE, SIG_DFL)) {}
  ~deadly_signal() { std::signal(SIGPIPE, before_); }
  deadly_signal(deadly_signal const&) = delete;
  deadly_signal& operator=(deadly_signal const&) = delete;

 private:
  void (*before_)(int);
};

std::ptrdiff_t threads_of_this_process() {
  std::filesystem::directory_iterator const all("/proc/self/task");
  return std::distance(begin(all), end(all));
}

/// In bytes.
long resident_memory() {
  long all = 0;
  long resident = 0;
  std::ifstream("/proc/self/statm") >> all >> resident;
  return resident * ::sysconf(_SC_PAGESIZE);
}

}  // namespace

TEST_CASE("tcp: every write to a peer that has closed is an error, not a signal (I5)", "[tcp]") {
  deadly_signal const armed;
  auto tcp = tcp_pair();
  tcp.peers.close();
  every_write_fails(tcp.mine);
  auto [mine, peers] = concur::unix_stream::pair();
  peers.close();
  every_write_fails(mine);
}

TEST_CASE("tcp: every write to a peer that has reset the connection is an error, not a signal (I5)", "[tcp]") {
  deadly_signal const armed;
  auto tcp = tcp_pair();
  support::reset_at_close(tcp.peers);
  tcp.peers.close();
  every_write_fails(tcp.mine);
}

TEST_CASE("tcp: a write that waits ends when the peer goes", "[tcp]") {
  deadly_signal const armed;
  auto tcp = tcp_pair();
  auto const all = [&]() -> task<int> {
    std::vector<char> const much(20'000'000);
    auto writing = spawn([&]() -> task<int> {
      try {
        co_await tcp.mine.async_write(much);
      } catch (std::system_error const& error) {
        co_return error.code().value();
      }
      co_return 0;
    });
    for (int i = 0; i < 20; ++i) co_await concur::yield();
    CHECK_FALSE(writing.done());
    tcp.peers.close();
    co_return co_await std::move(writing);
  };
  int const error = run(all());
  CHECK((error == EPIPE || error == ECONNRESET));
}

TEST_CASE("tcp: peers that reset, shut a half, never read, or send a byte now and then harm nobody else", "[tcp]") {
  support::recorded_errors const hook;
  tcp_listener listener(any_port());
  auto const at = listener.local_endpoint();
  auto const all = [&]() -> task<> {
    auto server = spawn(serve(listener, echo<tcp_stream>));
    bool over = false;

    auto resetting = spawn([&]() -> task<> {
      while (true) {
        auto rude = co_await tcp_stream::async_connect(at);
        support::reset_at_close(rude);
        co_await rude.async_write("the middle of a");
        if (over) co_return;
        co_await concur::sleep_for(200us);
      }
    });
    auto half_closing = spawn([&]() -> task<bool> {
      auto half = co_await tcp_stream::async_connect(at);
      co_await half.async_write("all that I have to say");
      half.shutdown_write();
      std::array<char, 100> space{};
      auto const count = co_await half.async_read(space);  // answered all the same, to the end
      co_return count == 22;
    });
    auto never_reading = spawn([&]() -> task<> {
      auto greedy = co_await tcp_stream::async_connect(at);
      std::vector<char> const much(20'000'000);
      co_await greedy.async_write(much);
    });
    auto dripping = spawn([&]() -> task<int> {
      auto slow = co_await tcp_stream::async_connect(at);
      int answered = 0;
      while (true) {
        bool const right = co_await is_answered(slow, "x");
        answered += right;
        if (over) co_return answered;
        co_await concur::sleep_for(1ms);
      }
    });

    std::vector<task<bool>> clients;
    for (int i = 0; i < 200; ++i) clients.push_back(is_served<tcp_stream>(at));
    auto const served = co_await gather(std::move(clients));
    CHECK(std::ranges::count(served, true) == 200);
    over = true;
    bool const half_was_answered = co_await std::move(half_closing);
    CHECK(half_was_answered);
    int const drops = co_await std::move(dripping);
    CHECK(drops > 0);
    co_await std::move(resetting);
    CHECK_FALSE(never_reading.done());
    never_reading.cancel();
    server.cancel();
  };
  run(all());
  CHECK(support::recorded_errors::all().empty());
}

TEST_CASE("tcp: a peer that sends one byte a second holds up its own connection only", "[tcp]") {
  tcp_listener listener(any_port());
  auto const at = listener.local_endpoint();
  std::stop_source stop;
  auto const all = [&]() -> task<> {
    auto server = spawn(serve(listener, echo<tcp_stream>, serve_options().connection_limit(2).stop(stop.get_token())));
    auto slow = co_await tcp_stream::async_connect(at);
    bool const first = co_await is_answered(slow, "1");
    CHECK(first);
    // It takes one of two places, and the other one is enough.
    for (int i = 0; i < 20; ++i) {
      bool const served = co_await is_served<tcp_stream>(at);
      CHECK(served);
    }
    bool const second = co_await is_answered(slow, "2");
    CHECK(second);
    slow.close();
    stop.request_stop();
    co_await std::move(server);
  };
  run(all());
}

TEST_CASE("tcp: connections in turn leave no descriptor, thread or memory behind", "[tcp]") {
  tcp_listener listener(any_port());
  auto const at = listener.local_endpoint();
  auto const sockets = support::open_sockets();
  std::ptrdiff_t threads = 0;
  long memory = 0;
  auto const come_and_go = [&](int count) -> task<> {
    for (int i = 0; i < count; ++i) {
      bool const served = co_await is_served<tcp_stream>(at);
      if (!served) FAIL("not served");
    }
    // Those who serve see the end a little later.
    while (support::open_sockets() > sockets) co_await concur::yield();
  };
  auto const all = [&]() -> task<> {
    auto server = spawn(serve(listener, echo<tcp_stream>));
    co_await come_and_go(1000);
    threads = threads_of_this_process();
    memory = resident_memory();
    co_await come_and_go(support::long_form() ? 100'000 : 3'000);
    CHECK(support::open_sockets() == sockets);
    CHECK(threads_of_this_process() == threads);
    bool const measurable = !support::address_sanitizer && !support::thread_sanitizer;
    if (measurable) CHECK(resident_memory() - memory < 1'000'000);
    server.cancel();
  };
  run(all());
}

TEST_CASE("tcp: a task that is cancelled at any moment of a connection leaves nothing behind", "[tcp]") {
  auto const before = support::open_sockets();
  bool got_to_its_end = false;
  for (int rounds = 0; rounds < 30 || !got_to_its_end; ++rounds) {
    INFO("cancelled after " << rounds << " rounds");
    REQUIRE(rounds < 10'000);
    tcp_listener listener(any_port());
    auto const at = listener.local_endpoint();
    std::vector<char> const much(100'000);
    auto const talk = [&]() -> task<> {
      auto made = co_await tcp_stream::async_connect("127.0.0.1", at.port());
      co_await made.async_write(much);
      made.shutdown_write();
      std::array<char, 100> space{};
      while (auto const count = co_await made.async_read_some(space)) static_cast<void>(count);
    };
    auto const answer = [&]() -> task<> {
      auto made = co_await listener.async_accept();
      std::vector<char> space(100'000);
      co_await made.async_read(space);
      co_await made.async_write(space);
    };
    auto const all = [&]() -> task<> {
      auto answering = spawn(answer());
      auto talking = spawn(talk());
      for (int i = 0; i < rounds && !talking.done(); ++i) co_await concur::yield();
      got_to_its_end = talking.done();
      talking.cancel();
      answering.cancel();
    };
    run(all());
    listener.close();
    CHECK(support::open_sockets() == before);
  }
}

TEST_CASE("tcp: several loops on several threads share one port", "[tcp]") {
  tcp_listener one(any_port(), listen_options().share_port());
  auto const at = one.local_endpoint();
  tcp_listener other(at, listen_options().share_port());
  std::stop_source stop;
  std::array<int, 2> served{};
  auto const serve_all = [&](tcp_listener& mine, int& count) {
    auto const counting = [&count](tcp_stream client) -> task<> {
      ++count;
      co_await echo(std::move(client));
    };
    concur::event_loop loop;
    loop.run(serve(mine, counting, serve_options().stop(stop.get_token())));
  };
  std::thread first([&] { serve_all(one, served[0]); });
  std::thread second([&] { serve_all(other, served[1]); });
  auto const ask = [&]() -> task<> {
    std::vector<task<bool>> clients;
    for (int i = 0; i < 64; ++i) clients.push_back(is_served<tcp_stream>(at));
    auto const answered = co_await gather(std::move(clients));
    CHECK(std::ranges::count(answered, true) == 64);
  };
  run(ask());
  stop.request_stop();
  first.join();
  second.join();
  CHECK(served[0] + served[1] == 64);
  CHECK(served[0] > 0);
  CHECK(served[1] > 0);
}

TEST_CASE("tcp: how a silent peer is asked whether it is still there", "[tcp]") {
  auto tcp = tcp_pair();
  auto const option = [&](int level, int name) { return tcp.mine.options().get(level, name); };
  CHECK(option(SOL_SOCKET, SO_KEEPALIVE) == 0);
  tcp.mine.set_keep_alive(1min, 1500ms, 3);
  CHECK(option(SOL_SOCKET, SO_KEEPALIVE) == 1);
  CHECK(option(IPPROTO_TCP, TCP_KEEPIDLE) == 60);
  CHECK(option(IPPROTO_TCP, TCP_KEEPINTVL) == 2);
  CHECK(option(IPPROTO_TCP, TCP_KEEPCNT) == 3);
  tcp.mine.set_keep_alive(0s, std::chrono::hours::max(), 1);
  CHECK(option(IPPROTO_TCP, TCP_KEEPIDLE) == 1);
  CHECK(option(IPPROTO_TCP, TCP_KEEPINTVL) == 32'767);
  tcp.mine.set_keep_alive(false);
  CHECK(option(SOL_SOCKET, SO_KEEPALIVE) == 0);
  CHECK(tcp.mine.no_delay());
  tcp.mine.set_no_delay(false);
  CHECK_FALSE(tcp.mine.no_delay());
}
