// SPDX-License-Identifier: BSL-1.0
//
// What others can be awaited in a task: awaiters that resume the handle they got whenever and wherever they like.
#include <concur/coro/foreign_await.hpp>

#include <concur/coro/spawn.hpp>
#include <concur/coro/task.hpp>

#include "coro_support.hpp"

#include <atomic>
#include <coroutine>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

namespace others {

// Keeps the handle until somebody resumes it.
struct slot {
  std::coroutine_handle<> waiting;
  void resume() { std::exchange(waiting, nullptr).resume(); }
};

struct keeps {
  explicit keeps(slot& where, int result = 0) : kept(where), value(result) {}
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> handle) { kept.waiting = handle; }
  int await_resume() const { return value; }
  slot& kept;
  int value;
};

struct is_ready {
  is_ready() {}
  bool await_ready() const { return true; }
  void await_suspend(std::coroutine_handle<>) const { std::abort(); }
  std::string await_resume() const { return "ready"; }
};

struct says {
  explicit says(bool suspend, slot& where) : suspends(suspend), kept(where) {}
  bool await_ready() const { return false; }
  bool await_suspend(std::coroutine_handle<> handle) {
    if (suspends) kept.waiting = handle;
    return suspends;
  }
  int await_resume() const { return suspends ? 1 : 0; }
  bool suspends;
  slot& kept;
};

struct resumes_inside {
  resumes_inside() {}
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> handle) { handle.resume(); }
  int await_resume() const { return 4; }
};

// Gives the handle of another coroutine to be resumed instead, or its own, or that of none.
struct transfers {
  explicit transfers(std::coroutine_handle<> next, slot* where) : to(next), kept(where) {}
  bool await_ready() const { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> handle) {
    if (kept == nullptr) return handle;
    kept->waiting = handle;
    return to;
  }
  int await_resume() const { return 5; }
  std::coroutine_handle<> to;
  slot* kept;
};

struct throws {
  explicit throws(char const* where) : at(where) {}
  bool await_ready() const { return in("ready"); }
  void await_suspend(std::coroutine_handle<>) const { in("suspend"); }
  int await_resume() const { return in("resume") ? 1 : 0; }
  bool in(char const* what) const {
    if (std::string(at) == what) throw std::runtime_error(what);
    return false;
  }
  char const* at;
};

struct by_member {
  explicit by_member(slot& where) : kept(where) {}
  keeps operator co_await() && { return keeps(kept, 10); }
  keeps operator co_await() const& { return keeps(kept, 20); }
  slot& kept;
};
struct by_free {
  explicit by_free(slot& where) : kept(where) {}
  slot& kept;
};
keeps operator co_await(by_free const& it) { return keeps(it.kept, 30); }

// The awaiter comes out by reference, and must not be copied.
struct by_reference {
  explicit by_reference(slot& where) : inside(where, 40) {}
  keeps& operator co_await() { return inside; }
  struct immovable : keeps {
    using keeps::keeps;
    immovable(immovable const&) = delete;
  };
  immovable inside;
};

struct gives_reference {
  explicit gives_reference(int& which) : value(which) {}
  bool await_ready() const { return true; }
  void await_suspend(std::coroutine_handle<>) const {}
  int& await_resume() const { return value; }
  int& value;
};

// Resumes on a thread of its own, while await_suspend may still be running.
struct elsewhere {
  explicit elsewhere(std::vector<std::thread>& all) : threads(all) {}
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> handle) {
    threads.emplace_back([handle] { handle.resume(); });
  }
  std::thread::id await_resume() const { return std::this_thread::get_id(); }
  std::vector<std::thread>& threads;
};

