// SPDX-License-Identifier: BSL-1.0
#include <concur/net/ip_address.hpp>

#include "../support/catch.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <cstdint>
#include <net/if.h>
#include <optional>
#include <random>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_set>
#include <utility>
#include <vector>

namespace {

using concur::address_family;
using concur::ip_address;

static_assert(std::is_trivially_copyable_v<ip_address>);
static_assert(ip_address() == ip_address::any_v4() && ip_address::parse("0.0.0.0") == ip_address());
static_assert(ip_address::parse("192.168.3.4").to_uint() == 0xc0a80304);
static_assert(ip_address::parse("fe80::1%7").scope_id() == 7);
static_assert(ip_address::parse("::1") == ip_address::loopback_v6());
static_assert(ip_address::parse("::ffff:1.2.3.4").unmapped() == ip_address::parse("1.2.3.4"));
static_assert(!ip_address::try_parse("::1%lo"));  // a name is not known to the compiler

// What the C library makes of a text.
std::optional<ip_address> read_by_system(std::string const& text) {
  ip_address::v4_bytes four{};
  if (::inet_pton(AF_INET, text.c_str(), four.data()) == 1) return ip_address(four);
  ip_address::v6_bytes sixteen{};
  if (::inet_pton(AF_INET6, text.c_str(), sixteen.data()) == 1) return ip_address(sixteen);
  return std::nullopt;
}

std::string written_by_system(ip_address const& address) {
  std::array<char, INET6_ADDRSTRLEN> room{};
  REQUIRE(::inet_ntop(int(address.family()), address.bytes().data(), room.data(), room.size()) != nullptr);
  return room.data();
}

/// Addresses with many zeros in them, so that every place and length of a run comes up.
class random_addresses {
 public:
  ip_address v4() { return ip_address::from_uint(std::uint32_t(engine_())); }
  ip_address v6() {
    ip_address::v6_bytes bytes{};
    for (std::size_t i = 0; i < 16; i += 2) {
      auto const dice = engine_() % 8;
      auto const group = dice < 4 ? 0 : dice < 6 ? engine_() % 16 : dice == 6 ? 0xffff : engine_() % 0x10000;
      bytes[i] = std::uint8_t(group >> 8U);
      bytes[i + 1] = std::uint8_t(group);
    }
    return ip_address(bytes);
  }
  std::uint64_t number() { return engine_(); }

 private:
  std::mt19937_64 engine_{20260101};
};

void check_refused(std::string_view text, std::string_view reason) {
  INFO(text);
  CHECK_FALSE(ip_address::try_parse(text));
  try {
    static_cast<void>(ip_address::parse(text));
    FAIL_CHECK("was read");
  } catch (std::invalid_argument const& refused) {
    INFO(refused.what());
    CHECK(std::string_view(refused.what()).ends_with(reason));
  }
}

}  // namespace

TEST_CASE("ip_address: the text of an address gives that address again", "[ip_address]") {
  random_addresses random;
  for (int i = 0; i < 20'000; ++i) {
    for (auto const& address : {random.v4(), random.v6(), random.v4().mapped()}) {
      auto const text = address.to_string();
      auto const again = ip_address::try_parse(text);
      if (!again || *again != address || again->to_string() != text) FAIL_CHECK(text);
    }
  }
}

TEST_CASE("ip_address: the text is the one that the C library writes", "[ip_address]") {
  random_addresses random;
  auto const compatible = [](ip_address const& a) {
    return std::all_of(a.bytes().begin(), a.bytes().begin() + 12, [](auto byte) { return byte == 0; });
  };
  for (int i = 0; i < 20'000; ++i) {
    for (auto const& address : {random.v4(), random.v6(), random.v4().mapped()}) {
      // It writes ::1.2.3.4 for addresses of an obsolete kind.
      if (address.is_v6() && compatible(address)) continue;
      if (address.to_string() != written_by_system(address)) {
        FAIL_CHECK(address.to_string() << " is not " << written_by_system(address));
      }
    }
  }
}

