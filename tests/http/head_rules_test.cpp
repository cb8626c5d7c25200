// SPDX-License-Identifier: BSL-1.0
#include <concur/http/head_rules.hpp>

#include "../support/catch.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace {

using concur::http_chunk_size;
using concur::http_content_length;
using concur::http_head_fault;
using concur::http_target_fault;

int status_of(std::string const& head) { return http_head_fault(head).status(); }

/// A GET of HTTP/1.1 with a Host and these lines as well.
std::string with(std::string const& lines) { return "GET / HTTP/1.1\r\nHost: a\r\n" + lines + "\r\n"; }
std::string asking(std::string const& line) { return line + "\r\nHost: a\r\n\r\n"; }

}  // namespace

TEST_CASE("head rules: what is in order", "[http]") {
  CHECK(status_of(with("")) == 0);
  CHECK(status_of(with("Accept: */*\r\nX-Empty:\r\nX-Tab:\ta\tb \r\nX-Old: \xe9\r\n")) == 0);
  CHECK(status_of(with("Content-Length: 5\r\n")) == 0);
  CHECK(status_of(with("Content-Length:\t0005 \r\n")) == 0);
  CHECK(status_of(with("transfer-encoding: Chunked\r\n")) == 0);
  CHECK(status_of("GET / HTTP/1.0\r\n\r\n") == 0);
  CHECK(status_of("GET / HTTP/1.0\r\nHost: a\r\nContent-Length: 1\r\n\r\n") == 0);
  CHECK(status_of("GET / HTTP/1.1\r\nHost:\r\n\r\n") == 0);
  for (auto const* host : {"example.org", "example.org:80", "127.0.0.1:8080", "[::1]", "[::1]:8080", "a:"}) {
    CAPTURE(host);
    CHECK(status_of("GET / HTTP/1.1\r\nhOsT: " + std::string(host) + "\r\n\r\n") == 0);
  }
  for (auto const* method : {"GET", "POST", "M-SEARCH", "get", "BREW"}) {
    CAPTURE(method);
    CHECK(status_of(asking(std::string(method) + " /a HTTP/1.1")) == 0);
  }
}