// A coroutine of others that starts at once and destroys itself.
struct detached {
  struct promise_type {
    detached get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
    std::suspend_always initial_suspend() { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
  std::coroutine_handle<> handle;
};
detached set(bool& flag) {
  flag = true;
  co_return;
}

}  // namespace others

namespace {

using concur::spawn;
using concur::task;
using others::slot;
using support::hand_loop;
using support::value_of;

// Runs a task that waits in `kept` once, and resumes it there.
template <class T>
T resumed_once(slot& kept, task<T> body) {
  hand_loop here;
  auto f = spawn(here, std::move(body));
  here.run_all();
  CHECK_FALSE(f.done());
  kept.resume();
  CHECK_FALSE(f.done());  // it is posted
  here.run_all();
  REQUIRE(f.done());
  return f.get();
}

}  // namespace

TEST_CASE("foreign awaiters: what is ready, what does not suspend, what resumes inside", "[foreign]") {
  static auto const body = []() -> task<std::string> {
    slot unused;
    std::string text = co_await others::is_ready();
    others::is_ready const named;
    text += co_await named;
    text += std::to_string(co_await others::says(false, unused));
    text += std::to_string(co_await others::resumes_inside());
    text += std::to_string(co_await others::transfers(nullptr, nullptr));
    co_await std::suspend_never();
    int value = 6;
    int& same = co_await others::gives_reference(value);
    ++same;
    static_assert(
        std::is_same_v<int&, decltype(concur::await_as_task(std::declval<others::gives_reference>()).await_resume())>);
    co_return text + std::to_string(value);
  };
  CHECK(value_of(body()) == "readyready0457");
}

TEST_CASE("foreign awaiters: the task goes on where it runs, as an item", "[foreign]") {
  slot kept;
  static auto const waits = [](slot& s) -> task<int> {
    int const one = 1;
    co_return one + co_await others::keeps(s, 1);
  };
  CHECK(resumed_once(kept, waits(kept)) == 2);
  static auto const says = [](slot& s) -> task<int> {
    int const one = 1;
    co_return one + co_await others::says(true, s);
  };
  CHECK(resumed_once(kept, says(kept)) == 2);
}

TEST_CASE("foreign awaiters: members, free operators, lvalues and temporaries", "[foreign]") {
  slot kept;
  static auto const member = [](slot& s) -> task<int> {
    int const one = 1;
    co_return one + co_await others::by_member(s);
  };
  static auto const named_member = [](slot& s) -> task<int> {
    others::by_member const named(s);
    co_return 1 + co_await named;
  };
  static auto const free = [](slot& s) -> task<int> {
    int const one = 1;
    co_return one + co_await others::by_free(s);
  };
  static auto const named_free = [](slot& s) -> task<int> {
    others::by_free named(s);
    co_return 1 + co_await named;
  };
  static auto const by_reference = [](slot& s) -> task<int> {
    others::by_reference named(s);
    co_return 1 + co_await named;
  };
  static auto const named = [](slot& s) -> task<int> {
    others::keeps awaiter(s, 50);
    co_return 1 + co_await awaiter;
  };
  CHECK(resumed_once(kept, member(kept)) == 11);
  CHECK(resumed_once(kept, named_member(kept)) == 21);
  CHECK(resumed_once(kept, free(kept)) == 31);
  CHECK(resumed_once(kept, named_free(kept)) == 31);
  CHECK(resumed_once(kept, by_reference(kept)) == 41);
  CHECK(resumed_once(kept, named(kept)) == 51);
}

TEST_CASE("foreign awaiters: a transfer to another coroutine, or to none", "[foreign]") {
  static auto const to = [](std::coroutine_handle<> next, slot& s) -> task<int> {
    int const one = 1;
    co_return one + co_await others::transfers(next, &s);
  };
  slot kept;
  bool ran = false;
  CHECK(resumed_once(kept, to(others::set(ran).handle, kept)) == 6);
  CHECK(ran);
  CHECK(resumed_once(kept, to(std::noop_coroutine(), kept)) == 6);
}

TEST_CASE("foreign awaiters: an error at every place is thrown by the await", "[foreign]") {
  static auto const fails = [](char const* where) -> task<std::string> {
    std::string caught = "nothing";
    try {
      co_await others::throws(where);
    } catch (std::runtime_error const& error) {
      caught = error.what();
    }
    co_return caught;
  };
  for (auto const* where : {"ready", "suspend"}) CHECK(value_of(fails(where)) == where);
  static auto const fails_late = [](slot& s) -> task<int> {
    struct late : others::keeps {
      using others::keeps::keeps;
      int await_resume() const { throw std::runtime_error("resume"); }
    };
    int const nothing = 0;
    co_return nothing + co_await late(s);
  };
  slot kept;
  CHECK_THROWS_WITH(resumed_once(kept, fails_late(kept)), "resume");
}

TEST_CASE("foreign awaiters: a cancel does not end the wait, and refuses the next one of ours", "[foreign]") {
  static auto const waits = [](slot& s, int& passed) -> task<> {
    int const one = 1;
    co_await others::keeps(s);
    passed += one;
    co_await concur::hop_to(*concur::current_executor());
    passed += one;
  };
  hand_loop here;
  slot kept;
  int passed = 0;
  auto f = spawn(here, waits(kept, passed));
  here.run_all();
  CHECK(f.cancel());
  here.run_all();
  CHECK_FALSE(f.done());
  kept.resume();
  here.run_all();
  REQUIRE(f.done());
  CHECK(passed == 1);
  CHECK_THROWS_AS(f.get(), concur::cancelled);
}

TEST_CASE("foreign awaiters: resumed by other threads, the task stays on its own", "[foreign]") {
  static auto const waits = [](std::vector<std::thread>& threads, int times) -> task<int> {
    int wrong = 0;
    auto const mine = std::this_thread::get_id();
    for (int i = 0; i < times; ++i) wrong += co_await others::elsewhere(threads) == mine ? 0 : 1;
    co_return wrong;
  };
  hand_loop here;
  int const times = support::rounds(300);
  std::vector<std::thread> threads;
  auto f = spawn(here, waits(threads, times));
  here.run_until([&] { return f.done(); });
  for (auto& each : threads) each.join();
  CHECK(f.get() == 0);
  CHECK(threads.size() == std::size_t(times));
}

TEST_CASE("foreign awaiters: the stand-in may not be had", "[foreign]") {
  if (!support::failing_new::available() || !concur::os::watches_memory) return;
  static auto const waits = [](slot& s) -> task<bool> {
    bool refused = false;
    try {
      support::failing_new const shortage(1);
      co_await others::keeps(s);
    } catch (std::bad_alloc const&) {
      refused = true;
    }
    co_return refused;
  };
  slot kept;
  CHECK(value_of(waits(kept)));
  CHECK_FALSE(kept.waiting);
}
