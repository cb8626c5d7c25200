// SPDX-License-Identifier: BSL-1.0
//
// What only an event loop can wait for, cancelled at every step and in every way, and with each allocation failing in
// turn; coro/every_wait_test.cpp has all other waits.
#include <concur/loop/event_loop.hpp>
#include <concur/loop/readiness.hpp>
#include <concur/loop/signals.hpp>

#include "../support/catch.hpp"
#include "../support/failing_new.hpp"
#include "../support/loop_orders.hpp"
#include "../support/refusals.hpp"

#include <concur/core/unique_fd.hpp>
#include <concur/coro/sleep.hpp>
#include <concur/coro/spawn.hpp>
#include <concur/coro/task.hpp>
#include <concur/coro/timeout.hpp>
#include <concur/pool/thread_pool.hpp>
#include <concur/sync/event.hpp>
#include <concur/thread/thread.hpp>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <iterator>
#include <new>
#include <optional>
#include <random>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <utility>

namespace {

using namespace std::chrono_literals;
using concur::event_loop;
using concur::future;
using concur::spawn;
using concur::task;
using concur::unique_fd;
using support::ended_by;

constexpr int used_signal = SIGUSR1;

struct bench {
  bench() {
    int ends[2] = {};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) std::abort();
    mine.reset(ends[0]);
    other.reset(ends[1]);
  }

  ~bench() { gate.set(); }

  unique_fd mine;
  unique_fd other;
  concur::event gate;  // for other threads
  concur::event set;
  std::optional<concur::thread> thread;
  std::optional<concur::thread_pool> pool;
  int taken = 0;
};

void put_byte(bench& b) {
  if (::write(b.other.get(), "x", 1) != 1) std::abort();
}
bool take_byte(bench& b) {
  char byte = 0;
  return ::read(b.mine.get(), &byte, 1) == 1;
}
void fill(bench& b) {
  std::array<char, 4096> const block{};
  while (::write(b.mine.get(), block.data(), block.size()) > 0) continue;
}
void drain(bench& b) {
  std::array<char, 4096> block{};
  while (::read(b.other.get(), block.data(), block.size()) > 0) continue;
}

struct wait_case {
  char const* name;
  void (*prepare)(bench&);
  task<> (*wait)(bench&);
  void (*wake)(bench&);
  bool needs_wake = true;
};

void nothing(bench&) {}

// What is taken is counted; without a wake, which comes once, nothing is.
wait_case const every_wait[] = {
    {"readable", nothing,
     [](bench& b) -> task<> {
       int const fd = b.mine.get();
       co_await concur::wait_readable(fd);
       b.taken += take_byte(b) ? 1 : 100;
     },
     put_byte},
    {"writable", fill,
     [](bench& b) -> task<> {
       int const fd = b.mine.get();
       co_await concur::wait_writable(fd);
       b.taken += ::write(fd, "x", 1) == 1 ? 1 : 100;
     },
     drain},
    {"readable, beside one who waits to write", fill,
     [](bench& b) -> task<> {
       int const fd = b.mine.get();
       static auto const writes = [](int where) -> task<> {
         int const to = where;
         co_await concur::wait_writable(to);
       };
       auto beside = spawn(writes(fd));
       co_await concur::wait_readable(fd);
       b.taken += take_byte(b) ? 1 : 100;
     },
     put_byte},
    {"readable, with a limit", nothing,
     [](bench& b) -> task<> {
       int const fd = b.mine.get();
       co_await concur::timeout(1h, concur::wait_readable(fd));
       b.taken += take_byte(b) ? 1 : 100;
     },
     put_byte},
    {"wait_signal", nothing,
     [](bench& b) -> task<> {
       int const which = co_await concur::wait_signal(used_signal);
       b.taken += which == used_signal ? 1 : 100;
     },
     [](bench&) { ::raise(used_signal); }},
    {"signal_set", nothing,
     [](bench& b) -> task<> {
       concur::signal_set all(used_signal, SIGHUP);
       int const which = co_await all.next();
       b.taken += which == used_signal && all.try_next() == 0 ? 1 : 100;
     },
     [](bench&) { ::raise(used_signal); }},
    {"sleep", nothing,
     [](bench& b) -> task<> {
       int const one = 1;
       co_await concur::sleep_for(1ms);
       b.taken += one;
     },
     nothing, false},
    {"an event that another thread sets",
     [](bench& b) {
       b.thread.emplace([&b] {
         b.gate.wait();
         b.set.set();
       });
     },
     [](bench& b) -> task<> {
       int const one = 1;
       co_await b.set.async_wait();
       b.taken += one;
     },
     [](bench& b) { b.gate.set(); }},
    {"from a pool, and back", [](bench& b) { b.pool.emplace(1); },
     [](bench& b) -> task<> {
       auto& home = *event_loop::current();
       co_await b.pool->schedule();
       co_await home.schedule();
       co_await concur::wait_readable(b.mine.get());
       b.taken += take_byte(b) ? 1 : 100;
     },
     put_byte},
};

