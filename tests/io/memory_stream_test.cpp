// SPDX-License-Identifier: BSL-1.0
#include <concur/io/memory_stream.hpp>

#include "../support/cancel_moments.hpp"
#include "../support/catch.hpp"
#include "../support/failing_new.hpp"
#include "../support/refusals.hpp"
#include "stream_contract.hpp"

#include <concur/coro/spawn.hpp>
#include <concur/coro/task.hpp>
#include <concur/io/byte_stream.hpp>
#include <concur/loop/event_loop.hpp>
#include <concur/loop/run.hpp>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

namespace {

using concur::make_memory_streams;
using concur::memory_stream;
using concur::memory_stream_options;
using concur::task;
using support::system_error_of;

template <class Options>
struct memory_pair {
  static constexpr bool belongs_to_no_loop = true;
  static constexpr std::size_t slowness = Options::slowness;
  static constexpr std::size_t most_at_once = Options::most_at_once;
  static contract::channel<memory_stream> make() {
    auto [one, other] = make_memory_streams(Options::make());
    return {std::move(one), std::move(other)};
  }
};

struct plain {
  static constexpr std::size_t slowness = 10;
  static constexpr std::size_t most_at_once = SIZE_MAX;
  static memory_stream_options make() { return memory_stream_options(); }
};
struct byte_by_byte {
  static constexpr std::size_t slowness = 200;
  static constexpr std::size_t most_at_once = 1;
  static memory_stream_options make() { return memory_stream_options().most_per_read(1).most_per_write(1); }
};
struct with_detours {
  static constexpr std::size_t slowness = 100;
  static constexpr std::size_t most_at_once = 7;
  static memory_stream_options make() {
    return memory_stream_options().capacity(1000).most_per_read(7).most_per_write(100).suspensions(3);
  }
};
struct one_byte_between {
  static constexpr std::size_t slowness = 100;
  static memory_stream_options make() { return memory_stream_options().capacity(0); }
};

static_assert(concur::async_byte_stream<memory_stream>);
static_assert(std::is_nothrow_move_constructible_v<memory_stream> && !std::is_copy_constructible_v<memory_stream>);

template <class Attempt>
int awaited_error_of(Attempt attempt) {
  return system_error_of([&] { concur::run(attempt()); });
}

}  // namespace

TEST_CASE("memory_stream: the contract of streams", "[memory_stream]") { contract::all<memory_pair<plain>>(); }
TEST_CASE("memory_stream: the contract of streams, byte by byte", "[memory_stream]") {
  contract::all<memory_pair<byte_by_byte>>();
}
TEST_CASE("memory_stream: the contract of streams, in pieces and with suspensions", "[memory_stream]") {
  contract::all<memory_pair<with_detours>>();
}
TEST_CASE("memory_stream: there may be room for one byte only", "[memory_stream]") {
  contract::keeps_order<memory_pair<one_byte_between>>();
  contract::serves_threads_as_well<memory_pair<one_byte_between>>();
  contract::writer_waits_for_reader<memory_pair<one_byte_between>>();
}

TEST_CASE("memory_stream: what is planned happens at its byte, not before", "[memory_stream]") {
  std::array<char, 10> space{};
  SECTION("an error of reading, for good") {
    auto [one, other] = make_memory_streams();
    one.write("abcdef");
    other.fail_reads(std::errc::connection_reset, 4);
    CHECK(other.read_some(space) == 4);
    CHECK(system_error_of([&, &reader = other] { reader.read_some(space); }) == ECONNRESET);
    CHECK(system_error_of([&, &reader = other] { reader.read_some(space); }) == ECONNRESET);
    CHECK(awaited_error_of([&, &reader = other]() -> task<> { co_await reader.async_read_some(space); }) == ECONNRESET);
    other.end_reads(1);  // a new plan
    CHECK(other.read_some(space) == 1);
    CHECK(other.read_some(space) == 0);
  }
  SECTION("an end while somebody waits") {
    auto ends = make_memory_streams();
    auto const talk = [&]() -> task<std::size_t> {
      auto reading = concur::spawn([&]() -> task<std::size_t> { co_return co_await ends.second.async_read(space); });
      co_await ends.first.async_write("abc");
      co_await concur::yield();
      ends.second.end_reads();
      co_return co_await std::move(reading);
    };
    CHECK(concur::run(talk()) == 3);
  }
  SECTION("an error of writing") {
    auto [one, other] = make_memory_streams();
    one.fail_writes(std::errc::no_space_on_device, 3);
    CHECK(system_error_of([&writer = one] { writer.write("abcdef"); }) == ENOSPC);
    CHECK(other.read_some(space) == 3);
    CHECK(std::string_view(space.data(), 3) == "abc");
    CHECK_FALSE(other.try_read_some(space));
  }
}

