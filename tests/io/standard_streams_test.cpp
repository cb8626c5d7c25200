// SPDX-License-Identifier: BSL-1.0
#include <concur/io/standard_streams.hpp>

#include "../support/catch.hpp"
#include "../support/forked.hpp"
#include "../support/refusals.hpp"
#include "../support/temporary_directory.hpp"
#include "stream_contract.hpp"

#include <concur/core/unique_fd.hpp>
#include <concur/coro/spawn.hpp>
#include <concur/coro/task.hpp>
#include <concur/io/buffered_reader.hpp>
#include <concur/io/byte_stream.hpp>
#include <concur/io/open_options.hpp>
#include <concur/io/whole_file.hpp>
#include <concur/loop/run.hpp>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <fcntl.h>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

namespace {

using concur::standard_stream;
using concur::task;
using concur::unique_fd;
using support::system_error_of;

/// One that is closed with its object, as others are.
class owned_stream : public standard_stream {
 public:
  explicit owned_stream(int fd) : standard_stream(fd), owner_(fd) {}
  void close() {
    owner_.reset();
    static_cast<standard_stream&>(*this) = standard_stream(-1);
  }

 private:
  unique_fd owner_;
};

bool blocks(int fd) { return (::fcntl(fd, F_GETFL) & O_NONBLOCK) == 0; }

struct blocking_pipe {
  static constexpr std::size_t slowness = 10;
  static contract::channel<owned_stream> make() {
    int ends[2] = {};
    if (::pipe2(ends, O_CLOEXEC) != 0) std::abort();
    return {owned_stream(ends[1]), owned_stream(ends[0])};
  }
};
struct blocking_sockets {
  static constexpr std::size_t slowness = 10;
  static contract::channel<owned_stream> make() {
    int ends[2] = {};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) std::abort();
    return {owned_stream(ends[0]), owned_stream(ends[1])};
  }
};

static_assert(concur::async_byte_stream<standard_stream>);

/// A terminal, and the side of the one who types.
class terminal {
 public:
  terminal() : typist_(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)) {
    if (!typist_ || ::grantpt(typist_.get()) != 0 || ::unlockpt(typist_.get()) != 0) return;
    screen_.reset(::open(::ptsname(typist_.get()), O_RDWR | O_NOCTTY | O_CLOEXEC));
  }
  bool works() const { return static_cast<bool>(screen_); }
  void type(std::string_view text) const {
    if (::write(typist_.get(), text.data(), text.size()) != ssize_t(text.size())) std::abort();
  }
  int fd() const { return screen_.get(); }

 private:
  unique_fd typist_;
  unique_fd screen_;
};

}  // namespace

// Not those that say what happens to who waits when somebody closes it: it does not close anything.
TEMPLATE_TEST_CASE("standard_stream: the contract of streams, by what blocks", "[standard_stream]", blocking_pipe,
                   blocking_sockets) {
  using pair = TestType;
  SECTION("keeps the bytes and their order") { contract::keeps_order_one_way<pair>(); }
  SECTION("any sizes of pieces (I2)") { contract::any_sizes<pair>(); }
  SECTION("nothing is moved at once") { contract::nothing_is_moved_at_once<pair>(); }
  SECTION("ends once and for all") { contract::ends_once_and_for_all<pair>(); }
  SECTION("the end is seen after a short read") { contract::end_is_seen_after_a_short_read<pair>(); }
  SECTION("a write to nobody is an error, not a signal (I5)") { contract::write_to_nobody_is_an_error<pair>(); }
  SECTION("the writer waits for the reader") { contract::writer_waits_for_reader<pair>(); }
  SECTION("a cancelled read loses nothing") { contract::cancelled_read_loses_nothing<pair>(); }
  SECTION("every wait can be cancelled") { contract::wait_can_be_cancelled<pair>(); }
  SECTION("a busy stream starves nobody") { contract::busy_stream_starves_nobody<pair>(); }
  SECTION("serves threads as well") { contract::serves_threads_as_well<pair>(); }
  SECTION("limits of the blocking verbs") { contract::limits_of_blocking_verbs<pair>(); }
}

