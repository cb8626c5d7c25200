// SPDX-License-Identifier: BSL-1.0
#include <concur/loop/signals.hpp>

#include "../support/catch.hpp"
#include "../support/forked.hpp"
#include "../support/hammer.hpp"
#include "../support/interruptions.hpp"
#include "../support/refusals.hpp"

#include <concur/core/unique_fd.hpp>
#include <concur/coro/sleep.hpp>
#include <concur/coro/spawn.hpp>
#include <concur/coro/task.hpp>
#include <concur/coro/yield.hpp>
#include <concur/loop/detail/loop_inbox.hpp>
#include <concur/loop/event_loop.hpp>
#include <concur/loop/readiness.hpp>
#include <concur/loop/run.hpp>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <fcntl.h>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using concur::cancelled;
using concur::event_loop;
using concur::future;
using concur::signal_set;
using concur::sleep_for;
using concur::spawn;
using concur::task;
using concur::wait_signal;
using concur::yield;
using support::is_refused;
using support::rounds;
using support::system_error_of;

using handler = void (*)(int);

handler handler_of(int signal) {
  struct sigaction found{};
  ::sigaction(signal, nullptr, &found);
  return found.sa_handler;
}

/// Another handler for its lifetime: Catch2 has some of its own.
class handled_by {
 public:
  handled_by(int signal, handler what) : signal_(signal) {
    struct sigaction action{};
    action.sa_handler = what;
    ::sigaction(signal, &action, &before_);
  }
  ~handled_by() { ::sigaction(signal_, &before_, nullptr); }
  handled_by(handled_by const&) = delete;
  handled_by& operator=(handled_by const&) = delete;

 private:
  int const signal_;
  struct sigaction before_{};
};

/// The thread sanitizer keeps a handler back until the thread calls a function that it knows, which a loop does that
/// has a timer. Elsewhere nothing may help a loop to wake up.
task<> helps_handlers() {
  for (;;) co_await sleep_for(1ms);
}

/// Until another task or a signal has had its turn for certain.
task<> a_few_rounds() {
  for (int i = 0; i < 4; ++i) co_await yield();
}

task<> sleeps_for_ever(int& ended) {
  try {
    co_await sleep_for(1h);
  } catch (cancelled const&) {
    ++ended;
    throw;
  }
}

/// The signal that ends a child that runs `body`.
template <class Body>
int end_of_child(Body body) {
  return support::end_in_child([&] {
           std::signal(SIGINT, SIG_DFL);
           body();
         })
      .signal;
}

}  // namespace

TEST_CASE("a set gives its signals one after the other, lowest first, and each once") {
  static auto const asks = []() -> task<> {
    signal_set both(SIGUSR1, SIGHUP);
    CHECK(both.try_next() == 0);
    ::raise(SIGUSR1);
    ::raise(SIGHUP);
    ::raise(SIGUSR1);
    CHECK(both.try_next() == 0);  // the loop has not looked yet
    int const first = co_await both.next();
    CHECK(first == SIGHUP);
    CHECK(both.try_next() == SIGUSR1);
    CHECK(both.try_next() == 0);
    ::raise(SIGUSR1);
    int const third = co_await both.next();
    CHECK(third == SIGUSR1);
  };
  handler const before = handler_of(SIGUSR1);
  event_loop loop;
  loop.run(asks());
  CHECK(handler_of(SIGUSR1) == before);
}

TEST_CASE("wait_signal has the signals for as long as it waits") {
  static std::atomic<int> others{0};
  handled_by const other(SIGHUP, [](int) { others.fetch_add(1); });
  static auto const asks = []() -> task<int> {
    ::raise(SIGHUP);
    auto f = spawn(wait_signal(SIGHUP, SIGUSR1));
    co_await a_few_rounds();
    ::raise(SIGHUP);
    int const which = co_await f;
    ::raise(SIGHUP);
    auto g = spawn(wait_signal(SIGHUP));
    co_await a_few_rounds();
    g.cancel();
    co_await a_few_rounds();
    ::raise(SIGHUP);
    co_return which;
  };
  others = 0;
  CHECK(concur::run(asks()) == SIGHUP);
  CHECK(others == 3);
}

TEST_CASE("several sets of a loop are each told, and the last one gives the signal back") {
  static auto const asks = [](handler before) -> task<> {
    std::optional<signal_set> first(std::in_place, SIGUSR1, SIGUSR1);
    std::optional<signal_set> second(std::in_place, SIGUSR1, SIGHUP);
    ::raise(SIGUSR1);
    co_await a_few_rounds();
    CHECK(first->try_next() == SIGUSR1);
    CHECK(second->try_next() == SIGUSR1);
    first.reset();
    CHECK(handler_of(SIGUSR1) != before);
    ::raise(SIGUSR1);
    int const again = co_await second->next();
    CHECK(again == SIGUSR1);
    second.reset();
    CHECK(handler_of(SIGUSR1) == before);
  };
  event_loop loop;
  loop.run(asks(handler_of(SIGUSR1)));
}

