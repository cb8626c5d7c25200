// SPDX-License-Identifier: BSL-1.0
//
// C12: a future made by hand, with the promise to complete it, which a task keeps two seconds later. Then one that
// nobody completes: on a loop in virtual time, as tests use it, the program does not hang but names who waits.
#include <concur/concur.hpp>

#include <string>
#include <utility>

#include "tutorial.hpp"

using namespace tutorial;

concur::task<> answer(concur::promise<std::string> promise) {
  co_await concur::sleep_for(2s / speed);
  promise.set_value("666");
}

concur::task<std::string> ask() {
  concur::promise<std::string> promise;
  concur::future<std::string> future = promise.get_future();
  auto const answering = concur::spawn(answer(std::move(promise)));
  std::string text = co_await future;
  co_return text;
}

concur::task<std::string> reader(concur::future<std::string> news) {
  std::string text = co_await news;
  co_return text;
}

concur::task<> hope(concur::future<std::string> news) {
  auto reading = concur::spawn(reader(std::move(news)), "reader");
  co_await concur::sleep_for(1h);  // in virtual time this takes no time
  std::string const text = co_await reading;
  say("read ", text);
}

int main(int count, char** words) {
  arguments(count, words, "A future that a task completes, and one that nobody does.");

  stopwatch watch;
  std::string const text = concur::run(ask());
  say(text, " after ", watch.seconds(), " s");
  expect(text == "666" && watch.seconds() >= 2, "the result comes when the promise is kept");

  concur::promise<std::string> kept_by_nobody;
  std::string report;
  try {
    concur::run(hope(kept_by_nobody.get_future()), concur::event_loop_options().virtual_time());
  } catch (concur::deadlock const& error) {
    report = error.what();
  }
  say(report);
  expect(report.find("\"reader\"") != report.npos, "the report names the task that waits in vain");
}
