// SPDX-License-Identifier: BSL-1.0
//
// What every back end promises of calls on descriptors. Built once more for io_uring, where there is liburing.
#include <concur/loop/event_loop.hpp>

#include "../support/catch.hpp"
#include "../support/denied_calls.hpp"
#include "../support/forked.hpp"
#include "../support/hammer.hpp"
#include "../support/interruptions.hpp"
#include "../support/refusals.hpp"
#include "../support/uninterrupted.hpp"

#include <concur/core/unique_fd.hpp>
#include <concur/coro/sleep.hpp>
#include <concur/coro/spawn.hpp>
#include <concur/coro/task.hpp>
#include <concur/coro/yield.hpp>
#include <concur/loop/io_call.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <fcntl.h>
#include <functional>
#include <memory>
#include <netinet/in.h>
#include <optional>
#include <string>
#include <string_view>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using concur::event_loop;
using concur::event_loop_options;
using concur::future;
using concur::io_call;
using concur::loop_backend;
using concur::spawn;
using concur::task;
using concur::unique_fd;
using support::rounds;
using support::system_error_of;
using support::was_cancelled;

struct channel {
  unique_fd in;
  unique_fd out;
};

channel make_sockets() {
  int ends[2] = {};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) std::abort();
  return {unique_fd(ends[0]), unique_fd(ends[1])};
}

channel make_pipe() {
  int ends[2] = {};
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) std::abort();
  return {unique_fd(ends[0]), unique_fd(ends[1])};
}

void put(unique_fd const& out, std::string_view text) {
  if (::write(out.get(), text.data(), text.size()) != ssize_t(text.size())) std::abort();
}

/// All that there is, up to the end.
std::string drain(unique_fd const& in) {
  std::string all;
  std::array<char, 4096> block{};
  for (ssize_t count; (count = ::read(in.get(), block.data(), block.size())) > 0;)
    all.append(block.data(), std::size_t(count));
  return all;
}

/// Until nothing more can be written.
void fill(unique_fd const& out) {
  std::array<char, 4096> const block{};
  while (::write(out.get(), block.data(), block.size()) > 0) {
  }
}

struct as_it_is {
  std::int64_t operator()(std::int64_t result) const noexcept { return result; }
};

task<std::int64_t> carried_out(event_loop& loop, io_call call) {
  as_it_is const finish;
  co_return co_await loop.async_io(call, finish);
}

task<std::string> received(event_loop& loop, int fd) {
  std::array<char, 64> space{};
  auto const call = io_call::receive(fd, space.data(), space.size());
  as_it_is const finish;
  auto const count = co_await loop.async_io(call, finish);
  co_return std::string(space.data(), std::size_t(std::max<std::int64_t>(count, 0)));
}

/// The number of the system's error that a future ends with; 0 when it has a value.
template <class T>
task<int> error_of(future<T> f) {
  try {
    co_await std::move(f);
  } catch (std::system_error const& error) {
    co_return error.code().value();
  }
  co_return 0;
}

/// Ends when the loop has looked at its descriptors: whoever waited before is known to the system by then.
task<> has_looked(event_loop& loop) {
  auto const ready = make_pipe();
  put(ready.out, "x");
  co_await loop.wait_readable(ready.in.get());
}
template <class Function>
task<> after_look(event_loop& loop, Function function) {
  co_await has_looked(loop);
  loop.call_soon(function);
}
void run_until_it_has_looked(event_loop& loop) {
  auto const stopping = spawn(loop, after_look(loop, [&loop] { loop.stop(); }));
  loop.run_forever();
}

template <class T>
void finish(event_loop& loop, future<T> const& f) {
  loop.run_until([&] { return f.done(); });
}

/// Whether this process may have a ring of the kind that the library wants, asked without liburing.
bool ring_is_permitted() {
  std::array<std::uint32_t, 30> parameters{};  // struct io_uring_params
  parameters[2] = 1u << 12 | 1u << 13;         // IORING_SETUP_SINGLE_ISSUER, IORING_SETUP_DEFER_TASKRUN
  return bool(unique_fd(static_cast<int>(::syscall(SYS_io_uring_setup, 1, parameters.data()))));
}

