// SPDX-License-Identifier: BSL-1.0
#include <concur/loop/readiness.hpp>

#include "../support/catch.hpp"
#include "../support/denied_calls.hpp"
#include "../support/failing_new.hpp"
#include "../support/hammer.hpp"
#include "../support/refusals.hpp"

#include <concur/core/hop.hpp>
#include <concur/core/unique_fd.hpp>
#include <concur/coro/sleep.hpp>
#include <concur/coro/spawn.hpp>
#include <concur/coro/task.hpp>
#include <concur/coro/yield.hpp>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <fcntl.h>
#include <functional>
#include <new>
#include <string>
#include <string_view>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <system_error>
#include <thread>
#include <type_traits>
#include <unistd.h>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using concur::event_loop;
using concur::event_loop_options;
using concur::future;
using concur::spawn;
using concur::task;
using concur::unique_fd;
using concur::wait_readable;
using concur::wait_writable;
using support::rounds;
using support::was_cancelled;

static_assert(!std::is_copy_constructible_v<decltype(wait_readable(0))>);
static_assert(!std::is_move_constructible_v<decltype(wait_readable(0))>);

struct channel {
  unique_fd in;
  unique_fd out;
};

channel make_pipe() {
  int ends[2] = {};
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) std::abort();
  return {unique_fd(ends[0]), unique_fd(ends[1])};
}

channel make_sockets() {
  int ends[2] = {};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) std::abort();
  return {unique_fd(ends[0]), unique_fd(ends[1])};
}

void put(unique_fd const& out, std::size_t count = 1) {
  std::string const text(count, 'x');
  if (::write(out.get(), text.data(), count) != ssize_t(count)) std::abort();
}

/// Reads up to `count` bytes; returns how many there were.
std::size_t take(unique_fd const& in, std::size_t count = 1) {
  std::string text(count, '\0');
  auto const got = ::read(in.get(), text.data(), count);
  return got < 0 ? 0 : std::size_t(got);
}

/// Until nothing more can be written.
void fill(unique_fd const& out) {
  std::array<char, 4096> const block{};
  while (::write(out.get(), block.data(), block.size()) > 0) {
  }
}
void drain(unique_fd const& in) {
  std::array<char, 4096> block{};
  while (::read(in.get(), block.data(), block.size()) > 0) {
  }
}

task<> readable(int fd) { co_await wait_readable(fd); }
task<> writable(int fd) { co_await wait_writable(fd); }

/// Runs the loop until what is ready has run, so that every task waits.
void settle(event_loop& loop) {
  for (int i = 0; i < 3; ++i) {
    loop.stop();
    loop.run_forever();
  }
}

void finish(event_loop& loop, future<void> const& f) {
  loop.run_until([&] { return f.done(); });
}

/// The number of the system's error that the future holds; 0 when it holds none.
int error_of(future<void>& f) {
  return support::system_error_of([&f] { f.get(); });
}

}  // namespace

TEST_CASE("a reader is woken by what was written, before the wait or in it") {
  event_loop loop;
  auto const pipe = make_pipe();
  auto early = spawn(loop, readable(pipe.in.get()));
  settle(loop);
  CHECK_FALSE(early.done());
  put(pipe.out);
  finish(loop, early);
  CHECK(take(pipe.in) == 1);

  put(pipe.out);
  auto late = spawn(loop, readable(pipe.in.get()));
  finish(loop, late);
  CHECK(error_of(early) == 0);
  CHECK(error_of(late) == 0);
}

TEST_CASE("a writer is woken when there is room") {
  event_loop loop;
  auto const pipe = make_pipe();
  fill(pipe.out);
  auto f = spawn(loop, writable(pipe.out.get()));
  settle(loop);
  CHECK_FALSE(f.done());
  drain(pipe.in);
  finish(loop, f);
  CHECK(error_of(f) == 0);
}

