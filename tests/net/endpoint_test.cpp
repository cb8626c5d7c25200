// SPDX-License-Identifier: BSL-1.0
#include <concur/net/endpoint.hpp>

#include "../support/catch.hpp"

#include <concur/core/unique_fd.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <sys/un.h>
#include <system_error>
#include <type_traits>
#include <unistd.h>
#include <unordered_set>
#include <vector>

namespace {

using concur::address_family;
using concur::endpoint;
using concur::ip_address;
using concur::unique_fd;

static_assert(std::is_trivially_copyable_v<endpoint>);
static_assert(endpoint::parse("127.0.0.1:8899") == endpoint(ip_address::loopback_v4(), 8899));
static_assert(endpoint::parse("[::1%3]:80").address().scope_id() == 3);
static_assert(endpoint::parse("[::1]:80").port() == 80);
static_assert(endpoint::parse("unix:/a").unix_name() == "/a");
static_assert(endpoint::parse("unix:@a").is_abstract());
static_assert(endpoint::unix_unnamed().is_unnamed() && endpoint::unix_unnamed().size() == 2);
static_assert(!endpoint() && endpoint().size() == 0);

void check_refused(std::string_view text, std::string_view reason) {
  INFO(text);
  CHECK_FALSE(endpoint::try_parse(text));
  try {
    static_cast<void>(endpoint::parse(text));
    FAIL_CHECK("was read");
  } catch (std::invalid_argument const& refused) {
    INFO(refused.what());
    CHECK(std::string_view(refused.what()).ends_with(reason));
  }
}

template <class Attempt>
int error_number(Attempt attempt) {
  try {
    attempt();
  } catch (std::system_error const& thrown) {
    return thrown.code().category() == std::generic_category() ? thrown.code().value() : -1;
  }
  return 0;
}

/// What the system says of a socket's own address.
endpoint own_endpoint(unique_fd const& socket) {
  sockaddr_storage room{};
  socklen_t size = sizeof room;
  REQUIRE(::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&room), &size) == 0);
  return endpoint::from_sockaddr(reinterpret_cast<sockaddr*>(&room), size);
}

endpoint bound(endpoint const& wanted, int kind = SOCK_STREAM) {
  unique_fd const socket(::socket(int(wanted.family()), kind | SOCK_CLOEXEC, 0));
  REQUIRE(socket);
  REQUIRE(::bind(socket.get(), wanted.data(), wanted.size()) == 0);
  return own_endpoint(socket);
}

class scratch_directory {
 public:
  scratch_directory() { REQUIRE(::mkdtemp(name_.data()) != nullptr); }
  ~scratch_directory() {
    for (auto const& each : files_) ::unlink(each.c_str());
    ::rmdir(name_.c_str());
  }
  scratch_directory(scratch_directory const&) = delete;
  scratch_directory& operator=(scratch_directory const&) = delete;

  /// A path of that length.
  std::string path(std::size_t length) {
    files_.push_back(name_ + '/' + std::string(length - name_.size() - 1, 'x'));
    return files_.back();
  }

 private:
  std::string name_ = "/tmp/concur-XXXXXX";
  std::vector<std::string> files_;
};

std::vector<endpoint> ordered_samples() {
  std::vector<endpoint> sorted = {endpoint(), endpoint::unix_unnamed()};
  for (char const* text :
       {"unix:/a", "unix:/ab", "unix:b", "unix:@", "unix:@\\x00", "unix:@a", "unix:@a\\x00", "0.0.0.0:1", "1.2.3.4:0",
        "1.2.3.4:80", "1.2.3.4:8080", "[::]:9", "[::1]:80", "[::1%1]:80", "[1::]:1"}) {
    sorted.push_back(endpoint::parse(text));
  }
  return sorted;
}

}  // namespace