/// A call that waits, what ends its wait, and what can be said of it then.
struct trial {
  io_call call;
  std::function<void()> give;
  std::function<bool(std::int64_t)> right;  // an outcome
  std::function<bool(bool given)> untouched;  // when it was cancelled
};

/// What a trial works with. The buffer is not the coroutine's, so that it can be looked at afterwards.
struct ground {
  channel ends = make_sockets();
  std::string buffer = std::string(16, '-');
  iovec part{buffer.data(), buffer.size()};
  msghdr message{};
  unique_fd client;

  ground() {
    message.msg_iov = &part;
    message.msg_iovlen = 1;
  }
  ground(ground const&) = delete;
};

trial receiving(ground& on, io_call call) {
  return {call, [&on] { put(on.ends.out, "x"); },
          [&on](std::int64_t result) { return result == 1 && on.buffer == "x" + std::string(15, '-'); },
          [&on](bool given) {
            // What comes later is not for it either.
            bool const left = drain(on.ends.in) == (given ? "x" : "");
            put(on.ends.out, "later");
            return left && on.buffer == std::string(16, '-') && drain(on.ends.in) == "later";
          }};
}

trial sending(ground& on, io_call call) {
  fill(on.ends.in);
  on.buffer.assign(16, 'y');
  auto const sent = [&on] {
    auto const all = drain(on.ends.out);
    return std::count(all.begin(), all.end(), 'y');
  };
  auto so_far = std::make_shared<std::ptrdiff_t>(0);
  return {call, [=] { *so_far += sent(); },
          [=](std::int64_t result) { return *so_far + sent() == result && result > 0; },
          [=](bool) { return *so_far + sent() == 0; }};
}

trial accepting(ground& on) {
  unique_fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof where;
  auto* const address = reinterpret_cast<sockaddr*>(&where);
  if (::bind(listener.get(), address, size) != 0 || ::listen(listener.get(), 8) != 0 ||
      ::getsockname(listener.get(), address, &size) != 0) {
    std::abort();
  }
  on.ends.in = std::move(listener);
  auto const take = [&on] { return unique_fd(::accept4(on.ends.in.get(), nullptr, nullptr, SOCK_CLOEXEC)); };
  return {io_call::accept(on.ends.in.get()),
          [&on, where] {
            on.client = unique_fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
            auto const* const to = reinterpret_cast<sockaddr const*>(&where);
            if (!support::connected_uninterrupted(on.client.get(), to, sizeof where)) std::abort();
          },
          [](std::int64_t result) {
            if (result < 0) return false;
            unique_fd const accepted(static_cast<int>(result));
            return (::fcntl(accepted.get(), F_GETFL) & O_NONBLOCK) != 0 &&
                   (::fcntl(accepted.get(), F_GETFD) & FD_CLOEXEC) != 0;
          },
          [=](bool given) { return bool(take()) == given; }};
}

constexpr int kinds_of_trial = 7;

trial make_trial(int kind, ground& on) {
  int const fd = on.ends.in.get();
  switch (kind) {
    case 0: return receiving(on, io_call::receive(fd, on.buffer.data(), on.buffer.size()));
    case 1: return receiving(on, io_call::receive_message(fd, on.message));
    case 2: return receiving(on, io_call::read(fd, on.buffer.data(), on.buffer.size()));
    case 3: return sending(on, io_call::send(fd, on.buffer.data(), on.buffer.size()));
    case 4: return sending(on, io_call::send_message(fd, on.message));
    case 5: return sending(on, io_call::write(fd, on.buffer.data(), on.buffer.size()));
    default: return accepting(on);
  }
}

/// When a trial is cancelled: after so many turns of others, and then so many times that the loop has slept; and when
/// it is given what it waits for.
struct moment {
  int turns;
  int naps;
  enum class gift { none, just_before, just_after, a_turn_before } given;
};

