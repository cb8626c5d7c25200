// SPDX-License-Identifier: BSL-1.0
#include <concur/thread/thread.hpp>

#include "../support/catch.hpp"
#include "../support/denied_calls.hpp"
#include "../support/failing_new.hpp"
#include "../support/forked.hpp"
#include "../support/hammer.hpp"
#include "../support/limits.hpp"
#include "../support/misuse.hpp"
#include "../support/open_descriptors.hpp"
#include "../support/recorded_errors.hpp"
#include "../support/test_executor.hpp"
#include "../support/test_task.hpp"

#include <concur/sync/event.hpp>
#include <concur/thread/this_thread.hpp>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <functional>
#include <malloc.h>
#include <memory>
#include <mutex>
#include <optional>
#include <pthread.h>
#include <sched.h>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <type_traits>
#include <unistd.h>
#include <utility>
#include <vector>

namespace {

using concur::event;
using concur::thread_options;
using support::queue_executor;
using support::recorded_errors;
using support::rounds;
using support::spawn;
using support::test_task;
using stop_token = concur::os::stop_token;

static_assert(!std::is_copy_constructible_v<concur::thread> && !std::is_copy_assignable_v<concur::thread>);
static_assert(std::is_nothrow_move_constructible_v<concur::thread>);
static_assert(sizeof(concur::thread) == sizeof(void*));

std::ptrdiff_t kernel_threads() {
  std::filesystem::directory_iterator const all("/proc/self/task");
  return std::distance(begin(all), end(all));
}

// Whether `fine()` becomes true, where the kernel or a thread that nobody joins may take a moment. The limit only ends
// a test that has failed.
template <class Fine>
bool soon(Fine fine) {
  auto const limit = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!fine()) {
    if (std::chrono::steady_clock::now() > limit) return false;
    std::this_thread::yield();
  }
  return true;
}

// The threads there are, for the kernel and for the library, and the open descriptors must be as many in the end as in
// the beginning.
class nothing_left_behind {
 public:
  bool holds() const {
    return concur::thread_count() == listed_ && soon([this] { return kernel_threads() == running_; }) &&
           support::open_descriptors() == open_;
  }

 private:
  std::size_t listed_ = concur::thread_count();
  std::ptrdiff_t running_ = kernel_threads();
  std::ptrdiff_t open_ = support::open_descriptors();
};

// What a process has of memory.
struct memory_in_use {
  std::size_t allocated = ::mallinfo2().uordblks;
  std::size_t mapped = mapped_now();

  static std::size_t mapped_now() {
    std::size_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    return pages * std::size_t(::sysconf(_SC_PAGESIZE));
  }
};

// So large that no thread can have them on a stack of 32 KiB.
thread_local char many_bytes[32 << 10];

// Counts the living, and where the last one to hold the value was destroyed.
class tracked {
 public:
  explicit tracked(int v) : value(v) { ++living; }
  tracked(tracked const& other) : value(other.value) { ++living; }
  tracked(tracked&& other) noexcept : value(std::exchange(other.value, 0)) { ++living; }
  tracked& operator=(tracked const&) = delete;
  ~tracked() {
    --living;
    if (value != 0) {
      ++holders_destroyed;
      destroyed_on = concur::this_thread::native_id();
    }
  }
  int value;

  static void reset() { holders_destroyed = 0, destroyed_on = 0; }
  static inline std::atomic<int> living{0};
  static inline std::atomic<int> holders_destroyed{0};
  static inline std::atomic<int> destroyed_on{0};
};

// A fiber with a thread of its own, which other threads may wake.
class lonely_fiber final : public concur::party {
 public:
  template <class Body>
  void run(Body body) {
    concur::running_fiber() = this;
    body();
    concur::running_fiber() = nullptr;
  }
  int parks() const noexcept { return parks_; }

  void wake(concur::waiter&, concur::wake_reason reason) noexcept override { reason_.store(reason); }
  concur::wake_reason park(concur::waiter&, concur::time_point) noexcept override {
    ++parks_;
    for (;;) {
      if (auto const why = reason_.exchange(concur::wake_reason::none); why != concur::wake_reason::none) return why;
      std::this_thread::yield();
    }
  }

 private:
  std::atomic<concur::wake_reason> reason_{concur::wake_reason::none};
  int parks_ = 0;
};

test_task<> await_end(concur::thread& t, int& joined) {
  int const one = 1;
  co_await t.async_join();
  joined += one;
}

void join_in_task(concur::thread& t) {
  queue_executor here;
  int joined = 0;
  auto const root = spawn(here, await_end(t, joined));
  here.run_until([&] { return root->done(); });
  REQUIRE(joined == 1);
}

struct form {
  char const* name;
  void (*join)(concur::thread&);
};

constexpr form forms[] = {
    {"join", [](concur::thread& t) { t.join(); }},
    {"try_join_for", [](concur::thread& t) { REQUIRE(t.try_join_for(std::chrono::hours(1))); }},
    {"try_join_until",
     [](concur::thread& t) { REQUIRE(t.try_join_until(std::chrono::system_clock::now() + std::chrono::hours(1))); }},
    {"join, stop",
     [](concur::thread& t) {
       concur::os::stop_source const never;
       REQUIRE(t.join(never.get_token()));
     }},
    {"async_join", &join_in_task},
    {"join on a fiber",
     [](concur::thread& t) {
       lonely_fiber fiber;
       fiber.run([&t] { t.join(); });
     }},
};

