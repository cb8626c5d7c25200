// SPDX-License-Identifier: BSL-1.0
#include <concur/io/subprocess.hpp>

#include "../support/catch.hpp"
#include "../support/denied_calls.hpp"
#include "../support/failing_new.hpp"
#include "../support/forked.hpp"
#include "../support/open_descriptors.hpp"
#include "../support/refusals.hpp"

#include <concur/core/child_handle.hpp>
#include <concur/coro/gather.hpp>
#include <concur/coro/spawn.hpp>
#include <concur/coro/task.hpp>
#include <concur/coro/timeout.hpp>
#include <concur/coro/with.hpp>
#include <concur/coro/yield.hpp>
#include <concur/io/buffered_reader.hpp>
#include <concur/io/pipe.hpp>
#include <concur/loop/event_loop.hpp>
#include <concur/loop/run.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <fcntl.h>
#include <new>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <system_error>
#include <thread>
#include <type_traits>
#include <unistd.h>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using concur::exit_status;
using concur::stdio;
using concur::subprocess;
using concur::subprocess_options;
using concur::subprocess_result;
using concur::task;
using support::open_descriptors;
using support::system_error_of;

using words = std::vector<std::string>;

words shell(std::string script) { return {"sh", "-c", std::move(script)}; }
words sleeper() { return {"sleep", "1000"}; }

std::string output_of(words const& program, subprocess_options options = {}) {
  return subprocess(program, options.standard_output(stdio::pipe())).communicate().output;
}

bool has_children() { return ::waitpid(-1, nullptr, WNOHANG) >= 0 || errno != ECHILD; }

task<> wait_once() {
  auto ends = concur::make_pipe();
  std::array<char, 1> space{};
  co_await concur::move_on_after(1us, ends.reader.async_read_some(space));
}

/// That nothing is left of what happens while it lives: no child, no zombie, no descriptor.
class nothing_left {
 public:
  nothing_left() {
    concur::run(wait_once());  // what a loop keeps for the next one
    before_ = open_descriptors();
  }
  nothing_left(nothing_left const&) = delete;
  nothing_left& operator=(nothing_left const&) = delete;
  ~nothing_left() {
    CHECK(open_descriptors() == before_);
    CHECK_FALSE(has_children());
  }

 private:
  std::ptrdiff_t before_ = 0;
};

std::string much_text(std::size_t size) {
  std::string text(size, ' ');
  for (std::size_t i = 0; i < size; ++i) text[i] = char('a' + i * 7 % 26);
  return text;
}

subprocess_result by_thread(subprocess& child, concur::const_buffer input) { return child.communicate(input); }
subprocess_result by_coroutine(subprocess& child, concur::const_buffer input) {
  return concur::run(child.async_communicate(input));
}

static_assert(std::is_nothrow_move_constructible_v<subprocess> && !std::is_copy_constructible_v<subprocess>);

}  // namespace

TEST_CASE("subprocess: says how it ended, as often as one asks", "[subprocess]") {
  nothing_left const check;
  subprocess right({"true"});
  CHECK(right.wait().success());
  CHECK(right.wait() == exit_status());
  CHECK(right.try_wait() == exit_status());

  subprocess wrong(shell("exit 7"));
  auto const how = wrong.wait();
  CHECK_FALSE(how.success());
  CHECK(how.code() == 7);
  CHECK_FALSE(how.signal());
  CHECK(how.to_string() == "exit status 7");
  CHECK(concur::run(wrong.async_wait()) == how);

  subprocess killed(shell("kill -KILL $$"));
  auto const by = killed.wait();
  CHECK(by.signal() == SIGKILL);
  CHECK_FALSE(by.code());
  CHECK_FALSE(by.success());
  CHECK(by.to_string() == "ended by signal 9");
}

