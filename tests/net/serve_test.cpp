// SPDX-License-Identifier: BSL-1.0
#include <concur/net/serve.hpp>

#include "../support/catch.hpp"
#include "../support/recorded_errors.hpp"
#include "../support/reset_at_close.hpp"
#include "echo.hpp"

#include <concur/coro/gather.hpp>
#include <concur/coro/sleep.hpp>
#include <concur/coro/spawn.hpp>
#include <concur/coro/yield.hpp>
#include <concur/loop/run.hpp>
#include <concur/net/tcp_listener.hpp>
#include <concur/net/tcp_stream.hpp>
#include <concur/net/unix_listener.hpp>
#include <concur/net/unix_stream.hpp>
#include <concur/sync/event.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <dirent.h>
#include <stdexcept>
#include <stop_token>
#include <sys/resource.h>
#include <system_error>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using concur::endpoint;
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

/// Whether the other side ends the stream, in order or by breaking it off.
task<bool> is_ended(tcp_stream& server) {
  std::array<char, 5> space{};
  try {
    while (true) {
      auto const count = co_await server.async_read_some(space);
      if (count == 0) co_return true;
    }
  } catch (std::system_error const& error) {
    co_return error.code().value() == ECONNRESET;
  }
}

/// As often as it takes until there is a descriptor for it: others of the process may have it for a moment.
template <class Stream>
task<Stream> connect_in_spite(endpoint at) {
  for (;;) {
    try {
      co_return Stream::connect(at);
    } catch (std::system_error const& error) {
      if (error.code().value() != EMFILE) throw;
    }
    co_await concur::yield();
  }
}

/// Of the calling thread.
std::chrono::nanoseconds cpu_time() {
  timespec used{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
}

/// No more descriptors for this process than there are, but for `spare` of them.
class few_descriptors {
 public:
  explicit few_descriptors(int spare) {
    int open = 0;
    DIR* const all = ::opendir("/proc/self/fd");
    while (auto const* const each = ::readdir(all)) open = std::max(open, std::atoi(each->d_name));
    ::closedir(all);
    ::getrlimit(RLIMIT_NOFILE, &before_);
    rlimit now = before_;
    now.rlim_cur = rlim_t(open + 1 + spare);
    ::setrlimit(RLIMIT_NOFILE, &now);
  }
  ~few_descriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  few_descriptors(few_descriptors const&) = delete;
  few_descriptors& operator=(few_descriptors const&) = delete;

 private:
  rlimit before_{};
};

}  // namespace

TEST_CASE("serve: many clients at once, and an end in order when a stop is requested", "[serve]") {
  tcp_listener listener(any_port());
  auto const at = listener.local_endpoint();
  std::stop_source stop;
  auto const all = [&]() -> task<> {
    auto server = spawn(serve(listener, echo<tcp_stream>, serve_options().stop(stop.get_token())));
    std::vector<task<bool>> clients;
    for (int i = 0; i < 100; ++i) clients.push_back(is_served<tcp_stream>(at));
    auto const served = co_await gather(std::move(clients));
    CHECK(std::ranges::count(served, true) == 100);

    // One that is served when the stop comes is served to its end; nobody else is.
    auto late = co_await tcp_stream::async_connect(at);
    bool const before = co_await is_answered(late);
    CHECK(before);
    stop.request_stop();
    co_await concur::yield();
    bool const after = co_await is_answered(late);
    CHECK(after);
    CHECK_FALSE(server.done());
    CHECK_FALSE(listener.is_open());
    CHECK_THROWS_AS(tcp_stream::connect(at), std::system_error);
    late.close();
    co_await std::move(server);
  };
  run(all());
}

TEST_CASE("serve: a stop that was requested before it begins", "[serve]") {
  tcp_listener listener(any_port());
  std::stop_source stop;
  stop.request_stop();
  run(serve(listener, echo<tcp_stream>, serve_options().stop(stop.get_token())));
  CHECK_FALSE(listener.is_open());
}

TEST_CASE("serve: closing the listener ends it in order as well", "[serve]") {
  tcp_listener listener(any_port());
  auto const at = listener.local_endpoint();
  auto const all = [&]() -> task<> {
    auto server = spawn(serve(listener, echo<tcp_stream>));
    auto client = co_await tcp_stream::async_connect(at);
    bool const before = co_await is_answered(client);
    listener.close();
    bool const after = co_await is_answered(client);
    CHECK(before);
    CHECK(after);
    client.close();
    co_await std::move(server);
  };
  run(all());
}

TEST_CASE("serve: when the grace period is over the rest is cancelled", "[serve]") {
  tcp_listener listener(any_port());
  auto const at = listener.local_endpoint();
  std::stop_source stop;
  auto const all = [&]() -> task<> {
    auto server = spawn(serve(listener, echo<tcp_stream>, serve_options().grace(5ms).stop(stop.get_token())));
    auto client = co_await tcp_stream::async_connect(at);
    bool const before = co_await is_answered(client);
    CHECK(before);
    stop.request_stop();
    co_await std::move(server);  // the client never ends by itself
    bool const ended = co_await is_ended(client);
    CHECK(ended);
  };
  run(all());
}

TEST_CASE("serve: a cancel ends the handlers as well", "[serve]") {
  tcp_listener listener(any_port());
  auto const at = listener.local_endpoint();
  auto const all = [&]() -> task<> {
    auto server = spawn(serve(listener, echo<tcp_stream>));
    auto client = co_await tcp_stream::async_connect(at);
    bool const before = co_await is_answered(client);
    CHECK(before);
    server.cancel();
    bool const ended = co_await is_ended(client);
    CHECK(ended);
  };
  run(all());
}