// Writes when its thread's thread_local objects are destroyed, some time after the function has returned.
struct late_writer {
  int* target = nullptr;
  ~late_writer() {
    if (target == nullptr) return;
    for (int i = 0; i < 100; ++i) std::this_thread::yield();
    *target = 42;
  }
};
thread_local late_writer at_thread_end;

struct counter {
  void add(int n) { value += n; }
  int value = 0;
};

int plain_function_result = 0;
void plain_function(int a, int const& b) { plain_function_result = a + b; }
void function_with_token(stop_token const& stop, int n) { plain_function_result = stop.stop_possible() ? n : -1; }

}  // namespace

TEST_CASE("thread: in a process whose pthread keys are used up threads run and end all the same", "[thread]") {
  // The first test, before the library has made its own key, and in a child, where the keys are not missed.
  pid_t const child = ::fork();
  if (child == 0) {
    ::alarm(20);
    for (pthread_key_t key{}; pthread_key_create(&key, nullptr) == 0;) {
    }
    bool right = true;
    for (auto const& each : forms) {
      for (bool const leaves : {false, true}) {
        tracked::reset();
        int written = 0;
        concur::thread t(
            [&written, leaves](tracked const& given) {
              written = given.value;
              if (leaves) pthread_exit(nullptr);
            },
            tracked(3));
        each.join(t);
        right = right && written == 3 && !t.alive() && tracked::living == 0 && concur::thread_count() == 1;
      }
    }
    support::end_child(right);
  }
  CHECK(support::child_was_right(child));
}

TEST_CASE("thread: calls functions, member functions and function objects with what it was given", "[thread]") {
  concur::thread(plain_function, 2, 3).join();
  CHECK(plain_function_result == 5);
  concur::thread(&plain_function, 2, 5).join();
  CHECK(plain_function_result == 7);
  concur::thread(function_with_token, 11).join();
  CHECK(plain_function_result == 11);

  counter c;
  concur::thread(&counter::add, &c, 2).join();
  concur::thread(&counter::add, std::ref(c), 3).join();
  CHECK(c.value == 5);
  concur::thread(&counter::add, c, 3).join();  // a copy
  CHECK(c.value == 5);

  int n = 1;
  concur::thread([](int& given) { given = 2; }, std::ref(n)).join();
  CHECK(n == 2);
  concur::thread([&n](int copy) { n += ++copy; }, n).join();
  CHECK(n == 5);
  concur::thread([&n](std::unique_ptr<int> owned) { n = *owned; }, std::make_unique<int>(8)).join();
  CHECK(n == 8);
  concur::thread([&n, owned = std::make_unique<int>(9)]() mutable { n = (*owned)++; }).join();
  CHECK(n == 9);
  concur::thread([&n](std::string const& text) { n = int(text.size()); }, "four").join();
  CHECK(n == 4);
  concur::thread([&n](int a, long b, char c2, std::tuple<int> d) { n = a + int(b) + c2 + std::get<0>(d); }, 1, 2L,
                 char(3), std::tuple<int>(4))
      .join();
  CHECK(n == 10);
}

TEST_CASE("thread: a function that can take a stop token first gets one, any other does not", "[thread]") {
  bool possible = false, same = false;
  concur::thread t([&](stop_token stop) {
    possible = stop.stop_possible();
    same = stop == concur::this_thread::get_stop_token();
  });
  t.join();
  CHECK(possible);
  CHECK(same);

  int given = -1;
  concur::thread([&](auto const&... all) { given = int(sizeof...(all)); }, 1, 2).join();
  CHECK(given == 3);
  concur::thread([&](int) { given = 1; }, 1).join();
  CHECK(given == 1);
  // The caller's own token is an argument like any other.
  concur::os::stop_source source;
  source.request_stop();
  bool requested = false;
  concur::thread([&](stop_token const&, stop_token const& mine) { requested = mine.stop_requested(); },
                 source.get_token())
      .join();
  CHECK(requested);
}

TEST_CASE("thread: a stop request reaches the function, and only the first one counts", "[thread]") {
  event stopped;
  concur::thread t([&](stop_token const& stop) {
    if (!event().wait(stop)) stopped.set();
  });
  CHECK(t.get_stop_token().stop_possible());
  CHECK_FALSE(t.get_stop_token().stop_requested());
  CHECK(t.request_stop());
  CHECK_FALSE(t.request_stop());
  t.join();
  CHECK(stopped.is_set());
  CHECK(t.get_stop_source().stop_requested());
}