TEST_CASE("readers and writers of one descriptor wait apart from each other") {
  event_loop loop;
  auto const both = make_sockets();
  fill(both.in);
  std::vector<future<void>> readers;
  std::vector<future<void>> writers;
  for (int i = 0; i < 3; ++i) {
    readers.push_back(spawn(loop, readable(both.in.get())));
    writers.push_back(spawn(loop, writable(both.in.get())));
  }
  settle(loop);
  auto const done = [](std::vector<future<void>> const& some) {
    std::size_t count = 0;
    for (auto const& each : some) count += each.done();
    return count;
  };
  CHECK(done(readers) + done(writers) == 0);
  put(both.out);
  loop.run_until([&] { return done(readers) == 3; });
  CHECK(done(writers) == 0);
  drain(both.out);
  loop.run_until([&] { return done(writers) == 3; });
}

TEST_CASE("a hang-up wakes both directions") {
  event_loop loop;
  auto both = make_sockets();
  fill(both.in);
  auto reader = spawn(loop, readable(both.in.get()));
  auto writer = spawn(loop, writable(both.in.get()));
  settle(loop);
  both.out.reset();
  loop.run_until([&] { return reader.done() && writer.done(); });
  CHECK(error_of(reader) == 0);
  CHECK(error_of(writer) == 0);
}

TEST_CASE("what is no descriptor is an error of the wait") {
  event_loop loop;
  int const closed = unique_fd(::fcntl(0, F_DUPFD_CLOEXEC, 500)).get();
  for (int fd : {-1, closed, 1 << 30}) {
    CAPTURE(fd);
    auto f = spawn(loop, readable(fd));
    finish(loop, f);
    CHECK(error_of(f) == EBADF);
  }
}

