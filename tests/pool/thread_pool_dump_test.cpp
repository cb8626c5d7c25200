// SPDX-License-Identifier: BSL-1.0
//
// Reports of all tasks beside pools that work.
#include <concur/coro/dump_tasks.hpp>

#include "../support/catch.hpp"
#include "../support/hammer.hpp"

#include <concur/coro/gather.hpp>
#include <concur/coro/sleep.hpp>
#include <concur/coro/spawn.hpp>
#include <concur/coro/task.hpp>
#include <concur/coro/timeout.hpp>
#include <concur/coro/yield.hpp>
#include <concur/loop/event_loop.hpp>
#include <concur/pool/thread_pool.hpp>
#include <concur/sync/event.hpp>
#include <concur/sync/mutex.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;
using concur::event;
using concur::event_loop;
using concur::future;
using concur::spawn;
using concur::task;
using concur::thread_pool;
using concur::thread_pool_options;
using concur::yield;

bool contains(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

task<> waits(event& e) { co_await e.async_wait(); }

task<int> step(concur::mutex& m, int n) {
  auto const held = co_await m.async_lock();
  co_await yield();
  co_return n;
}

/// Waits in every way, on the pool, on the loop and on the way between.
task<> busy(concur::mutex& m, event_loop& loop, thread_pool& pool, int n) {
  int const sum = co_await step(m, n);
  auto const [a, b] = co_await concur::gather(step(m, sum), step(m, 1));
  co_await concur::move_on_after(std::chrono::microseconds(n % 5), concur::sleep_for(std::chrono::microseconds(a + b)));
  if (n % 4 == 0) {
    co_await loop.schedule();
    co_await yield();
    co_await pool.schedule();
  }
}

}  // namespace

TEST_CASE("thread_pool_dump: tasks that run, wait, sleep, hop and end beside reports of all that lives", "[pool]") {
  std::size_t const many = std::size_t(support::rounds(1'000)), at_once = 16;
  event end;
  std::atomic<bool> over{false};
  int wrong = 0, reports = 0;
  {
    event_loop loop(concur::event_loop_options().name("beside"));
    std::thread looping([&] {
      auto stays = spawn(loop, waits(end), "stays");
      loop.run_until([&] { return over.load() && stays.done(); });
    });
    thread_pool pool(2, thread_pool_options().name("busy"));
    auto quiet = spawn(pool, waits(end), "quiet");
    while (!contains(concur::describe_tasks(pool), "waits at") || !loop.is_running()) std::this_thread::yield();
    std::thread reporter([&] {
      do {
        auto const text = concur::dump_tasks(1h);
        ++reports;
        bool const right = contains(text, "thread pool \"busy\"") && contains(text, "task \"quiet\" spawned at ") &&
                           contains(text, "event loop \"beside\"") && contains(text, "task \"stays\" spawned at ");
        if (!right) ++wrong;
      } while (!over.load());
    });
    concur::mutex m;
    std::vector<future<void>> all;
    for (std::size_t i = 0; i < many; ++i) {
      all.push_back(spawn(pool, busy(m, loop, pool, int(i)), "busy"));
      if (i % 8 == 7) all.back().cancel();
      if (i >= at_once) all[i - at_once].wait();
    }
    for (auto& each : all) each.wait();
    over.store(true);
    reporter.join();
    end.set();
    loop.post([] {});
    looping.join();
    quiet.get();
  }
  CHECK(wrong == 0);
  CHECK(reports > 0);
}
