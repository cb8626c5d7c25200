// SPDX-License-Identifier: BSL-1.0
#include <concur/net/tcp_stream.hpp>

#include "../support/cancel_moments.hpp"
#include "../support/catch.hpp"
#include "../support/open_descriptors.hpp"
#include "../support/refusals.hpp"

#include <concur/coro/sleep.hpp>
#include <concur/coro/spawn.hpp>
#include <concur/coro/task.hpp>
#include <concur/coro/timeout.hpp>
#include <concur/io/wait_for_descriptor.hpp>
#include <concur/loop/event_loop.hpp>
#include <concur/loop/run.hpp>
#include <concur/net/detail/first_to_connect.hpp>
#include <concur/net/tcp_listener.hpp>
#include <concur/sync/event.hpp>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <new>
#include <optional>
#include <poll.h>
#include <stop_token>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using concur::connect_options;
using concur::endpoint;
using concur::event_loop;
using concur::event_loop_options;
using concur::ip_address;
using concur::listen_options;
using concur::resolve_query;
using concur::resolve_results;
using concur::run;
using concur::task;
using concur::tcp_listener;
using concur::tcp_stream;
using support::system_error_of;

// ---- attempts that follow a script, in virtual time

endpoint at_port(std::uint16_t port) { return endpoint(ip_address::loopback_v4(), port); }

/// A connection that is counted.
class connection {
 public:
  connection(int& live, endpoint to) : live_(&live), to_(to) { ++live; }
  connection(connection&& other) noexcept : live_(std::exchange(other.live_, nullptr)), to_(other.to_) {}
  connection& operator=(connection&&) = delete;
  ~connection() {
    if (live_ != nullptr) --*live_;
  }
  endpoint const& to() const { return to_; }

 private:
  int* live_;
  endpoint to_;
};

/// What becomes of the attempt at a port, and when.
class script {
 public:
  struct line {
    std::chrono::milliseconds takes{};
    int error = 0;
  };

  explicit script(std::map<std::uint16_t, line> lines) : lines_(std::move(lines)) {}

  auto connector() {
    return [this](endpoint const& at) { return connect(at); };
  }
  std::vector<endpoint> order() const {
    std::vector<endpoint> all;
    for (auto const& each : lines_) all.push_back(at_port(each.first));
    return all;
  }

  /// In milliseconds from the first one.
  std::map<std::uint16_t, std::int64_t> begun;
  int under_way = 0;
  int live = 0;

 private:
  class counted {
   public:
    explicit counted(int& count) : count_(count) { ++count_; }
    ~counted() { --count_; }
    counted(counted const&) = delete;
    counted& operator=(counted const&) = delete;

   private:
    int& count_;
  };

  task<connection> connect(endpoint at) {
    counted const here(under_way);
    auto const now = event_loop::current()->time();
    if (begun.empty()) first_ = now;
    begun[at.port()] = std::chrono::duration_cast<std::chrono::milliseconds>(now - first_).count();
    auto const& mine = lines_.at(at.port());
    if (mine.takes != 0ms) co_await concur::sleep_for(mine.takes);
    if (mine.error != 0) throw std::system_error(mine.error, std::generic_category(), "scripted");
    co_return connection(live, at);
  }

  std::map<std::uint16_t, line> lines_;
  concur::time_point first_;
};

/// The port that was connected, in virtual time; with nothing left of the other attempts.
int connected(script& s, std::chrono::nanoseconds delay = 250ms) {
  event_loop loop(event_loop_options().virtual_time());
  auto const all = [&]() -> task<int> {
    auto const made = co_await concur::detail::async_first_to_connect<connection>(s.order(), delay, s.connector());
    CHECK(s.under_way == 0);
    CHECK(s.live == 1);
    co_return made.to().port();
  };
  int const port = loop.run(all());
  CHECK(s.live == 0);
  return port;
}

using times = std::map<std::uint16_t, std::int64_t>;

// ---- attempts over sockets

std::optional<tcp_listener> listener_v6(std::uint16_t port = 0) {
  try {
    return tcp_listener(endpoint(ip_address::loopback_v6(), port), listen_options().only_v6());
  } catch (std::system_error const&) {
    return std::nullopt;
  }
}

/// A port at which nobody listens.
endpoint nobody() {
  tcp_listener const gone(at_port(0));
  return gone.local_endpoint();
}

/// An endpoint at which attempts neither succeed nor fail: its backlog has room for one connection, which waits there.
class silence {
 public:
  silence() : listener_(at_port(0), listen_options().backlog(0)), waiting_(tcp_stream::connect(at())) {
    concur::wait_for_descriptor(listener_.fd(), POLLIN, {});
  }
  endpoint at() const { return listener_.local_endpoint(); }

 private:
  tcp_listener listener_;
  tcp_stream waiting_;
};