TEST_CASE("a regular file is always ready") {
  event_loop loop;
  unique_fd const file(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  REQUIRE(file);
  auto f = spawn(loop, readable(file.get()));
  auto g = spawn(loop, writable(file.get()));
  loop.run_until([&] { return f.done() && g.done(); });
  CHECK(error_of(f) == 0);
  CHECK(error_of(g) == 0);
}

TEST_CASE("a wait that is cancelled ends, and the next one on the descriptor is as if it had not been") {
  event_loop loop;
  auto const pipe = make_pipe();
  for (int i = 0; i < 3; ++i) {
    auto first = spawn(loop, readable(pipe.in.get()));
    auto second = spawn(loop, readable(pipe.in.get()));
    settle(loop);
    CHECK(first.cancel());
    finish(loop, first);
    CHECK(was_cancelled(first));
    CHECK_FALSE(second.done());
    put(pipe.out);
    finish(loop, second);
    CHECK(error_of(second) == 0);
    CHECK(take(pipe.in) == 1);
  }
  auto refused = spawn(
      loop,
      [](int fd) -> task<> {
        try {
          co_await concur::sleep_for(1h);
        } catch (concur::cancelled const&) {
        }
        co_await wait_readable(fd);
      },
      pipe.in.get());
  settle(loop);
  put(pipe.out);
  refused.cancel();
  finish(loop, refused);
  CHECK(was_cancelled(refused));
}

TEST_CASE("closing the loop ends the waits") {
  auto const pipe = make_pipe();
  event_loop loop;
  auto f = spawn(loop, readable(pipe.in.get()));
  settle(loop);
  loop.close();
  CHECK(was_cancelled(f));
}

TEST_CASE("who waits for a descriptor that is given up is told") {
  event_loop loop;
  auto const both = make_sockets();
  fill(both.in);
  auto reader = spawn(loop, readable(both.in.get()));
  auto writer = spawn(loop, writable(both.in.get()));
  settle(loop);
  loop.forget(both.in.get());
  loop.run_until([&] { return reader.done() && writer.done(); });
  CHECK(error_of(reader) == ECANCELED);
  CHECK(error_of(writer) == ECANCELED);
  loop.forget(-1);
  loop.forget(1 << 30);
  put(both.out);
  auto again = spawn(loop, readable(both.in.get()));
  finish(loop, again);
  CHECK(error_of(again) == 0);
}

// Trap I1.
TEST_CASE("a number that is closed and opened again is another descriptor") {
  event_loop loop;
  int const times = rounds(100'000);
  int wrong = 0;
  int number = -1;
  auto const body = [&]() -> task<> {
    for (int i = 0; i < times; ++i) {
      channel pipe = make_pipe();
      if (number == -1) number = pipe.in.get();
      wrong += pipe.in.get() != number;
      // Half of them are closed with an event that nobody has seen, half of them without telling the loop.
      put(pipe.out);
      co_await wait_readable(pipe.in.get());
      wrong += take(pipe.in) != 1;
      if (i % 2 == 0) put(pipe.out);
      if (i % 3 == 0) loop.forget(pipe.in.get());
    }
  };
  auto f = spawn(loop, body());
  finish(loop, f);
  CHECK(error_of(f) == 0);
  CHECK(wrong == 0);
}

TEST_CASE("an event of a file that another number keeps open does not go to the file that took its number") {
  event_loop loop;
  for (int i = 0; i < 100; ++i) {
    auto old = make_pipe();
    int const number = old.in.get();
    auto waiting = spawn(loop, readable(number));
    settle(loop);
    CHECK_FALSE(waiting.done());
    waiting.cancel();
    finish(loop, waiting);
    unique_fd const keeps_it_open(::fcntl(number, F_DUPFD_CLOEXEC, 0));
    old.in.reset();
    channel fresh = make_pipe();
    REQUIRE(fresh.in.get() == number);
    auto f = spawn(loop, readable(number));
    put(old.out);  // the old registration is armed, and has an event now
    settle(loop);
    REQUIRE_FALSE(f.done());
    put(fresh.out);
    finish(loop, f);
    REQUIRE(error_of(f) == 0);
  }
}

TEST_CASE("who still waits for a number that now stands for another file is told") {
  event_loop loop;
  auto old = make_pipe();
  int const number = old.in.get();
  auto lost = spawn(loop, readable(number));
  settle(loop);
  old.in.reset();
  channel const fresh = make_pipe();
  REQUIRE(fresh.in.get() == number);
  auto f = spawn(loop, readable(number));
  finish(loop, lost);
  CHECK(error_of(lost) == EBADF);
  CHECK_FALSE(f.done());
  put(fresh.out);
  finish(loop, f);
  CHECK(error_of(f) == 0);
}

// Trap I2.
TEST_CASE("what a reader left unread wakes it again") {
  for (std::size_t n = 1; n <= 16; ++n) {
    for (std::size_t m = 1; m <= n; ++m) {
      event_loop loop;
      auto const pipe = make_pipe();
      std::size_t total = 0;
      auto const body = [&]() -> task<> {
        while (total < 2 * n) {
          co_await wait_readable(pipe.in.get());
          total += take(pipe.in, m);
        }
      };
      auto f = spawn(loop, body());
      settle(loop);
      put(pipe.out, n);
      loop.run_until([&] { return total >= m; });
      put(pipe.out, n);
      finish(loop, f);
      REQUIRE(total == 2 * n);
    }
  }
}

TEST_CASE("posts and timers reach a loop that sleeps with descriptors") {
  event_loop loop;
  auto const pipe = make_pipe();
  auto waiting = spawn(loop, readable(pipe.in.get()));
  int const times = rounds(2000);
  int posted = 0;
  std::thread other([&] {
    for (int i = 0; i < times; ++i) loop.post([&] { ++posted; });
  });
  loop.run_until([&] { return posted == times; });
  other.join();
  bool due = false;
  loop.call_later(300us, [&] { due = true; });
  loop.run_until([&] { return due; });
  CHECK_FALSE(waiting.done());
  put(pipe.out);
  finish(loop, waiting);
}

TEST_CASE("bytes go back and forth through descriptors, with and without signals") {
  for (bool const stormy : {false, true}) {
    support::weather const outside(stormy);
    constexpr int turns = rounds(5000);
    auto const wire = make_sockets();
    auto const side = [](unique_fd const& mine, bool begins) -> task<int> {
      int count = 0;
      if (begins) put(mine);
      for (; count < turns; ++count) {
        while (take(mine) == 0) co_await wait_readable(mine.get());
        co_await wait_writable(mine.get());
        put(mine);
      }
      co_return count;
    };
    event_loop other;
    std::atomic<int> far{0};
    std::thread thread([&] {
      auto f = spawn(other, side(wire.out, false));
      other.run_until([&] { return f.done(); });
      far = f.get();
    });
    event_loop loop;
    auto f = spawn(loop, side(wire.in, true));
    loop.run_until([&] { return f.done(); });
    thread.join();
    CHECK(f.get() == turns);
    CHECK(far == turns);
  }
}

TEST_CASE("a wait on another executor than the loop is refused") {
  event_loop loop;
  event_loop other;
  auto const body = [&]() -> task<> {
    int const fd = 0;
    co_await loop.wait_readable(fd);
  };
  auto f = spawn(other, body());
  finish(other, f);
  CHECK_THROWS_AS(f.get(), concur::misuse);
  CHECK_THROWS_AS(wait_readable(0), concur::misuse);
}

TEST_CASE(
    "a scope that reaches beyond the loop may be cancelled from another thread while descriptors and timers wait") {
  int const times = rounds(3000);
  for (int i = 0; i < times; ++i) {
    event_loop loop;
    auto const pipe = make_pipe();
    bool const ready = i % 2 == 0;
    auto sleeps = [](event_loop& where) -> task<> {
      co_await concur::hop_to(where);
      co_await concur::sleep_for(1h);
    };
    auto f = spawn(loop, readable(pipe.in.get()));
    auto g = spawn(loop, sleeps(loop));
    loop.tasks().share();
    std::thread canceller([&] {
      if (ready) put(pipe.out);
      loop.tasks().cancel();
      loop.post([] {});
    });
    loop.run_until([&] { return f.done() && g.done(); });
    canceller.join();
    CHECK(was_cancelled(g));
    CHECK((was_cancelled(f) || ready));
  }
}

TEST_CASE("in virtual time the clock runs while a descriptor is watched, up to the next timer") {
  event_loop loop(event_loop_options().virtual_time());
  auto const pipe = make_pipe();
  auto const start = loop.time();
  auto f = spawn(loop, readable(pipe.in.get()));
  loop.call_later(1ms, [&] { put(pipe.out); });
  finish(loop, f);
  CHECK(loop.time() - start >= 1ms);
}

TEST_CASE("memory that runs out in a wait is its exception, and the next one works") {
  for (int k = 1;; ++k) {
    event_loop loop;
    auto const pipe = make_pipe();
    put(pipe.out);
    bool happened = false;
    bool refused = false;
    auto const body = [&]() -> task<> {
      int const fd = pipe.in.get();
      auto operation = [&]() -> task<> { co_await wait_readable(fd); };
      auto once = operation();
      support::failing_new const shortage(k);
      try {
        co_await std::move(once);
      } catch (std::bad_alloc const&) {
        refused = true;
      }
      happened = shortage.happened();
    };
    auto f = spawn(loop, body());
    finish(loop, f);
    CHECK(error_of(f) == 0);
    CHECK(refused == happened);
    auto again = spawn(loop, readable(pipe.in.get()));
    finish(loop, again);
    CHECK(error_of(again) == 0);
    if (!happened) break;
  }
}

TEST_CASE("a process that has no descriptor left for epoll says so, and may wait later") {
  event_loop loop;
  auto const pipe = make_pipe();
  put(pipe.out);
  {
    // The sanitizers need a descriptor to look at an object of a type for the first time.
    event_loop other;
    auto f = spawn(other, readable(pipe.in.get()));
    finish(other, f);
  }
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  rlimit none = before;
  none.rlim_cur = 0;
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  auto f = spawn(loop, readable(pipe.in.get()));
  finish(loop, f);
  ::setrlimit(RLIMIT_NOFILE, &before);
  CHECK(error_of(f) == EMFILE);
  auto again = spawn(loop, readable(pipe.in.get()));
  finish(loop, again);
  CHECK(error_of(again) == 0);
}

TEST_CASE(
    "without nanoseconds in epoll, for a kernel or a sandbox, timers and readers come neither early nor too late") {
  if (!support::calls_can_be_denied()) return;
  int const reason = GENERATE(ENOSYS, EPERM);
  static auto const naps = [](int& naps_cut_short) -> task<> {
    for (auto const length : {1ns, 300'000ns, 2'500'000ns}) {
      auto const begin = std::chrono::steady_clock::now();
      co_await concur::sleep_for(length);
      if (std::chrono::steady_clock::now() - begin < length) ++naps_cut_short;
    }
  };
  int cut_short = 0, error = -1;
  bool denied = false;
  support::on_own_thread([&] {
    support::deny({SYS_epoll_pwait2, reason});
    denied = ::syscall(SYS_epoll_pwait2, -1, nullptr, 0, nullptr, nullptr, 0) == -1 && errno == reason;
    event_loop loop;
    auto const pipe = make_pipe();
    auto reader = spawn(loop, readable(pipe.in.get()));
    loop.run_until([&, sleeper = spawn(loop, naps(cut_short))] { return sleeper.done(); });
    // Woken by a post, and by the descriptor, while a timer runs.
    auto far = loop.call_later(1h, [] {});
    bool called = false;
    std::thread([&] { loop.post([&] { called = true; }); }).join();
    loop.run_until([&] { return called; });
    std::thread writer([&] { put(pipe.out); });
    finish(loop, reader);
    writer.join();
    far.cancel();
    error = error_of(reader);
  });
  CHECK(denied);
  CHECK(cut_short == 0);
  CHECK(error == 0);
}

TEST_CASE("a descriptor that epoll has no room for is an error of its wait, and nothing else is lost") {
  if (!support::calls_can_be_denied()) return;
  int const reason = GENERATE(ENOSPC, ENOMEM);
  std::vector<int> errors;
  std::string text;
  std::size_t bytes = 0;
  support::on_own_thread([&] {
    event_loop loop;
    auto const first = make_pipe(), second = make_pipe();
    auto waits = spawn(loop, readable(first.in.get()));
    settle(loop);
    support::deny({SYS_epoll_ctl, reason, 1, EPOLL_CTL_ADD});
    put(second.out);
    for (int i = 0; i < 2; ++i) {
      auto refused = spawn(loop, readable(second.in.get()));
      finish(loop, refused);
      try {
        refused.get();
      } catch (std::system_error const& error) {
        errors.push_back(error.code().value());
        text = error.what();
      }
    }
    bytes = take(second.in);
    put(first.out);
    finish(loop, waits);
    errors.push_back(error_of(waits));
    auto again = spawn(loop, readable(first.in.get()));
    finish(loop, again);
    errors.push_back(error_of(again));
  });
  CHECK(errors == std::vector{reason, reason, 0, 0});
  CHECK(text.find("waiting for a descriptor") != text.npos);
  CHECK(bytes == 1);
}

TEST_CASE("epoll that has no room for the loop's own wake is an error of the wait, and the loop goes on") {
  if (!support::calls_can_be_denied()) return;
  int error = 0, answer = 0;
  support::on_own_thread([&] {
    support::deny({SYS_epoll_ctl, ENOSPC, 1, EPOLL_CTL_ADD});
    event_loop loop;
    auto const pipe = make_pipe();
    put(pipe.out);
    auto refused = spawn(loop, readable(pipe.in.get()));
    finish(loop, refused);
    error = error_of(refused);
    std::thread([&] { loop.post([&] { answer = 42; }); }).join();
    loop.run_until([&] { return answer != 0; });
  });
  CHECK(error == ENOSPC);
  CHECK(answer == 42);
}

TEST_CASE("one who cannot join the wait for a descriptor gets an error, and those who wait stay") {
  if (!support::calls_can_be_denied()) return;
  std::vector<int> errors;
  support::on_own_thread([&] {
    event_loop loop;
    auto const [here, there] = make_sockets();
    fill(here);
    auto reader = spawn(loop, readable(here.get()));
    settle(loop);
    support::deny({SYS_epoll_ctl, ENOMEM, 1, EPOLL_CTL_MOD});
    auto writer = spawn(loop, writable(here.get()));
    finish(loop, writer);
    errors.push_back(error_of(writer));
    put(there);
    finish(loop, reader);
    errors.push_back(error_of(reader));
  });
  CHECK(errors == std::vector{ENOMEM, 0});
}

TEST_CASE("those whose wait cannot be renewed after an event for others are told") {
  if (!support::calls_can_be_denied()) return;
  std::vector<int> errors;
  support::on_own_thread([&] {
    event_loop loop;
    auto const [here, there] = make_sockets();
    fill(here);
    auto reader = spawn(loop, readable(here.get()));
    auto writer = spawn(loop, writable(here.get()));
    settle(loop);
    support::deny({SYS_epoll_ctl, ENOMEM, 1, EPOLL_CTL_MOD});
    put(there);
    finish(loop, reader);
    finish(loop, writer);
    errors = {error_of(reader), error_of(writer)};
  });
  CHECK(errors == std::vector{0, ENOMEM});
}
