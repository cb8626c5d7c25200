// SPDX-License-Identifier: BSL-1.0
//
// A task that waits for a call on a descriptor, beside those who cancel it from elsewhere. What can be received is only
// looked at (MSG_PEEK).
#include <concur/loop/detail/io_await.hpp>

#include "explored_descriptor_wait.hpp"

#include <concur/loop/io_call.hpp>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <sys/socket.h>

namespace {

using concur::io_call;
using concur::detail::io_await;
using explored::descriptor_wait;
using explored::testing::check;
using explored::testing::scenario;
using explored::twice;

struct as_it_is {
  std::int64_t operator()(std::int64_t result) const noexcept { return result; }
};

/// Sockets for all executions: one that always has a byte, one that never has.
int socket_of(bool readable) {
  static auto const ends = [] {
    std::array<std::array<int, 2>, 2> made{};
    for (auto& pair : made) {
      if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair.data()) != 0) std::abort();
    }
    if (::send(made[1][0], "x", 1, 0) != 1) std::abort();
    return made;
  }();
  return ends[readable ? 1 : 0][1];
}

support::test_task<> receive(descriptor_wait& st) {
  std::array<char, 2> space{};
  auto const call = io_call::receive(st.fd, space.data(), space.size(), MSG_PEEK);
  as_it_is const finish;
  auto const result = co_await io_await<as_it_is>(st.here, st.poller, call, finish);
  check(result == 1, "not what was sent");
  st.passed.add(1);
}

twice const cancelled("async_io", "a cancel from elsewhere", [](scenario& s) {
  explored::cancelled_in_vain(s, s.make<descriptor_wait>(socket_of(false), receive));
});

twice const beside_result("async_io", "a cancel from elsewhere beside the result", [](scenario& s) {
  explored::cancelled_or_not(s, s.make<descriptor_wait>(socket_of(true), receive));
});

}  // namespace

TEST_CASE("async_io: every schedule") { explored::run("async_io"); }
