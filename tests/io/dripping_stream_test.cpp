// SPDX-License-Identifier: BSL-1.0
#include <concur/io/dripping_stream.hpp>

#include "../support/catch.hpp"
#include "stream_contract.hpp"

#include <concur/io/byte_stream.hpp>
#include <concur/io/memory_stream.hpp>
#include <concur/io/pipe.hpp>

#include <array>
#include <cstddef>
#include <type_traits>
#include <utility>

namespace {

using concur::dripping_stream;

struct pipe_pair {
  static constexpr bool one_way = true;
  static contract::channel<concur::pipe_writer, concur::pipe_reader> make() {
    auto [reader, writer] = concur::make_pipe();
    return {std::move(writer), std::move(reader)};
  }
};

struct memory_pair {
  static constexpr bool belongs_to_no_loop = true;
  static contract::channel<concur::memory_stream> make() {
    auto [one, other] = concur::make_memory_streams();
    return {std::move(one), std::move(other)};
  }
};

}  // namespace

TEST_CASE("dripping_stream: the contract of streams, over a pipe", "[dripping_stream]") {
  contract::all<contract::dripping<pipe_pair>>();
}
TEST_CASE("dripping_stream: the contract of streams, over memory", "[dripping_stream]") {
  contract::all<contract::dripping<memory_pair>>();
}

TEST_CASE("dripping_stream: refers to a stream, or has one, and moves one byte", "[dripping_stream]") {
  auto [reader, writer] = concur::make_pipe();
  dripping_stream drip(reader);
  static_assert(std::is_same_v<decltype(drip), dripping_stream<concur::pipe_reader&>>);
  static_assert(concur::async_byte_stream<dripping_stream<concur::memory_stream>>);
  writer.write("abc");
  std::array<char, 10> space{};
  CHECK(drip.read_some(space) == 1);
  CHECK(drip.read_some(concur::mutable_buffer()) == 0);
  CHECK(drip.try_read_some(space) == 1u);
  drip.close();
  CHECK_FALSE(reader.is_open());
}
