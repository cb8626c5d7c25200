// SPDX-License-Identifier: BSL-1.0
//
// UDP. Python's socket of SOCK_DGRAM, asyncio's datagram endpoint.
//
//     udp_socket server(endpoint::parse("127.0.0.1:5300"));
//     auto const got = co_await server.async_receive_from(space);
//     co_await server.async_send_to(answer, got.source());
//
//     auto client = udp_socket::connected(endpoint::parse("127.0.0.1:5300"));      // in a thread
//     client.send("question");
//     auto const size = client.try_receive_for(space, 2s);
#pragma once

#include <concur/core/abi.hpp>
#include <concur/core/unique_fd.hpp>
#include <concur/net/bind_options.hpp>
#include <concur/net/datagram_socket.hpp>
#include <concur/net/endpoint.hpp>
#include <concur/net/ip_address.hpp>
#include <concur/net/socket.hpp>

#include <cstring>
#include <netinet/in.h>
#include <sys/socket.h>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// Its verbs are those of datagram_socket. Datagrams may be lost on the way, come twice or in another order.
///
/// Where an interface is asked for it is by its index, as if_nametoindex(3) tells it; 0 lets the system choose, or is
/// that of the scope of an IPv6 address.
class udp_socket : public datagram_socket {
 public:
  /// Not open.
  udp_socket() noexcept = default;
  /// Receives at an endpoint from now on; port 0 lets the system choose one. Throws std::system_error, with the
  /// endpoint in its text.
  explicit udp_socket(endpoint const& at, bind_options const& how = {})
      : udp_socket(make_socket(at.family(), SOCK_DGRAM)) {
    if (how.share_address()) options().set(SOL_SOCKET, SO_REUSEADDR, 1);
    if (how.share_port()) options().set(SOL_SOCKET, SO_REUSEPORT, 1);
    if (at.family() == address_family::ipv6) options().set(IPPROTO_IPV6, IPV6_V6ONLY, how.only_v6() ? 1 : 0);
    if (::bind(fd(), at.data(), at.size()) != 0) fail("binding to " + at.to_string());
  }
  /// Takes over a socket that does not block.
  explicit udp_socket(unique_fd fd) noexcept : datagram_socket(std::move(fd), peer::lossy) {}

  /// One that is connected, at a port that the system chooses. Throws std::system_error.
  static udp_socket connected(endpoint const& to) {
    udp_socket made(make_socket(to.family(), SOCK_DGRAM));
    made.connect(to);
    return made;
  }

  /// Whether it may send to broadcast addresses.
  void set_broadcast(bool on) { options().set(SOL_SOCKET, SO_BROADCAST, on ? 1 : 0); }

  /// Receives what is sent to a multicast group on an interface, if its port is that of the socket; no more. From the
  /// first call of either on it hears only groups that it has joined itself, not those of others on this machine.
  void join(ip_address const& group, unsigned interface = 0) { change(MCAST_JOIN_GROUP, group, interface); }
  void leave(ip_address const& group, unsigned interface = 0) { change(MCAST_LEAVE_GROUP, group, interface); }

  /// How it sends to multicast groups: from which interface; whether this machine gets it too (it does by default); and
  /// over how many hops it may go (1 by default: not beyond the local network).
  void set_multicast_interface(unsigned interface) {
    if (is_v6()) return options().set(IPPROTO_IPV6, IPV6_MULTICAST_IF, int(interface));
    ip_mreqn which{};
    which.imr_ifindex = int(interface);
    options().set(IPPROTO_IP, IP_MULTICAST_IF, which);
  }
  void set_multicast_loopback(bool on) { set_for_family(IPV6_MULTICAST_LOOP, IP_MULTICAST_LOOP, on ? 1 : 0); }
  void set_multicast_hops(int count) { set_for_family(IPV6_MULTICAST_HOPS, IP_MULTICAST_TTL, count); }

 private:
  bool is_v6() const { return options().get(SOL_SOCKET, SO_DOMAIN) == AF_INET6; }

  void set_for_family(int v6_name, int v4_name, int value) {
    bool const v6 = is_v6();
    options().set(v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? v6_name : v4_name, value);
  }

  void change(int how, ip_address const& group, unsigned interface) {
    set_for_family(IPV6_MULTICAST_ALL, IP_MULTICAST_ALL, 0);
    endpoint const at(group, 0);
    group_req which{};
    which.gr_interface = interface != 0 || group.is_v4() ? interface : group.scope_id();
    std::memcpy(&which.gr_group, at.data(), at.size());
    options().set(group.is_v6() ? IPPROTO_IPV6 : IPPROTO_IP, how, which);
  }
};

}  // namespace concur::inline CONCUR_ABI
