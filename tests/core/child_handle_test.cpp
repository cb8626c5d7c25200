// SPDX-License-Identifier: BSL-1.0
#include <concur/core/child_handle.hpp>

#include "../support/catch.hpp"
#include "../support/denied_calls.hpp"
#include "../support/refusals.hpp"
#include "../support/uninterrupted.hpp"

#include <concur/core/exit_status.hpp>

#include <cerrno>
#include <csignal>
#include <poll.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

namespace {

using concur::child_handle;
using concur::exit_status;

/// A child that waits for a signal, and ends by it.
pid_t waiting_child() {
  pid_t const child = ::fork();
  if (child == 0) {
    for (;;) ::pause();
  }
  return child;
}

}  // namespace

TEST_CASE("child_handle: a child is signalled, waited for and reaped once", "[child_handle]") {
  child_handle child(waiting_child());
  CHECK(child);
  CHECK_FALSE(child.try_reap());
  CHECK(child.send_signal(SIGKILL));
  pollfd ended{child.fd(), POLLIN, 0};
  CHECK(support::uninterrupted([&] { return ::poll(&ended, 1, -1); }) == 1);
  CHECK(child.try_reap() == exit_status::of_signal(SIGKILL));
  CHECK_FALSE(child);
  CHECK(child.reap() == exit_status::of_signal(SIGKILL));
  CHECK_FALSE(child.send_signal(SIGKILL));
  CHECK(::waitpid(child.pid(), nullptr, WNOHANG) == -1);
}

TEST_CASE("child_handle: whoever owns it last kills and reaps it", "[child_handle]") {
  pid_t const number = waiting_child();
  {
    child_handle first(number);
    child_handle second(std::move(first));
    CHECK_FALSE(first);
    CHECK(support::system_error_of([&] { first.reap(); }) == ECHILD);
    first = std::move(second);
    CHECK(first.pid() == number);
  }
  CHECK(::waitpid(number, nullptr, WNOHANG) == -1);
}

TEST_CASE("child_handle: one that somebody else has reaped is an error, and gets no signal", "[child_handle]") {
  child_handle child(waiting_child());
  child.send_signal(SIGKILL);
  support::uninterrupted([&] { return ::waitpid(child.pid(), nullptr, 0); });
  CHECK_FALSE(child.send_signal(SIGKILL));
  CHECK(support::system_error_of([&] { child.reap(); }) == ECHILD);
  CHECK(support::system_error_of([&] { child.try_reap(); }) == ECHILD);
}

TEST_CASE("child_handle: where there can be no descriptor, the child is not left behind", "[child_handle]") {
  if (!support::calls_can_be_denied()) return;
  pid_t const number = waiting_child();
  int error = 0;
  support::on_own_thread([&] {
    support::deny({SYS_pidfd_open, EMFILE});
    error = support::system_error_of([&] { child_handle const child(number); });
  });
  CHECK(error == EMFILE);
  CHECK(::waitpid(number, nullptr, WNOHANG) == -1);
}