/// Knows one host, "host", whatever the service.
class table {
 public:
  explicit table(std::vector<endpoint> found)
      : resolver_(concur::resolver_options().lookup(
            [found = std::move(found)](resolve_query const&) { return resolve_results(found); })) {}
  connect_options options(std::chrono::nanoseconds delay = std::chrono::hours(1)) {
    return connect_options().ask(resolver_).attempt_delay(delay);
  }

 private:
  concur::resolver resolver_;
};

/// Over both forms, where what is connected to is `right`, and no socket is left.
template <class Check>
void connects_to(table& names, endpoint const& right, std::chrono::nanoseconds delay, Check check) {
  auto const before = support::open_sockets();
  auto const connect = [&]() -> task<> {
    auto const made = co_await tcp_stream::async_connect("host", 80, names.options(delay));
    CHECK(made.remote_endpoint() == right);
    CHECK(made.no_delay());
    check();
  };
  run(connect());
  CHECK(support::open_sockets() == before);
  CHECK(tcp_stream::connect("host", 80, names.options(delay)).remote_endpoint() == right);
  auto const in_time = tcp_stream::try_connect_for("host", 80, 1min, names.options(delay));
  REQUIRE(in_time);
  CHECK(in_time->remote_endpoint() == right);
}

}  // namespace

TEST_CASE("first_to_connect: one that answers in time is tried alone", "[connect]") {
  script s({{1, {.takes = 200ms}}, {2, {}}});
  CHECK(connected(s) == 1);
  CHECK(s.begun == times{{1, 0}});
}

TEST_CASE("first_to_connect: the next attempt begins after the delay, or at once after a failure", "[connect]") {
  script s({{1, {.takes = 10s, .error = ETIMEDOUT}},
            {2, {.takes = 20ms, .error = ECONNREFUSED}},
            {3, {.error = ENETUNREACH}},
            {4, {.takes = 900ms}},
            {5, {.takes = 1s}},
            {6, {.takes = 100ms}},
            {7, {}}});
  CHECK(connected(s) == 6);
  CHECK(s.begun == times{{1, 0}, {2, 250}, {3, 270}, {4, 270}, {5, 520}, {6, 770}});
}

TEST_CASE("first_to_connect: the first to succeed counts, also one that began earlier", "[connect]") {
  script s({{1, {.takes = 300ms}}, {2, {.takes = 1s}}});
  CHECK(connected(s) == 1);
  CHECK(s.begun == times{{1, 0}, {2, 250}});
}

TEST_CASE("first_to_connect: of two that succeed in the same moment one is closed", "[connect]") {
  script s({{1, {.takes = 500ms}}, {2, {.takes = 250ms}}, {3, {.takes = 1s}}});
  int const port = connected(s);
  CHECK((port == 1 || port == 2));
}

TEST_CASE("first_to_connect: without a delay all begin at once", "[connect]") {
  script s({{1, {.takes = 3s}}, {2, {.takes = 2s}}, {3, {.takes = 1s}}});
  CHECK(connected(s, 0s) == 3);
  CHECK(s.begun == times{{1, 0}, {2, 0}, {3, 0}});
}

TEST_CASE("first_to_connect: when all fail each is told", "[connect]") {
  script s({{1, {.takes = 1s, .error = ETIMEDOUT}}, {2, {.error = ECONNREFUSED}}});
  try {
    connected(s);
    FAIL("connected to nobody");
  } catch (std::system_error const& error) {
    CHECK(error.code().value() == ETIMEDOUT);  // the last to fail
    CHECK(error.what() == std::string("connecting to 127.0.0.1:2 (Connection refused), 127.0.0.1:1: "
                                      "Connection timed out"));
  }
  CHECK(s.under_way == 0);
  script none({});
  CHECK_THROWS_AS(connected(none), std::system_error);
}

TEST_CASE("first_to_connect: an error of another kind ends all, and is thrown as it is", "[connect]") {
  event_loop loop(event_loop_options().virtual_time());
  int live = 0;
  auto const connect = [&live](endpoint const& at) -> task<connection> {
    if (at.port() == 2) throw std::bad_alloc();
    co_await concur::sleep_for(1h);
    co_return connection(live, at);
  };
  std::vector<endpoint> const order = {at_port(1), at_port(2)};
  auto const all = [&]() -> task<> {
    co_await concur::detail::async_first_to_connect<connection>(order, 250ms, connect);
  };
  CHECK_THROWS_AS(loop.run(all()), std::bad_alloc);
}

