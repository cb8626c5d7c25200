// SPDX-License-Identifier: BSL-1.0
#include <concur/net/unix_listener.hpp>
#include <concur/net/unix_stream.hpp>

#include "../io/stream_contract.hpp"
#include "../support/cancel_moments.hpp"
#include "../support/catch.hpp"
#include "../support/forked.hpp"
#include "../support/refusals.hpp"
#include "../support/temporary_directory.hpp"
#include "echo.hpp"

#include <concur/coro/gather.hpp>
#include <concur/coro/sleep.hpp>
#include <concur/coro/spawn.hpp>
#include <concur/coro/task.hpp>
#include <concur/coro/timeout.hpp>
#include <concur/coro/yield.hpp>
#include <concur/loop/run.hpp>
#include <concur/net/serve.hpp>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <sys/uio.h>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using concur::endpoint;
using concur::listen_options;
using concur::run;
using concur::spawn;
using concur::task;
using concur::unix_listener;
using concur::unix_stream;
using support::system_error_of;
using support::temporary_directory;

struct unix_pair {
  static contract::channel<unix_stream> make() {
    auto [one, other] = unix_stream::pair();
    return {std::move(one), std::move(other)};
  }
};

struct connected_pair {
  static contract::channel<unix_stream> make() {
    unix_listener listener(endpoint::unix_unnamed());
    auto client = unix_stream::connect(listener.local_endpoint());
    return {std::move(client), listener.accept()};
  }
};

/// Says something with a descriptor beside it, which nobody asked for.
void send_with_descriptor(int fd, std::string_view text) {
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  iovec piece{const_cast<char*>(text.data()), text.size()};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  auto* const header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
  CHECK(::sendmsg(fd, &message, MSG_NOSIGNAL) == ssize_t(text.size()));
}

/// At a listener whose backlog is full.
class crowd {
 public:
  crowd() : listener(endpoint::unix_unnamed(), listen_options().backlog(1)), at(listener.local_endpoint()) {
    while (auto next = unix_stream::try_connect_for(at, 0s)) waiting.push_back(std::move(*next));
  }
  void accept_all() {
    while (auto next = listener.try_accept()) accepted.push_back(std::move(*next));
  }

  unix_listener listener;
  endpoint at;
  std::vector<unix_stream> waiting;
  std::vector<unix_stream> accepted;
};

}  // namespace

TEST_CASE("unix_stream: the contract of streams, for a pair", "[unix]") { contract::all<unix_pair>(); }
TEST_CASE("unix_stream: the contract of streams, for a connection", "[unix]") { contract::all<connected_pair>(); }
TEST_CASE("unix_stream: the contract of streams, by single bytes", "[unix]") {
  contract::all<contract::dripping<unix_pair>>();
}

static_assert(concur::async_byte_stream<unix_stream>);

TEST_CASE("unix_stream: paths and abstract names", "[unix]") {
  temporary_directory const here;
  auto const name = "concur-test-" + std::to_string(::getpid());
  for (auto const& at : {endpoint::unix_path(here / "socket"), endpoint::unix_abstract(name)}) {
    unix_listener listener(at);
    CHECK(listener.local_endpoint() == at);
    auto const talk = [&]() -> task<> {
      auto accepting = spawn([&]() -> task<unix_stream> { co_return co_await listener.async_accept(); });
      auto client = co_await unix_stream::async_connect(at);
      auto server = co_await std::move(accepting);
      CHECK(client.remote_endpoint() == at);
      CHECK(server.remote_endpoint().is_unnamed());
      co_await client.async_write("hello");
      std::array<char, 5> space{};
      auto const count = co_await server.async_read(space);
      CHECK(std::string_view(space.data(), count) == "hello");
      CHECK(server.peer().process() == ::getpid());
      CHECK(server.peer().user() == ::geteuid());
      CHECK(client.peer().group() == ::getegid());
    };
    run(talk());
  }
}

TEST_CASE("unix_stream: nobody is there, or nobody listens, and the error says where", "[unix]") {
  temporary_directory const here;
  auto const at = endpoint::unix_path(here / "socket");
  auto const connect = [&]() -> task<> { co_await unix_stream::async_connect(at); };
  CHECK(system_error_of([&] { run(connect()); }) == ENOENT);
  static_cast<void>(unix_listener(at).release());  // its file stays
  CHECK(system_error_of([&] { run(connect()); }) == ECONNREFUSED);
  try {
    unix_stream::connect(at);
    FAIL("connected to nobody");
  } catch (std::system_error const& error) {
    CHECK(error.code().value() == ECONNREFUSED);
    CHECK(std::string(error.what()).find(at.to_string()) != std::string::npos);
  }
}