TEST_CASE("thread: function and arguments are destroyed once, on the thread, before it has ended", "[thread]") {
  recorded_errors const hook;
  for (bool const throws : {false, true}) {
    for (bool const token : {false, true}) {
      tracked::reset();
      std::atomic<int> id{0};
      {
        auto const body = [&id, throws](tracked const& argument) {
          id = concur::this_thread::native_id();
          if (argument.value != 7 || throws) throw std::runtime_error("thrown");
        };
        concur::thread t;
        if (token) {
          t = concur::thread([body, held = tracked(5)](stop_token const&, tracked given) { body(given); }, tracked(7));
        } else {
          t = concur::thread([body, held = tracked(5)](tracked const& given) { body(given); }, tracked(7));
        }
        t.join();
        CHECK(tracked::living == 0);  // although the object is still there
        CHECK(tracked::holders_destroyed == 2);
        CHECK(tracked::destroyed_on == id);
      }
      CHECK(tracked::living == 0);
      CHECK(tracked::holders_destroyed == 2);
    }
  }
  CHECK(recorded_errors::all().size() == 2);
}

namespace {

struct counts_moves {
  counts_moves() = default;
  counts_moves(counts_moves&& other) noexcept : moves(other.moves + 1) {}
  counts_moves& operator=(counts_moves&&) = delete;
  int moves = 0;
};

struct refuses_copies {
  explicit refuses_copies(int n) : copies_left(n) {}
  refuses_copies(refuses_copies const& other) : copies_left(other.copies_left - 1) {
    if (copies_left < 0) throw std::runtime_error("no copy");
  }
  refuses_copies& operator=(refuses_copies const&) = delete;
  int copies_left;
};

}  // namespace

TEST_CASE("thread: arguments are moved once, into the thread", "[thread]") {
  int plain = 0, with_token = 0;
  concur::thread([&plain](counts_moves const& given) { plain = given.moves; }, counts_moves()).join();
  concur::thread([&with_token](stop_token, counts_moves&& given) { with_token = given.moves; }, counts_moves()).join();
  CHECK(plain == 1);
  CHECK(with_token == 1);
}

TEST_CASE("thread: when an argument or the function cannot be copied, there is no thread", "[thread]") {
  nothing_left_behind const balance;
  tracked::reset();
  refuses_copies const never(0);
  refuses_copies const once(1);
  CHECK_THROWS_AS(concur::thread([](tracked const&, refuses_copies const&) {}, tracked(1), never), std::runtime_error);
  auto const function = [once](tracked const&) {};  // the one copy
  CHECK_THROWS_AS(concur::thread(function, tracked(1)), std::runtime_error);
  CHECK(tracked::living == 0);
  CHECK(balance.holds());
  concur::thread([](refuses_copies const&) {}, once).join();
}

TEST_CASE("thread: all it did is visible after every form of join, thread_local destructors included", "[thread]") {
  for (auto const& each : forms) {
    INFO(each.name);
    for (int round = 0; round < rounds(200); ++round) {
      int before = 1, during = 0, at_end = 0;
      concur::thread t([&] {
        at_thread_end.target = &at_end;
        during = before + 1;
      });
      each.join(t);
      REQUIRE(during == 2);
      REQUIRE(at_end == 42);
      REQUIRE_FALSE(t.alive());
    }
  }
}

TEST_CASE("thread: every form of join may follow every other, again and again", "[thread]") {
  for (auto const& first : forms) {
    for (auto const& second : forms) {
      INFO(first.name << ", then " << second.name);
      concur::thread t([] {});
      first.join(t);
      second.join(t);
      CHECK(t.joinable());
      CHECK_FALSE(t.alive());
    }
  }
}

TEST_CASE("thread: a fiber that joins is suspended instead of its thread", "[thread]") {
  event gate;
  concur::thread t([&gate] { gate.wait(); });
  std::atomic<bool> begun{false};
  std::thread opener([&] {
    while (!begun) std::this_thread::yield();
    for (int i = 0; i < 200; ++i) std::this_thread::yield();  // likely suspended by then; right in any case
    gate.set();
  });
  lonely_fiber fiber;
  fiber.run([&] {
    begun = true;
    t.join();
  });
  opener.join();
  CHECK_FALSE(t.alive());
  int const suspended = fiber.parks();
  fiber.run([&t] { t.join(); });
  CHECK(fiber.parks() == suspended);
}

TEST_CASE("thread: joined by many at once, in every form", "[thread]") {
  for (int round = 0; round < rounds(300); ++round) {
    event go;
    int written = 0;
    std::atomic<int> seen{0};
    concur::thread t([&] {
      go.wait();
      at_thread_end.target = &written;
    });
    support::hammer crowd;
    crowd.add(2, [&] {
      t.join();
      seen += written == 42;
    });
    crowd.add([&] {
      while (!t.try_join_for(std::chrono::microseconds(10))) {
      }
      seen += written == 42;
    });
    crowd.add([&] {
      concur::os::stop_source source;
      source.request_stop();
      while (!t.join(source.get_token())) {
      }
      seen += written == 42;
    });
    crowd.add([&] {
      queue_executor here;
      int joined = 0;
      auto const one = spawn(here, await_end(t, joined));
      auto const two = spawn(here, await_end(t, joined));
      here.run_until([&] { return one->done() && two->done(); });
      seen += joined == 2 && written == 42;
    });
    crowd.add([&] { go.set(); });
    crowd.run();
    REQUIRE(seen == 5);
  }
}