TEST_CASE("a signal belongs to one loop at a time, and a set that is refused keeps nothing") {
  static auto const tries = [](bool& refused, handler before) -> task<> {
    refused = is_refused([] { signal_set const mine(SIGHUP, SIGUSR1); });
    refused = refused && handler_of(SIGHUP) == before;
    signal_set const others(SIGHUP);
    co_return;
  };
  static auto const holds = [](bool& refused, handler before) -> task<> {
    signal_set const mine(SIGUSR1);
    co_await a_few_rounds();
    std::thread([&] { concur::run(tries(refused, before)); }).join();
  };
  bool refused = false;
  handler const before = handler_of(SIGHUP);
  concur::run(holds(refused, before));
  CHECK(refused);
  CHECK(handler_of(SIGHUP) == before);
  std::thread([&] { concur::run(holds(refused, before)); }).join();  // free again
}

TEST_CASE("signals that cannot be handled, or do not exist, are errors") {
  static auto const tries = [](std::vector<int>& errors) -> task<> {
    for (int signal : {SIGKILL, SIGSTOP, 0, -1, 65, 1 << 30}) {
      errors.push_back(system_error_of([signal] { signal_set const none(SIGUSR1, signal); }));
    }
    co_return;
  };
  std::vector<int> errors;
  handler const before = handler_of(SIGUSR1);
  concur::run(tries(errors));
  CHECK(errors == std::vector<int>(6, EINVAL));
  CHECK(handler_of(SIGUSR1) == before);
  CHECK(is_refused([] { signal_set const nowhere(SIGUSR1); }));
}