TEST_CASE("serve: no more at a time than the limit says; the others wait their turn", "[serve]") {
  tcp_listener listener(any_port());
  auto const at = listener.local_endpoint();
  int now = 0;
  int most = 0;
  auto const counting = [&](tcp_stream client) -> task<> {
    most = std::max(most, ++now);
    co_await echo(std::move(client));
    --now;
  };
  auto const all = [&]() -> task<> {
    auto server = spawn(serve(listener, counting, serve_options().connection_limit(3)));
    std::vector<task<bool>> clients;
    for (int i = 0; i < 50; ++i) clients.push_back(is_served<tcp_stream>(at));
    auto const served = co_await gather(std::move(clients));
    CHECK(std::ranges::count(served, true) == 50);
    CHECK(most <= 3);
    CHECK(most > 0);
    server.cancel();
  };
  run(all());
}

TEST_CASE("serve: a handler that throws is reported, and harms nobody else", "[serve]") {
  support::recorded_errors const hook;
  tcp_listener listener(any_port());
  auto const at = listener.local_endpoint();
  auto const moody = [](tcp_stream client) -> task<> {
    std::array<char, 1> first{};
    co_await client.async_read(first);
    if (first[0] == 'x') throw std::runtime_error("I do not like x");
    co_await client.async_write("fine!");
  };
  auto const all = [&]() -> task<> {
    auto server = spawn(serve(listener, moody));
    auto friendly = co_await tcp_stream::async_connect(at);
    auto hostile = co_await tcp_stream::async_connect(at);
    co_await hostile.async_write("x");
    bool const ended = co_await is_ended(hostile);
    CHECK(ended);
    co_await friendly.async_write("a");
    std::array<char, 5> space{};
    auto const count = co_await friendly.async_read(space);
    CHECK(count == 5);
    server.cancel();
  };
  run(all());
  auto const errors = support::recorded_errors::all();
  REQUIRE(errors.size() == 1);
  CHECK(errors[0] == "a connection of a server | std::runtime_error: I do not like x");
}

TEST_CASE("serve: a handler that waits for what somebody else cancels is reported, and harms nobody else", "[serve]") {
  support::recorded_errors const hook;
  tcp_listener listener(any_port());
  auto const at = listener.local_endpoint();
  auto const forever = []() -> task<> { co_await concur::sleep_for(1h); };
  auto const unlucky = [&](tcp_stream) -> task<> {
    auto waiting = spawn(forever());
    waiting.cancel();
    co_await std::move(waiting);
  };
  auto const all = [&]() -> task<> {
    auto server = spawn(serve(listener, unlucky));
    for (int i = 0; i < 2; ++i) {
      auto client = co_await tcp_stream::async_connect(at);
      bool const ended = co_await is_ended(client);
      CHECK(ended);
    }
    CHECK_FALSE(server.done());
    server.cancel();
  };
  run(all());
  CHECK(support::recorded_errors::all().size() == 2);
}

TEST_CASE("serve: a peer that breaks off, one that sends nothing and one that never reads harm nobody else",
          "[serve]") {
  support::recorded_errors const hook;
  tcp_listener listener(any_port());
  auto const at = listener.local_endpoint();
  auto const all = [&]() -> task<> {
    auto server = spawn(serve(listener, echo<tcp_stream>));
    auto silent = co_await tcp_stream::async_connect(at);
    auto greedy = co_await tcp_stream::async_connect(at);
    std::vector<char> const much(10'000'000);
    bool const all_taken = co_await concur::move_on_after(20ms, greedy.async_write(much));
    CHECK_FALSE(all_taken);
    for (int i = 0; i < 50; ++i) {
      auto broken = co_await tcp_stream::async_connect(at);
      co_await broken.async_write("some words");
      support::reset_at_close(broken);
    }
    bool const served = co_await is_served<tcp_stream>(at);
    CHECK(served);
    server.cancel();
  };
  run(all());
  CHECK(support::recorded_errors::all().empty());
}

/// Trap I3.
template <class Stream, class Listener>
void bears_a_shortage(Listener& listener) {
  auto const at = listener.local_endpoint();
  auto const all = [&]() -> task<> {
    auto server = spawn(serve(listener, echo<Stream>));
    auto before_it = co_await Stream::async_connect(at);
    bool const first = co_await is_answered(before_it);
    CHECK(first);
    std::vector<Stream> clients;
    std::chrono::nanoseconds spent{};
    {
      few_descriptors const shortage(3);  // no check in here: the sanitizers need a descriptor to look at memory
      for (int i = 0; i < 2; ++i) clients.push_back(co_await connect_in_spite<Stream>(at));
      // One of the two is accepted; for the other one there is no descriptor.
      auto const before = cpu_time();
      co_await concur::sleep_for(300ms);
      spent = cpu_time() - before;
    }
    CHECK(spent < 100ms);
    for (auto& each : clients) {
      bool const answered = co_await is_answered(each);
      CHECK(answered);
    }
    server.cancel();
  };
  run(all());
}

TEST_CASE("serve: without descriptors it waits without spinning, and goes on when there are some", "[serve]") {
  SECTION("TCP") {
    tcp_listener listener(any_port());
    bears_a_shortage<tcp_stream>(listener);
  }
  SECTION("Unix") {
    concur::unix_listener listener(endpoint::unix_unnamed());
    bears_a_shortage<concur::unix_stream>(listener);
  }
}