TEST_CASE("memory_stream: half of it can be shut", "[memory_stream]") {
  auto [one, other] = make_memory_streams();
  std::array<char, 10> space{};
  one.write("question");
  one.shutdown_write();
  CHECK(other.read(space) == 8);
  CHECK(other.read_some(space) == 0);
  other.write("answer");
  CHECK(one.read_some(space) == 6);
  CHECK(system_error_of([&writer = one] { writer.write("x"); }) == EPIPE);
}

TEST_CASE("memory_stream: a closed one fails with EBADF", "[memory_stream]") {
  memory_stream none;
  std::array<char, 2> space{};
  CHECK_FALSE(none.is_open());
  CHECK(system_error_of([&] { none.read_some(space); }) == EBADF);
  CHECK(system_error_of([&] { none.write("x"); }) == EBADF);
  CHECK(system_error_of([&] { static_cast<void>(none.async_read_some(space)); }) == EBADF);
  CHECK(system_error_of([&] { none.fail_writes(std::errc::io_error); }) == EBADF);
  none.close();
  none.shutdown_write();
}

TEST_CASE("memory_stream: waits in virtual time", "[memory_stream]") {
  using namespace std::chrono_literals;
  concur::event_loop loop(concur::event_loop_options().virtual_time(true));
  auto ends = make_memory_streams();
  std::array<char, 10> space{};
  auto const talk = [&]() -> task<std::size_t> {
    auto writing = concur::spawn([&]() -> task<> {
      co_await concur::sleep_for(1h);
      co_await ends.first.async_write("late");
    });
    auto const early = co_await concur::move_on_after(59min, ends.second.async_read_some(space));
    auto const in_time = co_await ends.second.async_read_some(space);
    co_await std::move(writing);
    co_return early ? 0 : in_time;
  };
  CHECK(loop.run(talk()) == 4);
}

TEST_CASE("memory_stream: a read cancelled at any moment takes all of a byte or nothing", "[memory_stream]") {
  support::at_every_cancel(7, [](support::cancel_moment const& moment) {
    auto ends = make_memory_streams(memory_stream_options().suspensions(1));
    std::array<char, 1> space{};
    std::string got;
    std::size_t written = 0;
    support::queue_executor here;
    auto const reads = [&]() -> task<> {
      for (int i = 0; i < 3; ++i) {
        auto const count = co_await ends.second.async_read_some(space);
        got.append(space.data(), count);
      }
    };
    auto const root = concur::spawn(here, reads());
    auto const wake = [&] { ends.first.write(std::string(1, char('a' + written++))); };
    struct {
      concur::future<void> const& f;
      void cancel() { f.cancel(); }
      bool done() const { return f.done(); }
    } handle{root};
    moment.strike(here, handle, wake);
    ends.first.close();
    while (ends.second.read_some(space) == 1) got += space[0];
    CHECK(got == std::string("abcdefgh").substr(0, written));
  });
}

TEST_CASE("memory_stream: each allocation may fail, and then nothing was moved", "[memory_stream]") {
  if (!support::failing_new::available()) return;
  auto ends = make_memory_streams();
  std::array<char, 10> space{};
  auto const exchange = [&]() -> task<bool> {
    co_await ends.first.async_write("abc");
    auto const count = co_await ends.second.async_read_some(space);
    co_return count == 3;
  };
  concur::event_loop loop;
  for (int k = 1;; ++k) {
    bool failed = false;
    bool happened = false;
    {
      support::failing_new const shortage(k);
      try {
        failed = !loop.run(exchange());
      } catch (std::bad_alloc const&) {
      }
      happened = shortage.happened();
    }
    CHECK_FALSE(failed);
    if (auto const left = ends.second.try_read_some(space)) CHECK(*left == 3);
    if (!happened) break;
  }
}
