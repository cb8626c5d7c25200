// SPDX-License-Identifier: BSL-1.0
#include <concur/io/buffered_writer.hpp>

#include "../support/cancel_moments.hpp"
#include "../support/catch.hpp"
#include "../support/failing_new.hpp"
#include "../support/refusals.hpp"

#include <concur/coro/spawn.hpp>
#include <concur/coro/task.hpp>
#include <concur/coro/with.hpp>
#include <concur/io/dripping_stream.hpp>
#include <concur/io/memory_stream.hpp>
#include <concur/io/pipe.hpp>
#include <concur/loop/event_loop.hpp>
#include <concur/loop/run.hpp>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <new>
#include <stop_token>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

namespace {

using namespace std::chrono_literals;
using concur::buffered_writer;
using concur::memory_stream;
using concur::memory_stream_options;
using concur::task;

std::string all_of(memory_stream& stream) {
  std::string got;
  std::array<char, 1000> space{};
  while (auto const count = stream.try_read_some(space)) {
    if (*count == 0) break;
    got.append(space.data(), *count);
  }
  return got;
}

}  // namespace

TEST_CASE("buffered_writer: writes when it is flushed, or when the mark was reached", "[buffered_writer]") {
  for (std::size_t const most : {SIZE_MAX, std::size_t{1}, std::size_t{3}}) {
    auto [mine, theirs] = concur::make_memory_streams(memory_stream_options().most_per_write(most));
    buffered_writer writer(mine, 10);
    static_assert(std::is_same_v<decltype(writer), buffered_writer<memory_stream&>>);
    writer.write("abc");
    writer.write("");
    CHECK(writer.buffered() == 3);
    CHECK(all_of(theirs).empty());
    writer.flush();
    CHECK(writer.buffered() == 0);
    CHECK(all_of(theirs) == "abc");

    writer.write("0123456789ab");  // taken whole
    CHECK(writer.buffered() == 12);
    CHECK_FALSE(writer.try_write("x"));
    CHECK(all_of(theirs).empty());
    writer.write("next");
    CHECK(writer.buffered() == 4);
    CHECK(all_of(theirs) == "0123456789ab");
    CHECK(writer.try_write("more"));
    writer.close();
    CHECK(all_of(theirs) == "nextmore");
    CHECK_FALSE(mine.is_open());
  }
}

TEST_CASE("buffered_writer: the same for coroutines", "[buffered_writer]") {
  auto ends = concur::make_memory_streams(memory_stream_options().capacity(5));
  auto const talk = [&]() -> task<std::string> {
    auto reading = concur::spawn([&]() -> task<std::string> {
      std::string got;
      std::array<char, 3> space{};
      while (auto const count = co_await ends.second.async_read_some(space)) got.append(space.data(), count);
      co_return got;
    });
    buffered_writer writer(std::move(ends.first), 8);
    for (int i = 0; i < 20; ++i) co_await writer.async_write("abcdef");
    co_await writer.async_flush();
    co_await writer.async_write("end");
    co_await writer.async_close();
    co_return co_await std::move(reading);
  };
  std::string expected;
  for (int i = 0; i < 20; ++i) expected += "abcdef";
  CHECK(concur::run(talk()) == expected + "end");
}

TEST_CASE("buffered_writer: `with` flushes and closes it on every way out", "[buffered_writer]") {
  auto [mine, theirs] = concur::make_memory_streams();
  auto& source = mine;
  auto const use = [&]() -> task<> {
    buffered_writer writer(source);
    co_await concur::with(writer, [&](auto& out) -> task<> {
      co_await out.async_write("written");
      throw concur::timed_out();
    });
  };
  CHECK_THROWS_AS(concur::run(use()), concur::timed_out);
  CHECK(all_of(theirs) == "written");
  CHECK_FALSE(mine.is_open());
}