TEST_CASE("thread: time limits of every kind, running and ended", "[thread]") {
  event gate;
  concur::thread t;
  auto const start = [&] {
    gate.clear();
    t = concur::thread([&gate] { gate.wait(); });
  };
  auto const try_for = [&t](auto const& length) { return t.try_join_for(length); };
  auto const try_until = [&t](auto const& moment) { return t.try_join_until(moment); };
  start();
  support::check_limits_in_vain(try_for, try_until);
  CHECK(t.alive());
  gate.set();
  support::check_limits_in_time(try_for, try_until, start, [&gate] { gate.set(); });
  support::check_limits_at_once(try_for, try_until, [] {});
}

TEST_CASE("thread: a join ends with a stop, but not with that of a thread that has ended", "[thread]") {
  for (int round = 0; round < rounds(300); ++round) {
    event gate;
    concur::thread t([&gate] { gate.wait(); });
    concur::os::stop_source source;
    bool ended = true;
    std::thread joiner([&] { ended = t.join(source.get_token()); });
    source.request_stop();
    joiner.join();
    REQUIRE_FALSE(ended);
    REQUIRE_FALSE(t.join(source.get_token()));
    gate.set();
    t.join();
    REQUIRE(t.join(source.get_token()));
  }
}

TEST_CASE("thread: tasks that join can be cancelled, one by one, and the object may move meanwhile", "[thread]") {
  event gate;
  concur::thread first([&gate] { gate.wait(); });
  queue_executor here;
  int joined = 0;
  auto const one = spawn(here, await_end(first, joined));
  auto const two = spawn(here, await_end(first, joined));
  auto const three = spawn(here, await_end(first, joined));
  here.run_all();
  one->cancel();
  here.run_all();
  REQUIRE(one->done());
  CHECK(one->was_cancelled());
  CHECK(joined == 0);
  concur::thread second = std::move(first);
  CHECK_FALSE(first.joinable());
  gate.set();
  here.run_until([&] { return two->done() && three->done(); });
  CHECK(joined == 2);
  CHECK_FALSE(second.alive());
  // One that was cancelled before it began does not wait, and does not join.
  auto const late = spawn(here, await_end(second, joined));
  late->cancel();
  here.run_all();
  CHECK(late->was_cancelled());
}

TEST_CASE("thread: a task may outlast the object of the daemon that it waits for", "[thread]") {
  event gate;
  queue_executor here;
  int joined = 0;
  auto t = std::make_unique<concur::thread>(thread_options().daemon(), [&gate] { gate.wait(); });
  auto const root = spawn(here, await_end(*t, joined));
  here.run_all();
  t.reset();
  gate.set();
  here.run_until([&] { return root->done(); });
  CHECK(joined == 1);
}

