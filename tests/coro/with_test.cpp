// SPDX-License-Identifier: BSL-1.0
#include <concur/coro/with.hpp>

#include "nursery_support.hpp"

#include <concur/coro/gather.hpp>
#include <concur/coro/sleep.hpp>
#include <concur/coro/task_group.hpp>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace {

using concur::spawn;
using concur::task;
using concur::with;
using concur::yield;
using support::cancel_at_every_step;
using support::failure;
using support::hand_loop;
using support::value_after;
using support::value_of;
using support::waits_for_ever;

struct record {
  int opened = 0;
  int closed = 0;
  int destroyed = 0;
};

/// Closed with waiting.
class connection {
 public:
  explicit connection(record& notes) : notes_(&notes) { ++notes.opened; }
  connection(connection&& other) noexcept : notes_(std::exchange(other.notes_, nullptr)) {}
  connection& operator=(connection&&) = delete;
  ~connection() {
    if (notes_ != nullptr) ++notes_->destroyed;
  }

  task<> async_close() {
    co_await yield();
    co_await concur::sleep_for(std::chrono::nanoseconds(0));
    ++notes_->closed;
  }

 private:
  record* notes_;
};

/// Closed at once.
class file {
 public:
  explicit file(record& notes) : notes_(&notes) { ++notes.opened; }
  void close() { ++notes_->closed; }

 private:
  record* notes_;
};

/// Cannot be closed.
class broken {
 public:
  task<> async_close() {
    co_await yield();
    throw failure{9};
  }
};
class broken_file {
 public:
  void close() { throw failure{9}; }
};

task<connection> connect(record& notes) {
  co_await yield();
  co_await yield();
  co_return connection(notes);
}
task<connection&> look_up(connection& known) {
  co_await yield();
  co_return known;
}

/// What comes out: see below.
task<int> result_of(task<int> body) {
  int result = 0;
  try {
    result = co_await std::move(body);
  } catch (failure const& e) {
    result = -e.number;
  } catch (concur::cancelled const&) {
    result = 1000;
  } catch (concur::multiple_errors const& e) {
    result = 2000 + int(e.errors().size());
  }
  co_return result;
}

template <class Resource>
task<int> returns(Resource&) {
  co_await yield();
  co_return 5;
}
template <class Resource>
task<int> fails(Resource&) {
  co_await yield();
  throw failure{3};
}

}  // namespace

TEST_CASE("with: closes what is given as an object, a temporary, or a task that opens it", "[coro]") {
  record notes;
  int sum = 0;
  auto all = [&]() -> task<> {
    connection mine(notes);
    sum += co_await with(mine, returns<connection>);
    CHECK(notes.closed == 1);
    CHECK(notes.destroyed == 0);
    sum += co_await with(connection(notes), returns<connection>);
    CHECK(notes.closed == 2);
    CHECK(notes.destroyed == 1);
    sum += co_await with(connect(notes), returns<connection>);
    CHECK(notes.closed == 3);
    CHECK(notes.destroyed == 2);
    sum += co_await with(look_up(mine), returns<connection>);
    CHECK(notes.closed == 4);
    CHECK(notes.destroyed == 2);
    sum += co_await with(file(notes), returns<file>);
    CHECK(notes.closed == 5);
  };
  value_of(all());
  CHECK(sum == 25);
  CHECK(notes.opened == 4);
  CHECK(notes.destroyed == 3);
}

TEST_CASE("with: gives what the body returned, of any type", "[coro]") {
  record notes;
  auto all = [&]() -> task<> {
    file mine(notes);
    auto boxed = [](file&) -> task<std::unique_ptr<int>> { co_return std::make_unique<int>(4); };
    auto const box = co_await with(mine, boxed);
    CHECK(*box == 4);
    auto same = [](file& f) -> task<file&> { co_return f; };
    file& again = co_await with(mine, same);
    CHECK(&again == &mine);
    auto nothing = [](file&) -> task<> { co_return; };
    co_await with(mine, nothing);
  };
  value_of(all());
  CHECK(notes.closed == 3);
}

TEST_CASE("with: closes after an error of the body, and passes it on", "[coro]") {
  record notes;
  CHECK(value_of(result_of(with(connection(notes), fails<connection>))) == -3);
  CHECK(value_of(result_of(with(file(notes), fails<file>))) == -3);
  auto throws_at_once = [&](file&) -> task<int> {
    if (notes.closed == 2) throw failure{4};
    co_return 0;
  };
  CHECK(value_of(result_of(with(file(notes), throws_at_once))) == -4);
  auto is_no_coroutine = [&](file& f) -> task<int> {
    if (notes.closed == 3) throw failure{6};
    return returns(f);
  };
  CHECK(value_of(result_of(with(file(notes), is_no_coroutine))) == -6);
  CHECK(notes.closed == 4);
}

TEST_CASE("with: an error of the close comes out, alone or with that of the body", "[coro]") {
  CHECK(value_of(result_of(with(broken(), returns<broken>))) == -9);
  CHECK(value_of(result_of(with(broken(), fails<broken>))) == 2002);
  CHECK(value_of(result_of(with(broken_file(), returns<broken_file>))) == -9);
  CHECK(value_of(result_of(with(broken_file(), fails<broken_file>))) == 2002);
}

