// SPDX-License-Identifier: BSL-1.0
//
// What every stream of bytes guarantees, as one suite for all of them.
//
//     struct unix_pair { static contract::channel<some_stream> make(); };
//     TEST_CASE("unix stream") { contract::all<unix_pair>(); }
//
// A pair may say more about itself: `one_way`, that `a` only writes and `b` only reads; `belongs_to_no_loop`;
// `slowness`, by which amounts of data are divided; and `most_at_once`, how many bytes one read or write moves.
// `contract::dripping<unix_pair>` is the same pair by single bytes.
#pragma once

#include "../support/catch.hpp"

#include <concur/core/errors.hpp>
#include <concur/coro/gather.hpp>
#include <concur/coro/sleep.hpp>
#include <concur/coro/spawn.hpp>
#include <concur/coro/task.hpp>
#include <concur/coro/timeout.hpp>
#include <concur/coro/yield.hpp>
#include <concur/io/buffer.hpp>
#include <concur/io/byte_stream.hpp>
#include <concur/io/dripping_stream.hpp>
#include <concur/loop/event_loop.hpp>
#include <concur/loop/run.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <random>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace contract {

using concur::task;
using namespace std::chrono_literals;

/// Two ends: what is written into one is read from the other.
template <class One, class Other = One>
struct channel {
  channel(One one, Other other) : a(std::move(one)), b(std::move(other)) {}
  One a;
  Other b;
};

template <class Pair>
constexpr bool is_one_way = requires { requires Pair::one_way; };
template <class Pair>
constexpr bool belongs_to_a_loop = !requires { requires Pair::belongs_to_no_loop; };
template <class Pair>
constexpr std::size_t slowness_of() {
  if constexpr (requires { Pair::slowness; }) {
    return Pair::slowness;
  } else {
    return 1;
  }
}
template <class Pair>
constexpr std::size_t at_once(std::size_t amount) {
  if constexpr (requires { Pair::most_at_once; }) {
    return std::min<std::size_t>(Pair::most_at_once, amount);
  } else {
    return amount;
  }
}
template <class Pair>
constexpr std::size_t scaled(std::size_t amount) {
  return amount / slowness_of<Pair>();
}

/// Whose buffers have to be small: they must not take what is left of the amounts of data.
template <class Pair>
struct dripping : Pair {
  static constexpr std::size_t slowness = 200;
  static constexpr std::size_t most_at_once = 1;
  static auto make() {
    auto ends = Pair::make();
    return channel(concur::dripping_stream(std::move(ends.a)), concur::dripping_stream(std::move(ends.b)));
  }
};

/// The byte at a place of a stream that goes on for ever.
inline char byte_at(std::size_t place) { return char((place * 131 + place / 251) % 256); }

inline std::vector<char> bytes(std::size_t from, std::size_t count) {
  std::vector<char> made(count);
  for (std::size_t i = 0; i < count; ++i) made[i] = byte_at(from + i);
  return made;
}

inline bool are_bytes(std::size_t from, std::span<char const> read) {
  for (std::size_t i = 0; i < read.size(); ++i) {
    if (read[i] != byte_at(from + i)) return false;
  }
  return true;
}

