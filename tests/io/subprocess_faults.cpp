// SPDX-License-Identifier: BSL-1.0
//
// Child processes and their pipes while a call of the system fails: none of them is left, and none is a zombie.
#include "../support/bears_failures.hpp"
#include "../support/catch.hpp"

#include <concur/coro/task.hpp>
#include <concur/io/pipe.hpp>
#include <concur/io/subprocess.hpp>
#include <concur/loop/run.hpp>

#include <array>
#include <cerrno>
#include <stdexcept>
#include <sys/wait.h>

namespace {

using concur::run;
using concur::subprocess;
using concur::subprocess_options;
using concur::task;
using support::failing_call;
using support::failures_borne;

bool has_children() { return ::waitpid(-1, nullptr, WNOHANG) != -1 || errno != ECHILD; }

// Whatever it throws, no child is left.
template <class Job>
auto childless(Job job) {
  return [job] {
    try {
      job();
    } catch (...) {
      if (has_children()) throw std::logic_error("a child is left");
      throw;
    }
    if (has_children()) throw std::logic_error("a child is left");
  };
}

void talk() {
  subprocess cat({"cat"}, subprocess_options().pipes());
  auto const result = cat.communicate("hello");
  if (!failing_call::happened() && result.output != "hello") throw std::logic_error("another output");
}

task<> async_talk() {
  subprocess cat({"cat"}, subprocess_options().pipes());
  auto const result = co_await cat.async_communicate("hello");
  if (!failing_call::happened() && result.output != "hello") throw std::logic_error("another output");
}

task<> start_and_end() {
  subprocess cat({"cat"}, subprocess_options().standard_input(concur::stdio::pipe()));
  cat.terminate();
  if (failing_call::happened()) cat.standard_input().close();  // it may not have got the signal
  auto const how = co_await cat.async_wait();
  if (!failing_call::happened() && how.signal() != SIGTERM) throw std::logic_error("another end");
}

task<> through_a_pipe() {
  auto ends = concur::make_pipe();
  std::array<char, 4> space{};
  co_await ends.writer.async_write("word");
  auto const count = co_await ends.reader.async_read(space);
  if (!failing_call::happened() && count != 4) throw std::logic_error("another text");
}

}  // namespace

TEST_CASE("subprocess: communicate bears the failure of every call") {
  auto const failed = failures_borne(childless(talk));
  CHECK(failed > 50);
}

TEST_CASE("subprocess: async_communicate bears the failure of every call") {
  auto const failed = failures_borne(childless([] { run(async_talk()); }));
  CHECK(failed > 100);
}

TEST_CASE("subprocess: its start, a signal and its end bear the failure of every call") {
  auto const failed = failures_borne(childless([] { run(start_and_end()); }));
  CHECK(failed > 40);
}

TEST_CASE("pipe: its ends bear the failure of every call") {
  auto const failed = failures_borne([] { run(through_a_pipe()); });
  CHECK(failed > 20);
}
