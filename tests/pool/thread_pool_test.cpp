// SPDX-License-Identifier: BSL-1.0
#include <concur/pool/thread_pool.hpp>

#include "../future/future_support.hpp"
#include "../support/catch.hpp"
#include "../support/hammer.hpp"
#include "pool_support.hpp"

#include <concur/future/as_completed.hpp>
#include <concur/future/gather.hpp>
#include <concur/future/wait.hpp>
#include <concur/thread/this_thread.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <list>
#include <memory>
#include <numeric>
#include <optional>
#include <pthread.h>
#include <ranges>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using concur::event;
using concur::future;
using concur::outcome;
using concur::job_priority;
using concur::thread_pool;
using concur::thread_pool_options;
using support::counted_value;
using support::held_workers;
using support::numbered_error;
using support::recorded_errors;
using support::rounds;
using stop_token = concur::os::stop_token;

static_assert(!std::is_copy_constructible_v<thread_pool> && !std::is_move_constructible_v<thread_pool>);
static_assert(!std::is_convertible_v<std::size_t, thread_pool>);

int sum(int a, int const& b) { return a + b; }
int doubled(int n) { return 2 * n; }
int times_if_stoppable(stop_token const& stop, int n) { return stop.stop_possible() ? 3 * n : -1; }

struct counter {
  int add(int n) { return value += n; }
  int add_stoppable(stop_token const& stop, int n) { return stop.stop_possible() ? value += n : -1; }
  int value = 0;
};

struct counts_moves {
  counts_moves() = default;
  counts_moves(counts_moves&& other) noexcept : moves(other.moves + 1) {}
  counts_moves& operator=(counts_moves&&) = delete;
  int moves = 0;
};

// Throws when it is copied more than so often.
struct refuses_copies {
  explicit refuses_copies(int n) : copies_left(n) {}
  refuses_copies(refuses_copies const& other) : copies_left(other.copies_left - 1), value(other.value) {
    if (copies_left < 0) throw numbered_error{7};
  }
  refuses_copies& operator=(refuses_copies const&) = default;
  int copies_left;
  counted_value value{1};
};

struct alignas(128) wide {
  bool aligned() const { return reinterpret_cast<std::uintptr_t>(this) % 128 == 0; }
  bool operator()() const { return aligned(); }
  int number = 5;
};

// How many jobs a pool has been given so far.
std::uint64_t given(thread_pool const& pool) {
  auto const now = pool.stats();
  return now.queued + now.running + now.done;
}

// In which order things happened, written by one worker.
class order {
 public:
  auto append(int n) {
    return [this, n] { list_.push_back(n); };
  }
  std::vector<int> const& list() const { return list_; }

 private:
  std::vector<int> list_;
};

}  // namespace

// ---- submit and post

TEST_CASE("thread_pool: submit calls functions, member functions and function objects with what it was given",
          "[thread_pool]") {
  thread_pool pool(2);
  CHECK(pool.submit(sum, 2, 3).get() == 5);
  CHECK(pool.submit(&sum, 2, 5).get() == 7);

  counter c;
  CHECK(pool.submit(&counter::add, &c, 2).get() == 2);
  CHECK(pool.submit(&counter::add, std::ref(c), 3).get() == 5);
  CHECK(pool.submit(&counter::add, c, 3).get() == 8);  // of a copy
  CHECK(c.value == 5);

  int n = 1;
  pool.submit([](int& given) { given = 2; }, std::ref(n)).get();
  CHECK(n == 2);
  CHECK(pool.submit([](std::unique_ptr<int> owned) { return *owned; }, std::make_unique<int>(8)).get() == 8);
  CHECK(pool.submit([owned = std::make_unique<int>(9)]() mutable { return ++*owned; }).get() == 10);
  CHECK(pool.submit([](std::string const& text) { return text.size(); }, "four").get() == 4);
  auto const several = [](int a, long b, char d, std::tuple<int> e) { return a + int(b) + d + std::get<0>(e); };
  CHECK(pool.submit(several, 1, 2L, char(3), std::tuple<int>(4)).get() == 10);
  std::function<int(int)> const boxed = [](int a) { return -a; };
  CHECK(pool.submit(boxed, 4).get() == -4);
}

TEST_CASE("thread_pool: a future has whatever the function returns", "[thread_pool]") {
  thread_pool pool(2);
  STATIC_REQUIRE(std::is_same_v<decltype(pool.submit([] {})), future<void>>);
  STATIC_REQUIRE(std::is_same_v<decltype(pool.submit(sum, 1, 2)), future<int>>);
  pool.submit([] {}).get();
  CHECK(*pool.submit([] { return std::make_unique<int>(4); }).get() == 4);
  CHECK(pool.submit([] { return std::string(100, 'x'); }).get() == std::string(100, 'x'));
  int n = 0;
  std::reference_wrapper<int> const same = pool.submit([&n] { return std::ref(n); }).get();
  CHECK(&same.get() == &n);
  auto const made = pool.submit([] { return wide(); }).get();
  CHECK(made.number == 5);
}

