// SPDX-License-Identifier: BSL-1.0
//
// C16: a connection that is closed on every way out of its use: after a result, after an error, and at the end of the
// time. Python's "async with". A destructor cannot wait; async_close can.
#include <concur/concur.hpp>

#include <stdexcept>
#include <string>
#include <utility>

#include "tutorial.hpp"

using namespace tutorial;

int opened = 0, closed = 0;

class connection {
 public:
  explicit connection(std::string name) : name_(std::move(name)) {}

  concur::task<int> query(int number) {
    co_await concur::sleep_for(1s / speed);
    if (number < 0) throw std::runtime_error("no such number");
    co_return number* number;
  }

  // Called by `with`.
  concur::task<> async_close() {
    co_await concur::sleep_for(100ms / speed);  // the other side is told
    say(name_, " is closed");
    ++closed;
  }

 private:
  std::string name_;
};

concur::task<connection> connect(std::string name) {
  co_await concur::sleep_for(100ms / speed);
  say(name, " is open");
  ++opened;
  co_return connection(name);
}

concur::task<int> ask(std::string name, int number) {
  // GCC 12 wants a lambda that captures by value to be named outside the co_await expression.
  int const answer = co_await concur::with(connect(name), [&](connection& c) -> concur::task<int> {
    int const square = co_await c.query(number);
    say(name, " answers ", square);
    co_return square;
  });
  expect(closed == opened, "it is closed when with() has ended");
  co_return answer;
}

concur::task<> three_ways_out() {
  int const answer = co_await ask("the first", 12);
  expect(answer == 144, "the result of the body is that of with()");

  std::string error;
  try {
    co_await ask("the second", -1);
  } catch (std::runtime_error const& thrown) {
    error = thrown.what();
  }
  say("error: ", error);
  expect(error == "no such number" && opened == 2 && closed == 2, "closed, and the error goes on");

  auto const late = co_await concur::move_on_after(500ms / speed, ask("the third", 3));
  say("in time: ", late.has_value());
  expect(!late && opened == 3 && closed == 3, "closed, also when the time is over");
}

int main(int count, char** words) {
  arguments(count, words, "A connection that is closed after a result, after an error and at a time limit.");
  concur::run(three_ways_out());
  expect(closed == 3, "closed every time");
}
