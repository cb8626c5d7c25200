// SPDX-License-Identifier: BSL-1.0
#include <concur/io/byte_stream.hpp>

#include "../support/catch.hpp"
#include "stream_contract.hpp"

#include <concur/core/unique_fd.hpp>

#include <array>
#include <cstdlib>
#include <fcntl.h>
#include <span>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <type_traits>
#include <unistd.h>
#include <utility>
#include <vector>

namespace {

using concur::const_buffer;
using concur::mutable_buffer;
using concur::unique_fd;

class plain_stream : public concur::byte_stream {
 public:
  static plain_stream over_socket(int fd) { return {fd, kind::socket}; }
  static plain_stream over_file(int fd) { return {fd, kind::file}; }

 private:
  plain_stream(int fd, kind what) : byte_stream(unique_fd(fd), what) {}
};

contract::channel<plain_stream> socket_pair(plain_stream (*over)(int)) {
  int ends[2] = {};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) std::abort();
  return {over(ends[0]), over(ends[1])};
}

struct by_socket_calls {
  static contract::channel<plain_stream> make() { return socket_pair(&plain_stream::over_socket); }
};
struct by_file_calls {
  static contract::channel<plain_stream> make() { return socket_pair(&plain_stream::over_file); }
};

static_assert(concur::async_byte_stream<plain_stream>);
static_assert(std::is_nothrow_move_constructible_v<plain_stream> && !std::is_copy_constructible_v<plain_stream>);

static_assert(std::is_convertible_v<std::string&, mutable_buffer>);
static_assert(std::is_convertible_v<std::span<std::byte>, mutable_buffer>);
static_assert(!std::is_convertible_v<std::string, mutable_buffer>, "a temporary would be gone");
static_assert(!std::is_convertible_v<std::string const&, mutable_buffer>);
static_assert(!std::is_convertible_v<std::vector<int>&, mutable_buffer>);
static_assert(std::is_convertible_v<std::string, const_buffer>);
static_assert(std::is_convertible_v<std::vector<unsigned char> const&, const_buffer>);
static_assert(std::is_convertible_v<mutable_buffer, const_buffer>);
static_assert(!std::is_convertible_v<std::vector<bool>&, const_buffer>);

}  // namespace

TEST_CASE("byte_stream: by the calls of sockets", "[byte_stream]") { contract::all<by_socket_calls>(); }
TEST_CASE("byte_stream: by read and write", "[byte_stream]") { contract::all<by_file_calls>(); }

TEST_CASE("byte_stream: a pipe whose reader has gone is an error, and the signal is taken back", "[byte_stream]") {
  int ends[2] = {};
  REQUIRE(::pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
  auto out = plain_stream::over_file(ends[1]);
  ::close(ends[0]);
  CHECK_THROWS_AS(out.write("x"), std::system_error);
  auto const write_once = [&]() -> concur::task<int> {
    try {
      co_await out.async_write("x");
    } catch (std::system_error const& error) {
      co_return error.code().value();
    }
    co_return 0;
  };
  CHECK(concur::run(write_once()) == EPIPE);
  sigset_t pending;
  sigemptyset(&pending);
  sigpending(&pending);
  CHECK(sigismember(&pending, SIGPIPE) == 0);
}

TEST_CASE("byte_stream: one that is not open fails with EBADF", "[byte_stream]") {
  concur::byte_stream none;
  CHECK_FALSE(none.is_open());
  std::array<char, 2> space{};
  auto const fails = [](auto act) {
    try {
      act();
    } catch (std::system_error const& error) {
      return error.code().value() == EBADF;
    }
    return false;
  };
  CHECK(fails([&] { none.read_some(space); }));
  CHECK(fails([&] { none.write("x"); }));
  auto const reads = [&]() -> concur::task<> { co_await none.async_read_some(space); };
  CHECK(fails([&] { concur::run(reads()); }));
}

TEST_CASE("byte_stream: outside a loop there is nobody to wait", "[byte_stream]") {
  auto ends = by_socket_calls::make();
  std::array<char, 2> space{};
  CHECK_THROWS_AS(ends.a.async_read_some(space), concur::misuse);
}

TEST_CASE("buffer: a literal goes without its null, an array with all it has", "[byte_stream]") {
  CHECK(const_buffer("abc").size() == 3);
  char array[4] = {'a', 'b', 'c', 0};
  CHECK(const_buffer(array).size() == 4);
  char const exact[3] = {'a', 'b', 'c'};
  CHECK(const_buffer(exact).size() == 3);
  CHECK(const_buffer(std::string_view("abc")).size() == 3);
  CHECK(mutable_buffer(array).size() == 4);
}