TEST_CASE("thread_pool: functions, arguments and results may be over-aligned", "[thread_pool]") {
  thread_pool pool(1);
  CHECK(pool.submit(wide()).get());
  CHECK(pool.submit([](wide const& given) { return given.aligned(); }, wide()).get());
  bool aligned = false;
  pool.post([&aligned](wide const& given) { aligned = given.aligned(); }, wide());
  pool.wait_idle();
  CHECK(aligned);
  auto const cancelled = [&] {
    held_workers const held(pool, 1);
    auto f = pool.submit(wide());
    f.cancel();
    return f;
  }();
  CHECK(support::is_cancelled(cancelled.error()));
}

TEST_CASE("thread_pool: post calls what submit calls", "[thread_pool]") {
  thread_pool pool(1);
  counter c;
  int n = 0;
  pool.post(&counter::add, &c, 2);
  pool.post(&counter::add, std::ref(c), 3);
  pool.post([&n](std::unique_ptr<int> owned) { n += *owned; }, std::make_unique<int>(8));
  pool.post([&n, owned = std::make_unique<int>(9)] { n += *owned; });
  pool.post([&n](int& given) { n += ++given; }, std::ref(c.value));
  pool.post(sum, 1, 2);  // the result is nobody's
  pool.wait_idle();
  CHECK(c.value == 6);
  CHECK(n == 8 + 9 + 6);
}

TEST_CASE("thread_pool: a job that can take a stop token gets one, any other does not", "[thread_pool]") {
  thread_pool pool(1);
  CHECK(pool.submit(times_if_stoppable, 5).get() == 15);
  counter c;
  CHECK(pool.submit(&counter::add_stoppable, &c, 2).get() == 2);
  CHECK(pool.submit(&counter::add_stoppable, std::ref(c), 2).get() == 4);
  CHECK(pool.submit([](auto const&... all) { return sizeof...(all); }, 1, 2).get() == 3);
  // The caller's own token is an argument like any other.
  concur::os::stop_source source;
  source.request_stop();
  auto const both = [](stop_token const& own, stop_token const& given) {
    return !own.stop_requested() && given.stop_requested();
  };
  CHECK(pool.submit(both, source.get_token()).get());
}

TEST_CASE("thread_pool: function and arguments are moved in once, and from there into the call", "[thread_pool]") {
  thread_pool pool(1);
  CHECK(pool.submit([](counts_moves const& given) { return given.moves; }, counts_moves()).get() == 1);
  CHECK(pool.submit([](stop_token, counts_moves&& given) { return given.moves; }, counts_moves()).get() == 1);
  int posted = 0;
  pool.post([&posted](counts_moves const& given) { posted = given.moves; }, counts_moves());
  pool.wait_idle();
  CHECK(posted == 1);
}

TEST_CASE("thread_pool: function and arguments end before the future is done, also when the job throws",
          "[thread_pool]") {
  thread_pool pool(1);
  for (bool const fails : {false, true}) {
    for (bool const stoppable : {false, true}) {
      auto const body = [fails](counted_value const& argument) {
        if (fails) throw numbered_error{argument.value()};
      };
      REQUIRE(counted_value::alive() == 0);
      future<void> f;
      if (stoppable) {
        f = pool.submit([body, held = counted_value(5)](stop_token const&, counted_value const& a) { body(a); },
                        counted_value(7));
      } else {
        f = pool.submit([body, held = counted_value(5)](counted_value const& a) { body(a); }, counted_value(7));
      }
      f.wait();
      CHECK(counted_value::alive() == 0);  // although the future is still there
      CHECK(support::number_of(f.error()) == (fails ? 7 : -1));
    }
  }
  pool.post([held = counted_value(5)](counted_value const&) {}, counted_value(7));
  pool.wait_idle();
  CHECK(counted_value::alive() == 0);
}

TEST_CASE("thread_pool: when function or argument cannot be copied, nothing is queued", "[thread_pool]") {
  thread_pool pool(1);
  auto const before = given(pool);
  {
    refuses_copies const never(0);
    refuses_copies const once(1);
    auto const function = [once](counted_value const&) {};  // the one copy
    CHECK_THROWS_AS(pool.submit([](counted_value const&, refuses_copies const&) {}, counted_value(1), never),
                    numbered_error);
    CHECK_THROWS_AS(pool.submit(function, counted_value(1)), numbered_error);
    CHECK_THROWS_AS(pool.post([](counted_value const&, refuses_copies const&) {}, counted_value(1), never),
                    numbered_error);
    CHECK_THROWS_AS(pool.post(function, counted_value(1)), numbered_error);
    CHECK(given(pool) == before);
    pool.submit([](refuses_copies const&) {}, once).get();
  }
  CHECK(counted_value::alive() == 0);
}

