// SPDX-License-Identifier: BSL-1.0
//
// Unix sockets while a call of the system fails.
#include "../support/bears_failures.hpp"
#include "../support/catch.hpp"
#include "../support/temporary_directory.hpp"
#include "echo.hpp"
#include "two_clients.hpp"

#include <concur/coro/task.hpp>
#include <concur/loop/run.hpp>
#include <concur/net/unix_datagram.hpp>
#include <concur/net/unix_listener.hpp>
#include <concur/net/unix_stream.hpp>

#include <array>
#include <filesystem>
#include <stdexcept>
#include <string>

namespace {

using concur::endpoint;
using concur::run;
using concur::task;
using concur::unix_datagram;
using concur::unix_listener;
using concur::unix_stream;
using support::failures_borne;

task<> served_at(std::string const& path) {
  unix_listener listener(endpoint::unix_path(path));
  co_await support::serve_two_clients(listener, support::is_served<unix_stream>);
}

task<> messages() {
  auto both = unix_datagram::pair();
  std::array<char, 8> space{};
  co_await both.first.async_send("hello");
  auto const first = co_await both.second.async_receive(space);
  both.second.send("world");
  auto const second = both.first.receive(space);
  if (first != 5 || second != 5) throw std::logic_error("a message was lost");
}

}  // namespace

TEST_CASE("unix: a server and its clients bear the failure of every call, and no file is left") {
  support::temporary_directory const here;
  auto const path = here / "server.sock";
  auto const failed = failures_borne([&path] {
    struct left_behind {
      std::string const& path;
      ~left_behind() { left = std::filesystem::exists(path); }
      bool& left;
    };
    bool left = false;
    try {
      left_behind const look{path, left};
      run(served_at(path));
    } catch (...) {
      if (left) std::filesystem::remove(path);
      if (left) throw std::logic_error("the file of the socket is left");
      throw;
    }
  });
  CHECK(failed > 250);
}

TEST_CASE("unix: datagram sockets bear the failure of every call") {
  auto const failed = failures_borne([] { run(messages()); });
  CHECK(failed > 50);
}