TEST_CASE("buffered_writer: what could not be written stays, and is not written twice", "[buffered_writer]") {
  auto [mine, theirs] = concur::make_memory_streams();
  buffered_writer writer(mine, 3);
  mine.fail_writes(std::errc::no_space_on_device, 3);
  writer.write("abcdef");
  CHECK(support::system_error_of([&] { writer.flush(); }) == ENOSPC);
  CHECK(writer.buffered() == 3);
  CHECK(support::system_error_of([&] { writer.write("g"); }) == ENOSPC);
  CHECK(support::system_error_of([&] { concur::run(writer.async_write("g")); }) == ENOSPC);
  CHECK(writer.buffered() == 3);
  mine.fail_writes(std::errc::no_space_on_device, 1000);
  writer.write("g");
  writer.flush();
  CHECK(all_of(theirs) == "abcdefg");

  mine.fail_writes(std::errc::no_space_on_device);
  writer.write("lost");
  CHECK(support::system_error_of([&] { writer.close(); }) == ENOSPC);
  CHECK_FALSE(mine.is_open());
}

TEST_CASE("buffered_writer: waits within limits", "[buffered_writer]") {
  auto [mine, theirs] = concur::make_memory_streams(memory_stream_options().capacity(4));
  buffered_writer writer(mine, 6);
  writer.write("abcdef");
  std::stop_source stop;
  stop.request_stop();
  CHECK_FALSE(writer.try_write_for("x", 1ms));
  CHECK(writer.buffered() == 2);  // the others have gone
  CHECK(writer.try_write("ghij"));
  CHECK_FALSE(writer.try_write_until("x", std::chrono::steady_clock::now()));
  CHECK_FALSE(writer.write("x", stop.get_token()));
  CHECK_FALSE(writer.flush(stop.get_token()));
  CHECK_FALSE(writer.try_flush_for(0s));
  CHECK(all_of(theirs) == "abcd");
  CHECK_FALSE(writer.try_flush_for(1ms));
  CHECK(all_of(theirs) == "efgh");
  CHECK(writer.write("kl", stop.get_token()));
  CHECK(writer.try_flush_for(1h));
  CHECK(all_of(theirs) == "ijkl");
}

TEST_CASE("buffered_writer: writes through a stream that drips", "[buffered_writer]") {
  auto [reader, sink] = concur::make_pipe();
  buffered_writer writer{concur::dripping_stream(std::move(sink))};
  writer.write("one");
  writer.write("two");
  concur::run(writer.async_flush());
  std::array<char, 10> space{};
  CHECK(reader.read_some(space) == 6);
}

TEST_CASE("buffered_writer: a cancel at any moment loses no byte and writes none twice", "[buffered_writer]") {
  support::at_every_cancel(13, [](support::cancel_moment const& moment) {
    auto ends = concur::make_memory_streams(memory_stream_options().capacity(2));
    buffered_writer writer(ends.first, 3);
    std::string accepted;
    std::string got;
    support::queue_executor here;
    auto const write_on = [&]() -> task<> {
      for (int i = 0; i < 4; ++i) {
        std::string const piece(std::size_t(i + 1), char('a' + i));
        co_await writer.async_write(piece);
        accepted += piece;
      }
      co_await writer.async_flush();
    };
    auto running = concur::spawn(here, write_on());
    std::array<char, 1> space{};
    moment.strike(here, running, [&] {
      if (ends.second.try_read_some(space) == 1u) got += space[0];
    });
    while (!writer.try_flush_for(0s)) got += all_of(ends.second);
    got += all_of(ends.second);
    CHECK(got == accepted);
  });
}

TEST_CASE("buffered_writer: each allocation may fail, and a write is taken whole or not at all", "[buffered_writer]") {
  if (!support::failing_new::available()) return;
  concur::event_loop loop;
  for (int k = 1;; ++k) {
    auto [mine, theirs] = concur::make_memory_streams();
    buffered_writer writer(mine, 4);
    std::string accepted;
    accepted.reserve(100);
    auto const write_on = [&]() -> task<> {
      for (int i = 0; i < 4; ++i) {
        co_await writer.async_write("abcdefgh");
        accepted += "abcdefgh";
      }
    };
    bool happened = false;
    {
      support::failing_new const shortage(k);
      try {
        loop.run(write_on());
      } catch (std::bad_alloc const&) {
      }
      happened = shortage.happened();
    }
    writer.flush();
    CHECK(all_of(theirs) == accepted);
    if (!happened) break;
  }
}