TEST_CASE("subprocess: its end can be awaited, by several, within limits", "[subprocess]") {
  nothing_left const check;
  subprocess child({"cat"}, subprocess_options().standard_input(stdio::pipe()));
  CHECK(child.pid() > 0);
  CHECK_FALSE(child.try_wait());
  CHECK_FALSE(child.try_wait_for(1ms));
  CHECK_FALSE(child.try_wait_until(std::chrono::steady_clock::now()));
  std::stop_source stop;
  stop.request_stop();
  CHECK_FALSE(child.wait(stop.get_token()));
  auto const wait = [&]() -> task<bool> {
    auto const early = co_await concur::move_on_after(1ms, child.async_wait());
    CHECK_FALSE(early);
    auto one = concur::spawn(child.async_wait());
    auto other = concur::spawn(child.async_wait());
    co_await concur::yield();
    child.standard_input().close();
    auto const first = co_await std::move(one);
    auto const second = co_await std::move(other);
    co_return first.success() && second.success();
  };
  CHECK(concur::run(wait()));
  CHECK(child.try_wait_for(1h) == exit_status());
}

TEST_CASE("subprocess: signals reach it, and nobody else after its end", "[subprocess]") {
  nothing_left const check;
  subprocess child(sleeper());
  CHECK(child.send_signal(0));
  CHECK(child.terminate());
  CHECK(child.wait().signal() == SIGTERM);
  CHECK_FALSE(child.terminate());
  CHECK_FALSE(child.kill());
  CHECK_FALSE(child.send_signal(SIGUSR1));
  subprocess stubborn(shell("trap '' TERM; echo ready; exec sleep 1000"),
                      subprocess_options().standard_output(stdio::pipe()));
  CHECK(system_error_of([&] { stubborn.send_signal(12345); }) == EINVAL);
  CHECK(concur::buffered_reader(stubborn.standard_output()).read_line() == "ready");
  CHECK(stubborn.terminate());
  CHECK_FALSE(stubborn.try_wait_for(1ms));
  CHECK(stubborn.kill());
  CHECK(stubborn.wait().signal() == SIGKILL);
}

TEST_CASE("subprocess: what cannot be started is an error here, and leaves nothing", "[subprocess]") {
  nothing_left const check;
  auto const error_of = [](words const& program, subprocess_options const& options) -> std::pair<int, std::string> {
    try {
      subprocess const child(program, options);
    } catch (std::system_error const& error) {
      return {error.code().value(), error.what()};
    }
    return {};
  };
  auto const pipes = subprocess_options().pipes();
  auto const [no_program, sentence] = error_of({"no-such-program-anywhere"}, pipes);
  CHECK(no_program == ENOENT);
  CHECK(sentence.find("'no-such-program-anywhere'") != sentence.npos);
  CHECK(error_of({"/nowhere/to/be/found"}, pipes).first == ENOENT);
  CHECK(error_of({"/etc/passwd"}, pipes).first == EACCES);
  auto const [no_directory, other_sentence] = error_of({"true"}, subprocess_options(pipes).directory("/no/directory"));
  CHECK(no_directory == ENOENT);
  CHECK(other_sentence.find("in '/no/directory'") != sentence.npos);
  CHECK(error_of({"true"}, subprocess_options(pipes).standard_error(stdio::descriptor(9999))).first == EBADF);
  CHECK(error_of({"true"}, subprocess_options(pipes).standard_error(stdio::descriptor(-1))).first == EBADF);
  CHECK_THROWS_AS(subprocess(words()), concur::misuse);
  CHECK_THROWS_AS(subprocess({""}), concur::misuse);
  CHECK_THROWS_AS(subprocess({"echo", std::string("a\0b", 3)}), std::invalid_argument);
}