TEST_CASE("standard_stream: others that share the descriptor find it as it was", "[standard_stream]") {
  auto ends = blocking_pipe::make();
  auto const talk = [&]() -> task<std::size_t> {
    std::array<char, 10> space{};
    auto reading = concur::spawn([&]() -> task<std::size_t> { co_return co_await ends.b.async_read_some(space); });
    co_await concur::yield();
    co_await ends.a.async_write("abc");
    co_return co_await std::move(reading);
  };
  CHECK(concur::run(talk()) == 3);
  CHECK(blocks(ends.a.fd()));
  CHECK(blocks(ends.b.fd()));
}

TEST_CASE("standard_stream: a terminal", "[standard_stream]") {
  terminal const tty;
  if (!tty.works()) return;
  standard_stream stream(tty.fd());
  CHECK(stream.is_terminal());
  concur::buffered_reader lines(stream);
  auto const talk = [&]() -> task<std::string> {
    auto reading = concur::spawn([&]() -> task<std::string> {
      auto line = co_await lines.async_read_line();
      co_return *line;
    });
    co_await concur::yield();
    tty.type("typed\n");
    auto line = co_await std::move(reading);
    co_await stream.async_write("shown\n");
    co_return line;
  };
  CHECK(concur::run(talk()) == "typed");
  CHECK(blocks(tty.fd()));
  tty.type("more\n");
  CHECK(lines.read_line() == "more");
}

TEST_CASE("standard_stream: a file", "[standard_stream]") {
  support::temporary_directory const here;
  auto const path = here / "f";
  std::string const text(700'000, 'x');
  unique_fd const out(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  standard_stream stream(out.get());
  CHECK_FALSE(stream.is_terminal());
  auto const write = [&]() -> task<> {
    co_await stream.async_write(text);
    co_await stream.async_write("end");
  };
  concur::run(write());
  stream.write("!");
  CHECK(concur::read_file(path) == text + "end!");
  ::lseek(out.get(), -4, SEEK_END);
  std::array<char, 10> space{};
  auto const read = [&]() -> task<std::size_t> { co_return co_await stream.async_read(space); };
  CHECK(concur::run(read()) == 4);
  CHECK(stream.read_some(space) == 0);
}

TEST_CASE("standard_stream: /dev/null, and what is not open", "[standard_stream]") {
  unique_fd const null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  standard_stream nothing(null.get());
  std::array<char, 10> space{};
  auto const use = [&](standard_stream stream) -> task<std::size_t> {
    co_await stream.async_write("gone");
    co_return co_await stream.async_read_some(space);
  };
  CHECK(concur::run(use(nothing)) == 0);
  nothing.write("gone");
  CHECK(nothing.read_some(space) == 0);
  for (int const number : {-1, 9999}) {
    standard_stream closed(number);
    CHECK(system_error_of([&] { closed.read_some(space); }) == EBADF);
    CHECK(system_error_of([&] { closed.write("x"); }) == EBADF);
    CHECK(system_error_of([&] { concur::run(use(closed)); }) == EBADF);
  }
}

TEST_CASE("standard_stream: input is echoed to output, by the three of the process", "[standard_stream]") {
  CHECK(support::right_in_child([] {
    int in[2] = {};
    int out[2] = {};
    if (::pipe(in) != 0 || ::pipe(out) != 0) return false;
    ::dup2(in[0], 0);
    ::dup2(out[1], 1);
    ::dup2(out[1], 2);
    std::string text;
    for (int i = 0; i < 1000; ++i) text += "line " + std::to_string(i) + "\n";
    if (::write(in[1], text.data(), text.size()) != ssize_t(text.size())) return false;
    ::close(in[1]);
    auto const echo = []() -> task<> {
      concur::buffered_reader lines(concur::standard_input());
      while (auto line = co_await lines.async_read_line()) {
        co_await concur::standard_output().async_write(*line + "\n");
      }
      co_await concur::standard_error().async_write("done\n");
    };
    concur::run(echo());
    std::string got(text.size() + 100, ' ');
    auto const count = ::read(out[0], got.data(), got.size());
    return got.substr(0, std::size_t(count)) == text + "done\n" && blocks(0) && blocks(1) && blocks(2);
  }));
}