using handler = void (*)(int);

handler handler_of(int signal) {
  struct sigaction found{};
  ::sigaction(signal, nullptr, &found);
  return found.sa_handler;
}

/// Ignored outside the waits for it: it would end the process.
class ignored_signal {
 public:
  ignored_signal() : before_(::signal(used_signal, SIG_IGN)) {}
  ~ignored_signal() { ::signal(used_signal, before_); }
  ignored_signal(ignored_signal const&) = delete;
  ignored_signal& operator=(ignored_signal const&) = delete;

 private:
  handler const before_;
};

/// Runs at the begin of each round, before what becomes ready in it, until the task has ended. In tick 3 the wait is
/// woken; in tick `when`, after that if it is the same one, `strike` is called. Costs no allocation.
class ticker final : public concur::work {
 public:
  ticker(event_loop& loop, bench& b, wait_case const& which, int when = -1, std::function<void()> strike = {})
      : work([](work& self) noexcept { static_cast<ticker&>(self).tick(); }),
        loop_(loop),
        bench_(b),
        which_(which),
        when_(when),
        strike_(std::move(strike)) {
    loop_.post(*this);
  }

  void run(future<void> const& waits) {
    waits_ = &waits;
    loop_.run_until([this] { return !ticks_on_; });
  }

  bool has_struck() const { return ticks_ > when_ && when_ >= 0; }
  /// Before the wake, also if the cancel takes a round to arrive.
  bool struck_in_time() const { return has_struck() && when_ + 1 < wake_at; }

 private:
  static constexpr int wake_at = 3;

  void tick() noexcept {
    using clock = std::chrono::steady_clock;
    if (ticks_ == wake_at) which_.wake(bench_);
    if (ticks_ == when_) strike_();
    ++ticks_;
    ticks_on_ = !waits_->done() && clock::now() < limit_;
    // Longer than a loop with work goes without a look at descriptors.
    for (auto const end = clock::now() + 60us; clock::now() < end;) continue;
    if (ticks_on_) loop_.post(*this);
  }

  event_loop& loop_;
  bench& bench_;
  wait_case const& which_;
  int const when_;
  std::function<void()> const strike_;
  future<void> const* waits_ = nullptr;
  std::chrono::steady_clock::time_point const limit_ = std::chrono::steady_clock::now() + 20s;
  int ticks_ = 0;
  bool ticks_on_ = true;
};

enum class canceller { of_the_future, of_the_future_elsewhere, of_all, of_all_elsewhere };
constexpr canceller every_canceller[] = {canceller::of_the_future, canceller::of_the_future_elsewhere,
                                         canceller::of_all, canceller::of_all_elsewhere};