TEST_CASE("a signal wakes a loop that sleeps, with and without descriptors") {
  bool const in_epoll = GENERATE(false, true);
  static auto const reads = [](int fd) -> task<> { co_await concur::wait_readable(fd); };
  static auto const counts = [](int fd, std::atomic<int>& seen, int wanted) -> task<> {
    std::optional<future<void>> watch;
    if (fd >= 0) watch = spawn(reads(fd));
    signal_set mine(SIGUSR1);
    if (support::slow_build) static_cast<void>(spawn(helps_handlers()));
    seen.store(0);
    while (seen.load() < wanted) {
      int const which = co_await mine.next();
      if (which == SIGUSR1) seen.fetch_add(1);
    }
  };
  int ends[2] = {};
  REQUIRE(::pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
  concur::unique_fd const in(ends[0]), out(ends[1]);
  std::atomic<int> seen{-1};
  int const wanted = rounds(1000);
  pthread_t const main = ::pthread_self();
  std::thread other([&] {
    while (seen.load() < 0) std::this_thread::yield();
    for (int i = 0; i < wanted; ++i) {
      // Seen or not, the loop is about to fall asleep, or does.
      for (int pause = i % 64 * 2; pause > 0; --pause) concur::os::spin_pause();
      if (i % 3 == 0) {
        ::kill(::getpid(), SIGUSR1);  // any thread
      } else {
        ::pthread_kill(main, SIGUSR1);
      }
      for (int spins = 0; seen.load() <= i; ++spins) {
        if (spins < 500) {
          concur::os::spin_pause();
        } else {
          std::this_thread::sleep_for(5us);
        }
      }
    }
  });
  concur::run(counts(in_epoll ? in.get() : -1, seen, wanted));
  other.join();
  CHECK(seen == wanted);
}

TEST_CASE("a loop that was signalled just before it falls asleep does not") {
  auto& inbox = concur::detail::loop_inbox::acquire();
  auto const bit = std::uint64_t{1} << (SIGUSR1 - 1);
  inbox.signal(SIGUSR1);
  inbox.sleep(std::chrono::steady_clock::time_point::max());  // returns
  CHECK(inbox.take_signals() == bit);
  CHECK(inbox.sleep_in_poll());
  inbox.wake_up();
  inbox.signal(SIGUSR1);
  CHECK_FALSE(inbox.sleep_in_poll());
  inbox.wake_up();
  CHECK(inbox.take_signals() == bit);
  concur::detail::loop_inbox::release(inbox);
}

TEST_CASE("signals arrive and waits are right in a storm of other signals") {
  static auto const counts = [](int fd, std::atomic<int>& seen, int wanted) -> task<> {
    signal_set mine(SIGUSR1);
    auto reads = [](int from) -> task<> { co_await concur::wait_readable(from); };
    std::optional<future<void>> watch;
    if (support::slow_build) static_cast<void>(spawn(helps_handlers()));
    seen.store(0);
    while (seen.load() < wanted) {
      if (seen.load() == wanted / 2) watch = spawn(reads(fd));
      int const which = co_await mine.next();
      if (which == SIGUSR1) seen.fetch_add(1);
      co_await sleep_for(10us);
    }
  };
  int ends[2] = {};
  REQUIRE(::pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
  concur::unique_fd const in(ends[0]), out(ends[1]);
  support::interruptions const storm;
  std::atomic<int> seen{-1};
  int const wanted = rounds(300);
  std::thread other([&] {
    while (seen.load() < 0) std::this_thread::yield();
    for (int i = 0; i < wanted; ++i) {
      ::kill(::getpid(), SIGUSR1);
      while (seen.load() <= i) std::this_thread::sleep_for(5us);
    }
  });
  concur::run(counts(in.get(), seen, wanted));
  other.join();
  CHECK(seen == wanted);
}

TEST_CASE("an interrupt cancels the task of run in an orderly way, each time anew") {
  static auto const parent = [](int& ended) -> task<> {
    auto f = spawn(sleeps_for_ever(ended));
    co_await a_few_rounds();
    ::raise(SIGINT);
    co_await sleeps_for_ever(ended);
  };
  handled_by const standard(SIGINT, SIG_DFL);
  event_loop loop;
  for (int i = 0; i < 3; ++i) {
    int ended = 0;
    CHECK_THROWS_AS(loop.run(parent(ended)), cancelled);
    CHECK(ended == 2);
    CHECK(handler_of(SIGINT) == SIG_DFL);
    CHECK_THROWS_AS(concur::run(parent(ended)), cancelled);
    CHECK(ended == 4);
    CHECK(handler_of(SIGINT) == SIG_DFL);
  }
}

TEST_CASE("a task may decide differently about an interrupt") {
  static auto const goes_on = []() -> task<int> {
    try {
      co_await a_few_rounds();
      ::raise(SIGINT);
      co_await sleep_for(1h);
    } catch (cancelled const&) {
    }
    co_return 5;
  };
  handled_by const standard(SIGINT, SIG_DFL);
  CHECK(concur::run(goes_on()) == 5);
}

TEST_CASE("a second interrupt ends the process") {
  static auto const twice = []() -> task<> {
    try {
      co_await a_few_rounds();
      ::raise(SIGINT);
      co_await sleep_for(1h);
    } catch (cancelled const&) {
      ::raise(SIGINT);
    }
  };
  CHECK(end_of_child([] { concur::run(twice()); }) == SIGINT);
  static auto const never_looks = []() -> task<> {
    co_await a_few_rounds();
    ::raise(SIGINT);
    ::raise(SIGINT);
  };
  CHECK(end_of_child([] { concur::run(never_looks()); }) == SIGINT);
}

TEST_CASE("an interrupt ends the process while a task of run has never been suspended") {
  static auto const spins = []() -> task<> {
    ::raise(SIGINT);
    co_return;
  };
  CHECK(end_of_child([] { concur::run(spins()); }) == SIGINT);
}

TEST_CASE("an interrupt in the last round of a task of run ends the process, since nobody can be told of it") {
  static auto const last = []() -> task<> {
    co_await a_few_rounds();
    ::raise(SIGINT);
  };
  CHECK(end_of_child([] { concur::run(last()); }) == SIGINT);
  // What is there to be told of it keeps it.
  static auto const told = []() -> task<> {
    signal_set mine(SIGINT);
    co_await a_few_rounds();
    ::raise(SIGINT);
    co_await mine.next();
  };
  CHECK(end_of_child([] { concur::run(told()); }) == 0);
}

TEST_CASE("on another thread than the main one run leaves interrupts alone") {
  static auto const raises = [](bool really) -> task<> {
    co_await a_few_rounds();
    if (really) ::kill(::getpid(), SIGINT);
    co_await a_few_rounds();
  };
  handled_by const standard(SIGINT, SIG_DFL);
  CHECK(end_of_child([] { std::thread([] { concur::run(raises(true)); }).join(); }) == SIGINT);
  static auto const looks = [](bool& left_alone) -> task<> {
    co_await a_few_rounds();
    left_alone = handler_of(SIGINT) == SIG_DFL;
  };
  bool left_alone = false;
  std::thread([&left_alone] { concur::run(looks(left_alone)); }).join();
  CHECK(left_alone);
}

TEST_CASE("an interrupt that the program handles or ignores is the program's") {
  static std::atomic<int> handled{0};
  static auto const raises = []() -> task<int> {
    co_await a_few_rounds();
    ::raise(SIGINT);
    co_await a_few_rounds();
    co_return 1;
  };
  handled = 0;
  {
    handled_by const own(SIGINT, [](int) { handled.fetch_add(1); });
    CHECK(concur::run(raises()) == 1);
    CHECK(handled == 1);
  }
  handled_by const ignored(SIGINT, SIG_IGN);
  CHECK(concur::run(raises()) == 1);
  CHECK(handler_of(SIGINT) == SIG_IGN);
}

TEST_CASE("a set takes interrupts over from run, and gives them back") {
  static auto const mine_first = []() -> task<int> {
    signal_set mine(SIGINT);  // before run watches
    for (int i = 0; i < 3; ++i) {
      co_await a_few_rounds();
      ::raise(SIGINT);
      int const which = co_await mine.next();
      CHECK(which == SIGINT);
    }
    co_return 1;
  };
  static auto const mine_later = [](int& ended) -> task<> {
    co_await a_few_rounds();
    {
      signal_set mine(SIGINT);
      for (int i = 0; i < 3; ++i) {
        ::raise(SIGINT);
        int const which = co_await mine.next();
        CHECK(which == SIGINT);
        co_await a_few_rounds();
      }
    }
    ::raise(SIGINT);
    co_await sleeps_for_ever(ended);
  };
  handled_by const standard(SIGINT, SIG_DFL);
  CHECK(concur::run(mine_first()) == 1);
  CHECK(handler_of(SIGINT) == SIG_DFL);
  int ended = 0;
  CHECK_THROWS_AS(concur::run(mine_later(ended)), cancelled);
  CHECK(ended == 1);
  CHECK(handler_of(SIGINT) == SIG_DFL);
}

TEST_CASE("a loop of another thread may take interrupts over from run") {
  static auto const waits = [](std::atomic<int>& stage) -> task<> {
    signal_set mine(SIGINT);
    stage.store(1);
    for (int i = 0; i < 2; ++i) {
      int const which = co_await mine.next();
      if (which == SIGINT) stage.fetch_add(1);
    }
  };
  static auto const main_task = [](std::atomic<int>& stage, int& ended) -> task<> {
    co_await a_few_rounds();
    std::thread other([&stage] { concur::run(waits(stage)); });
    for (int i = 1; i < 3; ++i) {
      while (stage.load() < i) co_await yield();
      ::raise(SIGINT);
    }
    while (stage.load() < 3) co_await yield();
    other.join();
    ::raise(SIGINT);  // this one's again
    co_await sleeps_for_ever(ended);
  };
  handled_by const standard(SIGINT, SIG_DFL);
  std::atomic<int> stage{0};
  int ended = 0;
  CHECK_THROWS_AS(concur::run(main_task(stage, ended)), cancelled);
  CHECK(ended == 1);
  CHECK(handler_of(SIGINT) == SIG_DFL);
}

TEST_CASE("a run that is refused within another one leaves its interrupts as they are") {
  static auto const nested = [](int& ended) -> task<> {
    co_await a_few_rounds();
    CHECK(is_refused([] { concur::run(a_few_rounds()); }));
    ::raise(SIGINT);
    co_await sleeps_for_ever(ended);
  };
  handled_by const standard(SIGINT, SIG_DFL);
  int ended = 0;
  CHECK_THROWS_AS(concur::run(nested(ended)), cancelled);
  CHECK(ended == 1);
}

TEST_CASE("a child that is forked in a task has the handlers that were there before") {
  handled_by const standard(SIGINT, SIG_DFL);
  static auto const again = []() -> task<int> {
    auto f = spawn(wait_signal(SIGUSR1, SIGINT));
    co_await a_few_rounds();
    ::raise(SIGUSR1);
    int const which = co_await f;
    co_return which;
  };
  static auto const forks = [](handler before, pid_t& child) -> task<> {
    std::optional<signal_set> mine(std::in_place, SIGUSR1);
    co_await a_few_rounds();
    child = ::fork();
    if (child == 0) {
      bool right = handler_of(SIGUSR1) == before && handler_of(SIGINT) == SIG_DFL;
      // Another thread has no loop of the parent's.
      std::thread([&right] { right = right && concur::run(again()) == SIGUSR1; }).join();
      {
        // It has given back by then what is given back once more here.
        std::thread([&right, &mine] {
          auto f = [](std::optional<signal_set>& parents, bool& fine) -> task<> {
            signal_set const held(SIGUSR1);
            parents.reset();
            fine = fine && handler_of(SIGUSR1) != SIG_DFL;
            co_return;
          };
          concur::run(f(mine, right));
        }).join();
      }
      support::end_child(right && handler_of(SIGUSR1) == before);
    }
    CHECK(handler_of(SIGUSR1) != before);
  };
  pid_t child = 0;
  handled_by const other(SIGUSR1, SIG_DFL);
  concur::run(forks(handler_of(SIGUSR1), child));
  CHECK(support::child_was_right(child));
}