TEST_CASE("thread: a task that joins is cancelled beside the end", "[thread]") {
  for (int round = 0; round < rounds(2'000); ++round) {
    int joined = 0;
    concur::thread t([] {});
    support::threads_executor pool(1);
    auto const root = spawn(pool, await_end(t, joined));
    for (int pause = round % 64; pause > 0; --pause) concur::os::yield();
    root->cancel();
    root->wait_until_done();
    REQUIRE(root->was_cancelled() == (joined == 0));
  }
}

TEST_CASE("thread: a join of itself or of no thread is misuse", "[thread]") {
  concur::thread none;
  CHECK(support::complaint_of([&] { none.join(); }) == "a join of a thread object that has no thread");
  CHECK_THROWS_AS(none.try_join_for(std::chrono::seconds(0)), concur::misuse);
  CHECK_THROWS_AS(none.try_join_until(std::chrono::steady_clock::now()), concur::misuse);
  CHECK_THROWS_AS(none.join(stop_token()), concur::misuse);
  CHECK_THROWS_AS(none.async_join(), concur::misuse);
  CHECK_FALSE(none.joinable());
  CHECK_FALSE(none.alive());
  CHECK_FALSE(none.daemon());
  CHECK(none.name().empty());
  CHECK(none.native_id() == 0);
  CHECK_FALSE(none.request_stop());
  CHECK_FALSE(none.get_stop_source().stop_possible());
  CHECK_FALSE(none.get_stop_token().stop_possible());

  event made;
  std::atomic<int> refused{0};
  std::optional<concur::thread> self;
  self.emplace([&] {
    made.wait();
    auto const refuses = [&refused](auto attempt) {
      refused += support::complaint_of(attempt) == "a join of a thread by itself: it would wait for ever";
    };
    refuses([&] { self->join(); });
    refuses([&] { return self->try_join_for(std::chrono::seconds(0)); });
    refuses([&] { return self->try_join_until(std::chrono::steady_clock::now()); });
    refuses([&] { return self->join(stop_token()); });
    refuses([&] { auto const operation = self->async_join(); });
  });
  made.set();
  self->join();
  CHECK(refused == 5);
}

TEST_CASE("thread: one that destroys its own object goes on alone, asked to stop", "[thread]") {
  nothing_left_behind const balance;
  for (int round = 0; round < rounds(500); ++round) {
    event made;
    std::atomic<int> steps{0};
    auto object = std::make_shared<std::optional<concur::thread>>();
    object->emplace([&made, &steps, object](stop_token const& stop) {
      made.wait();
      object->reset();
      steps = stop.stop_requested() ? 1 : -1;
    });
    object.reset();
    made.set();
    REQUIRE(soon([&] { return steps != 0; }));
    REQUIRE(steps == 1);
  }
  CHECK(soon([&] { return balance.holds(); }));
}

TEST_CASE("thread: of two that wait for each other's end, the second is told", "[thread]") {
  std::optional<concur::thread> first;
  std::optional<concur::thread> second;
  for (int round = 0; round < rounds(200); ++round) {
    event both_made;
    std::atomic<int> refused{0};
    auto const wait_for = [&](std::optional<concur::thread>& other) {
      both_made.wait();
      refused += support::complaint_of([&] { other->join(); }) == "two threads wait for each other's end";
    };
    first.emplace(wait_for, std::ref(second));
    second.emplace(wait_for, std::ref(first));
    both_made.set();
    REQUIRE(soon([&] { return !first->alive() && !second->alive(); }));
    REQUIRE(refused >= 1);
  }
}

TEST_CASE("thread: the process ends beside a daemon that waits in static storage", "[thread]") {
  static event never;
  auto const ended = support::end_in_child([] {
    concur::thread const daemon(thread_options().daemon(), [] { never.wait(); });
    while (!support::sleeps(daemon.native_id())) std::this_thread::yield();
    std::destroy_at(&never);  // as the end of the process does
  });
  CHECK(ended.signal == 0);
  CHECK(ended.printed.empty());
}

TEST_CASE("thread: one whose object goes with its own function is not joined by itself", "[thread]") {
  nothing_left_behind const balance;
  event go;
  {
    auto object = std::make_shared<concur::thread>();
    // The last reference is the one in the thread's closure.
    *object = concur::thread([&go, object] { go.wait(); });
  }
  go.set();
  CHECK(soon([&] { return balance.holds(); }));
}

TEST_CASE("thread: destructor and move assignment request a stop and wait", "[thread]") {
  event ended;
  auto const wait_for_stop = [&ended](stop_token const& stop) {
    if (!event().wait(stop)) ended.set();
  };
  {
    concur::thread const t(wait_for_stop);
  }
  CHECK(ended.is_set());
  ended.clear();
  concur::thread t(wait_for_stop);
  t = concur::thread([] {});
  CHECK(ended.is_set());
  ended.clear();
  t = concur::thread(wait_for_stop);
  t = concur::thread();
  CHECK(ended.is_set());
  CHECK_FALSE(t.joinable());

  ended.clear();
  concur::thread other(wait_for_stop);
  auto const id = other.get_stop_source();
  swap(t, other);
  CHECK_FALSE(other.joinable());
  CHECK(t.get_stop_source() == id);
  auto& same = t;
  t = std::move(same);
  CHECK(t.joinable());
  CHECK_FALSE(ended.is_set());
}

TEST_CASE("thread: a daemon is neither stopped nor waited for, and its state goes when it ends", "[thread]") {
  nothing_left_behind const balance;
  tracked::reset();
  event gate;
  std::atomic<bool> requested{true};
  stop_token token;
  {
    concur::thread t(
        thread_options().daemon(),
        [&](stop_token const& stop, tracked const&) {
          gate.wait();
          requested = stop.stop_requested();
        },
        tracked(3));
    CHECK(t.daemon());
    token = t.get_stop_token();
  }
  CHECK_FALSE(token.stop_requested());
  CHECK(tracked::living != 0);
  gate.set();
  CHECK(soon([] { return tracked::living == 0; }));
  CHECK_FALSE(requested);
  CHECK(soon([&] { return balance.holds(); }));
  CHECK(soon([&] { return !token.stop_possible(); }));  // the state held the last source
  // A daemon may be joined all the same.
  concur::thread joined(thread_options().daemon(), [] {});
  joined.join();
  CHECK_FALSE(joined.alive());
}

TEST_CASE("thread: a daemon dropped at any moment around its end leaves nothing behind", "[thread]") {
  nothing_left_behind const balance;
  std::atomic<int> ended{0};
  int const times = rounds(5'000);
  for (int round = 0; round < times; ++round) {
    concur::thread const t(thread_options().daemon(), [&ended] { ++ended; });
    for (int pause = round % 128; pause > 0; --pause) concur::os::spin_pause();
    if (round % 3 == 0) concur::os::yield();
  }
  CHECK(soon([&] { return ended == times; }));
  CHECK(soon([&] { return balance.holds(); }));
}

namespace {

std::string comm_of(int id) {
  std::ifstream file("/proc/self/task/" + std::to_string(id) + "/comm");
  std::string line;
  std::getline(file, line);
  return line;
}

}  // namespace

TEST_CASE("thread: the whole name is kept, and the kernel shows what fits of it", "[thread]") {
  struct name {
    std::string whole, kernel;
  };
  std::string const fourteen = "fourteen-bytes";
  name const names[] = {
      {"s", "s"},
      {"fifteen-bytes-x", "fifteen-bytes-x"},
      {"sixteen-bytes-xy", "sixteen-bytes-x"},
      {"forty-bytes-forty-bytes-forty-bytes-fort", "forty-bytes-for"},
      {fourteen + "\xc3\xa9", fourteen},  // two bytes, the second does not fit
      {"thirteen-byte\xc3\xa9", "thirteen-byte\xc3\xa9"},
      {"thirteen-byte\xe2\x82\xac", "thirteen-byte"},  // three
      {"twelve-bytes\xe2\x82\xac!", "twelve-bytes\xe2\x82\xac"},
      {"twelve-bytes\xf0\x9f\x95\xb7!", "twelve-bytes"},  // four
      {std::string(20, '\x80'), ""},
  };
  for (auto const& each : names) {
    INFO(each.whole);
    event begun, gate;
    std::string inside;
    concur::thread t(thread_options().name(each.whole), [&] {
      inside = concur::this_thread::name();
      begun.set();
      gate.wait();
    });
    begun.wait();
    CHECK(t.name() == each.whole);
    CHECK(inside == each.whole);
    CHECK(comm_of(t.native_id()) == each.kernel);
    gate.set();
    t.join();
    CHECK(t.name() == each.whole);
  }
}

TEST_CASE("thread: one without a name has a number, and the kernel shows the name of the program", "[thread]") {
  event gate;
  concur::thread first([&gate] { gate.wait(); });
  concur::thread second([&gate] { gate.wait(); });
  CHECK(first.name().starts_with("thread-"));
  CHECK(second.name().starts_with("thread-"));
  CHECK(first.name() != second.name());
  REQUIRE(soon([&] { return first.native_id() != 0; }));
  CHECK(comm_of(first.native_id()) == comm_of(getpid()));
  gate.set();
}

TEST_CASE("thread: its number is the kernel's, and it is alive until it has ended", "[thread]") {
  event begun, gate;
  int inside = 0;
  pthread_t self{};
  concur::thread t([&] {
    inside = concur::this_thread::native_id();
    self = pthread_self();
    begun.set();
    gate.wait();
  });
  CHECK(t.alive());
  begun.wait();
  CHECK(t.native_id() == inside);
  CHECK(pthread_equal(t.native_handle(), self));
  CHECK(std::filesystem::exists("/proc/self/task/" + std::to_string(inside)));
  CHECK(t.alive());
  CHECK_FALSE(t.daemon());
  gate.set();
  CHECK(soon([&] { return !t.alive(); }));
  t.join();
  CHECK_FALSE(t.alive());
  CHECK(t.joinable());
}

TEST_CASE("thread: what its function throws goes to the hook with its name, and the program goes on", "[thread]") {
  recorded_errors const hook;
  concur::thread a(thread_options().name("spider"), [] { throw std::runtime_error("no\nweb"); });
  a.join();
  concur::thread b(thread_options().name(std::string(300, 'x')), [] { throw 7; });
  b.join();
  concur::thread c(thread_options().name("before"), [] {
    concur::this_thread::set_name("after");
    throw concur::cancelled();
  });
  c.join();
  auto const all = recorded_errors::all();
  REQUIRE(all.size() == 3);
  CHECK(all[0] == "thread \"spider\" | std::runtime_error: no web");
  CHECK(all[1] == "thread \"" + std::string(140, 'x') + "\" | int");
  CHECK(all[2].starts_with("thread \"after\" | "));
}

TEST_CASE("thread: without a hook one line on standard error tells of the exception", "[thread]") {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  pid_t const child = ::fork();
  if (child == 0) {
    ::alarm(20);
    ::dup2(ends[1], STDERR_FILENO);
    concur::thread t(thread_options().name("spider"), [] { throw std::runtime_error("no web"); });
    t.join();
    support::end_child(true);
  }
  ::close(ends[1]);
  std::string text;
  char buffer[512];
  // A signal may come between.
  for (ssize_t got = 0; (got = ::read(ends[0], buffer, sizeof buffer)) > 0 || (got < 0 && errno == EINTR);) {
    if (got > 0) text.append(buffer, std::size_t(got));
  }
  ::close(ends[0]);
  CHECK(support::child_was_right(child));
  CHECK(text == "concur: nobody took the error of thread \"spider\": std::runtime_error: no web\n");
}

TEST_CASE("thread: one that leaves by pthread_exit is joined like any other, and nothing is reported", "[thread]") {
  recorded_errors const hook;
  nothing_left_behind const balance;
  for (auto const& each : forms) {
    INFO(each.name);
    tracked::reset();
    int at_end = 0;
    concur::thread t(
        [&at_end](tracked const&) {
          at_thread_end.target = &at_end;
          pthread_exit(nullptr);
        },
        tracked(1));
    each.join(t);
    CHECK(tracked::living == 0);
    CHECK(tracked::holders_destroyed == 1);
    CHECK(at_end == 42);
  }
  CHECK(recorded_errors::all().empty());
  CHECK(balance.holds());
}

namespace {

// The message of the std::system_error that starting a thread with these options throws, and its code.
std::pair<std::string, int> refusal(thread_options const& options) {
  try {
    concur::thread const t(options, [] {});
  } catch (std::system_error const& error) {
    return {error.what(), error.code().value()};
  }
  return {"started", 0};
}

bool says(std::pair<std::string, int> const& what, std::string_view text, int code) {
  UNSCOPED_INFO(what.first);
  return what.first.find(text) != std::string::npos && what.second == code;
}

}  // namespace

TEST_CASE("thread: a member function gets its stop token after its object", "[thread]") {
  struct worker {
    void run(stop_token const& stop, int n) {
      got = n;
      can_stop = stop.stop_possible();
    }
    void plain(int n) { got = -n; }
    int got = 0;
    bool can_stop = false;
  } one, two, three;
  concur::thread(&worker::run, &one, 1).join();
  concur::thread(&worker::run, std::ref(two), 2).join();
  concur::thread(&worker::plain, &three, 3).join();
  CHECK(one.got == 1);
  CHECK(one.can_stop);
  CHECK(two.got == 2);
  CHECK(two.can_stop);
  CHECK(three.got == -3);
}

TEST_CASE("thread: options take effect", "[thread]") {
  std::size_t size = 0;
  concur::thread(thread_options().stack_size(1'000'001), [&size] {
    pthread_attr_t attributes;
    if (pthread_getattr_np(pthread_self(), &attributes) != 0) return;
    void* lowest = nullptr;
    pthread_attr_getstack(&attributes, &lowest, &size);
    pthread_attr_destroy(&attributes);
  }).join();
  CHECK(size >= 1'000'001);
  CHECK(size < 8u << 20);  // not the default

  auto const mine = concur::this_thread::affinity();
  REQUIRE_FALSE(mine.empty());
  std::vector<int> seen;
  concur::thread(thread_options().affinity({mine.back()}), [&seen] { seen = concur::this_thread::affinity(); }).join();
  CHECK(seen == std::vector{mine.back()});
  concur::thread(thread_options().affinity({mine.front(), 65'535}), [&seen] {
    seen = concur::this_thread::affinity();
  }).join();
  CHECK(seen == std::vector{mine.front()});
  concur::thread([&seen] { seen = concur::this_thread::affinity(); }).join();
  CHECK(seen == mine);

  int policy = -1;
  sched_param parameters{};
  auto const ask = [&] { pthread_getschedparam(pthread_self(), &policy, &parameters); };
  concur::thread(thread_options().scheduling(concur::scheduling_policy::other), ask).join();
  CHECK(policy == SCHED_OTHER);
  for (auto const wanted : {concur::scheduling_policy::round_robin, concur::scheduling_policy::fifo}) {
    policy = -1;
    try {
      concur::thread(thread_options().scheduling(wanted, 3), ask).join();
      CHECK(policy == (wanted == concur::scheduling_policy::fifo ? SCHED_FIFO : SCHED_RR));
      CHECK(parameters.sched_priority == 3);
    } catch (std::system_error const& error) {
      CHECK(says({error.what(), error.code().value()}, "no permission for the scheduling", EPERM));
    }
  }
}

TEST_CASE("thread: options that the system refuses give an error that says which, and leave nothing", "[thread]") {
  nothing_left_behind const balance;
  tracked::reset();
  using concur::scheduling_policy;
  auto const mine = concur::this_thread::affinity();
  CHECK(says(refusal(thread_options().stack_size(1)), "a stack of 1 bytes is less than", EINVAL));
  asm volatile("" : : "r"(&many_bytes[0]) : "memory");  // used, or it would not be there
  if (!support::thread_sanitizer && !support::address_sanitizer) {  // which make small stacks larger
    CHECK(says(refusal(thread_options().stack_size(sizeof many_bytes)), "does not hold its thread_local", EINVAL));
  }
  CHECK(says(refusal(thread_options().stack_size(SIZE_MAX)), "there is no room for its stack", ENOMEM));
  CHECK(says(refusal(thread_options().stack_size(SIZE_MAX / 2)), "its stack of", EAGAIN));
  CHECK(says(refusal(thread_options().stack_size(std::size_t(1) << 46)), "no memory for its stack of", EAGAIN));
  CHECK(says(refusal(thread_options().affinity({-1})), "processor -1, which cannot exist", EINVAL));
  CHECK(says(refusal(thread_options().affinity({mine.front(), 1 << 16})), "processor 65536, which", EINVAL));
  CHECK(says(refusal(thread_options().affinity({65'535})), "none of the processors", EINVAL));
  CHECK(says(refusal(thread_options().affinity({65'535}).stack_size(1 << 20)), "none of the processors", EINVAL));
  CHECK(says(refusal(thread_options().scheduling(scheduling_policy::other, 1)), "from 0 to 0", EINVAL));
  CHECK(says(refusal(thread_options().scheduling(scheduling_policy::fifo)), "is 0, but must be from 1 to 99", EINVAL));
  CHECK(says(refusal(thread_options().scheduling(scheduling_policy::round_robin, 100)), "is 100, but", EINVAL));
  CHECK(says(refusal(thread_options().scheduling(scheduling_policy::fifo, -1)), "is -1, but", EINVAL));
  CHECK_THROWS_AS(concur::thread(thread_options().stack_size(1), [](tracked const&) {}, tracked(1)), std::system_error);
  CHECK(tracked::living == 0);
  CHECK(balance.holds());
}

TEST_CASE("thread: when one of a group cannot be started, the others are joined", "[thread]") {
  nothing_left_behind const balance;
  for (int bad = 0; bad < 8; ++bad) {
    std::atomic<int> begun{0}, ended{0};
    auto const start_all = [&] {
      std::vector<concur::thread> group;
      for (int i = 0; i < 8; ++i) {
        group.emplace_back(thread_options().stack_size(i == bad ? std::size_t(1) << 46 : 0),
                           [&](stop_token const& stop) {
                             ++begun;
                             if (!event().wait(stop)) ++ended;
                           });
      }
    };
    CHECK_THROWS_AS(start_all(), std::system_error);
    CHECK(begun == bad);
    CHECK(ended == bad);
    CHECK(balance.holds());
  }
}

TEST_CASE("thread: when the kernel refuses one of a group, the error says so and the others are joined", "[thread]") {
  if (!support::calls_can_be_denied()) return;
  for (int bad = 0; bad < 8; ++bad) {
    std::pair<std::string, int> why;
    std::atomic<int> begun{0}, ended{0};
    bool balanced = false;
    support::on_own_thread([&] {
      nothing_left_behind const balance;
      try {
        std::vector<concur::thread> group;
        for (int i = 0; i < 8; ++i) {
          if (i == bad) {
            support::deny({SYS_clone3, EAGAIN});
            support::deny({SYS_clone, EAGAIN});
          }
          group.emplace_back([&](stop_token const& stop) {
            ++begun;
            if (!event().wait(stop)) ++ended;
          });
        }
      } catch (std::system_error const& error) {
        why = {error.what(), error.code().value()};
      }
      balanced = balance.holds();
    });
    CHECK(says(why, "a thread could not be started: too many threads, or no memory for another", EAGAIN));
    CHECK(begun == bad);
    CHECK(ended == bad);
    CHECK(balanced);
  }
}

TEST_CASE("thread: every allocation of the constructor may fail, and nothing is left", "[thread]") {
  nothing_left_behind const balance;
  int failures = 0;
  for (auto const& options :
       {thread_options(), thread_options().name(std::string(100, 'n')).affinity({0, 1, 70}).stack_size(1 << 18)}) {
    for (int k = 1;; ++k) {
      tracked::reset();
      bool ran = false, happened = false;
      std::string const long_text(100, 't');
      {
        tracked const given(1);
        concur::thread t;
        {
          support::failing_new const shortage(k);
          try {
            t = concur::thread(options, [&ran](std::string const&, tracked const&) { ran = true; }, long_text, given);
          } catch (std::bad_alloc const&) {
          }
          happened = shortage.happened();
        }
        REQUIRE(t.joinable() != happened);
        if (t.joinable()) t.join();
      }
      CHECK(ran != happened);
      CHECK(tracked::living == 0);
      CHECK(balance.holds());
      if (!happened) break;
      ++failures;
    }
  }
  if (support::failing_new::available()) CHECK(failures >= 6);  // state, text and stop token at the least, twice
}

TEST_CASE("thread: many thousands one after the other leave nothing behind", "[thread]") {
  auto const use = [](int count) {
    for (int i = 0; i < count; ++i) {
      concur::thread t([](int) {}, i);
      if (i % 2 == 0) t.join();
    }
  };
  use(100);
  nothing_left_behind const balance;
  memory_in_use const before;
  use(rounds(100'000));
  memory_in_use const after;
  CHECK(balance.holds());
  if (support::slow_build) return;
  CHECK(after.allocated < before.allocated + 100'000);  // a byte for each would be too much
  CHECK(after.mapped < before.mapped + (64 << 20));  // the stacks of eight
}

TEST_CASE("thread: a thousand at once, and they leave nothing behind", "[thread]") {
  int const count = rounds(1'000);
  auto const use = [] {
    nothing_left_behind const balance;
    auto const listed = concur::thread_count();
    event gate;
    std::atomic<int> begun{0};
    {
      std::vector<concur::thread> all;
      for (int i = 0; i < count; ++i) {
        all.emplace_back(thread_options().stack_size(1 << 18), [&] {
          ++begun;
          gate.wait();
        });
      }
      CHECK(concur::thread_count() == listed + std::size_t(count));
      REQUIRE(soon([&] { return begun == count; }));
      gate.set();
    }
    CHECK(balance.holds());
  };
  use();  // the C library keeps some stacks for later
  memory_in_use const before;
  use();
  memory_in_use const after;
  if (support::slow_build) return;
  CHECK(after.allocated < before.allocated + 10'000);
  CHECK(after.mapped < before.mapped + (64 << 20));  // a quarter of their stacks
}

TEST_CASE("thread: started and ended by many threads at once", "[thread]") {
  nothing_left_behind const balance;
  std::atomic<int> ran{0};
  int const times = rounds(2'000);
  support::hammer crowd;
  crowd.add(4, [&] {
    for (int i = 0; i < times; ++i) {
      concur::thread const t(thread_options().name("short").daemon(i % 4 == 0), [&ran] { ++ran; });
    }
  });
  crowd.add([&] {
    for (int i = 0; i < times; ++i) {
      for (auto const& each : concur::threads()) {
        if (each.name.empty()) std::abort();
      }
    }
  });
  crowd.run();
  CHECK(soon([&] { return ran == 4 * times; }));
  CHECK(soon([&] { return balance.holds(); }));
}

TEST_CASE("thread: one can start and join others", "[thread]") {
  int deepest = 0;
  std::function<void(int)> nest = [&](int depth) {
    if (depth == 20) {
      deepest = depth;
      return;
    }
    concur::thread(nest, depth + 1).join();
  };
  nest(0);
  CHECK(deepest == 20);
}