TEST_CASE("with: nothing is closed that could not be opened", "[coro]") {
  auto refuses = []() -> task<connection> {
    co_await yield();
    throw failure{2};
  };
  CHECK(value_of(result_of(with(refuses(), returns<connection>))) == -2);
}

TEST_CASE("with: cancelled at every step, what was opened is closed", "[coro][every_order]") {
  record notes;
  auto body = [&](connection& c) -> task<int> { co_return co_await returns(c); };
  int values = 0;
  cancel_at_every_step(
      [&] {
        notes = record();
        return with(connect(notes), body);
      },
      [&](bool with_value) {
        values += with_value;
        CHECK(notes.destroyed == notes.opened);
        CHECK(notes.closed == notes.opened);
        if (with_value) CHECK(notes.closed == 1);
      });
  CHECK(values >= 22);
  // Made by the task, so that there is none if it never began.
  auto with_temporary = [&]() -> task<int> { co_return co_await with(connection(notes), body); };
  cancel_at_every_step(
      [&] {
        notes = record();
        return with_temporary();
      },
      [&](bool with_value) {
        CHECK(notes.destroyed == notes.opened);
        CHECK(notes.closed == notes.opened);
        if (with_value) CHECK(notes.closed == 1);
      });
}

TEST_CASE("with: a cancel does not end the close, whether it comes before or in the middle", "[coro]") {
  record notes;
  int ended = 0;
  auto body = [&](connection&) -> task<int> { co_return co_await waits_for_ever(ended); };
  for (bool const by_scope : {false, true}) {
    for (int steps_between = 0; steps_between < 4; ++steps_between) {
      notes = record();
      hand_loop here;
      auto all = [&]() -> task<> {
        auto in_group = [&](concur::task_group& g) -> task<> {
          g.spawn(with(connection(notes), body));
          co_return;
        };
        co_await concur::with_group(in_group);
      };
      auto f = spawn(here, all());
      here.run_all();
      if (by_scope) {
        here.tasks().cancel();
      } else {
        f.cancel();
      }
      for (int i = 0; i < steps_between; ++i) here.run_one();
      f.cancel();
      here.run_all();
      REQUIRE(f.done());
      CHECK_THROWS_AS(f.get(), concur::cancelled);
      CHECK(notes.closed == 1);
    }
  }
  CHECK(ended == 8);
}

TEST_CASE("with: one in another, closed from the inside outwards", "[coro]") {
  std::vector<int> log;
  class numbered {
   public:
    numbered(std::vector<int>& l, int number) : log_(&l), number_(number) {}
    task<> async_close() {
      co_await yield();
      log_->push_back(number_);
    }

   private:
    std::vector<int>* log_;
    int number_;
  };
  auto inner_body = [&](numbered&) -> task<int> {
    log.push_back(0);
    co_await yield();
    throw failure{1};
  };
  auto outer_body = [&](numbered&) -> task<int> { co_return co_await with(numbered(log, 1), inner_body); };
  CHECK(value_of(result_of(with(numbered(log, 2), outer_body))) == -1);
  CHECK(log == std::vector<int>{0, 1, 2});
}

TEST_CASE("with: several at the same time, of which one fails", "[coro]") {
  record notes;
  int ended = 0;
  auto waits = [&](connection&) -> task<int> { co_return co_await waits_for_ever(ended); };
  auto all = [&]() -> task<int> {
    auto const [a, b, c] = co_await concur::gather(with(connect(notes), waits), with(connect(notes), fails<connection>),
                                                   with(connect(notes), waits));
    co_return a + b + c;
  };
  CHECK(value_of(result_of(all())) == -3);
  CHECK(notes.opened == 3);
  CHECK(notes.closed == 3);
  CHECK(notes.destroyed == 3);
  CHECK(ended == 2);
}

TEST_CASE("with: each allocation fails in turn, and what is open is closed", "[coro]") {
  record notes;
  bool used = false;
  auto body = [&](file&) -> task<int> {
    used = true;
    co_return 1;
  };
  support::fail_every_allocation(
      [&] {
        notes = record();
        used = false;
        return with(file(notes), body);
      },
      [&] { CHECK((!used || notes.closed == 1)); });
  support::fail_every_allocation(
      [&] {
        notes = record();
        return with(connect(notes), returns<connection>);
      },
      [&] { CHECK(notes.destroyed == notes.opened); });
}

TEST_CASE("with: on several threads", "[coro]") {
  support::threads_executor pool(3);
  for (int i = 0; i < support::rounds(50); ++i) {
    record notes[2];
    int ended[2] = {};
    auto part = [&](int which) -> task<int> {
      auto body = [&ended, which](connection&) -> task<int> { co_return co_await waits_for_ever(ended[which]); };
      co_return co_await with(connect(notes[which]), body);
    };
    auto all = [&]() -> task<int> {
      auto const [a, b] = co_await concur::gather(part(0), part(1));
      co_return a + b;
    };
    auto f = spawn(pool, all());
    if (i % 2 == 0) std::this_thread::yield();
    f.cancel();
    f.wait();
    for (auto const& each : notes) {
      CHECK(each.destroyed == each.opened);
      CHECK(each.closed <= each.opened);
    }
  }
}