// The system says EAGAIN, and the socket is ready for writing all the time.
TEST_CASE("unix_stream: to connect waits while the backlog is full", "[unix]") {
  SECTION("in a coroutine") {
    crowd those;
    auto const talk = [&]() -> task<> {
      auto connecting = spawn(unix_stream::async_connect(those.at));
      for (int i = 0; i < 10; ++i) co_await concur::yield();
      CHECK_FALSE(connecting.done());
      those.accept_all();
      auto late = co_await std::move(connecting);
      CHECK(late.is_open());
    };
    run(talk());
  }
  SECTION("in a thread") {
    crowd those;
    std::thread accepting([&] { those.accept_all(); });
    CHECK(unix_stream::connect(those.at).is_open());
    accepting.join();
  }
  SECTION("until the limit or a stop") {
    crowd const those;
    CHECK_FALSE(unix_stream::try_connect_for(those.at, 2ms));
    CHECK_FALSE(unix_stream::try_connect_until(those.at, std::chrono::system_clock::now() + 2ms));
    CHECK_FALSE(unix_stream::try_connect_for(those.at, std::chrono::hours::min()));
    std::stop_source stop;
    std::thread stopper([&] { stop.request_stop(); });
    CHECK_FALSE(unix_stream::connect(those.at, stop.get_token()));
    stopper.join();
    auto const give_up = [&]() -> task<bool> {
      auto const made = co_await concur::move_on_after(2ms, unix_stream::async_connect(those.at));
      co_return made.has_value();
    };
    CHECK_FALSE(run(give_up()));
  }
  SECTION("and can be cancelled at every moment") {
    support::at_every_cancel(5, [](support::cancel_moment const& moment) {
      crowd those;
      auto const before = those.waiting.size();
      support::queue_executor here;
      auto root = concur::spawn(here, unix_stream::async_connect(those.at));
      moment.strike(here, root, [] {});
      those.accept_all();
      CHECK(those.accepted.size() == before);
    });
  }
}

// After such a message a Unix socket gives less than it was asked for, although it has more.
TEST_CASE("unix_stream: descriptors that come along do not make a reader wait for what is there", "[unix]") {
  auto ends = unix_pair::make();
  auto const talk = [&]() -> task<> {
    std::array<char, 100> space{};
    std::size_t total = 0;
    auto reading = spawn([&]() -> task<> {
      while (auto const count = co_await ends.b.async_read_some(space)) total += count;
    });
    co_await concur::yield();
    send_with_descriptor(ends.a.fd(), "one");
    ends.a.write("two");
    // Once it has come, nothing else comes that could wake the reader.
    for (int i = 0; i < 1000 && total < 6; ++i) co_await concur::sleep_for(1ms);
    CHECK(total == 6);
    ends.a.close();
    co_await std::move(reading);
  };
  run(talk());
}

TEST_CASE("unix_listener: removes its file, and only its own", "[unix]") {
  temporary_directory const here;
  auto const path = here / "socket";
  auto const at = endpoint::unix_path(path);
  using std::filesystem::exists;
  {
    unix_listener listener(at);
    auto moved = std::move(listener);
    CHECK(exists(path));
  }
  CHECK_FALSE(exists(path));
  {
    unix_listener listener(at);
    listener.close();
    CHECK_FALSE(exists(path));
    unix_listener const second(at);
    CHECK(exists(path));
    listener.close();
    CHECK(exists(path));
  }
  {
    unix_listener const listener(at);
    std::filesystem::remove(path);
    unix_listener other(at);
    static_cast<void>(other.release());
  }
  CHECK(exists(path));
}

TEST_CASE("unix_listener: a child process leaves the file alone", "[unix]") {
  temporary_directory const here;
  auto const path = here / "socket";
  std::optional<unix_listener> listener(endpoint::unix_path(path));
  CHECK(support::right_in_child([&] {
    listener.reset();
    return true;
  }));
  CHECK(std::filesystem::exists(path));
}

TEST_CASE("unix_listener: the file of a server that crashed is told, and replaced if that is wanted", "[unix]") {
  temporary_directory const here;
  auto const path = here / "socket";
  auto const at = endpoint::unix_path(path);
  static_cast<void>(unix_listener(at).release());  // the descriptor is closed, its file stays
  try {
    unix_listener const second(at);
    FAIL("bound to a name that was taken");
  } catch (std::system_error const& error) {
    CHECK(error.code().value() == EADDRINUSE);
    CHECK(std::string(error.what()).find(path) != std::string::npos);
    CHECK(std::string(error.what()).find("earlier server") != std::string::npos);
  }
  unix_listener listener(at, listen_options().replace_stale());
  CHECK(unix_stream::connect(at).is_open());
  // Not that of a server that lives, and not a file of another kind.
  CHECK(system_error_of([&] { unix_listener(at, listen_options().replace_stale()); }) == EADDRINUSE);
  CHECK(std::filesystem::exists(path));
  CHECK(system_error_of([&] { unix_listener(endpoint::unix_path(here / "."), listen_options().replace_stale()); }) ==
        EADDRINUSE);
}

TEST_CASE("unix_listener: serve works over it", "[unix]") {
  temporary_directory const here;
  auto const at = endpoint::unix_path(here / "socket");
  auto const all = [&]() -> task<> {
    unix_listener listener(at, listen_options().backlog(2));
    auto server = spawn(concur::serve(listener, support::echo<unix_stream>));
    std::vector<task<bool>> clients;
    for (int i = 0; i < 100; ++i) clients.push_back(support::is_served<unix_stream>(at));
    auto const served = co_await concur::gather(std::move(clients));
    CHECK(std::ranges::count(served, true) == 100);
    listener.close();
    co_await std::move(server);
  };
  run(all());
}
