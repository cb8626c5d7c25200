// SPDX-License-Identifier: BSL-1.0
#include <concur/net/detail/connection_order.hpp>

#include "../support/catch.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace {

using concur::endpoint;
using concur::ip_address;
using concur::detail::connection_order;

/// "6644": endpoints of these families, numbered by their ports.
std::vector<endpoint> list_of(std::string const& families) {
  std::vector<endpoint> list;
  for (char const each : families) {
    auto const port = std::uint16_t(list.size());
    list.emplace_back(each == '6' ? ip_address::loopback_v6() : ip_address::loopback_v4(), port);
  }
  return list;
}

std::string families_of(std::vector<endpoint> const& list) {
  std::string families;
  for (auto const& each : list) families += each.address().is_v6() ? '6' : '4';
  return families;
}

std::string ordered(std::string const& families, std::size_t first_count = 1) {
  return families_of(connection_order(list_of(families), first_count));
}

}  // namespace

TEST_CASE("connection_order: the families take turns, beginning with the one that was first", "[connection_order]") {
  CHECK(ordered("").empty());
  CHECK(ordered("6") == "6");
  CHECK(ordered("444") == "444");
  CHECK(ordered("64") == "64");
  CHECK(ordered("46") == "46");
  CHECK(ordered("666444") == "646464");
  CHECK(ordered("444666") == "464646");
  CHECK(ordered("6666644") == "6464666");
  CHECK(ordered("64444") == "64444");
  CHECK(ordered("646464") == "646464");
}

TEST_CASE("connection_order: more of the first family may lead", "[connection_order]") {
  CHECK(ordered("666444", 0) == "646464");
  CHECK(ordered("666444", 2) == "664644");
  CHECK(ordered("666444", 3) == "666444");
  CHECK(ordered("666444", 99) == "666444");
  CHECK(ordered("6444", 2) == "6444");
}

TEST_CASE("connection_order: all endpoints come once, and in a family the order stays", "[connection_order]") {
  std::mt19937 random(5);
  for (int round = 0; round < 2000; ++round) {
    std::string families(random() % 12, '4');
    for (auto& each : families) each = random() % 2 == 0 ? '4' : '6';
    auto const list = list_of(families);
    auto order = connection_order(list, random() % 4);
    auto const of_family = [](std::vector<endpoint> all, bool v6) {
      std::erase_if(all, [v6](endpoint const& each) { return each.address().is_v6() != v6; });
      return all;
    };
    for (bool const v6 : {false, true}) {
      if (of_family(order, v6) != of_family(list, v6)) FAIL_CHECK(families);
    }
    if (!list.empty() && order.front() != list.front()) FAIL_CHECK(families);
  }
}

TEST_CASE("connection_order: a family is left for more than one turn only when the other is used up",
          "[connection_order]") {
  std::mt19937 random(6);
  for (int round = 0; round < 2000; ++round) {
    std::string families(2 + random() % 12, '4');
    for (auto& each : families) each = random() % 2 == 0 ? '4' : '6';
    auto const result = ordered(families);
    for (std::size_t i = 1; i < result.size(); ++i) {
      bool const other_is_left = result.find(result[i] == '4' ? '6' : '4', i) != result.npos;
      if (result[i] == result[i - 1] && other_is_left) FAIL_CHECK(families << " became " << result);
    }
  }
}
