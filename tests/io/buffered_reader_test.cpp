// SPDX-License-Identifier: BSL-1.0
#include <concur/io/buffered_reader.hpp>

#include "../support/cancel_moments.hpp"
#include "../support/catch.hpp"
#include "../support/failing_new.hpp"
#include "../support/refusals.hpp"

#include <concur/coro/spawn.hpp>
#include <concur/coro/task.hpp>
#include <concur/io/dripping_stream.hpp>
#include <concur/io/memory_stream.hpp>
#include <concur/io/pipe.hpp>
#include <concur/io/stream_errors.hpp>
#include <concur/loop/event_loop.hpp>
#include <concur/loop/run.hpp>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <new>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;
using concur::buffered_reader;
using concur::limit_exceeded;
using concur::memory_stream;
using concur::memory_stream_options;
using concur::task;
using concur::unexpected_end;

// The same reads by a thread and by a coroutine.
struct by_thread {
  static auto until(auto& reader, char const* delimiter, std::size_t limit = 1000) {
    return reader.read_until(delimiter, limit);
  }
  static auto line(auto& reader, std::size_t limit = 1000) { return reader.read_line(limit); }
  static auto exactly(auto& reader, std::size_t count) { return reader.read_exactly(count); }
  static void exactly(auto& reader, std::span<char> into) { reader.read_exactly(into); }
  static auto all(auto& reader, std::size_t limit = 100'000) { return reader.read_all(limit); }
  static auto some(auto& reader, std::span<char> into) { return reader.read_some(into); }
  static std::string peek(auto& reader, std::size_t count) { return std::string(reader.peek(count)); }
  static std::vector<std::string> lines(auto& reader) {
    std::vector<std::string> all;
    for (auto&& line : reader.lines()) all.push_back(std::move(line));
    return all;
  }
};

struct by_coroutine {
  static auto until(auto& reader, char const* delimiter, std::size_t limit = 1000) {
    return concur::run(reader.async_read_until(delimiter, limit));
  }
  static auto line(auto& reader, std::size_t limit = 1000) { return concur::run(reader.async_read_line(limit)); }
  static auto exactly(auto& reader, std::size_t count) { return concur::run(reader.async_read_exactly(count)); }
  static void exactly(auto& reader, std::span<char> into) { concur::run(reader.async_read_exactly(into)); }
  static auto all(auto& reader, std::size_t limit = 100'000) { return concur::run(reader.async_read_all(limit)); }
  static auto some(auto& reader, std::span<char> into) { return concur::run(reader.async_read_some(into)); }
  static std::string peek(auto& reader, std::size_t count) {
    return std::string(concur::run(reader.async_peek(count)));
  }
  static std::vector<std::string> lines(auto& reader) {
    std::vector<std::string> all;
    auto const read = [&]() -> task<> {
      auto each = reader.async_lines();
      while (auto line = co_await each.next()) all.push_back(std::move(*line));
    };
    concur::run(read());
    return all;
  }
};

/// A stream that gives this text and then ends, in pieces of any size.
memory_stream stream_of(std::string_view text, std::size_t most = SIZE_MAX) {
  auto [mine, theirs] = concur::make_memory_streams(memory_stream_options().capacity(1'000'000).most_per_read(most));
  mine.write(text);
  mine.close();
  return std::move(theirs);
}

/// Calls `test(stream, ahead)` for readers that read ahead more and less, from streams that give more and less.
template <class Test>
void at_any_size(std::string_view text, Test test) {
  for (std::size_t const most : {SIZE_MAX, std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{7}}) {
    for (std::size_t const ahead : {8192u, 1u, 2u, 5u}) {
      INFO("pieces of " << most << ", " << ahead << " ahead");
      test(buffered_reader(stream_of(text, most), ahead));
    }
  }
}

template <class Error>
std::optional<Error> thrown_by(auto act) {
  try {
    static_cast<void>(act());
  } catch (Error const& error) {
    return error;
  }
  return std::nullopt;
}

}  // namespace

TEMPLATE_TEST_CASE("buffered_reader: parts, whatever the sizes of the pieces", "[buffered_reader]", by_thread,
                   by_coroutine) {
  using by = TestType;
  at_any_size("head\r\n\r\nbody::tail\nlast", [](auto reader) {
    CHECK(by::until(reader, "\r\n\r\n") == "head\r\n\r\n");
    CHECK(by::exactly(reader, 0).empty());
    CHECK(by::peek(reader, 3) == "bod");
    CHECK(by::exactly(reader, 4) == "body");
    CHECK(by::until(reader, "::") == "::");
    std::array<char, 2> two{};
    by::exactly(reader, std::span<char>(two));
    CHECK(std::string_view(two.data(), 2) == "ta");
    CHECK(by::line(reader) == "il");
    CHECK(by::line(reader) == "last");
    CHECK_FALSE(by::line(reader));
    CHECK_FALSE(by::until(reader, "x"));
    CHECK(by::peek(reader, 1).empty());
    CHECK(by::all(reader).empty());
  });
}

TEMPLATE_TEST_CASE("buffered_reader: lines", "[buffered_reader]", by_thread, by_coroutine) {
  at_any_size("one\n\nthree\r\nfour",
              [](auto reader) { CHECK(TestType::lines(reader) == std::vector{"one"s, ""s, "three\r"s, "four"s}); });
  at_any_size("one\n", [](auto reader) { CHECK(TestType::lines(reader) == std::vector{"one"s}); });
  at_any_size("", [](auto reader) { CHECK(TestType::lines(reader).empty()); });
}

TEMPLATE_TEST_CASE("buffered_reader: a delimiter that nearly comes is none", "[buffered_reader]", by_thread,
                   by_coroutine) {
  at_any_size("aabaabaac", [](auto reader) { CHECK(TestType::until(reader, "aac") == "aabaabaac"); });
  at_any_size("\r\r\n\r\r\n\n\r\n", [](auto reader) {
    CHECK(TestType::until(reader, "\r\n\n") == "\r\r\n\r\r\n\n");
    CHECK(TestType::all(reader) == "\r\n");
  });
}

TEMPLATE_TEST_CASE("buffered_reader: a limit that is exceeded loses nothing", "[buffered_reader]", by_thread,
                   by_coroutine) {
  using by = TestType;
  at_any_size("0123456789\nabc\n", [](auto reader) {
    auto const too_long = thrown_by<limit_exceeded>([&] { return by::line(reader, 9); });
    REQUIRE(too_long);
    CHECK(too_long->limit() == 9);
    CHECK(too_long->what() == "what was to be read from a stream is longer than 9 bytes"s);
    CHECK(thrown_by<limit_exceeded>([&] { return by::until(reader, "\n", 10); }));
    CHECK(thrown_by<limit_exceeded>([&] { return by::all(reader, 14); }));
    CHECK(by::line(reader, 10) == "0123456789");
    CHECK(by::until(reader, "\n", 4) == "abc\n");
  });
}

TEMPLATE_TEST_CASE("buffered_reader: an end too early says how much came, and loses nothing", "[buffered_reader]",
                   by_thread, by_coroutine) {
  using by = TestType;
  at_any_size("abc", [](auto reader) {
    auto const early = thrown_by<unexpected_end>([&] { return by::exactly(reader, 10); });
    REQUIRE(early);
    CHECK(early->available() == 3);
    CHECK(early->expected() == 10);
    CHECK(early->what() == "the stream ended after 3 of 10 bytes"s);
    auto const undelimited = thrown_by<unexpected_end>([&] { return by::until(reader, ";"); });
    REQUIRE(undelimited);
    CHECK(undelimited->available() == 3);
    CHECK(undelimited->expected() == 0);
    CHECK(by::peek(reader, 10) == "abc");
    CHECK(reader.buffered() == "abc");
    CHECK(by::exactly(reader, 3) == "abc");
    auto const nothing = thrown_by<unexpected_end>([&] { return by::exactly(reader, 1); });
    REQUIRE(nothing);
    CHECK(nothing->available() == 0);
  });
}

TEMPLATE_TEST_CASE("buffered_reader: gives bytes as a stream does, those that it has first", "[buffered_reader]",
                   by_thread, by_coroutine) {
  using by = TestType;
  std::string text;
  for (int i = 0; i < 3000; ++i) text += char('a' + i % 26);
  at_any_size(text, [&](auto reader) {
    std::string got(by::peek(reader, 1));
    reader.consume(1);
    std::vector<char> space(5);
    while (auto const count = by::some(reader, space)) {
      got.append(space.data(), count);
      space.resize(got.size() % 3 == 0 ? 9000 : 3);
    }
    CHECK(got == text);
    CHECK(by::some(reader, std::span<char>()) == 0);
  });
}

TEST_CASE("buffered_reader: an error of the stream comes when what came before was read", "[buffered_reader]") {
  auto [mine, theirs] = concur::make_memory_streams();
  mine.write("one\ntwo");
  theirs.fail_reads(std::errc::connection_reset, 7);
  buffered_reader reader(theirs);
  static_assert(std::is_same_v<decltype(reader), buffered_reader<memory_stream&>>);
  CHECK(reader.read_line() == "one");
  CHECK(support::system_error_of([&] { reader.read_line(); }) == ECONNRESET);
  CHECK(support::system_error_of([&] { concur::run(reader.async_read_line()); }) == ECONNRESET);
  CHECK(reader.take_buffered() == "two");
  CHECK(reader.buffered().empty());
}

TEST_CASE("buffered_reader: without waiting, and waiting within limits", "[buffered_reader]") {
  auto [source, writer] = concur::make_pipe();
  buffered_reader reader(std::move(source));
  CHECK_FALSE(reader.try_fill());
  CHECK_FALSE(reader.try_fill_for(1ms));
  CHECK_FALSE(reader.try_fill_until(std::chrono::steady_clock::now()));
  std::stop_source stop;
  stop.request_stop();
  CHECK_FALSE(reader.fill(stop.get_token()));
  CHECK_FALSE(reader.try_read_line());
  writer.write("li");
  CHECK(reader.try_fill_for(1h) == 2u);
  CHECK_FALSE(reader.try_read_line());
  CHECK_FALSE(reader.try_read_exactly(3));
  writer.write("ne\nrest;");
  CHECK(reader.fill(stop.get_token()) == 8u);
  CHECK(reader.try_read_line() == "line");
  CHECK(reader.try_read_until(";") == "rest;");
  writer.close();
  CHECK(reader.fill() == 0);
  reader.close();
  CHECK_FALSE(reader.stream().is_open());
}

TEST_CASE("buffered_reader: reads through a stream that drips", "[buffered_reader]") {
  auto [source, writer] = concur::make_pipe();
  buffered_reader reader{concur::dripping_stream(std::move(source))};
  writer.write("one\ntwo\n");
  CHECK(concur::run(reader.async_read_line()) == "one");
  CHECK(reader.buffered().empty());
  CHECK(reader.read_line() == "two");
}

TEST_CASE("buffered_reader: a cancel at any moment loses no byte", "[buffered_reader]") {
  for (int const form : {0, 1, 2, 3}) {
    support::at_every_cancel(13, [form](support::cancel_moment const& moment) {
      INFO("form " << form);
      auto ends = concur::make_memory_streams(memory_stream_options().most_per_read(1));
      buffered_reader reader(ends.second, form == 3 ? 1 : 100);
      std::string got;
      std::string written;
      support::queue_executor here;
      auto const read_on = [&]() -> task<> {
        for (int i = 0; i < 3; ++i) {
          if (form == 0) {
            auto const line = co_await reader.async_read_line();
            got += *line + '\n';
          } else if (form == 1) {
            got += co_await reader.async_read_exactly(2);
          } else if (form == 2) {
            std::array<char, 2> space{};
            co_await reader.async_read_exactly(space);
            got.append(space.data(), 2);
          } else {
            std::array<char, 5> space{};
            auto const count = co_await reader.async_read_some(space);
            got.append(space.data(), count);
          }
        }
      };
      auto running = concur::spawn(here, read_on());
      moment.strike(here, running, [&] {
        auto const next = written.size() % 2 == 0 ? std::string(1, char('a' + written.size())) : "\n"s;
        ends.first.write(next);
        written += next;
      });
      ends.first.close();
      CHECK(got + reader.read_all() == written);
    });
  }
}

TEST_CASE("buffered_reader: each allocation may fail, and nothing is lost", "[buffered_reader]") {
  if (!support::failing_new::available()) return;
  std::string const text = "a line that is long enough for an allocation\n" + std::string(100, 'x') + "tail";
  auto const reads_right = [&](buffered_reader<memory_stream>& reader, std::vector<std::string>& got) -> task<> {
    if (got.empty()) got.push_back(*co_await reader.async_read_line());
    if (got.size() == 1) got.push_back(co_await reader.async_read_exactly(100));
    if (got.size() == 2) got.push_back(co_await reader.async_read_all());
  };
  concur::event_loop loop;
  for (int k = 1;; ++k) {
    buffered_reader reader(stream_of(text, 30), 16);
    std::vector<std::string> got;
    got.reserve(3);
    bool happened = false;
    {
      support::failing_new const shortage(k);
      try {
        loop.run(reads_right(reader, got));
      } catch (std::bad_alloc const&) {
      }
      happened = shortage.happened();
    }
    loop.run(reads_right(reader, got));
    REQUIRE(got.size() == 3);
    CHECK(got[0] + '\n' + got[1] + got[2] == text);
    if (!happened) break;
  }
}