void strike(event_loop& loop, future<void>& waits, canceller how) {
  switch (how) {
    case canceller::of_the_future: waits.cancel(); break;
    case canceller::of_the_future_elsewhere: std::thread([&waits] { waits.cancel(); }).join(); break;
    case canceller::of_all: loop.tasks().cancel(); break;
    case canceller::of_all_elsewhere: std::thread([&loop] { loop.tasks().cancel(); }).join(); break;
  }
}

/// Returns whether there was such a tick.
bool cancelled_at(wait_case const& which, int when, canceller how,
                  concur::ready_order order = concur::ready_order::in_order()) {
  event_loop loop(concur::event_loop_options().ready_order(order));
  if (how == canceller::of_all_elsewhere) loop.tasks().share();  // as when a task has moved to a pool
  bench b;
  which.prepare(b);
  future<void> waits;
  ticker ticks(loop, b, which, when, [&] { strike(loop, waits, how); });
  waits = spawn(loop, which.wait(b));
  ticks.run(waits);
  REQUIRE(waits.done());
  bool const stopped = ended_by<concur::cancelled>(waits);
  if (!ticks.has_struck()) CHECK_FALSE(stopped);
  if (ticks.struck_in_time() && which.needs_wake) CHECK(stopped);
  CHECK(b.taken == (stopped ? 0 : 1));
  loop.close();
  return ticks.has_struck();
}

/// Returns whether there were as many allocations.
bool short_of_memory_at(wait_case const& which, int k) {
  event_loop loop;
  bench b;
  which.prepare(b);
  future<void> waits;
  bool happened = false;
  bool refused = false;
  ticker ticks(loop, b, which);
  {
    support::failing_new const shortage(k);
    try {
      waits = spawn(loop, which.wait(b));
    } catch (std::bad_alloc const&) {
      refused = true;
    }
    if (!refused) ticks.run(waits);
    happened = shortage.happened();
  }
  if (refused) {
    waits = spawn(loop, [](bench&) -> task<> { co_return; }, std::ref(b));
    ticks.run(waits);
  }
  REQUIRE(waits.done());
  bool const stopped = ended_by<std::bad_alloc>(waits) || refused;
  if (stopped) CHECK(happened);
  CHECK(b.taken == (stopped ? 0 : 1));
  loop.close();
  return happened;
}

}  // namespace

TEST_CASE("every wait of a loop: a cancel at every step loses nothing") {
  ignored_signal const else_it_would_end_the_process;
  for (auto const& which : every_wait) {
    for (auto const how : every_canceller) {
      int ticks = 0;
      for (int when = 0;; ++when) {
        INFO(which.name << ", in tick " << when << ", canceller " << int(how));
        if (!cancelled_at(which, when, how)) break;
        ++ticks;
      }
      INFO(which.name);
      CHECK(ticks >= 3);
      CHECK(handler_of(used_signal) == SIG_IGN);
    }
  }
}

TEST_CASE("every wait of a loop: in whatever order runs what is ready, a cancel loses nothing") {
  ignored_signal const else_it_would_end_the_process;
  std::minstd_rand random;
  support::in_every_order([&random](support::order order) {
    for (auto const& which : every_wait) {
      int const when = int(random() % 7) - 1;  // before the first tick there is none
      auto const how = every_canceller[random() % std::size(every_canceller)];
      INFO(which.name << ", " << order << ", in tick " << when << ", canceller " << int(how));
      static_cast<void>(cancelled_at(which, when, how, support::of_a_loop(order)));
    }
  });
}

TEST_CASE("every wait of a loop: whatever allocation fails, nothing is lost") {
  if (!support::failing_new::available()) return;
  ignored_signal const else_it_would_end_the_process;
  for (auto const& which : every_wait) {
    for (int k = 1;; ++k) {
      INFO(which.name << ", allocation " << k);
      if (!short_of_memory_at(which, k)) break;
    }
    CHECK(handler_of(used_signal) == SIG_IGN);
  }
}