TEST_CASE("head rules: what two readers could understand differently is refused", "[http]") {
  // Host
  CHECK(status_of("GET / HTTP/1.1\r\n\r\n") == 400);
  CHECK(status_of(with("Host: a\r\n")) == 400);
  CHECK(status_of("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n") == 400);
  for (auto const* host :
       {"a b", "a/b", "a@b", "a:b", "a:1:2", "[::1", "[]", "[::1]a", ":80", "a?b", "a#b", "\xe9", "%"}) {
    CAPTURE(host);
    CHECK(status_of("GET / HTTP/1.1\r\nHost: " + std::string(host) + "\r\n\r\n") == 400);
  }

  // Transfer-Encoding
  for (auto const* coding :
       {"identity", "chunked, identity", "chunked,", ", chunked", "gzip, chunked", "chunked, chunked", "xchunked",
        "chunked;q=1", "\"chunked\"", "", "chunke", "chunked\x0b", "chunked\xa0", "'chunked"}) {
    CAPTURE(coding);
    CHECK(status_of(with("Transfer-Encoding: " + std::string(coding) + "\r\n")) == 400);
  }
  CHECK(status_of(with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n")) == 400);
  CHECK(status_of(with("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n")) == 400);
  CHECK(status_of(with("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n")) == 400);
  CHECK(status_of(with("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n")) == 400);
  CHECK(status_of("GET / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n") == 400);
  CHECK(status_of(with("Transfer-Encoding:\r\n chunked\r\n")) == 400);

  // Content-Length
  CHECK(status_of(with("Content-Length: 5\r\nContent-Length: 5\r\n")) == 400);
  CHECK(status_of(with("Content-Length: 5\r\ncontent-length: 6\r\n")) == 400);
  for (auto const* length : {"", "+5", "-5", "5,5", "5, 5", "0x5", "5a", "a", "5.0", "5 5", "1_0",
                             "99999999999999999999", "18446744073709551621", "\xd9\xa5"}) {
    CAPTURE(length);
    CHECK(status_of(with("Content-Length: " + std::string(length) + "\r\n")) == 400);
  }
}

TEST_CASE("head rules: lines, names and values", "[http]") {
  CHECK(status_of(with("A: 1\r\n b\r\n")) == 400);    // folded
  CHECK(status_of(with("A: 1\r\n\tb\r\n")) == 400);
  CHECK(status_of("GET / HTTP/1.1\r\n Host: a\r\n\r\n") == 400);
  CHECK(status_of(with("A: 1\n")) == 400);            // bare LF
  CHECK(status_of(with("A: 1\nB: 2\r\n")) == 400);
  CHECK(status_of("GET / HTTP/1.1\nHost: a\r\n\r\n") == 400);
  CHECK(status_of("GET / HTTP/1.1\r\nHost: a\r\n\n") == 400);
  CHECK(status_of("GET / HTTP/1.1\nHost: a\n\n") == 400);
  CHECK(status_of(with("A: 1\rB: 2\r\n")) == 400);    // bare CR
  CHECK(status_of(with("A: 1\r\r\n")) == 400);
  CHECK(status_of("GET / HTTP/1.1\r\r\nHost: a\r\n\r\n") == 400);
  CHECK(status_of(with("A : 1\r\n")) == 400);         // spaces before the colon
  CHECK(status_of(with("A\t: 1\r\n")) == 400);
  CHECK(status_of(with("Content-Length : 5\r\n")) == 400);
  CHECK(status_of(with("A\r\n")) == 400);
  CHECK(status_of(with(": 1\r\n")) == 400);
  CHECK(status_of(with("A(): 1\r\n")) == 400);
  CHECK(status_of(with("\xc3\xa9: 1\r\n")) == 400);
  for (int c = 0; c < 256; ++c) {
    CAPTURE(c);
    std::string const one(1, static_cast<char>(c));
    bool const may_be_in_value = c == '\t' || (c >= ' ' && c != 0x7f);
    CHECK((status_of(with("A: x" + one + "y\r\n")) == 0) == may_be_in_value);
    if (c != ':') CHECK((status_of(with("A" + one + "b: x\r\n")) == 0) == concur::is_header_name(one));
  }
  CHECK(status_of(with("") + "more") == 400);
  CHECK(status_of("") == 400);
  CHECK(status_of("\r\n") == 400);
}

TEST_CASE("head rules: the request line", "[http]") {
  for (auto const* line :
       {"", "GET", "GET /", "GET  / HTTP/1.1", "GET /  HTTP/1.1", " GET / HTTP/1.1", "GET / HTTP/1.1 ",
        "GET / x HTTP/1.1", "GET\t/\tHTTP/1.1", "GET / http/1.1", "GET / HTTP/1", "GET / HTTP/1.10", "GET / HTTP/01.1",
        "G(T / HTTP/1.1", "GET / HTTP/1.x", "GET / HTTX/1.1", "GET HTTP/1.1"}) {
    CAPTURE(line);
    CHECK(status_of(asking(line)) == 400);
  }
  for (auto const* line : {"GET / HTTP/2.0", "GET / HTTP/1.2", "GET / HTTP/0.9", "PRI * HTTP/2.0"}) {
    CAPTURE(line);
    CHECK(status_of(asking(line)) == 505);
  }
  CHECK(status_of(asking("CONNECT a:80 HTTP/1.1")) == 501);
}

TEST_CASE("head rules: targets", "[http]") {
  for (auto const* target : {"/", "/a/b;c=1/", "/a%20b?q=%41", "/?", "/?a[]=1&b={2}|3", "//a", "http://a", "http://a/",
                             "HTTP://a:80/b?c", "https://[::1]/", "http://a?b", "/a:b@c", "/~x"}) {
    CAPTURE(target);
    CHECK_FALSE(http_target_fault("GET", target));
  }
  for (auto const* target : {"",         "a",       "*",         "?a",          "/#a",         "/a b",      "/%",
                             "/%4",      "/%4g",    "/\"",       "/<",          "/\x7f",       "/\xc3\xa9", "/a\\b",
                             "ftp://a/", "http://", "http:///a", "http://a b/", "http://u@a/", "http:/a",   "/?#",
                             "/?a b",    "/{a}",    "/\x01",     "http://a:b/"}) {
    CAPTURE(target);
    CHECK(http_target_fault("GET", target));
  }
  CHECK_FALSE(http_target_fault("OPTIONS", "*"));
}

TEST_CASE("head rules: sizes of chunks and bodies", "[http]") {
  CHECK(http_chunk_size("0") == 0u);
  CHECK(http_chunk_size("fF") == 255u);
  CHECK(http_chunk_size("0000a") == 10u);
  CHECK(http_chunk_size("5;a=b;c=\"d e\"") == 5u);
  for (auto const* line : {"", ";", " 5", "5 ", "5 ;a", "0x5", "+5", "-5", "g", "5\t", "5;a\x01", "5;\xff\x7f", "5,5",
                           "1000000000000000", "5;a\rb", "5;a\nb", "\r"}) {
    CAPTURE(line);
    CHECK_FALSE(http_chunk_size(line));
  }
  CHECK(http_content_length("007") == 7u);
  CHECK_FALSE(http_content_length(""));
  CHECK_FALSE(http_content_length("9999999999999999999"));
}

// It is as much for compile time, where nobody can be in the way.
static_assert(!concur::http_head_fault("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