TEST_CASE("subprocess: its streams go where one wants them", "[subprocess]") {
  nothing_left const check;
  CHECK(output_of({"echo", "two words", "*"}) == "two words *\n");
  CHECK(output_of(shell("cat; echo done"), subprocess_options().standard_input(stdio::null())) == "done\n");
  CHECK(output_of(shell("echo out; echo err >&2"), subprocess_options().standard_error(stdio::to_output())) ==
        "out\nerr\n");
  auto both = subprocess(shell("echo out; echo err >&2"), subprocess_options().pipes()).communicate();
  CHECK(both.output == "out\n");
  CHECK(both.error == "err\n");

  auto [reader, writer] = concur::make_pipe();
  subprocess child(shell("echo to a descriptor >&2"),
                   subprocess_options().standard_error(stdio::descriptor(writer.fd())));
  CHECK(writer.is_open());
  writer.close();
  CHECK(concur::buffered_reader(reader).read_all() == "to a descriptor\n");
  CHECK(child.wait().success());

  subprocess silent(shell("echo a; echo b >&2"),
                    subprocess_options().standard_output(stdio::null()).standard_error(stdio::null()));
  CHECK_FALSE(silent.standard_output().is_open());
  CHECK_FALSE(silent.standard_error().is_open());
  CHECK(silent.wait().success());
}

TEST_CASE("subprocess: directory and environment", "[subprocess]") {
  nothing_left const check;
  CHECK(output_of({"pwd"}, subprocess_options().directory("/")) == "/\n");
  CHECK(output_of({"env"}, subprocess_options().environment({"A=1", "B=2"}).variable("A", "3").variable("C", "")) ==
        "B=2\nA=3\nC=\n");
  CHECK(output_of(shell("echo $PATH"), subprocess_options().variable("PATHX", "x")) ==
        std::string(std::getenv("PATH")) + "\n");
  CHECK(output_of(shell("echo ${HOME-none}"), subprocess_options().variable("HOME", "x").without_variable("HOME")) ==
        "none\n");
}

TEST_CASE("subprocess: inherits no descriptor but the three, no blocked and no ignored signal", "[subprocess]") {
  nothing_left const check;
  concur::unique_fd const extra(::open("/dev/null", O_RDONLY));  // not to be closed on exec
  auto const looks = shell("[ -e /proc/self/fd/" + std::to_string(extra.get()) + " ] && echo there || echo gone");
  CHECK(output_of(looks) == "gone\n");
  CHECK(output_of(looks, subprocess_options().inherit_descriptors()) == "there\n");

  auto const before = std::signal(SIGPIPE, SIG_IGN);
  sigset_t all;
  sigset_t mask;
  sigfillset(&all);
  ::pthread_sigmask(SIG_BLOCK, &all, &mask);
  auto const state = output_of({"grep", "-E", "SigBlk|SigIgn", "/proc/self/status"});
  ::pthread_sigmask(SIG_SETMASK, &mask, nullptr);
  std::signal(SIGPIPE, before);
  CHECK(state.find("SigBlk:\t0000000000000000") != state.npos);
  auto const ignored = state.find("SigIgn:\t");
  REQUIRE(ignored != state.npos);
  CHECK((std::stoull(state.substr(ignored + 8), nullptr, 16) & (1u << (SIGPIPE - 1))) == 0);
}

TEST_CASE("subprocess: may have a session of its own", "[subprocess]") {
  subprocess own(sleeper(), subprocess_options().new_session());
  CHECK(::getsid(own.pid()) == own.pid());
  subprocess ours(sleeper());
  CHECK(::getsid(ours.pid()) == ::getsid(0));
}