TEST_CASE("first_to_connect: a cancel at any moment leaves nothing behind", "[connect]") {
  support::at_every_cancel(9, [](support::cancel_moment const& moment) {
    support::queue_executor here;
    int live = 0;
    std::array<concur::event, 3> gates;
    auto const connect = [&](endpoint at) -> task<connection> {
      co_await gates[at.port()].async_wait();
      if (at.port() < 2) throw std::system_error(ECONNREFUSED, std::generic_category());
      co_return connection(live, at);
    };
    std::vector<endpoint> const order = {at_port(0), at_port(1), at_port(2)};
    auto root = concur::spawn(here, concur::detail::async_first_to_connect<connection>(order, 1h, connect));
    std::size_t opened = 0;
    moment.strike(here, root, [&] {
      if (opened < gates.size()) gates[opened++].set();
    });
    // Either the connection is the result, or there is none.
    bool has_value = true;
    try {
      auto const made = root.get();
      CHECK(live == 1);
    } catch (concur::cancelled const&) {
      has_value = false;
    }
    CHECK(live == 0);
    if (opened < gates.size()) CHECK_FALSE(has_value);
  });
}

TEST_CASE("tcp_stream: connects to a host by its address in text", "[connect]") {
  tcp_listener const listener(at_port(0));
  auto const at = listener.local_endpoint();
  auto const connect = [&]() -> task<> {
    auto const made = co_await tcp_stream::async_connect("127.0.0.1", at.port());
    CHECK(made.remote_endpoint() == at);
  };
  run(connect());
  CHECK(tcp_stream::connect("127.0.0.1", at.port()).remote_endpoint() == at);
}

TEST_CASE("tcp_stream: a host whose first address refuses is reached at the next one", "[connect]") {
  auto const v6 = listener_v6();
  tcp_listener const listener(at_port(0));
  table names({nobody(), endpoint(ip_address::loopback_v6(), nobody().port()), listener.local_endpoint()});
  connects_to(names, listener.local_endpoint(), 1h, [] {});
  if (!v6) {
    WARN("no IPv6 here");
    return;
  }
  table turned({nobody(), v6->local_endpoint()});
  connects_to(turned, v6->local_endpoint(), 1h, [] {});
}

TEST_CASE("tcp_stream: a host whose first address is silent is reached at the next one", "[connect]") {
  silence const nothing;
  tcp_listener const listener(at_port(0));
  table names({nothing.at(), listener.local_endpoint()});
  connects_to(names, listener.local_endpoint(), 1ms, [] {});
}

TEST_CASE("tcp_stream: when no address of a host answers, the error tells of each", "[connect]") {
  auto const one = nobody();
  auto const other = nobody();
  table names({one, other});
  auto const before = support::open_sockets();
  auto const text_of = [](auto connect) -> std::string {
    try {
      connect();
    } catch (std::system_error const& error) {
      CHECK(error.code().value() == ECONNREFUSED);
      return error.what();
    }
    return "";
  };
  auto const connect = [&]() -> task<> { co_await tcp_stream::async_connect("host", 80, names.options()); };
  auto const text = text_of([&] { run(connect()); });
  CHECK(text.find(one.to_string()) != text.npos);
  CHECK(text.find(other.to_string()) != text.npos);
  CHECK(text_of([&] { tcp_stream::connect("host", 80, names.options()); }) == text);
  CHECK(support::open_sockets() == before);
}

TEST_CASE("tcp_stream: limits and stops of a connect by name", "[connect]") {
  silence const nothing;
  silence const nothing_else;
  table names({nothing.at(), nothing_else.at()});
  auto const options = names.options(1ms);
  auto const before = support::open_sockets();
  CHECK_FALSE(tcp_stream::try_connect_for("host", 80, 5ms, options));
  CHECK_FALSE(tcp_stream::try_connect_for("host", 80, 0s, options));
  CHECK_FALSE(tcp_stream::try_connect_until("host", 80, std::chrono::system_clock::now() + 5ms, options));
  std::stop_source stop;
  std::thread stopper([&] { stop.request_stop(); });
  CHECK_FALSE(tcp_stream::connect("host", 80, stop.get_token(), options));
  stopper.join();
  auto const give_up = [&]() -> task<bool> {
    auto const made = co_await concur::move_on_after(5ms, tcp_stream::async_connect("host", 80, options));
    co_return made.has_value();
  };
  CHECK_FALSE(run(give_up()));
  CHECK(support::open_sockets() == before);
}

TEST_CASE("tcp_stream: what the resolver throws comes out of a connect by name", "[connect]") {
  concur::resolver broken(concur::resolver_options().lookup([](resolve_query const&) -> resolve_results {
    throw std::system_error(concur::resolve_errc::host_not_found, "scripted");
  }));
  auto const options = connect_options().ask(broken);
  auto const connect = [&]() -> task<> { co_await tcp_stream::async_connect("host", 80, options); };
  int const not_found = int(concur::resolve_errc::host_not_found);
  CHECK(system_error_of([&] { run(connect()); }) == not_found);
  CHECK(system_error_of([&] { tcp_stream::connect("host", 80, options); }) == not_found);
}