TEST_CASE("ip_address: every edit of an address is read as the C library reads it", "[ip_address]") {
  std::string const characters = ":.0159fFgx %/-";
  int read = 0;
  int refused = 0;
  auto const compare = [&](std::string const& text) {
    if (text.find('%') != text.npos) return;
    auto const ours = ip_address::try_parse(text);
    ++(ours ? read : refused);
    if (ours != read_by_system(text)) FAIL_CHECK("read otherwise: " << text);
  };
  auto const edit = [&](std::string const& text, auto const& use) {
    for (std::size_t at = 0; at <= text.size(); ++at) {
      if (at < text.size()) use(std::string(text).erase(at, 1));
      for (char const each : characters) {
        use(std::string(text).insert(at, 1, each));
        if (at < text.size()) use(std::string(text).replace(at, 1, 1, each));
      }
    }
  };
  for (std::string const text :
       {"127.0.0.1", "255.255.255.255", "::", "::1", "1::", "fe80::a:b", "1:2:3:4:5:6:7:8", "1:2:3::6:7:8",
        "::ffff:1.2.3.4", "1:2:3:4:5:6:1.2.3.4", "abcd:ef01::10.0.0.255", "::2:3:4:5:6:7:8", "1:2:3:4:5:6:7::"}) {
    compare(text);
    edit(text, [&](std::string const& once) {
      compare(once);
      edit(once, compare);
    });
  }
  CHECK(read > 10'000);
  CHECK(refused > 100'000);
}

TEST_CASE("ip_address: the examples of the standards", "[ip_address]") {
  static constexpr std::pair<char const*, char const*> examples[] = {
      // RFC 4291, section 2.2
      {"ABCD:EF01:2345:6789:ABCD:EF01:2345:6789", "abcd:ef01:2345:6789:abcd:ef01:2345:6789"},
      {"2001:DB8:0:0:8:800:200C:417A", "2001:db8::8:800:200c:417a"},
      {"FF01:0:0:0:0:0:0:101", "ff01::101"},
      {"0:0:0:0:0:0:0:1", "::1"},
      {"0:0:0:0:0:0:0:0", "::"},
      {"0:0:0:0:0:0:13.1.68.3", "::d01:4403"},
      {"0:0:0:0:0:FFFF:129.144.52.38", "::ffff:129.144.52.38"},
      {"::FFFF:129.144.52.38", "::ffff:129.144.52.38"},
      {"2001:0DB8::CD30:0:0:0:0", "2001:db8:0:cd30::"},
      // RFC 5952, sections 2 and 4
      {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
      {"2001:0db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
      {"2001:db8::1:0:0:1", "2001:db8::1:0:0:1"},
      {"2001:db8::0:1:0:0:1", "2001:db8::1:0:0:1"},
      {"2001:db8:0:0:0:0:2:1", "2001:db8::2:1"},
      {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
      {"2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
      {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},
      {"2001:db8:aaaa:bbbb:cccc:dddd:eeee:AAAA", "2001:db8:aaaa:bbbb:cccc:dddd:eeee:aaaa"},
      {"1::8:0:0:0", "1::8:0:0:0"},
      {"0.0.0.0", "0.0.0.0"},
      {"255.255.255.255", "255.255.255.255"},
  };
  for (auto const& [text, canonical] : examples) {
    INFO(text);
    auto const address = ip_address::try_parse(text);
    REQUIRE(address);
    CHECK(address->to_string() == canonical);
    CHECK(ip_address::parse(canonical) == *address);
  }
}

TEST_CASE("ip_address: what is no address is refused with the reason", "[ip_address]") {
  check_refused("", "it is empty");
  check_refused("1.2.3", "an IPv4 address has four numbers");
  check_refused("1.2.3.4.5", "an IPv4 address has four numbers");
  check_refused("1..3.4", "a number is missing");
  check_refused("1.2.3.", "a number is missing");
  check_refused("1.2.3.256", "a number is above 255");
  check_refused("1.2.3.99999999999999999999", "a number is above 255");
  check_refused("127.0.0.01", "a number begins with 0");
  check_refused("1.2.3.4 ", "a character that no IPv4 address has");
  check_refused("1.2.3.+4", "a character that no IPv4 address has");
  check_refused("1.2.3.4/8", "a character that no IPv4 address has");
  check_refused("1.2.3.4%lo", "only an IPv6 address has a scope");
  check_refused("localhost", "an IPv4 address has four numbers");
  check_refused(":", "it begins with a single colon");
  check_refused(":1:2:3:4:5:6:7", "it begins with a single colon");
  check_refused("1:2:3:4:5:6:7:", "it ends with a single colon");
  check_refused("1:::2", "there are three colons in a row");
  check_refused("1::2::3", "there is more than one ::");
  check_refused("1:2:3", "there are fewer than eight groups, and no ::");
  check_refused("1:2:3:4:5:6:7:8:9", "there are more than eight groups");
  check_refused("1:2:3:4:5:6:7:1.2.3.4", "there are more than eight groups");
  check_refused("1:2:3:4::5:6:7:8", "there are eight groups, and :: beside them");
  check_refused("1::12345", "a group has more than four digits");
  check_refused("::g", "a character that no IPv6 address has");
  check_refused("::1 ", "a character that no IPv6 address has");
  check_refused("[::1]", "a character that no IPv6 address has");
  check_refused("::1.2.3", "an IPv4 address has four numbers");
  check_refused("::1.2.3.4:5", "a character that no IPv4 address has");
  check_refused("::1%", "its scope is empty");
  check_refused("::1%4294967296", "its scope is no number of an interface");
  check_refused("::1%01", "its scope is no number of an interface");
  check_refused("::1%no such one", "its scope names no interface of this machine");
  check_refused("::1%a-name-that-is-far-too-long", "its scope names no interface of this machine");
  check_refused(std::string_view("::1%lo\0", 7), "its scope names no interface of this machine");
  check_refused(std::string_view("::1\0", 4), "a character that no IPv6 address has");
}

TEST_CASE("ip_address: what a refusal quotes is printable and not long", "[ip_address]") {
  try {
    static_cast<void>(ip_address::parse("\x1b[31m\n" + std::string(100'000, 'x')));
    FAIL_CHECK("was read");
  } catch (std::invalid_argument const& refused) {
    std::string_view const said = refused.what();
    CHECK(said.starts_with("not an IP address: \"?[31m?xxx"));
    CHECK(said.size() < 200);
  }
}

TEST_CASE("ip_address: a scope is a number or the name of an interface", "[ip_address]") {
  auto const lo = ::if_nametoindex("lo");
  REQUIRE(lo != 0);
  auto const named = ip_address::parse("fe80::1%lo");
  CHECK(named.scope_id() == lo);
  CHECK(named.to_string() == "fe80::1%lo");
  CHECK(ip_address::parse("fe80::1%" + std::to_string(lo)) == named);
  CHECK(named != ip_address::parse("fe80::1"));
  CHECK(named.with_scope(0) == ip_address::parse("fe80::1"));
  CHECK(ip_address::parse("fe80::1%0").to_string() == "fe80::1");
  // No machine has that many interfaces.
  CHECK(ip_address::parse("fe80::1%4294967295").to_string() == "fe80::1%4294967295");
  CHECK_THROWS_AS(ip_address().with_scope(1), concur::misuse);
}

TEST_CASE("ip_address: asking for an interface keeps errno, and gives nothing for what is none", "[ip_address]") {
  CHECK(concur::detail::interface_name(0).text().empty());
  CHECK(concur::detail::index_of_interface("") == 0);
  CHECK(concur::detail::index_of_interface(std::string_view("lo\0x", 4)) == 0);
  errno = 77;
  static_cast<void>(concur::detail::interface_name(4'000'000'000));
  static_cast<void>(concur::detail::index_of_interface("none"));
  CHECK(errno == 77);
}

TEST_CASE("ip_address: the blocks that the predicates know, to their borders", "[ip_address]") {
  using predicate = bool (ip_address::*)() const noexcept;
  struct block {
    char const* first;
    char const* last;
    char const* before;  // null: there is none
    char const* behind;
    predicate is;
  };
  static constexpr block blocks[] = {
      {"0.0.0.0", "0.0.0.0", nullptr, "0.0.0.1", &ip_address::is_unspecified},
      {"::", "::", nullptr, "::1", &ip_address::is_unspecified},
      {"127.0.0.0", "127.255.255.255", "126.255.255.255", "128.0.0.0", &ip_address::is_loopback},
      {"::1", "::1", "::", "::2", &ip_address::is_loopback},
      {"224.0.0.0", "239.255.255.255", "223.255.255.255", "240.0.0.0", &ip_address::is_multicast},
      {"ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "feff::ffff", nullptr, &ip_address::is_multicast},
      {"10.0.0.0", "10.255.255.255", "9.255.255.255", "11.0.0.0", &ip_address::is_private},
      {"172.16.0.0", "172.31.255.255", "172.15.255.255", "172.32.0.0", &ip_address::is_private},
      {"192.168.0.0", "192.168.255.255", "192.167.255.255", "192.169.0.0", &ip_address::is_private},
      {"fc00::", "fdff:ffff::1", "fbff::1", "fe00::", &ip_address::is_private},
      {"169.254.0.0", "169.254.255.255", "169.253.255.255", "169.255.0.0", &ip_address::is_link_local},
      {"fe80::", "febf:ffff::", "fe7f:ffff::", "fec0::", &ip_address::is_link_local},
      {"::ffff:0.0.0.0", "::ffff:255.255.255.255", "::fffe:ffff:ffff", "::1:0:0:0", &ip_address::is_v4_mapped},
  };
  for (auto const& each : blocks) {
    INFO(each.first);
    for (char const* inside : {each.first, each.last}) {
      auto const address = ip_address::parse(inside);
      CHECK((address.*each.is)());
      // In its other form, too.
      CHECK((address.mapped().*each.is)());
    }
    for (char const* outside : {each.before, each.behind}) {
      if (outside == nullptr) continue;
      CHECK_FALSE((ip_address::parse(outside).*each.is)());
      if (each.is != &ip_address::is_v4_mapped) CHECK_FALSE((ip_address::parse(outside).mapped().*each.is)());
    }
  }
}

TEST_CASE("ip_address: the mapped form and back", "[ip_address]") {
  random_addresses random;
  for (int i = 0; i < 1000; ++i) {
    auto const four = random.v4();
    CHECK(four.mapped().is_v4_mapped());
    CHECK(four.mapped().unmapped() == four);
    CHECK(four.mapped() != four);
    auto const six = random.v6();
    CHECK(six.mapped() == six);
    if (!six.is_v4_mapped()) CHECK(six.unmapped() == six);
  }
  CHECK_THROWS_AS(ip_address::any_v6().to_uint(), concur::misuse);
}

TEST_CASE("ip_address: the order is that of version, bytes and scope, and equal ones have one hash", "[ip_address]") {
  std::vector<ip_address> sorted;
  for (char const* text :
       {"0.0.0.0", "1.2.3.4", "1.2.3.5", "255.0.0.0", "::", "::%1", "::%2", "::1", "1::", "ffff::"}) {
    sorted.push_back(ip_address::parse(text));
  }
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    for (std::size_t k = 0; k < sorted.size(); ++k) {
      CHECK((sorted[i] <=> sorted[k]) == (i <=> k));
      CHECK((sorted[i] == sorted[k]) == (i == k));
    }
  }
  random_addresses random;
  std::unordered_set<std::size_t> hashes;
  std::unordered_set<ip_address> seen;
  for (int i = 0; i < 10'000; ++i) {
    auto const address = ip_address::from_uint(std::uint32_t(i));
    hashes.insert(std::hash<ip_address>()(address));
    seen.insert(address);
    seen.insert(ip_address::parse(address.to_string()));
  }
  CHECK(seen.size() == 10'000);
  CHECK(hashes.size() > 9'990);
}

TEST_CASE("ip_address: bytes, family and streams", "[ip_address]") {
  auto const four = ip_address::parse("1.2.3.4");
  CHECK(four.is_v4());
  CHECK_FALSE(four.is_v6());
  CHECK(four.family() == address_family::ipv4);
  CHECK(std::vector<int>(four.bytes().begin(), four.bytes().end()) == std::vector{1, 2, 3, 4});
  CHECK(ip_address(ip_address::v4_bytes{1, 2, 3, 4}) == four);
  auto const six = ip_address::parse("102::");
  CHECK(six.is_v6());
  CHECK(six.family() == address_family::ipv6);
  CHECK(six.bytes().size() == 16);
  CHECK(six.bytes()[1] == 2);
  std::ostringstream out;
  out << four << ' ' << six;
  CHECK(out.str() == "1.2.3.4 102::");
  std::string text = "to ";
  four.append_to(text);
  CHECK(text == "to 1.2.3.4");
}
