// SPDX-License-Identifier: BSL-1.0
#include "support/catch.hpp"

#include <concur/http/headers.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace {

using concur::http_headers;
using concur::is_header_name;
using concur::is_header_value;
using concur::same_header_name;

TEST_CASE("names are the same in upper and lower case, in ASCII only") {
  CHECK(same_header_name("Content-Length", "cONTENT-lENGTH"));
  CHECK_FALSE(same_header_name("Content-Length", "Content_Length"));
  CHECK_FALSE(same_header_name("Host", "Hos"));
  CHECK_FALSE(same_header_name("\xc4", "\xe4"));
  CHECK_FALSE(same_header_name("[", "{"));
  CHECK_FALSE(same_header_name("@", "`"));
}

TEST_CASE("fields keep their order, and what is said several times") {
  http_headers headers{{"Set-Cookie", "a=1"}, {"Date", "today"}};
  headers.add("set-cookie", "b=2");
  CHECK(headers.get("SET-COOKIE") == "a=1");
  CHECK(headers.get_all("Set-cookie") == std::vector<std::string_view>{"a=1", "b=2"});
  CHECK(headers.count("set-cookie") == 2);
  std::string all;
  for (auto const& [name, value] : headers) all += name + "=" + value + ";";
  CHECK(all == "Set-Cookie=a=1;Date=today;set-cookie=b=2;");
}

TEST_CASE("what is not there is told from what is empty") {
  http_headers const headers{{"Empty", ""}};
  CHECK(headers.find("empty") == std::string_view());
  CHECK_FALSE(headers.find("none"));
  CHECK(headers.get("none", "otherwise") == "otherwise");
  CHECK(headers.get("empty", "otherwise").empty());
  CHECK(headers.contains("EMPTY"));
  CHECK_FALSE(headers.contains("none"));
}

TEST_CASE("set leaves one field, in the place of the first") {
  http_headers headers{{"A", "1"}, {"B", "2"}, {"a", "3"}, {"C", "4"}, {"A", "5"}};
  headers.set("a", "6");
  CHECK(headers == http_headers{{"A", "6"}, {"B", "2"}, {"C", "4"}});
  headers.set("D", "7");
  CHECK(headers.get("d") == "7");
  CHECK(headers.size() == 4);
}

TEST_CASE("names and values may lie in the list that they change") {
  http_headers headers{{"A", "a value too long for the string's own place"}, {"B", "2"}, {"a", "the other value"}};
  headers.add(headers.begin()->name, headers.begin()->value);
  headers.set("A", headers.get_all("a")[1]);
  CHECK(headers == http_headers{{"A", "the other value"}, {"B", "2"}});
  CHECK(headers.erase(headers.begin()->name) == 1);
  CHECK(headers == http_headers{{"b", "2"}});
}

TEST_CASE("names are tokens, and values hold nothing that ends a line") {
  CHECK(is_header_name("X-Tag_1!"));
  for (char const* const bad : {"", " a", "a b", "a:", "a\r\n", "\x80", "a(b)"}) CHECK_FALSE(is_header_name(bad));
  CHECK(is_header_value(""));
  CHECK(is_header_value("a\tb \xe4\xf6"));
  for (char const* const bad : {"a\r\nb", "a\n", "\r", "\x7f", "\x01"}) CHECK_FALSE(is_header_value(bad));
  CHECK_FALSE(is_header_value(std::string_view("a\0b", 3)));
}

}  // namespace