task<> strike(event_loop& loop, int kind, moment when, int& wrong) {
  ground on;
  auto const attempt = make_trial(kind, on);
  auto f = loop.spawn(carried_out(loop, attempt.call));
  for (int i = 0; i < when.turns; ++i) co_await concur::yield();
  for (int i = 0; i < when.naps; ++i) co_await concur::sleep_for(20us);
  using gift = moment::gift;
  if (when.given == gift::a_turn_before || when.given == gift::just_before) attempt.give();
  if (when.given == gift::a_turn_before) co_await concur::yield();
  f.cancel();
  if (when.given == gift::just_after) attempt.give();
  bool was_ended = false;
  try {
    auto const result = co_await std::move(f);
    wrong += !attempt.right(result);
  } catch (concur::cancelled const&) {
    was_ended = true;
  }
  if (was_ended) wrong += !attempt.untouched(when.given != gift::none);
  wrong += when.given == gift::none && !was_ended;
  loop.forget(on.ends.in.get());
}

}  // namespace

TEST_CASE("async_io: a loop says how it waits, and takes epoll when it is asked to") {
  event_loop loop;
  std::string const name = loop.backend();
  CHECK((name == "epoll" || name == "io_uring"));
  if (CONCUR_IO_URING && ring_is_permitted()) CHECK(name == "io_uring");
  if (!CONCUR_IO_URING) CHECK(name == "epoll");
  event_loop old(event_loop_options().backend(loop_backend::epoll));
  CHECK(std::string(old.backend()) == "epoll");
  event_loop none(event_loop_options().io_uring_entries(0));
  CHECK(std::string(none.backend()) == "epoll");
}

TEST_CASE("async_io: where the system refuses io_uring the loop uses epoll, silently") {
  if (!support::calls_can_be_denied()) return;
  struct refusal {
    long call;
    int error;
  };
  for (refusal const each :
       {refusal{SYS_io_uring_setup, ENOSYS}, refusal{SYS_io_uring_setup, EPERM}, refusal{SYS_io_uring_setup, ENOMEM},
        refusal{SYS_io_uring_register, EPERM}, refusal{SYS_io_uring_enter, EPERM}}) {
    CAPTURE(each.call, each.error);
    std::string name, text;
    support::on_own_thread([&] {
      support::deny({each.call, each.error});
      for (bool const ask_first : {false, true}) {
        event_loop loop;
        if (ask_first) name = loop.backend();
        auto const ends = make_sockets();
        auto f = spawn(loop, received(loop, ends.in.get()));
        loop.call_later(1ms, [&] { put(ends.out, "x"); });
        finish(loop, f);
        text += f.get();
        if (!ask_first) name = loop.backend();
        loop.forget(ends.in.get());
      }
    });
    CHECK(name == "epoll");
    CHECK(text == "xx");
  }
}

TEST_CASE("async_io: a process that has no descriptor left says so, and may wait later") {
  auto const ends = make_sockets();
  auto const receive = [](event_loop& loop, int fd) {
    auto f = spawn(loop, received(loop, fd));
    finish(loop, f);
    return f;
  };
  // Sanitizers look types up when they meet them first, which takes a descriptor.
  event_loop other;
  other.call_later(1ms, [&] { put(ends.out, "x"); });
  for (int const fd : {ends.in.get(), -1}) {
    auto f = receive(other, fd);
    static_cast<void>(system_error_of([&] { f.get(); }));
  }
  event_loop loop;
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  rlimit none = before;
  none.rlim_cur = 0;
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  auto f = receive(loop, ends.in.get());
  ::setrlimit(RLIMIT_NOFILE, &before);
  CHECK(system_error_of([&] { f.get(); }) == EMFILE);
  loop.call_later(1ms, [&] { put(ends.out, "x"); });
  auto again = receive(loop, ends.in.get());
  CHECK(again.get() == "x");
  loop.forget(ends.in.get());
  other.forget(ends.in.get());
}