template <class Stream>
task<> write_in_pieces(Stream& out, std::size_t total, unsigned seed) {
  std::minstd_rand random(seed);
  for (std::size_t sent = 0; sent < total;) {
    auto const piece = std::min<std::size_t>(total - sent, 1 + random() % (random() % 4 == 0 ? 100'000 : 300));
    co_await out.async_write(bytes(sent, piece));
    sent += piece;
  }
}

template <class Stream>
task<std::size_t> read_in_pieces(Stream& in, std::size_t total, unsigned seed) {
  std::minstd_rand random(seed);
  std::vector<char> space;
  std::size_t good = 0;
  while (good < total) {
    space.resize(1 + random() % (random() % 4 == 0 ? 100'000 : 300));
    auto const count = co_await in.async_read_some(space);
    if (count == 0 || !are_bytes(good, std::span(space).first(count))) break;
    good += count;
  }
  co_return good;
}

template <class Pair>
void keeps_order_one_way() {
  constexpr std::size_t total = scaled<Pair>(3'000'000);
  auto ends = Pair::make();
  auto const there = [&]() -> task<std::size_t> {
    auto [good, written] = co_await concur::gather(read_in_pieces(ends.b, total, 1), write_in_pieces(ends.a, total, 3));
    co_return good;
  };
  CHECK(concur::run(there()) == total);
}

template <class Pair>
void keeps_order() {
  constexpr std::size_t total = scaled<Pair>(3'000'000);
  auto ends = Pair::make();
  auto const both_ways = [&]() -> task<std::size_t> {
    auto [one, other, there, back] =
        co_await concur::gather(read_in_pieces(ends.b, total, 1), read_in_pieces(ends.a, total, 2),
                                write_in_pieces(ends.a, total, 3), write_in_pieces(ends.b, total, 4));
    co_return one + other;
  };
  CHECK(concur::run(both_ways()) == 2 * total);
}

/// Trap I2: the writer writes n bytes, the reader asks for m of them at a time.
template <class Pair>
void any_sizes() {
  auto ends = Pair::make();
  auto const all_sizes = [&]() -> task<int> {
    int wrong = 0;
    for (std::size_t n = 1; n <= 16; ++n) {
      for (std::size_t m = 1; m <= 16; ++m) {
        auto const sent = bytes(0, n);
        auto reading = concur::spawn([&ends, n, m]() -> task<std::size_t> {
          std::vector<char> space(m);
          std::size_t good = 0;
          while (good < n) {
            auto const count = co_await ends.b.async_read_some(space);
            if (!are_bytes(good, std::span(space).first(count))) break;
            good += count;
          }
          co_return good;
        });
        if ((n + m) % 2 == 0) co_await concur::yield();  // the reader waits already
        co_await ends.a.async_write(sent);
        auto const good = co_await std::move(reading);
        wrong += good != n;
      }
    }
    co_return wrong;
  };
  CHECK(concur::run(all_sizes()) == 0);
}

template <class Pair>
void ends_once_and_for_all() {
  auto ends = Pair::make();
  auto const read_to_the_end = [&]() -> task<> {
    co_await ends.a.async_write("last words");
    ends.a.close();
    std::array<char, 4> four{};
    auto const full = co_await ends.b.async_read(four);
    CHECK(full == 4);
    std::array<char, 100> more{};
    auto const rest = co_await ends.b.async_read(more);
    CHECK(rest == 6);
    CHECK(std::string_view(more.data(), 6) == " words");
    for (int i = 0; i < 3; ++i) {
      auto const nothing = co_await ends.b.async_read_some(more);
      CHECK(nothing == 0);
    }
  };
  concur::run(read_to_the_end());
}

/// The end comes while the reader has asked for more than there is: trap I2 with a hang-up.
template <class Pair>
void end_is_seen_after_a_short_read() {
  for (int round = 0; round < 100; ++round) {
    auto ends = Pair::make();
    auto const read_all = [&]() -> task<std::size_t> {
      std::array<char, 64> space{};
      std::size_t total = 0;
      while (auto const count = co_await ends.b.async_read_some(space)) total += count;
      co_return total;
    };
    auto const both = [&]() -> task<std::size_t> {
      auto reading = concur::spawn(read_all());
      if (round % 2 == 0) co_await concur::yield();
      co_await ends.a.async_write("abc");
      if (round % 3 == 0) co_await concur::yield();
      ends.a.close();
      co_return co_await std::move(reading);
    };
    CHECK(concur::run(both()) == 3);
  }
}

/// Trap I5.
template <class Pair>
void write_to_nobody_is_an_error() {
  auto ends = Pair::make();
  ends.b.close();
  auto const write_on = [&]() -> task<int> {
    int error = 0;
    for (int i = 0; i < 1000 && error == 0; ++i) {
      try {
        co_await ends.a.async_write("is anybody there?");
      } catch (std::system_error const& thrown) {
        error = thrown.code().value();
      }
      co_await concur::yield();
    }
    co_return error;
  };
  int const error = concur::run(write_on());
  CHECK((error == EPIPE || error == ECONNRESET));
}

template <class Pair>
void writer_waits_for_reader() {
  auto ends = Pair::make();
  auto const talk = [&]() -> task<> {
    constexpr std::size_t size = scaled<Pair>(20'000'000);  // more than any buffer between
    auto const sent = bytes(0, size);
    bool written = false;
    auto writing = concur::spawn([&]() -> task<> {
      co_await ends.a.async_write(sent);
      written = true;
    });
    for (int i = 0; i < 100; ++i) co_await concur::yield();
    CHECK_FALSE(written);
    auto const good = co_await read_in_pieces(ends.b, size, 5);
    CHECK(good == size);
    co_await std::move(writing);
    CHECK(written);
  };
  concur::run(talk());
}

/// A cancel takes nothing out of the stream.
template <class Pair>
void cancelled_read_loses_nothing() {
  auto ends = Pair::make();
  auto const talk = [&]() -> task<> {
    constexpr std::size_t messages = 300;
    std::size_t good = 0;
    std::array<char, 7> space{};
    auto writing = concur::spawn([&]() -> task<> {
      for (std::size_t i = 0; i < messages; ++i) {
        co_await ends.a.async_write(bytes(10 * i, 10));
        co_await concur::yield();
        if (i % 7 == 0) co_await concur::sleep_for(100us);
      }
      ends.a.close();
    });
    for (bool over = false; !over;) {
      auto const count = co_await concur::move_on_after(50us, ends.b.async_read_some(space));
      if (!count) continue;
      over = *count == 0 || !are_bytes(good, std::span(space).first(*count));
      good += *count;
    }
    CHECK(good == 10 * messages);
    co_await std::move(writing);
  };
  concur::run(talk());
}

template <class Pair>
void wait_can_be_cancelled() {
  auto ends = Pair::make();
  auto const give_up = [&]() -> task<> {
    std::array<char, 10> space{};
    auto const read = co_await concur::move_on_after(1ms, ends.b.async_read_some(space));
    CHECK_FALSE(read);
    auto const much = bytes(0, scaled<Pair>(30'000'000));
    bool const written = co_await concur::move_on_after(5ms, ends.a.async_write(much));
    CHECK_FALSE(written);
    // What has been written is there, and the next read finds it.
    auto const count = co_await ends.b.async_read(space);
    CHECK(count == space.size());
    CHECK(are_bytes(0, space));
  };
  concur::run(give_up());
}

template <class Pair>
void close_ends_the_wait() {
  auto ends = Pair::make();
  auto const close_it = [&]() -> task<int> {
    auto reading = concur::spawn([&]() -> task<int> {
      std::array<char, 10> space{};
      try {
        co_await ends.b.async_read_some(space);
      } catch (std::system_error const& error) {
        co_return error.code().value();
      }
      co_return 0;
    });
    co_await concur::yield();
    ends.b.close();
    co_return co_await std::move(reading);
  };
  CHECK(concur::run(close_it()) == ECANCELED);
}

/// Who never has to wait lets others run now and then, and a long write is made in pieces.
template <class Pair>
void busy_stream_starves_nobody() {
  auto ends = Pair::make();
  auto const compete = [&]() -> task<> {
    bool over = false;
    int steps = 0;
    auto other = concur::spawn([&]() -> task<> {
      while (true) {
        if (over) co_return;
        ++steps;
        co_await concur::yield();
      }
    });
    std::array<char, 1> one{'x'};
    co_await concur::yield();
    int const before = steps;
    for (int i = 0; i < 1000; ++i) {
      co_await ends.a.async_write(one);
      co_await ends.b.async_read(one);
    }
    int const meanwhile = steps - before;
    CHECK(meanwhile >= 10);
    over = true;
    co_await std::move(other);
  };
  concur::run(compete());
}

/// It may be used in one loop after the other, the first of which is gone.
template <class Pair>
void outlives_its_loop() {
  auto ends = Pair::make();
  std::array<char, 3> space{};
  auto const wait_in_vain = [&]() -> task<bool> {
    auto const read = co_await concur::move_on_after(1us, ends.b.async_read_some(space));
    co_return read.has_value();
  };
  auto const exchange = [&]() -> task<std::size_t> {
    co_await ends.a.async_write("abc");
    co_return co_await ends.b.async_read(space);
  };
  {
    concur::event_loop first;
    CHECK_FALSE(first.run(wait_in_vain()));
  }
  {
    concur::event_loop second;
    CHECK(second.run(exchange()) == 3);
    concur::event_loop third;
    CHECK_THROWS_AS(third.run(exchange()), concur::misuse);  // it belongs to the second
  }
  CHECK(std::string_view(space.data(), 3) == "abc");
}

template <class Pair>
void serves_threads_as_well() {
  constexpr std::size_t total = scaled<Pair>(1'000'000);
  auto ends = Pair::make();
  std::thread writer([&] {
    for (std::size_t sent = 0; sent < total;) {
      auto const piece = bytes(sent, std::min<std::size_t>(70'000, total - sent));
      sent += ends.a.write_some(piece);
    }
    ends.a.close();
  });
  std::vector<char> space(50'000);
  std::size_t good = 0;
  while (auto const count = ends.b.read_some(space)) {
    if (!are_bytes(good, std::span(space).first(count))) break;
    good += count;
  }
  writer.join();
  CHECK(good == total);
}

template <class Pair>
void limits_of_blocking_verbs() {
  auto ends = Pair::make();
  std::array<char, 8> space{};
  CHECK_FALSE(ends.b.try_read_some(space));
  CHECK_FALSE(ends.b.try_read_some_for(space, 1ms));
  CHECK_FALSE(ends.b.try_read_some_for(space, 0s));
  CHECK_FALSE(ends.b.try_read_some_for(space, std::chrono::hours::min()));
  CHECK_FALSE(ends.b.try_read_some_until(space, std::chrono::system_clock::now() + 1ms));
  std::stop_source stop;
  std::thread stopper([&] { stop.request_stop(); });
  CHECK_FALSE(ends.b.read_some(space, stop.get_token()));
  stopper.join();
  CHECK_FALSE(ends.b.read_some(space, stop.get_token()));  // requested before

  constexpr auto three = at_once<Pair>(3);
  auto const read_rest = [&](std::size_t count) { CHECK(ends.b.read(std::span(space).first(count)) == count); };
  ends.a.write("abc");
  CHECK(ends.b.read_some(space, stop.get_token()) == three);  // what is there is read in any case
  read_rest(3 - three);
  ends.a.write("abcdefgh");
  CHECK(ends.b.read(space) == 8);
  CHECK(ends.a.try_write_some("xyz") == three);
  CHECK(ends.b.try_read_some_for(space, std::chrono::hours::max()) == three);

  auto const much = bytes(0, scaled<Pair>(30'000'000));
  CHECK_FALSE(ends.a.try_write_for(much, 1ms));
  while (ends.a.try_write_some(much)) continue;  // there may still be room
  CHECK_FALSE(ends.a.try_write_some(much));
  CHECK_FALSE(ends.a.write(much, stop.get_token()));
  ends.a.close();
  CHECK_THROWS_AS(ends.a.write("x"), std::system_error);
}

/// A buffer of no size is moved whether the stream is ready or not, and known not to be or not.
template <class Pair>
void nothing_is_moved_at_once() {
  auto ends = Pair::make();
  concur::mutable_buffer const none;
  CHECK(ends.b.read_some(none) == 0);
  CHECK(ends.b.try_read_some(none) == std::size_t{0});
  CHECK(ends.b.read(none) == 0);
  auto const move_nothing = [&]() -> task<> {
    std::array<char, 10> space{};
    auto const in_vain = co_await concur::move_on_after(1ms, ends.b.async_read_some(space));
    CHECK_FALSE(in_vain);
    auto const read_some = co_await concur::move_on_after(10s, ends.b.async_read_some(none));
    CHECK(read_some == std::size_t{0});
    auto const read = co_await concur::move_on_after(10s, ends.b.async_read(none));
    CHECK(read == std::size_t{0});

    auto const much = bytes(0, scaled<Pair>(30'000'000));
    bool const all_written = co_await concur::move_on_after(5ms, ends.a.async_write(much));
    CHECK_FALSE(all_written);
    auto const written_some = co_await concur::move_on_after(10s, ends.a.async_write_some(none));
    CHECK(written_some == std::size_t{0});
    bool const written = co_await concur::move_on_after(10s, ends.a.async_write(none));
    CHECK(written);
  };
  concur::run(move_nothing());
  while (ends.a.try_write_some("there may still be room")) continue;
  CHECK(ends.a.try_write_some(none) == std::size_t{0});
  CHECK(ends.a.write_some(none) == 0);
  ends.a.write(none);
}

/// Who moves nothing, and so never has to wait, lets others run.
template <class Pair>
void nothing_starves_nobody() {
  auto ends = Pair::make();
  auto const compete = [&]() -> task<> {
    bool over = false;
    auto other = concur::spawn([&]() -> task<> {
      for (int i = 0; i < 10; ++i) co_await concur::yield();
      over = true;
    });
    int rounds = 0;
    for (; !over && rounds < 100'000; ++rounds) {
      co_await ends.a.async_write(concur::const_buffer());
      co_await ends.b.async_read_some(concur::mutable_buffer());
    }
    CHECK(rounds < 100'000);
    co_await std::move(other);
  };
  concur::run(compete());
}

template <class Pair>
void all() {
  using ends = decltype(Pair::make());
  static_assert(concur::async_byte_sink<decltype(ends::a)> && concur::async_byte_source<decltype(ends::b)>);
  static_assert(is_one_way<Pair> ||
                (concur::async_byte_stream<decltype(ends::a)> && concur::async_byte_stream<decltype(ends::b)>));
  SECTION("keeps the bytes and their order") { keeps_order_one_way<Pair>(); }
  if constexpr (!is_one_way<Pair>) {
    SECTION("keeps the bytes and their order, both ways at once") { keeps_order<Pair>(); }
  }
  SECTION("any sizes of pieces (I2)") { any_sizes<Pair>(); }
  SECTION("nothing is moved at once") { nothing_is_moved_at_once<Pair>(); }
  SECTION("who moves nothing starves nobody") { nothing_starves_nobody<Pair>(); }
  SECTION("ends once and for all") { ends_once_and_for_all<Pair>(); }
  SECTION("the end is seen after a short read") { end_is_seen_after_a_short_read<Pair>(); }
  SECTION("a write to nobody is an error, not a signal (I5)") { write_to_nobody_is_an_error<Pair>(); }
  SECTION("the writer waits for the reader") { writer_waits_for_reader<Pair>(); }
  SECTION("a cancelled read loses nothing") { cancelled_read_loses_nothing<Pair>(); }
  SECTION("every wait can be cancelled") { wait_can_be_cancelled<Pair>(); }
  SECTION("close ends the wait") { close_ends_the_wait<Pair>(); }
  SECTION("a busy stream starves nobody") { busy_stream_starves_nobody<Pair>(); }
  if constexpr (belongs_to_a_loop<Pair>) {
    SECTION("outlives its loop") { outlives_its_loop<Pair>(); }
  }
  SECTION("serves threads as well") { serves_threads_as_well<Pair>(); }
  SECTION("limits of the blocking verbs") { limits_of_blocking_verbs<Pair>(); }
}

}  // namespace contract
