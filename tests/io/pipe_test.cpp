// SPDX-License-Identifier: BSL-1.0
#include <concur/io/pipe.hpp>

#include "../support/catch.hpp"
#include "../support/failing_new.hpp"
#include "../support/refusals.hpp"
#include "stream_contract.hpp"

#include <concur/core/unique_fd.hpp>
#include <concur/coro/spawn.hpp>
#include <concur/coro/task.hpp>
#include <concur/coro/yield.hpp>
#include <concur/io/byte_stream.hpp>
#include <concur/loop/run.hpp>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <fcntl.h>
#include <new>
#include <string>
#include <string_view>
#include <sys/resource.h>
#include <type_traits>
#include <utility>

namespace {

using concur::pipe_reader;
using concur::pipe_writer;
using support::system_error_of;

struct pipe_pair {
  static constexpr bool one_way = true;
  static contract::channel<pipe_writer, pipe_reader> make() {
    auto [reader, writer] = concur::make_pipe();
    return {std::move(writer), std::move(reader)};
  }
};

template <class End>
concept reads = requires(End& end, std::array<char, 2>& space) { end.read_some(space); };
template <class End>
concept writes = requires(End& end) { end.write("x"); };

static_assert(reads<pipe_reader> && !writes<pipe_reader> && writes<pipe_writer> && !reads<pipe_writer>);
static_assert(concur::async_byte_source<pipe_reader> && concur::async_byte_sink<pipe_writer>);
static_assert(!std::is_copy_constructible_v<pipe_reader> && std::is_nothrow_move_constructible_v<pipe_writer>);

}  // namespace

TEST_CASE("pipe: the contract of streams", "[pipe]") { contract::all<pipe_pair>(); }

TEST_CASE("pipe: neither end blocks, and no program that is executed gets one", "[pipe]") {
  auto const [reader, writer] = concur::make_pipe();
  for (int const fd : {reader.fd(), writer.fd()}) {
    CHECK((::fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
    CHECK((::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
  }
}

TEST_CASE("pipe: an end given away is not closed, and can be taken over again", "[pipe]") {
  auto [reader, writer] = concur::make_pipe();
  int const number = writer.fd();
  pipe_writer again(writer.release());
  CHECK_FALSE(writer.is_open());
  CHECK(again.fd() == number);
  again.write("abc");
  again.close();
  std::array<char, 4> space{};
  CHECK(reader.read(space) == 3);
  CHECK(std::string_view(space.data(), 3) == "abc");
}

TEST_CASE("pipe: a closed end fails with EBADF", "[pipe]") {
  pipe_reader reader;
  pipe_writer writer;
  std::array<char, 4> space{};
  CHECK(system_error_of([&] { reader.read_some(space); }) == EBADF);
  CHECK(system_error_of([&] { writer.write("x"); }) == EBADF);
}

TEST_CASE("pipe: a writer without a reader gets an error and leaves no signal", "[pipe]") {
  auto [reader, writer] = concur::make_pipe();
  reader.close();
  CHECK(system_error_of([&] { writer.write("x"); }) == EPIPE);
  CHECK(system_error_of([&] { writer.try_write_some("x"); }) == EPIPE);
  sigset_t pending;
  sigemptyset(&pending);
  sigpending(&pending);
  CHECK(sigismember(&pending, SIGPIPE) == 0);
}

TEST_CASE("pipe: without a free descriptor none is made", "[pipe]") {
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  rlimit const none{0, before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  int const error = system_error_of([] { static_cast<void>(concur::make_pipe()); });
  ::setrlimit(RLIMIT_NOFILE, &before);
  CHECK(error == EMFILE);
}

TEST_CASE("pipe: each allocation may fail, and no byte is lost", "[pipe]") {
  if (!support::failing_new::available()) return;
  for (int k = 1;; ++k) {
    auto ends = concur::make_pipe();
    std::string got;
    got.reserve(100);
    int written = 0;
    auto const exchange = [&]() -> concur::task<> {
      auto reading = concur::spawn([&]() -> concur::task<> {
        std::array<char, 2> space{};
        while (auto const count = co_await ends.reader.async_read_some(space)) got.append(space.data(), count);
      });
      for (; written < 5; ++written) {
        co_await concur::yield();
        co_await ends.writer.async_write("abc");
      }
      ends.writer.close();
      co_await std::move(reading);
    };
    bool happened = false;
    {
      support::failing_new const shortage(k);
      try {
        concur::run(exchange());
      } catch (std::bad_alloc const&) {
      }
      happened = shortage.happened();
    }
    ends.writer.close();
    std::array<char, 100> rest{};
    auto const count = ends.reader.read(rest);
    got.append(rest.data(), count);
    CHECK(got.size() == std::size_t(3 * written));
    if (!happened) break;
  }
}