// Traps I4 and W8.
TEST_CASE("async_io: cancelled at any moment it has its outcome or has not happened, and nothing is touched any more") {
  for (unsigned const entries : {2u, 256u}) {
    event_loop loop(event_loop_options().io_uring_entries(entries));
    for (int kind = 0; kind < kinds_of_trial; ++kind) {
      for (int turns = 0; turns <= 2; ++turns) {
        for (int naps = 0; naps <= 2; ++naps) {
          using gift = moment::gift;
          for (auto const given : {gift::none, gift::just_before, gift::just_after, gift::a_turn_before}) {
            CAPTURE(entries, kind, turns, naps, int(given));
            int wrong = 0;
            moment const when{turns, naps, given};
            loop.run(strike(loop, kind, when, wrong));
            REQUIRE(wrong == 0);
          }
        }
      }
    }
  }
}

TEST_CASE("async_io: many that are cancelled at the same time, of a ring that has two entries") {
  event_loop loop(event_loop_options().io_uring_entries(2));
  int wrong = 0;
  auto const all = [&]() -> task<> {
    std::vector<future<void>> some;
    for (int i = 0; i < 12 * kinds_of_trial; ++i) {
      using gift = moment::gift;
      moment const when{i % 3, i / 3 % 3, gift(i / 9 % 4)};
      some.push_back(loop.spawn(strike(loop, i % kinds_of_trial, when, wrong)));
    }
    for (auto& each : some) co_await std::move(each);
  };
  for (int i = 0; i < 10; ++i) loop.run(all());
  CHECK(wrong == 0);
}

TEST_CASE("async_io: more calls wait than the ring has entries, and all that come at once are told") {
  event_loop loop(event_loop_options().io_uring_entries(2));
  std::vector<channel> wires;
  for (int i = 0; i < 100; ++i) wires.push_back(make_sockets());
  for (int turn = 0; turn < 3; ++turn) {
    std::vector<future<std::string>> readers;
    for (auto const& each : wires) readers.push_back(spawn(loop, received(loop, each.in.get())));
    loop.call_later(1ms, [&] {
      for (auto const& each : wires) put(each.out, "x");
    });
    loop.run_until([&] { return std::all_of(readers.begin(), readers.end(), [](auto& f) { return f.done(); }); });
    for (auto& each : readers) CHECK(each.get() == "x");
  }
  for (auto const& each : wires) loop.forget(each.in.get());
}

TEST_CASE("async_io: those who wait at one descriptor are served in order, also when some of them give up") {
  event_loop loop;
  auto const ends = make_sockets();
  std::string order;
  auto const reads = [&](char name) -> task<> {
    char byte = 0;
    auto const call = io_call::receive(ends.in.get(), &byte, 1);
    as_it_is const finish;
    co_await loop.async_io(call, finish);
    order += {name, byte};
  };
  auto const all = [&]() -> task<> {
    std::vector<future<void>> some;
    for (char const name : {'a', 'b', 'c', 'd'}) some.push_back(loop.spawn(reads(name)));
    co_await concur::yield();
    co_await has_looked(loop);
    some[0].cancel();
    some[2].cancel();
    put(ends.out, "12");
    for (auto i : {0, 1, 2, 3}) {
      try {
        co_await std::move(some[std::size_t(i)]);
      } catch (concur::cancelled const&) {
      }
    }
  };
  loop.run(all());
  CHECK(order == "b1d2");
  loop.forget(ends.in.get());
}

TEST_CASE("async_io: who waits at a descriptor that is given up is told, and its other side sees it closed at once") {
  event_loop loop;
  int told = 0;
  bool closed = true;
  auto const body = [&]() -> task<> {
    for (bool const looks : {false, true}) {
      auto ends = make_sockets();
      auto first = loop.spawn(received(loop, ends.in.get()));
      auto second = loop.spawn(received(loop, ends.in.get()));
      co_await concur::yield();
      if (looks) co_await has_looked(loop);
      loop.forget(ends.in.get());
      ends.in.reset();
      char byte = 0;
      closed = closed && ::recv(ends.out.get(), &byte, 1, MSG_DONTWAIT) == 0;
      for (auto* const each : {&first, &second}) {
        int const error = co_await error_of(std::move(*each));
        told += error == ECANCELED;
      }
    }
  };
  loop.run(body());
  CHECK(closed);
  CHECK(told == 4);
}

