// SPDX-License-Identifier: BSL-1.0
#include <concur/loop/dump_tasks_on_signal.hpp>

#include "../coro/coro_support.hpp"
#include "../support/catch.hpp"
#include "../support/failing_new.hpp"
#include "../support/forked.hpp"
#include "../support/hammer.hpp"
#include "../support/own_stderr.hpp"

#include <concur/core/registry.hpp>
#include <concur/coro/dump_tasks.hpp>
#include <concur/coro/sleep.hpp>
#include <concur/coro/spawn.hpp>
#include <concur/coro/task.hpp>
#include <concur/coro/yield.hpp>
#include <concur/loop/event_loop.hpp>
#include <concur/loop/readiness.hpp>
#include <concur/loop/run.hpp>
#include <concur/loop/signals.hpp>
#include <concur/sync/event.hpp>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {

using namespace std::chrono_literals;
using concur::dump_tasks;
using concur::dump_tasks_on_signal;
using concur::event;
using concur::event_loop;
using concur::event_loop_options;
using concur::future;
using concur::spawn;
using concur::task;
using support::own_stderr;
using support::right_in_child;

bool contains(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

/// The section about the loop with that name.
std::string section(std::string const& text, std::string const& name) {
  auto const begin = text.find("event loop \"" + name + '"');
  if (begin == text.npos) return {};
  auto end = text.find('\n', begin);
  while (end != text.npos && text.compare(end + 1, 2, "  ") == 0) end = text.find('\n', end + 1);
  return text.substr(begin, end - begin);
}

using handler = void (*)(int);
handler handler_of(int signal) {
  struct sigaction found{};
  ::sigaction(signal, nullptr, &found);
  return found.sa_handler;
}

constexpr unsigned wait_line = __LINE__ + 1;
task<> waits(event& e) { co_await e.async_wait(); }
std::string wait_place() { return "dump_tasks_on_signal_test.cpp:" + std::to_string(wait_line); }

/// Runs a loop on a thread of its own with a task that waits for the end, in epoll or in a futex.
class loop_thread {
 public:
  loop_thread(std::string name, int watched = -1)
      : loop_(event_loop_options().name(std::move(name))), thread_([this, watched] { run(watched); }) {
    while (!begun_.load()) std::this_thread::yield();
  }
  ~loop_thread() {
    end_.set();
    thread_.join();
  }

  event_loop& loop() noexcept { return loop_; }

 private:
  static task<> reads(int fd) { co_await concur::wait_readable(fd); }
  static task<> outermost(loop_thread& mine, int watched) {
    std::optional<future<void>> reader;
    if (watched >= 0) reader = spawn(reads(watched), "reader");
    mine.begun_.store(true);
    co_await waits(mine.end_);
  }
  void run(int watched) { loop_.run(outermost(*this, watched), "outermost"); }

  event end_;
  std::atomic<bool> begun_{false};
  event_loop loop_;
  std::thread thread_;
};

}  // namespace