TEST_CASE("endpoint: the text of an IP endpoint gives that endpoint again", "[endpoint]") {
  std::mt19937_64 random(77);
  for (int i = 0; i < 20'000; ++i) {
    ip_address::v6_bytes bytes{};
    for (auto& byte : bytes) byte = random() % 2 == 0 ? std::uint8_t(0) : std::uint8_t(random());
    auto const scope = random() % 4 == 0 ? std::uint32_t(random() >> 33U) : 0;
    for (auto const& address : {ip_address::from_uint(std::uint32_t(random())), ip_address(bytes, scope)}) {
      endpoint const where(address, std::uint16_t(random()));
      auto const again = endpoint::try_parse(where.to_string());
      if (!again || *again != where || again->to_string() != where.to_string()) FAIL_CHECK(where);
      auto const from_system = endpoint::from_sockaddr(where.data(), where.size());
      if (from_system != where || from_system.address() != address) FAIL_CHECK(where);
    }
  }
}

TEST_CASE("endpoint: the text of any name of a Unix socket gives that name again", "[endpoint]") {
  std::mt19937_64 random(78);
  for (int i = 0; i < 20'000; ++i) {
    std::string name(random() % (endpoint::max_unix_abstract + 1), '\0');
    bool const any_bytes = random() % 2 == 0;
    for (auto& each : name) each = any_bytes ? char(random()) : "@\\/x0a:"[random() % 7];
    std::vector<endpoint> all = {endpoint::unix_abstract(name)};
    if (!name.empty() && name.find('\0') == name.npos) all.push_back(endpoint::unix_path(name));
    for (auto const& where : all) {
      auto const text = where.to_string();
      for (char const each : text) {
        if (each < ' ' || each > '~') FAIL_CHECK("not printable");
      }
      if (where.unix_name() != name || endpoint::try_parse(text) != where) FAIL_CHECK(text);
      if (endpoint::from_sockaddr(where.data(), where.size()) != where) FAIL_CHECK(text);
    }
    if (all.size() == 2) CHECK(all[0] != all[1]);
  }
}

TEST_CASE("endpoint: texts and what they mean", "[endpoint]") {
  auto const v4 = endpoint::parse("127.0.0.1:8899");
  CHECK(v4.family() == address_family::ipv4);
  CHECK(v4.is_ip());
  CHECK_FALSE(v4.is_unix());
  CHECK(v4.address() == ip_address::loopback_v4());
  CHECK(v4.port() == 8899);
  CHECK(v4.with_port(1).to_string() == "127.0.0.1:1");
  CHECK(v4.unix_name().empty());
  CHECK(endpoint::parse("0.0.0.0:0").to_string() == "0.0.0.0:0");
  CHECK(endpoint::parse("[::1]:65535").to_string() == "[::1]:65535");
  CHECK(endpoint::parse("[::1%lo]:80").to_string() == "[::1%lo]:80");
  CHECK(endpoint::parse("[FE80::0:1%lo]:80").to_string() == "[fe80::1%lo]:80");
  CHECK(endpoint::parse("[::ffff:1.2.3.4]:5").to_string() == "[::ffff:1.2.3.4]:5");
  CHECK(endpoint::parse("unix:").is_unnamed());
  CHECK(endpoint::parse("unix:relative").unix_name() == "relative");
  CHECK(endpoint::parse("unix:\\x40a").unix_name() == "@a");
  CHECK_FALSE(endpoint::parse("unix:\\x40a").is_abstract());
  CHECK(endpoint::parse("unix:@\\x41\\x7F").unix_name() == "A\x7f");
  CHECK(endpoint::parse("unix:@@").unix_name() == "@");
  CHECK(endpoint::unix_path("/tmp/a b\n").to_string() == "unix:/tmp/a b\\x0a");
  CHECK(endpoint::unix_path("\xc3\xa4").to_string() == "unix:\\xc3\\xa4");
  CHECK(endpoint::unix_abstract({"a\0b", 3}).to_string() == "unix:@a\\x00b");
  CHECK(endpoint().to_string() == "none");
  std::ostringstream out;
  out << v4;
  CHECK(out.str() == "127.0.0.1:8899");
}