TEST_CASE("thread_pool: what happened before the submit is visible to the job, and what it did to whoever waits",
          "[thread_pool]") {
  thread_pool pool(2);
  for (int round = 0; round < rounds(5'000); ++round) {
    int before = round, during = 0;
    auto f = pool.submit([&] { during = before + 1; });
    f.get();
    REQUIRE(during == round + 1);
    pool.post([&] { during = before + 2; });
    pool.wait_idle();
    REQUIRE(during == round + 2);
  }
}

// ---- errors

TEST_CASE("thread_pool: what a job throws is the error of its future", "[thread_pool]") {
  recorded_errors const hook;
  {
    thread_pool pool(2);
    CHECK_THROWS_AS(pool.submit([] { throw numbered_error{1}; }).get(), numbered_error);
    CHECK_THROWS_AS(pool.submit([]() -> int { throw std::runtime_error("no"); }).get(), std::runtime_error);
    CHECK_THROWS_AS(pool.submit([] { throw concur::cancelled(); }).get(), concur::cancelled);
    CHECK(pool.submit(sum, 1, 1).get() == 2);  // the worker goes on
    // A result that cannot be stored.
    CHECK_THROWS_AS(pool.submit([] { return refuses_copies(0); }).get(), numbered_error);
  }
  CHECK(recorded_errors::all().empty());
}

TEST_CASE("thread_pool: an error whose future was dropped goes to the hook", "[thread_pool]") {
  recorded_errors const hook;
  {
    thread_pool pool(2);
    static_cast<void>(pool.submit([] { throw std::runtime_error("lost"); }));
    static_cast<void>(pool.submit([] { throw concur::cancelled(); }));  // of which nobody needs to be told
  }
  CHECK(recorded_errors::all() == std::vector<std::string>{"a future | std::runtime_error: lost"});
}

TEST_CASE("thread_pool: what a posted job throws goes to the hook with the name of the pool", "[thread_pool]") {
  recorded_errors const hook;
  std::string const long_name(300, 'x');
  {
    thread_pool pool(1, thread_pool_options().name("spider"));
    pool.post([] { throw std::runtime_error("no\nweb"); });
    pool.post([held = counted_value(1)] { throw 7; });
    pool.wait_idle();
    CHECK(counted_value::alive() == 0);
    CHECK(pool.submit(sum, 1, 1).get() == 2);
    thread_pool other(1, thread_pool_options().name(long_name));
    other.post([] { throw 8; });
  }
  auto const all = recorded_errors::all();
  REQUIRE(all.size() == 3);
  CHECK(all[0] == "a job of thread pool \"spider\" | std::runtime_error: no web");
  CHECK(all[1] == "a job of thread pool \"spider\" | int");
  CHECK(all[2].starts_with("a job of thread pool \"xxxxxxxxxx"));
}

// ---- futures of jobs

TEST_CASE("thread_pool: a future says whether its job is done, waits for it and calls back", "[thread_pool]") {
  thread_pool pool(1);
  held_workers held(pool, 1);
  std::atomic<int> seen{0};
  std::atomic<bool> on_worker{false};
  auto f = pool.submit(sum, 20, 1);
  f.on_done([&](outcome<int> const& how) {
    on_worker = pool.is_worker();
    seen += how.value();
  });
  CHECK_FALSE(f.done());
  CHECK_FALSE(f.wait_for(1us));
  CHECK_FALSE(f.wait_until(std::chrono::system_clock::now()));
  CHECK(seen == 0);
  held.release();
  CHECK(f.wait_for(1h));
  CHECK(f.done());
  CHECK(seen == 21);
  CHECK(on_worker);
  f.on_done([&seen](outcome<int> const& how) { seen += how.value(); });
  CHECK(seen == 42);
  CHECK(f.get() == 21);
}

TEST_CASE("thread_pool: continuations, shared futures and all that takes several futures take those of jobs",
          "[thread_pool]") {
  thread_pool pool(2);
  CHECK(pool.submit(sum, 1, 2).then(doubled).then([](int n) { return std::to_string(n); }).get() == "6");
  auto const shared = pool.submit(sum, 2, 2).share();
  CHECK(shared.get() == 4);

  auto const [number, text] =
      concur::gather(pool.submit(sum, 3, 4), pool.submit([] { return std::string("t"); })).get();
  CHECK(number == 7);
  CHECK(text == "t");

  std::vector<future<int>> many;
  for (int i = 0; i < 100; ++i) many.push_back(pool.submit(doubled, i));
  CHECK(concur::wait(many).get().done.size() == 100);
  int total = 0;
  for (auto& each : concur::as_completed(many)) total += each.get();
  CHECK(total == 99 * 100);

  // The first one has begun when the other fails; otherwise it would be cancelled without an error of its own.
  std::vector<future<void>> failing;
  event gate, begun;
  failing.push_back(pool.submit([&gate, &begun](stop_token const& stop) {
    begun.set();
    if (!gate.wait(stop)) throw numbered_error{2};
  }));
  failing.push_back(pool.submit([&begun] {
    begun.wait();
    throw numbered_error{1};
  }));
  CHECK_THROWS_AS(concur::gather(std::move(failing)).get(), concur::multiple_errors);
}

// ---- cancel

TEST_CASE("thread_pool: a queued job that is cancelled never runs, and is done and gone at once", "[thread_pool]") {
  thread_pool pool(1);
  bool ran = false;
  int called_back = 0;
  {
    held_workers const held(pool, 1);
    auto f = pool.submit([&ran, mine = counted_value(1)](counted_value const&) { ran = true; }, counted_value(2));
    auto g = pool.submit([&ran, mine = counted_value(1)](stop_token const&) { ran = true; });
    f.on_done([&called_back](outcome<void> const& how) { called_back += support::is_cancelled(how.error()) ? 1 : 0; });
    CHECK(counted_value::alive() == 3);
    CHECK(f.cancel());
    CHECK(g.cancel());
    CHECK(f.done());
    CHECK(called_back == 1);
    CHECK(counted_value::alive() == 0);
    CHECK_FALSE(f.cancel());
    CHECK_THROWS_AS(f.get(), concur::cancelled);
    CHECK_THROWS_AS(g.get(), concur::cancelled);
  }
  pool.wait_idle();
  CHECK_FALSE(ran);
  CHECK(given(pool) == pool.stats().done);
}

TEST_CASE("thread_pool: a running job that is cancelled is asked to stop, and ends as it likes", "[thread_pool]") {
  thread_pool pool(1);
  event begun;
  auto const until_stopped = [&begun](stop_token const& stop, int n) {
    begun.set();
    return event().wait(stop) ? -1 : n;
  };
  auto f = pool.submit(until_stopped, 5);
  begun.wait();
  CHECK(f.cancel());
  CHECK(f.get() == 5);

  begun.clear();
  auto g = pool.submit([&](stop_token const& stop) {
    until_stopped(stop, 0);
    throw concur::cancelled();
  });
  begun.wait();
  CHECK(g.cancel());
  CHECK_THROWS_AS(g.get(), concur::cancelled);

  // Without a token it does not even notice.
  event gate;
  begun.clear();
  auto h = pool.submit([&] {
    begun.set();
    gate.wait();
    return 6;
  });
  begun.wait();
  CHECK(h.cancel());
  CHECK_FALSE(h.done());
  gate.set();
  CHECK(h.get() == 6);
}

TEST_CASE("thread_pool: a cancel after the end changes nothing", "[thread_pool]") {
  thread_pool pool(1);
  auto f = pool.submit(sum, 1, 2);
  f.wait();
  CHECK_FALSE(f.cancel());
  CHECK(f.get() == 3);
}

TEST_CASE("thread_pool: a cancel beside the beginning of the job: it has run, or it never does", "[thread_pool]") {
  thread_pool pool(1);
  for (int round = 0; round < rounds(5'000); ++round) {
    std::atomic<int> ran{0};
    auto f = pool.submit([&ran, mine = counted_value(1)] { ++ran; });
    for (int pause = round % 64; pause > 0; --pause) concur::os::spin_pause();
    f.cancel();
    bool const was_cancelled = support::is_cancelled(f.error());
    REQUIRE(counted_value::alive() == 0);
    REQUIRE(ran == (was_cancelled ? 0 : 1));
    pool.wait_idle();
    REQUIRE(ran == (was_cancelled ? 0 : 1));
  }
}

TEST_CASE("thread_pool: a dropped future leaves its job alone", "[thread_pool]") {
  thread_pool pool(1);
  std::atomic<int> ran{0};
  for (int i = 0; i < 100; ++i) static_cast<void>(pool.submit([&ran] { ++ran; }));
  pool.wait_idle();
  CHECK(ran == 100);
}

// ---- order

TEST_CASE("thread_pool: a pool of one begins jobs from outside in the order in which they came", "[thread_pool]") {
  for (bool const queued : {true, false}) {
    for (int const count : {3, 65, 200, 1'100, 5'000}) {
      INFO(count << (queued ? " queued" : " as they come"));
      order done;
      std::vector<int> expected;
      {
        thread_pool pool(1);
        std::optional<held_workers> held;
        if (queued) held.emplace(pool, 1);
        for (int i = 0; i < count; ++i) {
          if (i % 2 == 0) {
            pool.post(done.append(i));
          } else {
            static_cast<void>(pool.submit(done.append(i)));
          }
          expected.push_back(i);
        }
      }
      bool const in_order = done.list() == expected;
      CHECK(in_order);
    }
  }
}

// In a pool that has been in use for a while, and has looked everywhere many times.
TEST_CASE("thread_pool: jobs from outside stay in order, however often the worker has looked for work",
          "[thread_pool]") {
  thread_pool pool(1);
  for (int round = 0; round < rounds(400); ++round) {
    order done;
    {
      held_workers const held(pool, 1);
      for (int i = 0; i < 16; ++i) pool.post(done.append(i));
    }
    pool.wait_idle();
    std::vector<int> expected(16);
    std::iota(expected.begin(), expected.end(), 0);
    if (done.list() != expected) FAIL("out of order in round " << round);
  }
}

TEST_CASE("thread_pool: jobs of a job are begun newest first, before those that wait outside", "[thread_pool]") {
  thread_pool pool(1);
  order done;
  {
    held_workers const held(pool, 1);
    pool.post([&] {
      for (int i = 0; i < 10; ++i) pool.post(done.append(i));
      done.append(10)();
    });
    pool.post(done.append(11));
  }
  pool.wait_idle();
  CHECK(done.list() == std::vector{10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 11});
}

TEST_CASE("thread_pool: jobs of jobs do not keep those from outside waiting for ever", "[thread_pool]") {
  thread_pool pool(1);
  std::atomic<bool> came{false};
  event begun;
  int turns = 0;
  std::function<void()> again = [&] {
    begun.set();
    if (!came && ++turns < 1'000'000) pool.post(again);
  };
  pool.post(again);
  begun.wait();
  pool.submit([&came] { came = true; }).get();
  pool.wait_idle();
  CHECK(turns < 1'000'000);
}

TEST_CASE("thread_pool: a job may give more jobs than its worker has room for", "[thread_pool]") {
  for (std::size_t const workers : {1u, 3u}) {
    thread_pool pool(workers);
    int const count = rounds(10'000);
    std::vector<std::atomic<int>> ran(std::size_t(count) * 2);
    pool.post([&] {
      for (int i = 0; i < count; ++i) {
        pool.post([&each = ran[std::size_t(2 * i)]] { ++each; });
        static_cast<void>(pool.submit([&each = ran[std::size_t(2 * i + 1)]] { ++each; }));
      }
    });
    pool.wait_idle();
    CHECK(std::ranges::all_of(ran, [](auto const& each) { return each == 1; }));
  }
}

TEST_CASE("thread_pool: jobs that give jobs that give jobs all run", "[thread_pool]") {
  thread_pool pool(2);
  std::atomic<int> ran{0};
  std::function<void(int)> tree = [&](int depth) {
    ++ran;
    if (depth == 0) return;
    pool.post(tree, depth - 1);
    static_cast<void>(pool.submit(tree, depth - 1));
  };
  tree(12);
  pool.wait_idle();
  CHECK(ran == (1 << 13) - 1);

  std::function<void(int)> chain = [&](int left) {
    ++ran;
    if (left != 0) pool.post(chain, left - 1);
  };
  ran = 0;
  pool.post(chain, 5'000);
  pool.wait_idle();
  CHECK(ran == 5'001);
}

TEST_CASE("thread_pool: priorities say what is begun first", "[thread_pool]") {
  thread_pool pool(1);
  order done;
  {
    held_workers const held(pool, 1);
    for (int i = 0; i < 3; ++i) {
      pool.post(job_priority::low, done.append(30 + i));
      pool.post(done.append(20 + 2 * i));
      static_cast<void>(pool.submit(job_priority::normal, done.append(20 + 2 * i + 1)));
      static_cast<void>(pool.submit(job_priority::high, done.append(10 + i)));
    }
  }
  pool.wait_idle();
  CHECK(done.list() == std::vector{10, 11, 12, 20, 21, 22, 23, 24, 25, 30, 31, 32});
}

TEST_CASE("thread_pool: what comes later with a higher priority is begun before what waits", "[thread_pool]") {
  // Many wait, so that a worker has taken some to itself when the others come.
  auto const later = [](job_priority first, job_priority second) {
    thread_pool pool(1);
    order done;
    event begun, gate;
    {
      held_workers const held(pool, 1);
      pool.post(first, [&] {
        begun.set();
        gate.wait();
      });
      for (int i = 0; i < 300; ++i) pool.post(first, done.append(1));
    }
    begun.wait();
    pool.post(second, done.append(2));
    pool.post(second, done.append(3));
    gate.set();
    pool.wait_idle();
    return std::vector(done.list().begin(), done.list().begin() + 2);
  };
  CHECK(later(job_priority::normal, job_priority::high) == std::vector{2, 3});
  CHECK(later(job_priority::low, job_priority::high) == std::vector{2, 3});
  CHECK(later(job_priority::low, job_priority::normal) == std::vector{2, 3});
}

TEST_CASE("thread_pool: priorities count for the jobs of jobs too", "[thread_pool]") {
  thread_pool pool(1);
  order done;
  {
    held_workers const held(pool, 1);
    pool.post([&] {
      pool.post(done.append(20));
      pool.post(job_priority::low, done.append(30));
      pool.post(job_priority::high, done.append(10));
    });
    pool.post(done.append(21));
  }
  pool.wait_idle();
  CHECK(done.list() == std::vector{10, 20, 21, 30});
}

// ---- submit_many

namespace {

// A range that can be read once, whose third element throws.
struct failing_stream {
  struct iterator {
    using value_type = int;
    using difference_type = std::ptrdiff_t;
    int operator*() const {
      if (at == 3) throw numbered_error{at};
      return at;
    }
    iterator& operator++() {
      ++at;
      return *this;
    }
    void operator++(int) { ++at; }
    bool operator==(std::default_sentinel_t) const { return false; }
    int at = 1;
  };
  iterator begin() const { return {}; }
  std::default_sentinel_t end() const { return {}; }
};

}  // namespace

TEST_CASE("thread_pool: submit_many makes a job of each element, and gives the futures in the order of the range",
          "[thread_pool]") {
  thread_pool pool(2);
  auto const results = [](auto futures) {
    std::vector<int> values;
    for (auto& each : futures) values.push_back(each.get());
    return values;
  };
  std::vector const numbers{5, 3, 8, 1};
  CHECK(results(pool.submit_many(&doubled, numbers)) == std::vector{10, 6, 16, 2});
  CHECK(results(pool.submit_many([](int n) { return n + 1; }, std::list{1, 2})) == std::vector{2, 3});
  CHECK(results(pool.submit_many(times_if_stoppable, std::array{1, 2})) == std::vector{3, 6});
  std::istringstream text("1 2 3");
  CHECK(results(pool.submit_many([](int n) { return -n; }, std::views::istream<int>(text))) == std::vector{-1, -2, -3});
  std::vector<std::string> words{"a", "bb"};
  CHECK(results(pool.submit_many([](std::string word) { return int(word.size()); }, words)) == std::vector{1, 2});
  CHECK(words == std::vector<std::string>{"a", "bb"});
  std::vector<std::unique_ptr<int>> owned;
  owned.push_back(std::make_unique<int>(4));
  std::ranges::subrange const taken(std::move_iterator(owned.begin()), std::move_iterator(owned.end()));
  CHECK(results(pool.submit_many([](std::unique_ptr<int> n) { return *n; }, taken)) == std::vector{4});
  owned.front() = std::make_unique<int>(7);
  CHECK(results(pool.submit_many([](std::unique_ptr<int> n) { return *n; }, std::move(owned))) == std::vector{7});

  auto const many = results(pool.submit_many([](int n) { return n; }, std::views::iota(0, 5'000)));
  CHECK(many.size() == 5'000);
  CHECK(std::ranges::is_sorted(many));
}

TEST_CASE("thread_pool: submit_many queues in the order of the range, behind what is there", "[thread_pool]") {
  thread_pool pool(1);
  order done;
  std::vector<int> expected{-1};
  {
    held_workers const held(pool, 1);
    pool.post(done.append(-1));
    auto const add = [&done](int n) { done.append(n)(); };
    for (auto const& each : pool.submit_many(add, std::views::iota(0, 1'500))) CHECK_FALSE(each.done());
    for (int i = 0; i < 1'500; ++i) expected.push_back(i);
  }
  pool.wait_idle();
  bool const in_order = done.list() == expected;
  CHECK(in_order);
}

TEST_CASE("thread_pool: submit_many with a priority", "[thread_pool]") {
  thread_pool pool(1);
  order done;
  auto const add = [&done](int n) { done.append(n)(); };
  {
    held_workers const held(pool, 1);
    static_cast<void>(pool.submit_many(job_priority::low, add, std::vector{31, 32}));
    static_cast<void>(pool.submit_many(job_priority::normal, add, std::vector{21, 22}));
    static_cast<void>(pool.submit_many(add, std::views::iota(23, 25)));
    auto const first = pool.submit_many(job_priority::high, add, std::vector{11, 12});
    CHECK(first.size() == 2);
    pool.post(job_priority::high, done.append(13));
  }
  pool.wait_idle();
  CHECK(done.list() == std::vector{11, 12, 13, 21, 22, 23, 24, 31, 32});

  // In a job, which waits for those that it gives.
  int total = 0;
  pool.submit([&] {
        for (auto& each : pool.submit_many(job_priority::low, &doubled, std::views::iota(0, 10))) total += each.get();
      })
      .get();
  CHECK(total == 90);
}

TEST_CASE("thread_pool: submit_many in a job, whose jobs may be waited for there", "[thread_pool]") {
  thread_pool pool(1);
  int const total = pool.submit([&] {
                          int sum_of_all = 0;
                          for (auto& each : pool.submit_many(&doubled, std::views::iota(0, 2'000))) {
                            sum_of_all += each.get();
                          }
                          return sum_of_all;
                        })
                        .get();
  CHECK(total == 1'999 * 2'000);
}

TEST_CASE("thread_pool: submit_many of nothing gives nothing", "[thread_pool]") {
  thread_pool pool(1);
  auto const before = given(pool);
  CHECK(pool.submit_many(&doubled, std::vector<int>()).empty());
  CHECK(given(pool) == before);
}

TEST_CASE("thread_pool: submit_many with an error midway queues nothing", "[thread_pool]") {
  thread_pool pool(1);
  std::atomic<int> ran{0};
  auto const before = given(pool);
  {
    auto const count = [&ran, mine = counted_value(1)](auto const&) { ++ran; };
    CHECK_THROWS_AS(pool.submit_many(count, failing_stream()), numbered_error);
    std::vector<refuses_copies> elements;
    elements.reserve(3);
    for (int const copies : {9, 9, 0}) elements.emplace_back(copies);
    CHECK_THROWS_AS(pool.submit_many(count, elements), numbered_error);
    refuses_copies const once(1);
    auto const function = [&ran, once](int) { ++ran; };  // the one copy
    CHECK_THROWS_AS(pool.submit_many(function, std::vector{1, 2, 3}), numbered_error);
  }
  pool.wait_idle();
  CHECK(ran == 0);
  CHECK(given(pool) == before);
  CHECK(counted_value::alive() == 0);
}

// ---- what it says of itself

namespace {

std::string registry_line_of(std::string const& name) {
  std::istringstream lines(concur::dump_registry());
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("thread pool \"" + name + '"')) return line;
  }
  return {};
}

bool has_thread(std::string const& name) {
  auto const all = concur::threads();
  return std::ranges::any_of(all, [&name](auto const& each) { return each.name == name; });
}

}  // namespace

TEST_CASE("thread_pool: stats and the registry's line count what is queued, runs and is done", "[thread_pool]") {
  thread_pool pool(2, thread_pool_options().name("figures"));
  CHECK(pool.size() == 2);
  CHECK(registry_line_of("figures") == "thread pool \"figures\", 2 workers, 0 queued, 0 running, 0 done, 0 tasks");
  {
    held_workers const held(pool, 2);
    pool.post([] {});
    auto f = pool.submit(sum, 1, 2);
    static_cast<void>(pool.submit_many(&doubled, std::vector{1, 2}));
    f.cancel();
    auto const now = pool.stats();
    CHECK(now.workers == 2);
    CHECK(now.queued == 4);
    CHECK(now.running == 2);
    CHECK(now.done == 0);
    CHECK(registry_line_of("figures") == "thread pool \"figures\", 2 workers, 4 queued, 2 running, 0 done, 0 tasks");
  }
  pool.wait_idle();
  auto const now = pool.stats();
  CHECK(now.queued == 0);
  CHECK(now.running == 0);
  CHECK(now.done == 6);
  pool.shutdown();
  CHECK(pool.stats().done == 6);

  thread_pool single(1, thread_pool_options().name("single"));
  CHECK(registry_line_of("single") == "thread pool \"single\", 1 worker, 0 queued, 0 running, 0 done, 0 tasks");
}

TEST_CASE("thread_pool: figures taken while it works are never out of proportion", "[thread_pool]") {
  thread_pool pool(2);
  std::atomic<bool> over{false};
  std::atomic<int> wrong{0};
  int const count = rounds(20'000);
  support::hammer crowd;
  crowd.add([&] {
    while (!over) {
      auto const now = pool.stats();
      bool const right = now.queued <= std::uint64_t(3 * count) && now.running <= std::uint64_t(3 * count) &&
                         now.done <= std::uint64_t(3 * count);
      if (!right) ++wrong;
    }
  });
  crowd.add([&] {
    for (int i = 0; i < count; ++i) {
      pool.post([&pool] { pool.post([] {}); });
      if (i % 2 == 0) pool.submit([] {}).cancel();
    }
    pool.wait_idle();
    over = true;
  });
  crowd.run();
  CHECK(wrong == 0);
  CHECK(pool.stats().done == std::uint64_t(2 * count + count / 2));
}

TEST_CASE("thread_pool: the workers are named after the pool, which has a number without a name", "[thread_pool]") {
  thread_pool pool(2, thread_pool_options().name("spider").threads(concur::thread_options().name("not used")));
  CHECK(pool.name() == "spider");
  CHECK(has_thread("spider-1"));
  CHECK(has_thread("spider-2"));
  CHECK_FALSE(has_thread("spider-3"));
  CHECK_FALSE(has_thread("not used"));
  auto const own = pool.submit([] { return concur::this_thread::name(); }).get();
  CHECK((own == "spider-1" || own == "spider-2"));

  thread_pool first(1), second(1);
  CHECK(first.name().starts_with("pool-"));
  CHECK(second.name().starts_with("pool-"));
  CHECK(first.name() != second.name());
  CHECK(has_thread(first.name() + "-1"));
  CHECK_FALSE(registry_line_of(first.name()).empty());
}

TEST_CASE("thread_pool: the threads are started with the options given", "[thread_pool]") {
  auto const stack_size = [] {
    std::size_t size = 0;
    pthread_attr_t attributes;
    if (pthread_getattr_np(pthread_self(), &attributes) != 0) return size;
    void* lowest = nullptr;
    pthread_attr_getstack(&attributes, &lowest, &size);
    pthread_attr_destroy(&attributes);
    return size;
  };
  auto const mine = concur::this_thread::affinity();
  thread_pool pool(2, thread_pool_options().threads(
                          concur::thread_options().stack_size(1'000'001).affinity({mine.back()}).daemon()));
  CHECK(pool.submit(stack_size).get() >= 1'000'001);
  CHECK(pool.submit(stack_size).get() < 8u << 20);
  CHECK(pool.submit([] { return concur::this_thread::affinity(); }).get() == std::vector{mine.back()});
}

TEST_CASE("thread_pool: the destructor waits for workers that are daemons too", "[thread_pool]") {
  std::atomic<int> ran{0};
  {
    thread_pool pool(2, thread_pool_options().threads(concur::thread_options().daemon()));
    for (int i = 0; i < 100; ++i) pool.post([&ran] { ++ran; });
  }
  CHECK(ran == 100);
}

TEST_CASE("thread_pool: without a number it has as many workers as there are processors", "[thread_pool]") {
  thread_pool pool;
  CHECK(pool.size() == std::size_t(concur::cpu_count()));
  CHECK(pool.submit(sum, 1, 1).get() == 2);
}

TEST_CASE("thread_pool: a job knows its pool, and nobody else is a worker of it", "[thread_pool]") {
  thread_pool pool(2), other(1);
  CHECK_FALSE(pool.is_worker());
  CHECK(concur::current_executor() == nullptr);
  CHECK(pool.submit([&] { return pool.is_worker() && !other.is_worker(); }).get());
  CHECK(pool.submit([&] { return concur::current_executor() == &pool.get_executor(); }).get());
  concur::executor& converted = pool;
  CHECK(&converted == &pool.get_executor());
  // Waited for inside: it is the other's worker that runs it.
  CHECK(pool.submit([&] {
              auto const there = [&] { return other.is_worker() && !pool.is_worker(); };
              return other.submit(there).get() && pool.is_worker();
            })
            .get());
}

// ---- the initializer

TEST_CASE("thread_pool: the initializer has run in each worker before the constructor returns", "[thread_pool]") {
  static thread_local int initialized = 0;
  std::atomic<int> calls{0};
  auto const initialize = [&calls] {
    ++initialized;
    ++calls;
  };
  for (int const workers : {1, 2, 5}) {
    calls = 0;
    thread_pool pool(std::size_t(workers), thread_pool_options().initializer(initialize));
    CHECK(calls == workers);
    std::vector<int> seen;
    for (auto& each : pool.submit_many([](int) { return initialized; }, std::views::iota(0, 100))) {
      seen.push_back(each.get());
    }
    CHECK(std::ranges::count(seen, 1) == 100);
    CHECK(calls == workers);
  }
  CHECK(initialized == 0);
}

TEST_CASE("thread_pool: what an initializer throws the constructor throws, and no thread is left", "[thread_pool]") {
  recorded_errors const hook;
  support::nothing_left_behind const balance;
  for (int const workers : {1, 2, 4}) {
    for (int bad = 1; bad <= workers; ++bad) {
      std::atomic<int> calls{0};
      auto const initialize = [&calls, bad, mine = counted_value(1)] {
        if (int const call = ++calls; call >= bad) throw numbered_error{call};
      };
      int number = 0;
      try {
        thread_pool const pool(std::size_t(workers), thread_pool_options().initializer(initialize));
      } catch (numbered_error const& error) {
        number = error.number;
      }
      CHECK(number >= bad);
      CHECK(number <= workers);
      CHECK(calls == workers);
      CHECK(balance.holds());
    }
  }
  CHECK(counted_value::alive() == 0);
  CHECK(recorded_errors::all().empty());
}

TEST_CASE("thread_pool: a job of low priority is begun after all that jobs have given meanwhile", "[thread_pool]") {
  thread_pool pool(1);
  std::vector<int> order;
  pool.submit([&] {
        pool.post(job_priority::low, [&] { order.push_back(-1); });
        for (int i = 0; i < 300; ++i) pool.post([&, i] { order.push_back(i); });
      })
      .get();
  pool.wait_idle();
  REQUIRE(order.size() == 301);
  CHECK(order.back() == -1);
}

TEST_CASE("thread_pool: what a cancelled job holds has ended when its callbacks run", "[thread_pool]") {
  thread_pool pool(1);
  support::held_workers held(pool, 1);
  auto holds = std::make_shared<int>(1);
  std::weak_ptr<int> const watched = holds;
  auto const f = pool.submit([kept = std::move(holds)] { return *kept; });
  bool ended = false;
  f.on_done([&](outcome<int> const&) { ended = watched.expired(); });
  CHECK(f.cancel());
  CHECK(ended);
  held.release();
}