TEST_CASE("subprocess: communicate moves more than any pipe holds, both ways at once", "[subprocess]") {
  nothing_left const check;
  auto const text = much_text(3'000'000);
  for (auto const communicate : {&by_thread, &by_coroutine}) {
    subprocess echo({"cat"}, subprocess_options().pipes());
    auto const echoed = communicate(echo, text);
    CHECK(echoed.output == text);
    CHECK(echoed.error.empty());
    CHECK(echoed.status.success());
    CHECK_FALSE(echo.standard_input().is_open());

    subprocess both(shell("cat >&2; head -c 200000 /dev/zero; exit 3"), subprocess_options().pipes());
    auto const two = communicate(both, text);
    CHECK(two.error == text);
    CHECK(two.output == std::string(200'000, '\0'));
    CHECK(two.status.code() == 3);
  }
}

TEST_CASE("subprocess: that does not read its input is no error", "[subprocess]") {
  nothing_left const check;
  auto const text = much_text(1'000'000);
  for (auto const communicate : {&by_thread, &by_coroutine}) {
    subprocess deaf(shell("exec <&-; echo heard nothing"), subprocess_options().pipes());
    CHECK(communicate(deaf, text).output == "heard nothing\n");
    subprocess brief({"head", "-c", "10"}, subprocess_options().pipes());
    CHECK(communicate(brief, text).output == text.substr(0, 10));
    subprocess plain({"true"});
    CHECK(communicate(plain, concur::const_buffer()).status.success());
    subprocess piped({"true"});
    CHECK_THROWS_AS(communicate(piped, concur::const_buffer("nobody reads this")), concur::misuse);
  }
}

TEST_CASE("subprocess: communicate that gives up has killed and reaped it", "[subprocess]") {
  nothing_left const check;
  subprocess late(sleeper(), subprocess_options().pipes());
  CHECK_FALSE(late.try_communicate_for("x", 1ms));
  CHECK(late.try_wait()->signal() == SIGKILL);
  subprocess stopped(sleeper(), subprocess_options().pipes());
  std::stop_source stop;
  std::thread stopper([&] { stop.request_stop(); });
  CHECK_FALSE(stopped.communicate(much_text(1'000'000), stop.get_token()));
  stopper.join();
  CHECK(stopped.try_wait()->signal() == SIGKILL);
  subprocess in_time({"cat"}, subprocess_options().pipes());
  CHECK(in_time.try_communicate_until("x", std::chrono::steady_clock::now() + 1h)->output == "x");
  // It has closed its streams, and does not end.
  subprocess silent(shell("exec >&- 2>&- <&-; exec sleep 1000"), subprocess_options().pipes());
  CHECK_FALSE(silent.try_communicate_for("", 50ms));
}

TEST_CASE("subprocess: communicate gives up on a child that never stops talking", "[subprocess]") {
  auto const endless = [] { return concur::unique_fd(::open("/dev/zero", O_RDONLY | O_CLOEXEC)); };
  std::stop_source stop;
  stop.request_stop();
  auto const token = stop.get_token();
  auto const later = std::chrono::system_clock::now() + 1ms;
  for (auto const& limit : {concur::wait_limit{.deadline = concur::at_once}, concur::wait_limit{.stop = &token},
                            concur::wait_limit{.deadline = concur::deadline_after(1ms)}, concur::limit_at(later)}) {
    concur::pipe_writer input;
    concur::pipe_reader output(endless());
    concur::pipe_reader error(endless());
    std::string output_text;
    std::string error_text;
    concur::detail::communication talking(input, {}, output, output_text, error, error_text);
    CHECK_FALSE(talking.run(limit));
    CHECK_FALSE(output_text.empty());
    CHECK_FALSE(error_text.empty());
  }
  subprocess child({"yes"}, subprocess_options().pipes());
  CHECK_FALSE(child.try_communicate_for("", 1ms));
}

TEST_CASE("subprocess: async_communicate cancelled at any moment has killed and reaped it", "[subprocess]") {
  nothing_left const check;
  auto const text = much_text(300'000);
  for (int steps = 0; steps < 60; ++steps) {
    subprocess child(shell(steps % 2 == 0 ? "cat" : "cat; exec sleep 1000"), subprocess_options().pipes());
    std::optional<subprocess_result> result;
    auto const cancel_after = [&]() -> task<> {
      auto talking = concur::spawn(child.async_communicate(text));
      for (int i = 0; i < steps; ++i) co_await concur::yield();
      talking.cancel();
      try {
        result = co_await std::move(talking);
      } catch (concur::cancelled const&) {
      }
    };
    concur::run(cancel_after());
    if (steps == 0) child.close();  // it has not begun
    CHECK_FALSE(has_children());
    if (result) {
      CHECK(result->output == text);
    } else {
      CHECK(child.try_wait()->signal() == SIGKILL);
    }
  }
}

TEST_CASE("subprocess: a limit on async_communicate, and the loop goes on meanwhile", "[subprocess]") {
  nothing_left const check;
  auto const talk = [&]() -> task<> {
    subprocess child(sleeper(), subprocess_options().pipes());
    auto const result = co_await concur::move_on_after(5ms, child.async_communicate());
    CHECK_FALSE(result);
    CHECK(child.try_wait()->signal() == SIGKILL);
  };
  concur::run(talk());
}

TEST_CASE("subprocess: its destructor, `with` and an assignment kill and reap it", "[subprocess]") {
  nothing_left const check;
  pid_t number = 0;
  {
    subprocess child(sleeper());
    number = child.pid();
    CHECK(::kill(number, 0) == 0);
  }
  CHECK(::kill(number, 0) != 0);
  {
    subprocess child(sleeper());
    number = child.pid();
    child = subprocess({"true"});
    CHECK(::kill(number, 0) != 0);
    auto moved = std::move(child);
    CHECK(moved.wait().success());
  }
  auto const use = [&]() -> task<> {
    subprocess child(sleeper(), subprocess_options().pipes());
    number = child.pid();
    co_await concur::with(child, [&](subprocess&) -> task<> {
      throw std::runtime_error("on the way out");
      co_return;
    });
  };
  CHECK_THROWS_AS(concur::run(use()), std::runtime_error);
  CHECK(::kill(number, 0) != 0);
}

TEST_CASE("subprocess: is not killed by a process that was forked meanwhile", "[subprocess]") {
  subprocess child(sleeper());
  CHECK(support::right_in_child([&] {
    subprocess inherited(std::move(child));
    return true;
  }));
  CHECK_FALSE(child.try_wait());
}

TEST_CASE("subprocess: works where the standard streams of this process are closed", "[subprocess]") {
  CHECK(support::right_in_child([] {
    for (int const fd : {0, 1, 2}) ::close(fd);
    subprocess child({"cat"}, subprocess_options().pipes());
    if (child.communicate("through").output != "through") return false;
    subprocess mixed(shell("cat; echo err >&2"), subprocess_options().pipes().standard_error(stdio::to_output()));
    return mixed.communicate("in,").output == "in,err\n";
  }));
}

TEST_CASE("subprocess: streams may be crossed", "[subprocess]") {
  CHECK(support::right_in_child([] {
    auto [reader, writer] = concur::make_pipe();
    ::fcntl(writer.fd(), F_SETFL, 0);
    if (::dup2(writer.fd(), 1) != 1 || ::dup2(::open("/dev/null", O_WRONLY), 2) != 2) return false;
    // Its standard error is our standard output, and the other way round.
    subprocess child(shell("echo out; echo err >&2"),
                     subprocess_options().standard_output(stdio::descriptor(2)).standard_error(stdio::descriptor(1)));
    if (!child.wait().success()) return false;
    std::array<char, 10> space{};
    auto const count = reader.read_some(space);
    return std::string(space.data(), count) == "err\n";
  }));
}

TEST_CASE("subprocess: where children are reaped by nobody, how it ended is an error", "[subprocess]") {
  CHECK(support::right_in_child([] {
    std::signal(SIGCHLD, SIG_IGN);
    subprocess child({"cat"}, subprocess_options().standard_input(stdio::pipe()));
    child.standard_input().close();
    return system_error_of([&] { child.wait(); }) == ECHILD && !child.kill();
  }));
}

TEST_CASE("subprocess: many at the same time on one loop", "[subprocess]") {
  nothing_left const check;
  auto const one = [](int number) -> task<bool> {
    auto const text = std::string(70'000, char('a' + number % 26));
    subprocess echo({"cat"}, subprocess_options().pipes());
    auto const result = co_await echo.async_communicate(text);
    co_return result.output == text&& result.status.success();
  };
  auto const all = [&]() -> task<int> {
    std::vector<task<bool>> children;
    for (int i = 0; i < 40; ++i) children.push_back(one(i));
    auto const right = co_await concur::gather(std::move(children));
    co_return int(std::count(right.begin(), right.end(), true));
  };
  CHECK(concur::run(all()) == 40);
}

// Else one child would hold the end of a pipe of another, which would wait for an end that does not come.
TEST_CASE("subprocess: started by several threads at once, none has what belongs to another", "[subprocess]") {
  nothing_left const check;
  std::array<bool, 4> right{};
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < right.size(); ++i) {
    threads.emplace_back([&, i] {
      auto const text = std::string(100'000, char('a' + i));
      bool all = true;
      for (int round = 0; round < 10; ++round) {
        subprocess echo({"cat"}, subprocess_options().pipes().inherit_descriptors(round % 2 == 0));
        all = all && echo.communicate(text).output == text;
      }
      right[i] = all;
    });
  }
  for (auto& each : threads) each.join();
  CHECK(right == std::array{true, true, true, true});
}

TEST_CASE("subprocess: descriptors may run out at any moment, and nothing is left", "[subprocess]") {
  nothing_left const check;
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  concur::unique_fd first_free(::dup(STDIN_FILENO));
  auto const lowest = rlim_t(first_free.get());
  first_free.reset();
  std::vector<int> errors;
  errors.reserve(20);
  bool through = false;
  for (rlim_t more = 0; more < 20 && !through; ++more) {
    rlimit const few{lowest + more, before.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &few);
    int const error = system_error_of([&] {
      subprocess child({"cat"}, subprocess_options().pipes());
      child.close();
    });
    ::setrlimit(RLIMIT_NOFILE, &before);
    through = error == 0;
    if (!through) errors.push_back(error);
  }
  CHECK(through);
  CHECK(errors.size() >= 7);
  CHECK(errors == std::vector<int>(errors.size(), EMFILE));
}

TEST_CASE("subprocess: a system that gives no process, or no descriptor of it, is an error, and leaves nothing",
          "[subprocess]") {
  if (!support::calls_can_be_denied()) return;
  nothing_left const check;
  std::vector<int> errors;
  for (bool const no_process : {true, false}) {
    support::on_own_thread([&] {
      if (no_process) {
        support::deny({SYS_clone3, EAGAIN});
        support::deny({SYS_clone, EAGAIN});
      } else {
        support::deny({SYS_pidfd_open, EAGAIN});
      }
      errors.push_back(system_error_of([] { subprocess const child(sleeper(), subprocess_options().pipes()); }));
    });
  }
  CHECK(errors == std::vector{EAGAIN, EAGAIN});
}

TEST_CASE("subprocess: each allocation may fail, and nothing is left", "[subprocess]") {
  if (!support::failing_new::available()) return;
  concur::event_loop loop;
  auto const talk = []() -> task<bool> {
    subprocess child({"cat"}, subprocess_options().pipes());
    auto const result = co_await child.async_communicate("a text that is echoed");
    co_return result.output == "a text that is echoed";
  };
  loop.run(talk());
  auto const before = open_descriptors();
  for (int k = 1;; ++k) {
    bool happened = false;
    {
      support::failing_new const shortage(k);
      try {
        loop.run(talk());
      } catch (std::bad_alloc const&) {
      }
      happened = shortage.happened();
    }
    CHECK_FALSE(has_children());
    CHECK(open_descriptors() == before);
    if (!happened) break;
  }
}