TEST_CASE("a dump that may wait lists the tasks of loops that run on other threads, also out of their sleep") {
  int ends[2] = {};
  REQUIRE(::pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
  concur::unique_fd const in(ends[0]), out(ends[1]);
  loop_thread const on_futex("futex"), in_epoll("epoll", in.get());
  for (int i = 0; i < support::rounds(300); ++i) {
    auto const text = dump_tasks(1h);
    INFO(text);
    auto const first = section(text, "futex"), second = section(text, "epoll");
    for (auto const& each : {first, second}) {
      REQUIRE(contains(each, "\n  task \"outermost\" spawned at dump_tasks_on_signal_test.cpp:"));
    }
    // Where it began, it waits by the time its loop answers.
    REQUIRE(contains(first, ", waits at " + wait_place()));
    REQUIRE(contains(second, "\n  task \"reader\" spawned at "));
  }
}

TEST_CASE("several threads may ask at the same time, and each gets whole answers") {
  loop_thread const one("one"), two("two");
  std::atomic<int> wrong{0};
  support::hammer crowd;
  crowd.add(3, [&] {
    for (int i = 0; i < support::rounds(200); ++i) {
      auto const text = dump_tasks(1h);
      // Another thread may have taken the answer that this one was waiting for.
      for (auto const* name : {"one", "two"}) {
        auto const found = section(text, name);
        bool const whole = contains(found, "task \"outermost\"") || contains(found, "did not come round") ||
                           contains(found, "by its own thread only");
        if (!whole) wrong.fetch_add(1);
      }
    }
  });
  crowd.run();
  CHECK(wrong == 0);
}

TEST_CASE("a loop that is held by a callback is named as such, and answers when it is asked again") {
  event_loop loop(event_loop_options().name("held"));
  event begun, go_on;
  event end;
  auto never_mind = spawn(loop, waits(end), "patient");
  std::thread other([&] {
    loop.call_soon([&] {
      begun.set();
      go_on.wait();
    });
    loop.run_until([&] { return never_mind.done(); });
  });
  begun.wait();
  for (auto const patience : {0ms, 3ms}) {
    auto const held = section(dump_tasks(patience), "held");
    INFO(held);
    CHECK(contains(held, "\n  its thread did not come round to list its tasks: a callback or a task holds it"));
    CHECK_FALSE(contains(held, "patient"));
  }
  CHECK(contains(section(dump_tasks(), "held"), "its tasks can be listed by its own thread only"));
  go_on.set();
  CHECK(contains(section(dump_tasks(1h), "held"), "task \"patient\""));
  end.set();
  other.join();
}

TEST_CASE("nobody waits for a loop that does not run, or for the caller's own") {
  event_loop loop(event_loop_options().name("idle"));
  event end;
  auto f = spawn(loop, waits(end), "left");
  CHECK(contains(section(dump_tasks(1h), "idle"), "its tasks can be listed by its own thread only"));
  std::string mine;
  loop.call_soon([&] {
    mine = section(dump_tasks(1h), "idle");
    end.set();
  });
  loop.run_until([&] { return f.done(); });
  CHECK(contains(mine, "task \"left\""));
}

TEST_CASE("loops come and go, run and rest, while another thread lists their tasks") {
  std::atomic<bool> over{false};
  std::thread reporter([&] {
    do {
      static_cast<void>(dump_tasks(100us));
    } while (!over.load());
  });
  for (int i = 0; i < support::rounds(300); ++i) {
    event_loop loop;
    static auto const naps = [](int n) -> task<> {
      for (int k = 0; k < n; ++k) co_await concur::sleep_for(std::chrono::microseconds(k % 2 * 20));
    };
    loop.run(naps(i % 20), "naps");
    auto left = spawn(loop, naps(2), "left");
    if (i % 2 == 0) loop.run(naps(1));
  }
  over.store(true);
  reporter.join();
}

TEST_CASE("when a loop has no memory to list its tasks it says so, and goes on") {
  if (!support::failing_new::available()) return;
  concur::detail::task_inquiry asked;
  auto& inbox = concur::detail::loop_inbox::acquire();
  concur::cancellation scope;
  support::hand_loop here;
  event end;
  auto f = spawn(here, waits(end), "a name that takes some room in the text");
  here.run_all();
  using state = concur::detail::task_inquiry::state;
  CHECK_FALSE(asked.ask(inbox));
  {
    support::failing_new const shortage(1);
    asked.answer(here.tasks());
    CHECK(shortage.happened());
  }
  CHECK(asked.ask(inbox));
  std::string text;
  CHECK(asked.take(text) == state::answered);
  CHECK(text == "no memory left\n");
  // What was taken back is not answered any more.
  CHECK_FALSE(asked.ask(inbox));
  CHECK(asked.take(text) == state::asked);
  asked.answer(here.tasks());
  CHECK(asked.take(text) == state::idle);
  CHECK(text == "no memory left\n");
  static_cast<void>(inbox.take_signals());
  concur::detail::loop_inbox::release(inbox);
  end.set();
  here.run_all();
}

// ---- on a signal, each in a child with standard error of its own

namespace {

/// The thread sanitizer keeps a handler back until the thread calls a function that it knows.
task<> helps_handlers() {
  for (;;) co_await concur::sleep_for(1ms);
}

}  // namespace

TEST_CASE("the signal prints the tasks of a loop that sleeps in a futex") {
  CHECK(right_in_child([] {
    own_stderr printed;
    dump_tasks_on_signal const on_quit;
    event end;
    event_loop loop(event_loop_options().name("sleeper"));
    std::atomic<bool> begun{false};
    auto const body = [](event& e, std::atomic<bool>& has_begun) -> task<> {
      if (support::slow_build) static_cast<void>(spawn(helps_handlers()));
      has_begun.store(true);  // the loop answers after this step, when it waits
      co_await waits(e);
    };
    std::string text;
    std::thread other([&] {
      while (!begun.load()) std::this_thread::yield();
      ::kill(::getpid(), SIGQUIT);  // to the process: the main thread, which sleeps or is about to
      text = printed.read_until("waits at " + wait_place());
      end.set();
    });
    loop.run(body(end, begun), "body");
    other.join();
    return contains(text, "concur: signal 3 asks for all tasks\n") &&
           contains(section(text, "sleeper"), "\n  task \"body\" spawned at ");
  }));
}

TEST_CASE("the signal prints the tasks of a loop that sleeps in epoll, which is woken by what is printed") {
  CHECK(right_in_child([] {
    own_stderr printed;
    auto const body = [](int fd) -> task<> {
      dump_tasks_on_signal const on_user(SIGUSR1);
      co_await concur::yield();
      ::raise(SIGUSR1);
      co_await concur::wait_readable(fd);
    };
    event_loop loop(event_loop_options().name("reader"));
    loop.run(body(printed.fd()), "body");
    auto const text = printed.read_until("task \"body\"");
    return contains(section(text, "reader"), "task \"body\" spawned at ");
  }));
}

TEST_CASE("the signal prints what there is when the main thread is held, and each signal gets its report") {
  CHECK(right_in_child([] {
    own_stderr printed;
    bool right = true;
    auto const body = [](own_stderr& err, bool& good) -> task<> {
      dump_tasks_on_signal const on_quit;
      for (int i = 0; i < 2; ++i) {
        ::raise(SIGQUIT);
        auto const text = err.read_until("holds it\n");  // this thread waits here
        good = good && contains(section(text, "held"), "a callback or a task holds it");
      }
      co_return;
    };
    event_loop loop(event_loop_options().name("held"));
    loop.run(body(printed, right));
    return right;
  }));
}

TEST_CASE("what the signal asked for is printed before the end of the one that prints, which gives the signal back") {
  CHECK(right_in_child([] {
    own_stderr printed;
    handler const before = handler_of(SIGQUIT);
    {
      dump_tasks_on_signal const on_quit(SIGQUIT);
      if (handler_of(SIGQUIT) == before) return false;
      ::raise(SIGQUIT);
    }
    return handler_of(SIGQUIT) == before && contains(printed.read_until("asks for all tasks\n"), "signal 3");
  }));
}

TEST_CASE("memory that runs out while the one that prints is made is its exception, and the signal is as it was") {
  if (!support::failing_new::available()) return;
  handler const before = handler_of(SIGUSR1);
  for (int k = 1;; ++k) {
    INFO("allocation " << k << " fails");
    bool no_memory = false, happened = false;
    {
      support::failing_new const shortage(k);
      try {
        dump_tasks_on_signal const on_user(SIGUSR1);
      } catch (std::bad_alloc const&) {
        no_memory = true;
      }
      happened = shortage.happened();
    }
    CHECK(no_memory == happened);
    CHECK(handler_of(SIGUSR1) == before);
    if (!happened) break;
  }
}

TEST_CASE("in a child of the program the signal does what it did before") {
  CHECK(right_in_child([] {
    std::optional<dump_tasks_on_signal> on_quit(std::in_place);
    pid_t const grandchild = ::fork();
    if (grandchild == 0) {
      bool const back = handler_of(SIGQUIT) == SIG_DFL;
      on_quit.reset();  // does not wait for a thread that is not there
      support::end_child(back);
    }
    return support::child_was_right(grandchild);
  }));
}

TEST_CASE("a signal is printed for by one at a time, and not beside a set of a loop") {
  static auto const asks = [](int& refused) -> task<> {
    concur::signal_set const mine(SIGUSR1);
    try {
      dump_tasks_on_signal const other(SIGUSR1);
    } catch (concur::misuse const&) {
      ++refused;
    }
    co_return;
  };
  int refused = 0;
  handler const before = handler_of(SIGUSR1);
  concur::run(asks(refused));
  {
    dump_tasks_on_signal const one(SIGUSR1), two(SIGHUP);
    try {
      dump_tasks_on_signal const again(SIGUSR1);
    } catch (concur::misuse const&) {
      ++refused;
    }
  }
  CHECK(refused == 2);
  CHECK(handler_of(SIGUSR1) == before);
  for (int const signal : {SIGKILL, SIGSTOP, 0, -1, 65}) {
    int error = 0;
    try {
      dump_tasks_on_signal const none(signal);
    } catch (std::system_error const& thrown) {
      error = thrown.code().value();
    }
    CHECK(error == EINVAL);
  }
}