TEST_CASE("endpoint: what is none is refused with the reason", "[endpoint]") {
  check_refused("", "the port is missing");
  check_refused("none", "the port is missing");
  check_refused("1.2.3.4", "the port is missing");
  check_refused("[::1]", "the port is missing");
  check_refused("[::1]80", "the port is missing");
  check_refused("[::1", "its bracket is not closed");
  check_refused("::1:80", "an IPv6 address before a port stands in brackets");
  check_refused("1.2.3.4:80:80", "an IPv6 address before a port stands in brackets");
  check_refused("[1.2.3.4]:80", "only an IPv6 address stands in brackets");
  check_refused("[]:80", "it is empty");
  check_refused(":80", "it is empty");
  check_refused("1.2.3.300:80", "a number is above 255");
  check_refused("[::1%none]:80", "its scope names no interface of this machine");
  for (char const* port :
       {"", "-1", "+1", " 1", "1 ", "080", "00", "65536", "99999999999999999999999", "http", "0x50"}) {
    check_refused(std::string("1.2.3.4:") + port, "its port is no number from 0 to 65535");
    check_refused(std::string("[::1]:") + port, "its port is no number from 0 to 65535");
  }
  for (char const* name : {"\\", "\\x", "\\x4", "\\x4g", "\\n", "a\\", "@\\x0"}) {
    check_refused(std::string("unix:") + name, "there is a backslash without x and two digits behind it");
  }
  check_refused("unix:a\\x00b", "its path has a zero byte in it");
  check_refused(std::string_view("unix:a\0b", 8), "its path has a zero byte in it");
  check_refused("unix:" + std::string(109, 'a'), "its name is too long");
  check_refused("unix:@" + std::string(108, 'a'), "its name is too long");
}

TEST_CASE("endpoint: names of Unix sockets have a longest", "[endpoint]") {
  CHECK(endpoint::unix_path(std::string(108, 'a')).unix_name().size() == 108);
  CHECK(endpoint::unix_abstract(std::string(107, 'a')).unix_name().size() == 107);
  CHECK(error_number([] { endpoint::unix_path(std::string(109, 'a')); }) == ENAMETOOLONG);
  CHECK(error_number([] { endpoint::unix_abstract(std::string(108, 'a')); }) == ENAMETOOLONG);
  CHECK_THROWS_AS(endpoint::unix_path(""), std::invalid_argument);
  CHECK_THROWS_AS(endpoint::unix_path({"a\0b", 3}), std::invalid_argument);
}

TEST_CASE("endpoint: the system takes it, and gives the same back", "[endpoint]") {
  scratch_directory scratch;
  auto const loopback = bound(endpoint(ip_address::loopback_v4(), 0));
  CHECK(loopback.address() == ip_address::loopback_v4());
  CHECK(loopback.port() != 0);
  for (std::size_t const length : {30U, 107U, 108U}) {
    auto const named = endpoint::unix_path(scratch.path(length));
    CHECK(bound(named) == named);
    CHECK(::access(std::string(named.unix_name()).c_str(), F_OK) == 0);
  }
  std::string const own = "concur-test-" + std::to_string(::getpid());
  for (std::string const& name : {own, own + '\0', own + std::string(107 - own.size(), '\0')}) {
    auto const abstract = endpoint::unix_abstract(name);
    CHECK(bound(abstract) == abstract);
  }
  // Bound to no name, it gets an abstract one.
  CHECK(bound(endpoint::unix_unnamed()).is_abstract());
  CHECK(own_endpoint(unique_fd(::socket(AF_UNIX, SOCK_STREAM, 0))).is_unnamed());
}

TEST_CASE("endpoint: the sender of a datagram from a socket without a name is nowhere", "[endpoint]") {
  std::array<int, 2> ends{};
  REQUIRE(::socketpair(AF_UNIX, SOCK_DGRAM, 0, ends.data()) == 0);
  unique_fd const from(ends[0]);
  unique_fd const to(ends[1]);
  REQUIRE(::send(from.get(), "x", 1, 0) == 1);
  sockaddr_storage room{};
  socklen_t size = sizeof room;
  char byte = 0;
  REQUIRE(::recvfrom(to.get(), &byte, 1, 0, reinterpret_cast<sockaddr*>(&room), &size) == 1);
  auto const sender = endpoint::from_sockaddr(reinterpret_cast<sockaddr*>(&room), size);
  CHECK_FALSE(sender);
  CHECK(sender.family() == address_family::unspecified);
  CHECK_THROWS_AS(sender.address(), concur::misuse);
  CHECK_THROWS_AS(sender.port(), concur::misuse);
  CHECK_THROWS_AS(endpoint::unix_path("/a").address(), concur::misuse);
}

