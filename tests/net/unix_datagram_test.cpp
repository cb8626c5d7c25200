// SPDX-License-Identifier: BSL-1.0
#include <concur/net/unix_datagram.hpp>

#include "../support/cancel_moments.hpp"
#include "../support/catch.hpp"
#include "../support/refusals.hpp"
#include "../support/temporary_directory.hpp"

#include <concur/coro/spawn.hpp>
#include <concur/coro/task.hpp>
#include <concur/coro/timeout.hpp>
#include <concur/coro/yield.hpp>
#include <concur/loop/run.hpp>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

namespace {

using namespace std::chrono_literals;
using concur::bind_options;
using concur::endpoint;
using concur::run;
using concur::spawn;
using concur::task;
using concur::unix_datagram;
using support::system_error_of;
using support::temporary_directory;

/// Receives nothing, and has no room any more for what others send.
class full_receiver {
 public:
  full_receiver() : socket(endpoint::unix_unnamed()), at(socket.local_endpoint()) {
    unix_datagram sender(endpoint::unix_unnamed());
    while (sender.try_send_to("x", at)) ++count;
  }
  int take_all() {
    std::array<char, 10> space{};
    int taken = 0;
    while (socket.try_receive(space)) ++taken;
    return taken;
  }

  unix_datagram socket;
  endpoint at;
  int count = 0;
};

}  // namespace

TEST_CASE("unix_datagram: names and answers", "[unix]") {
  temporary_directory const here;
  unix_datagram server(endpoint::unix_path(here / "server"));
  unix_datagram client(endpoint::unix_unnamed());
  CHECK(client.local_endpoint().is_abstract());
  auto const talk = [&]() -> task<> {
    std::array<char, 5> space{};
    co_await client.async_send_to("question", server.local_endpoint());
    auto const asked = co_await server.async_receive_from(space);
    CHECK(asked.truncated());
    CHECK(asked.full_size() == 8);
    CHECK(asked.source() == client.local_endpoint());
    co_await server.async_send_to("", asked.source());
    auto const answered = co_await client.async_receive(space);
    CHECK(answered == 0);
  };
  run(talk());
  auto nameless = unix_datagram::connected(server.local_endpoint());
  nameless.send("psst");
  std::array<char, 5> space{};
  auto const heard = server.receive_from(space);
  CHECK(heard.size() == 4);
  CHECK_FALSE(heard.source());
}

TEST_CASE("unix_datagram: a pair, and an end that has gone", "[unix]") {
  auto ends = unix_datagram::pair();
  std::array<char, 5> space{};
  ends.first.send("hello");
  CHECK(ends.second.receive(space) == 5);
  ends.second.close();
  CHECK(system_error_of([&] { ends.first.send("x"); }) == ECONNREFUSED);
  auto const send = [&]() -> task<> { co_await ends.first.async_send("x"); };
  int const error = system_error_of([&] { run(send()); });
  CHECK((error == ECONNREFUSED || error == ENOTCONN));
}

// The system says EAGAIN, and a socket that is not connected is ready for writing all the time.
TEST_CASE("unix_datagram: a sender waits for a receiver whose queue is full", "[unix]") {
  SECTION("in a coroutine, not connected") {
    full_receiver full;
    unix_datagram sender(endpoint::unix_unnamed());
    auto const talk = [&]() -> task<> {
      auto sending = spawn(sender.async_send_to("y", full.at));
      for (int i = 0; i < 10; ++i) co_await concur::yield();
      CHECK_FALSE(sending.done());
      CHECK(full.take_all() == full.count);
      co_await std::move(sending);
      CHECK(full.take_all() == 1);
    };
    run(talk());
  }
  SECTION("in a coroutine, connected") {
    full_receiver full;
    auto sender = unix_datagram::connected(full.at);
    auto const talk = [&]() -> task<> {
      auto sending = spawn([&]() -> task<> {
        for (int i = 0; i < 100; ++i) co_await sender.async_send("y");
      });
      for (int i = 0; i < 10; ++i) co_await concur::yield();
      CHECK_FALSE(sending.done());
      int taken = 0;
      while (taken < full.count + 100) {
        taken += full.take_all();
        co_await concur::yield();
      }
      co_await std::move(sending);
    };
    run(talk());
  }
  SECTION("in a thread") {
    full_receiver full;
    unix_datagram sender(endpoint::unix_unnamed());
    auto friendly = unix_datagram::connected(full.at);
    std::thread taking([&] {
      std::array<char, 10> space{};
      for (int i = 0; i < full.count + 2; ++i) full.socket.receive(space);
    });
    sender.send_to("y", full.at);
    friendly.send("y");
    taking.join();
    CHECK(full.take_all() == 0);
  }
  SECTION("until the limit or a stop") {
    full_receiver full;
    unix_datagram sender(endpoint::unix_unnamed());
    CHECK_FALSE(sender.try_send_to_for("y", full.at, 2ms));
    CHECK_FALSE(sender.try_send_to_until("y", full.at, std::chrono::system_clock::now() + 2ms));
    std::stop_source stop;
    std::thread stopper([&] { stop.request_stop(); });
    CHECK_FALSE(sender.send_to("y", full.at, stop.get_token()));
    stopper.join();
    auto friendly = unix_datagram::connected(full.at);
    CHECK_FALSE(friendly.try_send("y"));
    CHECK_FALSE(friendly.try_send_for("y", 2ms));
    CHECK_FALSE(friendly.send("y", stop.get_token()));
    auto const give_up = [&]() -> task<> {
      bool const sent = co_await concur::move_on_after(2ms, sender.async_send_to("y", full.at));
      CHECK_FALSE(sent);
      bool const sent_to_peer = co_await concur::move_on_after(2ms, friendly.async_send("y"));
      CHECK_FALSE(sent_to_peer);
    };
    run(give_up());
    CHECK(full.take_all() == full.count);
  }
  SECTION("and can be cancelled at every moment") {
    support::at_every_cancel(3, [](support::cancel_moment const& moment) {
      full_receiver full;
      unix_datagram sender(endpoint::unix_unnamed());
      support::queue_executor here;
      auto root = concur::spawn(here, sender.async_send_to("y", full.at));
      moment.strike(here, root, [] {});
      CHECK(full.take_all() == full.count);
    });
  }
}

TEST_CASE("unix_datagram: removes its file, and replaces that of one that crashed if that is wanted", "[unix]") {
  temporary_directory const here;
  auto const path = here / "socket";
  auto const at = endpoint::unix_path(path);
  {
    unix_datagram const one(at);
    CHECK(std::filesystem::exists(path));
    CHECK(system_error_of([&] { unix_datagram(at, bind_options().replace_stale()); }) == EADDRINUSE);
  }
  CHECK_FALSE(std::filesystem::exists(path));
  static_cast<void>(unix_datagram(at).release());
  CHECK(system_error_of([&] { unix_datagram{at}; }) == EADDRINUSE);
  unix_datagram again(at, bind_options().replace_stale());
  again.close();
  CHECK_FALSE(std::filesystem::exists(path));
}
