// SPDX-License-Identifier: BSL-1.0
//
// A task that waits for a call on a descriptor, beside those who cancel it from elsewhere. What can be received is only
// looked at (MSG_PEEK), and the system is asked without waiting, so that nothing happens that the explorer does not
// see.
#include <concur/loop/detail/io_await.hpp>

#include "support/explored_task.hpp"

#include <concur/loop/detail/epoll_poller.hpp>
#include <concur/loop/detail/loop_inbox.hpp>
#include <concur/loop/io_call.hpp>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <sys/socket.h>
#include <unistd.h>

namespace {

using concur::io_call;
using concur::detail::epoll_poller;
using concur::detail::io_await;
using concur::detail::loop_inbox;
using explored::counted;
using explored::one_slot_executor;
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

struct state {
  explicit state(bool readable) : fd(socket_of(readable)), root(here, receive(*this)) {}
  ~state() { ::close(inbox.eventfd()); }  // nobody posts there, so it need not outlive this

  static support::test_task<> receive(state& st) {
    std::array<char, 2> space{};
    auto const call = io_call::receive(st.fd, space.data(), space.size(), MSG_PEEK);
    as_it_is const finish;
    auto const result = co_await io_await<as_it_is>(st.here, st.poller, call, finish);
    check(result == 1, "not what was sent");
    st.passed.add(1);
  }

  /// On the loop's thread.
  void run() {
    root.start();
    here.run_one();
    if (!root.done()) {
      concur::executor_scope const mine(here);
      poller.look();
    }
    while (!root.done()) here.run_one();
    check(!poller.watching(), "a waiter was left behind");
  }

  int const fd;
  loop_inbox inbox;
  epoll_poller poller{inbox};
  one_slot_executor here;
  counted passed;
  support::root_task<void> root;
};

twice const cancelled("async_io", "a cancel from elsewhere", [](scenario& s) {
  auto& st = s.make<state>(false);
  s.thread("loop", [&st] { st.run(); });
  s.thread("canceller", [&st] { st.root.cancel(); });
  s.finally([&st] { check(st.root.was_cancelled() && st.passed.get() == 0, "it was not cancelled"); });
});

twice const beside_result("async_io", "a cancel from elsewhere beside the result", [](scenario& s) {
  auto& st = s.make<state>(true);
  s.thread("loop", [&st] { st.run(); });
  s.thread("canceller", [&st] { st.root.cancel(); });
  s.finally([&st] {
    check(!st.root.failed() && st.root.was_cancelled() == (st.passed.get() == 0),
          "neither had the result nor was cancelled, or both");
  });
});

}  // namespace

TEST_CASE("async_io: every schedule") { explored::run("async_io"); }