// Each in a block of its own, not aligned, so that the address sanitizer sees a byte too many.
TEST_CASE("endpoint: no more is read than there is, whatever the family", "[endpoint]") {
  for (int const family : {AF_UNSPEC, AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, 0xffff}) {
    for (char const fill : {'\0', 'a'}) {
      for (std::size_t size = 0; size <= 130; ++size) {
        auto const block = std::make_unique<char[]>(size + 1);
        auto const bytes = block.get() + 1;
        std::memset(bytes, fill, size);
        auto const tag = sa_family_t(family);
        std::memcpy(bytes, &tag, std::min(size, sizeof tag));
        endpoint read;
        int const error =
            error_number([&] { read = endpoint::from_sockaddr(reinterpret_cast<sockaddr const*>(bytes), size); });
        INFO(family << ' ' << size);
        if (size == 0) {
          CHECK((error == 0 && !read));
        } else if (size < 2) {
          CHECK(error == EINVAL);
        } else if (family == AF_INET || family == AF_INET6) {
          CHECK(error == (size < (family == AF_INET ? 16U : 28U) ? EINVAL : 0));
          if (error == 0) CHECK(int(read.family()) == family);
        } else if (family == AF_UNIX) {
          CHECK(error == (size > (fill == 'a' ? 111U : 110U) ? EINVAL : 0));
          if (error == 0)
            CHECK(read.unix_name().size() == (size == 2     ? 0
                                              : fill == 'a' ? std::min<std::size_t>(size - 2, 108)
                                                            : size - 3));
        } else {
          CHECK(error == EAFNOSUPPORT);
        }
      }
    }
  }
}

TEST_CASE("endpoint: the order is total, and equal ones have one hash", "[endpoint]") {
  auto const sorted = ordered_samples();
  std::unordered_set<endpoint> all;
  std::unordered_set<std::size_t> hashes;
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    for (std::size_t k = 0; k < sorted.size(); ++k) {
      INFO(sorted[i] << ", " << sorted[k]);
      CHECK((sorted[i] <=> sorted[k]) == (i <=> k));
      CHECK((sorted[i] == sorted[k]) == (i == k));
    }
    all.insert(sorted[i]);
    all.insert(endpoint::from_sockaddr(sorted[i].data(), sorted[i].size()));
    hashes.insert(std::hash<endpoint>()(sorted[i]));
  }
  CHECK(all.size() == sorted.size());
  CHECK(hashes.size() == sorted.size());
}

TEST_CASE("endpoint: what the system fills in beside the address does not tell endpoints apart", "[endpoint]") {
  sockaddr_in noisy{};
  noisy.sin_family = AF_INET;
  noisy.sin_port = htons(80);
  noisy.sin_addr.s_addr = htonl(0x7f000001);
  std::memset(noisy.sin_zero, 'x', sizeof noisy.sin_zero);
  auto const read = endpoint::from_sockaddr(reinterpret_cast<sockaddr*>(&noisy), sizeof noisy);
  auto const clean = endpoint::parse("127.0.0.1:80");
  CHECK(read == clean);
  CHECK(std::hash<endpoint>()(read) == std::hash<endpoint>()(clean));
  // A path ends at its zero byte, whatever lies behind it.
  sockaddr_un path{};
  path.sun_family = AF_UNIX;
  std::memcpy(path.sun_path, "/a\0garbage", 10);
  CHECK(endpoint::from_sockaddr(reinterpret_cast<sockaddr*>(&path), sizeof path) == endpoint::unix_path("/a"));
}