// Trap I1.
TEST_CASE("async_io: a number that is closed while somebody waits, and opened again, is another descriptor") {
  if (support::interruptions::count() != 0) return;  // whoever sends them opens descriptors meanwhile
  event_loop loop(event_loop_options().io_uring_entries(8));
  int wrong = 0;
  int number = -1;
  auto const body = [&]() -> task<> {
    for (int i = 0; i < rounds(20'000); ++i) {
      auto ends = make_sockets();
      if (number == -1) number = ends.in.get();
      wrong += ends.in.get() != number;
      auto f = loop.spawn(received(loop, ends.in.get()));
      co_await concur::yield();
      if (i % 16 == 0) co_await concur::sleep_for(10us);
      if (i % 3 == 0) {
        put(ends.out, "x");
        auto const text = co_await std::move(f);
        wrong += text != "x";
        loop.forget(number);
        continue;
      }
      if (i % 3 == 1) put(ends.out, "x");
      loop.forget(number);
      ends = make_sockets();  // whoever comes next has the number, before the old one was told
      try {
        auto const text = co_await std::move(f);
        wrong += i % 3 != 1 || text != "x";
      } catch (std::system_error const& error) {
        wrong += error.code().value() != ECANCELED;
      }
    }
  };
  loop.run(body());
  CHECK(wrong == 0);
}

TEST_CASE("async_io: calls that wait stay when the loop stops, and end when it runs again, on whichever thread") {
  event_loop loop;
  auto const ends = make_sockets();
  std::string text;
  auto const reads = [&]() -> task<> {
    while (text.size() < 6) {
      auto one = received(loop, ends.in.get());
      text += co_await std::move(one);
    }
  };
  auto f = spawn(loop, reads());
  auto const some_rounds = [&] { run_until_it_has_looked(loop); };
  some_rounds();
  put(ends.out, "a");
  some_rounds();
  for (int i = 0; i < 2; ++i) {
    std::thread([&] {
      some_rounds();
      put(ends.out, "b");
      some_rounds();
    }).join();
    // That thread is no more, and what it has begun is not lost.
    some_rounds();
    put(ends.out, "c");
    some_rounds();
  }
  put(ends.out, "d");
  finish(loop, f);
  f.get();
  CHECK(text == "abcbcd");
  loop.forget(ends.in.get());
}

TEST_CASE("async_io: who came before the loop stopped is served before who comes after") {
  event_loop loop;
  auto const ends = make_sockets();
  std::string order;
  auto const reads = [&](char name) -> task<> {
    char byte = 0;
    auto const call = io_call::receive(ends.in.get(), &byte, 1);
    as_it_is const finish;
    co_await loop.async_io(call, finish);
    order += {name, byte};
  };
  auto first = spawn(loop, reads('a'));
  run_until_it_has_looked(loop);
  auto second = spawn(loop, reads('b'));
  auto const putting = spawn(loop, after_look(loop, [&] { put(ends.out, "12"); }));
  loop.run_until([&] { return first.done() && second.done(); });
  CHECK(order == "a1b2");
  loop.forget(ends.in.get());
}

TEST_CASE("async_io: a loop that stops between a call and its result leaves nobody behind") {
  event_loop loop;
  auto const ends = make_sockets();
  std::string text;
  auto const reads = [&]() -> task<> {
    auto one = received(loop, ends.in.get());
    text += co_await std::move(one);
  };
  put(ends.out, "1");
  loop.run(reads());  // from now on nothing is known to be there
  std::vector<future<void>> some;
  for (int i = 0; i < 3; ++i) some.push_back(spawn(loop, reads()));
  loop.call_soon([&] {  // they have asked by now, and nobody has looked
    put(ends.out, "2");
    loop.stop();
  });
  loop.run_forever();
  for (auto& each : some) {
    loop.call_later(1ms, [&] { put(ends.out, "3"); });
    finish(loop, each);
  }
  CHECK(text.starts_with("12"));
  CHECK(text.find_first_not_of("3", 2) == text.npos);
  loop.forget(ends.in.get());
}

// Trap I11.
TEST_CASE("async_io: a loop that is destroyed has cancelled what waits, and nothing is touched any more") {
  for (int kind = 0; kind < kinds_of_trial; ++kind) {
    for (int how = 0; how < 3; ++how) {
      CAPTURE(kind, how);
      ground on;
      auto const attempt = make_trial(kind, on);
      std::optional<future<std::int64_t>> f;
      {
        event_loop loop;
        f.emplace(spawn(loop, carried_out(loop, attempt.call)));
        if (how > 0) run_until_it_has_looked(loop);
        if (how == 2) loop.close();
      }
      CHECK(was_cancelled(*f));
      CHECK(attempt.untouched(false));
    }
  }
}

TEST_CASE("async_io: a run that ends has cancelled the calls that were left behind") {
  event_loop loop;
  ground on;
  auto const attempt = make_trial(0, on);
  std::optional<future<std::int64_t>> f;
  auto const body = [&]() -> task<> {
    f.emplace(loop.spawn(carried_out(loop, attempt.call)));
    co_await concur::yield();
    co_await has_looked(loop);
  };
  loop.run(body());
  CHECK(was_cancelled(*f));
  CHECK(attempt.untouched(false));
  loop.forget(on.ends.in.get());
}

TEST_CASE("async_io: a child process leaves the calls of its parent alone, and may have a loop of its own") {
  event_loop loop;
  auto const ends = make_sockets();
  auto f = spawn(loop, received(loop, ends.in.get()));
  bool child_was_right = false;
  // In a callback, while the call is with the system.
  auto const fork_and_put = [&] {
    child_was_right = support::right_in_child([&] {
      loop.forget(ends.in.get());
      bool refused = false;
      std::string text;
      std::thread([&] {
        refused = support::is_refused([&] { loop.close(); });
        event_loop own;
        auto const wire = make_sockets();
        auto mine = spawn(own, received(own, wire.in.get()));
        own.call_later(1ms, [&] { put(wire.out, "child"); });
        finish(own, mine);
        text = mine.get();
      }).join();
      return refused && text == "child";
    });
    put(ends.out, "parent");
  };
  auto const forking = spawn(loop, after_look(loop, fork_and_put));
  finish(loop, f);
  CHECK(child_was_right);
  CHECK(f.get() == "parent");
  loop.forget(ends.in.get());
}

TEST_CASE("async_io: a child process that goes on in the parent's loop is refused, and the parent goes on") {
  event_loop loop;
  auto const ends = make_sockets();
  auto f = spawn(loop, received(loop, ends.in.get()));
  pid_t child = -1;
  auto const fork_and_put = [&] {
    child = ::fork();
    if (child != 0) put(ends.out, "parent");
  };
  auto const forking = spawn(loop, after_look(loop, fork_and_put));
  if (support::is_refused([&] { finish(loop, f); })) support::end_child(child == 0);
  CHECK(support::child_was_right(child));
  CHECK(f.get() == "parent");
  loop.forget(ends.in.get());
}

TEST_CASE("async_io: posts, timers and descriptors of others reach a loop whose calls wait") {
  event_loop loop;
  auto const idle = make_sockets();
  auto const pipe = make_pipe();
  int const times = rounds(2000);
  int posted = 0;
  int seen = 0;
  bool due = false;
  bool others_waited = false;
  std::thread poster([&] {
    for (int i = 0; i < times; ++i) loop.post([&] { ++posted; });
  });
  auto const body = [&]() -> task<> {
    auto waits = loop.spawn(received(loop, idle.in.get()));
    while (posted < times) co_await concur::sleep_for(10us);
    // Each byte is written when the loop sleeps, most likely.
    std::thread writer([&] {
      for (int i = 0; i < 100; ++i) {
        put(pipe.out, "x");
        std::this_thread::yield();
      }
    });
    for (; seen < 100; ++seen) {
      co_await loop.wait_readable(pipe.in.get());
      char byte = 0;
      if (::read(pipe.in.get(), &byte, 1) != 1) break;
    }
    writer.join();
    // From the loop's own sleep: only the ring can tell of the pipe.
    loop.call_later(1ms, [&] {
      due = true;
      put(pipe.out, "x");
    });
    co_await loop.wait_readable(pipe.in.get());
    others_waited = !waits.done();
    put(idle.out, "x");
    co_await std::move(waits);
  };
  loop.run(body());
  poster.join();
  CHECK(posted == times);
  CHECK(seen == 100);
  CHECK(due);
  CHECK(others_waited);
  loop.forget(idle.in.get());
}

TEST_CASE("async_io: one may wait until a descriptor is readable while others receive from it") {
  event_loop loop;
  auto const ends = make_sockets();
  bool told = false;
  int ended = 0;
  std::string text;
  auto const body = [&]() -> task<> {
    auto reads = loop.spawn(received(loop, ends.in.get()));
    auto const watch = [&]() -> task<> {
      co_await loop.wait_readable(ends.in.get());
      told = true;
    };
    auto watches = loop.spawn(watch());
    co_await concur::yield();
    co_await has_looked(loop);
    put(ends.out, "x");
    text = co_await std::move(reads);
    if (!told) put(ends.out, "y");  // the other may have been the first to look
    co_await std::move(watches);
    drain(ends.in);
    auto gone = loop.spawn(watch());
    auto reads_no_more = loop.spawn(received(loop, ends.in.get()));
    co_await concur::yield();
    co_await has_looked(loop);
    loop.forget(ends.in.get());
    int const first = co_await error_of(std::move(gone));
    int const second = co_await error_of(std::move(reads_no_more));
    ended = (first == ECANCELED) + (second == ECANCELED);
  };
  loop.run(body());
  CHECK(told);
  CHECK(text == "x");
  CHECK(ended == 2);
}

TEST_CASE("async_io: a cancel from another thread beside the result: one of them, and no byte is lost") {
  int cancelled = 0;
  for (int i = 0; i < rounds(2000); ++i) {
    event_loop loop;
    auto const ends = make_sockets();
    auto f = spawn(loop, received(loop, ends.in.get()));
    loop.tasks().share();
    std::thread canceller([&] {
      if (i % 2 == 0) put(ends.out, "x");
      loop.tasks().cancel();
      loop.post([] {});
    });
    finish(loop, f);
    canceller.join();
    bool const ended = was_cancelled(f);
    cancelled += ended;
    REQUIRE(drain(ends.in) == (ended && i % 2 == 0 ? "x" : ""));
    REQUIRE((ended || i % 2 == 0));
    loop.forget(ends.in.get());
  }
  CHECK(cancelled >= rounds(2000) / 2);
}

TEST_CASE("async_io: all of a block that does not fit at once, both ways, with and without signals") {
  for (bool const stormy : {false, true}) {
    support::weather const outside(stormy);
    event_loop loop;
    auto const ends = make_sockets();
    std::size_t const size = 3'000'000;
    std::string text(size, '\0');
    for (std::size_t i = 0; i < size; ++i) text[i] = char('a' + i * 7 % 26);
    std::string there(size, '\0');
    std::string back(size, '\0');
    auto const all = [&](io_call call) { return spawn(loop, carried_out(loop, call.all())); };
    int const a = ends.in.get();
    int const b = ends.out.get();
    auto w1 = all(io_call::send(a, text.data(), size));
    auto w2 = all(io_call::send(b, text.data(), size));
    auto r1 = all(io_call::receive(a, back.data(), size));
    auto r2 = all(io_call::receive(b, there.data(), size));
    loop.run_until([&] { return w1.done() && w2.done() && r1.done() && r2.done(); });
    CHECK(w1.get() + w2.get() + r1.get() + r2.get() == std::int64_t(4 * size));
    CHECK(there == text);
    CHECK(back == text);
    loop.forget(a);
    loop.forget(b);
  }
}
