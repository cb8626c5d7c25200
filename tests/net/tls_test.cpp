// SPDX-License-Identifier: BSL-1.0
#include <concur/net/tls.hpp>

#include "../io/stream_contract.hpp"
#include "../support/catch.hpp"
#include "../support/certificates.hpp"
#include "../support/refusals.hpp"
#include "../support/temporary_directory.hpp"

#include <concur/coro/gather.hpp>
#include <concur/coro/spawn.hpp>
#include <concur/coro/task.hpp>
#include <concur/coro/timeout.hpp>
#include <concur/coro/with.hpp>
#include <concur/coro/yield.hpp>
#include <concur/io/byte_stream.hpp>
#include <concur/io/dripping_stream.hpp>
#include <concur/io/memory_stream.hpp>
#include <concur/loop/event_loop.hpp>
#include <concur/loop/run.hpp>
#include <concur/net/serve.hpp>
#include <concur/net/tcp_listener.hpp>
#include <concur/net/tcp_stream.hpp>
#include <concur/net/unix_stream.hpp>
#include <concur/sync/event.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <fstream>
#include <optional>
#include <span>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using concur::const_buffer;
using concur::mutable_buffer;
using concur::run;
using concur::spawn;
using concur::task;
using concur::tls_context;
using concur::tls_errc;
using concur::tls_options;
using concur::tls_stream;
using concur::tls_version;
using concur::unix_stream;
using support::authority;
using support::identity;

using tls_over_unix = tls_stream<unix_stream>;

authority const& ca() {
  static authority const made("concur's tests");
  return made;
}

tls_options as(identity const& who) { return tls_options().certificate_pem(who.certificate).key_pem(who.key); }
tls_options trusting(authority const& whom = ca()) { return tls_options().trust_pem(whom.certificate()); }

tls_context const& a_server() {
  static auto const made = tls_context::server(as(ca().issue("example.org")));
  return made;
}
tls_context const& a_client() {
  static auto const made = tls_context::client(trusting());
  return made;
}

/// What came of something, as text: "" if it succeeded.
struct end_of_it {
  std::string text;
  std::error_code code;
};

template <class Stream>
task<end_of_it> shake_hands(Stream& stream) {
  try {
    co_await stream.async_handshake();
  } catch (std::system_error const& error) {
    co_return end_of_it{error.what(), error.code()};
  }
  co_return end_of_it{};
}

/// Both ends of a connection over which hands have not been shaken.
template <class Stream = unix_stream>
class ends {
 public:
  ends(tls_context const& server_context, tls_context const& client_context, std::string_view host = "example.org")
      : ends(unix_stream::pair(), server_context, client_context, host) {}

  tls_stream<Stream> server;
  tls_stream<Stream> client;

 private:
  ends(std::pair<unix_stream, unix_stream> plain, tls_context const& server_context, tls_context const& client_context,
       std::string_view host)
      : server(Stream(std::move(plain.first)), server_context),
        client(Stream(std::move(plain.second)), client_context, host) {}
};

template <class Stream = unix_stream>
struct connected {
  explicit connected(tls_context const& server_context = a_server(), tls_context const& client_context = a_client(),
                     std::string_view host = "example.org")
      : all(server_context, client_context, host) {
    auto const shake = [this]() -> task<> {
      co_await concur::gather(all.server.async_handshake(), all.client.async_handshake());
    };
    concur::event_loop().run(shake());  // to which they do not belong afterwards
  }
  ends<Stream> all;
};

/// What both ends say of a handshake, after which the client has read: in TLS 1.3 it is done before the server is.
struct verdicts {
  end_of_it server;
  end_of_it client;
};
verdicts handshake_between(tls_context const& server, tls_context const& client,
                           std::string_view host = "example.org") {
  ends<> both(server, client, host);
  verdicts told;
  auto const serve = [&]() -> task<> {
    told.server = co_await shake_hands(both.server);
    if (told.server.text.empty()) co_await both.server.async_write("x");
    both.server.close();
  };
  auto const ask = [&]() -> task<> {
    told.client = co_await shake_hands(both.client);
    if (!told.client.text.empty()) co_return;
    try {
      std::array<char, 1> space{};
      co_await both.client.async_read_some(space);
    } catch (std::system_error const& error) {
      told.client = {error.what(), error.code()};
    }
  };
  auto const all = [&]() -> task<> { co_await concur::gather(serve(), ask()); };
  run(all());
  return told;
}

struct tls_pair {
  static contract::channel<tls_over_unix> make() {
    connected<> made;
    return {std::move(made.all.client), std::move(made.all.server)};
  }
};
struct tls_1_2_pair {
  static contract::channel<tls_over_unix> make() {
    static auto const client = [] {
      auto made = tls_context::client(trusting());
      SSL_CTX_set_max_proto_version(made.native_handle(), TLS1_2_VERSION);
      return made;
    }();
    connected<> made(a_server(), client);
    CHECK(made.all.client.version() == "TLSv1.2");
    return {std::move(made.all.server), std::move(made.all.client)};
  }
};
struct tls_over_tcp_pair {
  static contract::channel<tls_stream<concur::tcp_stream>> make() {
    concur::tcp_listener listener(concur::endpoint::parse("127.0.0.1:0"));
    tls_stream client(concur::tcp_stream::connect(listener.local_endpoint()), a_client(), "example.org");
    tls_stream server(listener.accept(), a_server());
    std::thread shaking([&] { server.handshake(); });
    client.handshake();
    shaking.join();
    return {std::move(client), std::move(server)};
  }
};

using single_bytes = concur::dripping_stream<unix_stream>;
/// Sends no tickets at the end of the handshake, which a client finds with the first thing that it reads. (Two hundred
/// single bytes are as much as a socket takes before somebody reads them.)
tls_context const& a_terse_server() {
  static auto const made = [] {
    auto terse = tls_context::server(as(ca().issue("example.org")));
    ::SSL_CTX_set_num_tickets(terse.native_handle(), 0);
    return terse;
  }();
  return made;
}
struct tls_pair_of_single_bytes {
  static contract::channel<tls_stream<single_bytes>> make() {
    connected<single_bytes> made(a_terse_server());
    return {std::move(made.all.client), std::move(made.all.server)};
  }
};

/// The code of what reading throws; none if it does not.
template <class Stream>
task<std::error_code> error_of_reading(Stream& from) {
  std::array<char, 100> space{};
  try {
    while (true) {
      auto const count = co_await from.async_read_some(space);
      if (count == 0) co_return std::error_code();
    }
  } catch (std::system_error const& error) {
    co_return error.code();
  }
}

/// Nothing if that kept it from its end.
task<std::optional<std::size_t>> cancelled_after(int rounds, task<std::size_t> what) {
  auto trying = spawn(std::move(what));
  for (int i = 0; i < rounds && !trying.done(); ++i) co_await concur::yield();
  trying.cancel();
  try {
    co_return co_await std::move(trying);
  } catch (concur::cancelled const&) {
  }
  co_return std::nullopt;
}

}  // namespace

TEST_CASE("tls_stream: the contract of streams", "[tls]") { contract::all<tls_pair>(); }
TEST_CASE("tls_stream: the contract of streams, in TLS 1.2, from server to client", "[tls]") {
  contract::all<tls_1_2_pair>();
}
TEST_CASE("tls_stream: the contract of streams, over TCP", "[tls]") { contract::all<tls_over_tcp_pair>(); }

TEST_CASE("tls_stream: the contract of streams, in records of one byte", "[tls]") {
  contract::all<contract::dripping<tls_pair>>();
}

static_assert(concur::async_byte_stream<tls_stream<concur::tcp_stream>>);
static_assert(concur::async_byte_stream<tls_stream<concur::memory_stream>>);
static_assert(concur::async_byte_stream<tls_stream<concur::dripping_stream<concur::tcp_stream>>>);

TEST_CASE("tls_stream: the contract of streams, over single bytes", "[tls]") {
  using pair = tls_pair_of_single_bytes;
  SECTION("any sizes of pieces") { contract::any_sizes<pair>(); }
  SECTION("nothing is moved at once") { contract::nothing_is_moved_at_once<pair>(); }
  SECTION("ends once and for all") { contract::ends_once_and_for_all<pair>(); }
  SECTION("the end is seen after a short read") { contract::end_is_seen_after_a_short_read<pair>(); }
  SECTION("a write to nobody is an error, not a signal (I5)") { contract::write_to_nobody_is_an_error<pair>(); }
  SECTION("a cancelled read loses nothing") { contract::cancelled_read_loses_nothing<pair>(); }
  SECTION("close ends the wait") { contract::close_ends_the_wait<pair>(); }
  SECTION("outlives its loop") { contract::outlives_its_loop<pair>(); }
}

static_assert(std::is_nothrow_move_constructible_v<tls_over_unix> && !std::is_copy_constructible_v<tls_over_unix>);

TEST_CASE("tls_stream: what was agreed", "[tls]") {
  connected<> made;
  auto& [server, client] = made.all;
  CHECK(client.version() == "TLSv1.3");
  CHECK(client.peer_subject() == "CN=example.org");
  CHECK(server.peer_subject().empty());
  CHECK(client.alpn_protocol().empty());
  CHECK(::SSL_get_servername(server.native_handle(), TLSEXT_NAMETYPE_host_name) == std::string("example.org"));
}

TEST_CASE("tls_stream: a client finds out whether the server is the one that it wanted", "[tls]") {
  auto const told = [](tls_context const& server, tls_context const& client, std::string_view host) {
    auto const both = handshake_between(server, client, host);
    CHECK(both.server.text.empty() == both.client.text.empty());
    return both.client;
  };
  auto const with = [](identity const& who) { return tls_context::server(as(who)); };

  SECTION("by its name") {
    CHECK(told(a_server(), a_client(), "example.org").text.empty());
    CHECK(told(a_server(), a_client(), "example.org.").text.empty());
    CHECK(told(with(ca().issue("*.example.org")), a_client(), "www.example.org").text.empty());
    auto const other = told(a_server(), a_client(), "example.com");
    CHECK(other.code == std::error_code(X509_V_ERR_HOSTNAME_MISMATCH, concur::certificate_category()));
    CHECK(other.text == "verifying the certificate of \"example.com\": hostname mismatch");
    CHECK(told(with(ca().issue("*.example.org")), a_client(), "a.b.example.org").code.value() ==
          X509_V_ERR_HOSTNAME_MISMATCH);
    CHECK(told(with(ca().issue("w*.example.org")), a_client(), "www.example.org").code.value() ==
          X509_V_ERR_HOSTNAME_MISMATCH);
  }
  SECTION("by its address") {
    CHECK(told(with(ca().issue("IP:127.0.0.1")), a_client(), "127.0.0.1").text.empty());
    CHECK(told(with(ca().issue("IP:::1")), a_client(), "::1").text.empty());
    CHECK(told(with(ca().issue("IP:127.0.0.1")), a_client(), "127.0.0.2").code.value() ==
          X509_V_ERR_IP_ADDRESS_MISMATCH);
    // A name that looks like one proves nothing.
    CHECK(told(with(ca().issue("127.0.0.1")), a_client(), "127.0.0.1").code.value() == X509_V_ERR_IP_ADDRESS_MISMATCH);
  }
  SECTION("by who has issued its certificate") {
    authority const stranger("a stranger");
    auto const by_stranger = with(stranger.issue("example.org"));
    CHECK(told(by_stranger, a_client(), "example.org").code.category() == concur::certificate_category());
    CHECK(told(by_stranger, tls_context::client(), "example.org").code.category() == concur::certificate_category());
    CHECK(told(by_stranger, tls_context::client(trusting(stranger)), "example.org").text.empty());
    auto const both = tls_context::client(trusting(stranger).trust_pem(ca().certificate()));
    CHECK(told(by_stranger, both, "example.org").text.empty());
    CHECK(told(a_server(), both, "example.org").text.empty());
    authority const deputy("a deputy", ca());
    CHECK(told(with(deputy.issue("example.org")), a_client(), "example.org").text.empty());
    auto alone = deputy.issue("example.org");
    alone.certificate = alone.certificate.substr(0, alone.certificate.find("-----BEGIN", 1));
    CHECK(told(with(alone), a_client(), "example.org").code.category() == concur::certificate_category());
    // What may not issue has not issued.
    CHECK(told(with(ca().issue("example.org")), tls_context::client(tls_options().trust_system()), "example.org")
              .code.category() == concur::certificate_category());
  }
  SECTION("by its time") {
    CHECK(told(with(ca().issue("example.org", -3, -1)), a_client(), "example.org").code.value() ==
          X509_V_ERR_CERT_HAS_EXPIRED);
    CHECK(told(with(ca().issue("example.org", 1, 3)), a_client(), "example.org").code.value() ==
          X509_V_ERR_CERT_NOT_YET_VALID);
  }
  SECTION("unless it does not want to know") {
    auto const careless = tls_context::client(tls_options().without_verification());
    authority const stranger("a stranger");
    CHECK(told(with(stranger.issue("example.org", -3, -1)), careless, "example.com").text.empty());
    CHECK(told(a_server(), careless, "").text.empty());
  }
}

TEST_CASE("tls_stream: a server can ask who the client is", "[tls]") {
  auto const strict =
      tls_context::server(as(ca().issue("example.org")).trust_pem(ca().certificate()).require_client_certificate());
  auto const nobody = handshake_between(strict, a_client());
  CHECK_FALSE(nobody.server.text.empty());
  CHECK_FALSE(nobody.client.text.empty());
  auto const mine = ca().issue("somebody");
  auto const known = tls_context::client(trusting().certificate_pem(mine.certificate).key_pem(mine.key));
  CHECK(handshake_between(strict, known).server.text.empty());
  connected<> made(strict, known);
  CHECK(made.all.server.peer_subject() == "CN=somebody");
  authority const stranger("a stranger");
  auto const other = stranger.issue("somebody");
  auto const unknown = tls_context::client(trusting().certificate_pem(other.certificate).key_pem(other.key));
  auto const refused = handshake_between(strict, unknown);
  CHECK(refused.server.code.category() == concur::certificate_category());
  CHECK(refused.server.text.starts_with("verifying the certificate of the client: "));
  CHECK(refused.client.code.category() == concur::openssl_category());
}

TEST_CASE("tls_stream: the protocol inside is one that both can, as the server prefers", "[tls]") {
  auto const server = tls_context::server(as(ca().issue("example.org")).alpn("h2", "http/1.1"));
  auto const agreed = [&](tls_options const& wanted) {
    connected<> made(server, tls_context::client(wanted));
    CHECK(made.all.client.alpn_protocol() == made.all.server.alpn_protocol());
    return made.all.client.alpn_protocol();
  };
  CHECK(agreed(trusting().alpn("http/1.1", "h2")) == "h2");
  CHECK(agreed(trusting().alpn("spdy", "http/1.1")) == "http/1.1");
  CHECK(agreed(trusting()).empty());
  auto const none = handshake_between(server, tls_context::client(trusting().alpn("spdy")));
  CHECK(none.server.code.category() == concur::openssl_category());
  CHECK(none.client.text.find("no application protocol") != std::string::npos);
  CHECK_THROWS_AS(tls_options().alpn(""), std::invalid_argument);
  CHECK_THROWS_AS(tls_options().alpn(std::string(256, 'x')), std::invalid_argument);
}

TEST_CASE("tls_stream: a peer that knows only what is too old is refused", "[tls]") {
  auto const modern = tls_context::server(as(ca().issue("example.org")).minimum_version(tls_version::v1_3));
  auto const old = [](int version) {
    auto made = tls_context::client(trusting());
    SSL_CTX_set_min_proto_version(made.native_handle(), TLS1_VERSION);
    SSL_CTX_set_max_proto_version(made.native_handle(), version);
    ::SSL_CTX_set_security_level(made.native_handle(), 0);
    return made;
  };
  CHECK_FALSE(handshake_between(modern, old(TLS1_2_VERSION)).server.text.empty());
  CHECK(handshake_between(a_server(), old(TLS1_2_VERSION)).server.text.empty());
  CHECK_FALSE(handshake_between(a_server(), old(TLS1_1_VERSION)).server.text.empty());
}

TEST_CASE("tls_stream: mistakes in its making", "[tls]") {
  auto const make = [](auto... arguments) { tls_over_unix(unix_stream::pair().first, arguments...); };
  CHECK_THROWS_AS(make(a_client()), concur::misuse);
  CHECK_THROWS_AS(make(a_server(), "example.org"), concur::misuse);
  CHECK_THROWS_AS(make(a_client(), ""), std::invalid_argument);
  CHECK_THROWS_AS(make(a_client(), std::string_view("a\0b", 3)), std::invalid_argument);
}

TEST_CASE("tls_context: what is wrong with it is said when it is made", "[tls]") {
  auto const text_of = [](auto make) -> std::string {
    try {
      make();
    } catch (std::system_error const& error) {
      return error.what();
    }
    return "";
  };
  auto const mine = ca().issue("example.org");
  auto const other = ca().issue("example.org");
  CHECK_THROWS_AS(tls_context::server(tls_options()), std::invalid_argument);
  CHECK_THROWS_AS(tls_context::server(tls_options().certificate_pem(mine.certificate)), std::invalid_argument);
  CHECK(text_of([&] { tls_context::server(as({"no certificate", mine.key})); }).starts_with("the certificate: "));
  CHECK(text_of([&] { tls_context::server(as({mine.certificate, "no key"})); }).starts_with("the private key: "));
  CHECK(text_of([&] { tls_context::server(as({mine.certificate, other.key})); }).starts_with("the private key: "));
  auto const broken = mine.certificate + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  CHECK(text_of([&] { tls_context::server(as({broken, mine.key})); }).starts_with("the certificate: "));
  CHECK_FALSE(text_of([] { tls_context::client(tls_options().trust_pem("nobody")); }).empty());

  support::temporary_directory const here;
  auto const path = here / "missing.pem";
  CHECK(text_of([&] { tls_options().certificate_file(path); }).find(path) != std::string::npos);
  std::ofstream(here / "chain.pem") << mine.certificate;
  std::ofstream(here / "key.pem") << mine.key;
  std::ofstream(here / "ca.pem") << ca().certificate();
  auto const server =
      tls_context::server(tls_options().certificate_file(here / "chain.pem").key_file(here / "key.pem"));
  auto const client = tls_context::client(tls_options().trust_file(here / "ca.pem"));
  CHECK(handshake_between(server, client).client.text.empty());
}

TEST_CASE("tls_context: a key with a passphrase is an error, and nobody is asked for it", "[tls]") {
  auto const mine = ca().issue("example.org");
  auto const key = concur::detail::key_in(mine.key, "");
  concur::detail::bio_handle const out(::BIO_new(::BIO_s_mem()));
  std::string secret = "secret";
  REQUIRE(::PEM_write_bio_PrivateKey(out.get(), key.get(), ::EVP_aes_128_cbc(), nullptr, 0, nullptr, secret.data()));
  std::string text(::BIO_ctrl_pending(out.get()), '\0');
  ::BIO_read(out.get(), text.data(), int(text.size()));
  CHECK_THROWS_AS(tls_context::server(as({mine.certificate, text})), std::system_error);
}

TEST_CASE("tls_stream: a connection that is cut off is told from one that ends", "[tls]") {
  auto const read_after = [](auto finish) {
    connected<> made(a_terse_server());  // what a peer has not read makes a reset of its end
    auto const all = [&]() -> task<std::error_code> {
      co_await made.all.client.async_write("all that I have");
      finish(made.all.client);
      co_return co_await error_of_reading(made.all.server);
    };
    auto const code = run(all());
    std::array<char, 10> space{};
    if (code) {
      CHECK(support::throws<std::system_error>([&] { made.all.server.read_some(space); }));  // for ever
    } else {
      CHECK(made.all.server.read_some(space) == 0);
    }
    return code;
  };
  CHECK_FALSE(read_after([](auto& client) { client.close(); }));
  CHECK_FALSE(read_after([](auto& client) { client.shutdown_write(); }));
  CHECK(read_after([](auto& client) { client.next_layer().close(); }) == tls_errc::truncated);
  CHECK(read_after([](auto& client) { client.next_layer().shutdown_write(); }) == tls_errc::truncated);
  CHECK(read_after([](auto& client) { auto const gone = std::move(client); }) == tls_errc::truncated);
  // In the middle of a record.
  CHECK(read_after([](auto& client) {
          client.next_layer().write("\x17\x03\x03");
          client.next_layer().close();
        }) == tls_errc::truncated);
}

// In TLS 1.3 the server sends tickets after the handshake; a socket that is closed with something unread sends a reset,
// which takes along what is still to be sent.
TEST_CASE("tls_stream: a client that only writes and closes loses nothing", "[tls]") {
  concur::tcp_listener listener(concur::endpoint::parse("127.0.0.1:0"));
  auto const talk = [&]() -> task<> {
    constexpr std::size_t total = 1'000'000;
    auto serving = spawn([&]() -> task<std::size_t> {
      tls_stream server(co_await listener.async_accept(), a_server());
      std::vector<char> space(total + 1);
      co_return co_await server.async_read(space);
    });
    tls_stream client(co_await concur::tcp_stream::async_connect(listener.local_endpoint()), a_client(), "example.org");
    co_await client.async_write(contract::bytes(0, total));
    co_await client.async_close();
    auto const got = co_await std::move(serving);
    CHECK(got == total);
  };
  run(talk());
}

TEST_CASE("tls_stream: half of it can be shut, on either side", "[tls]") {
  connected<> made;
  auto& [server, client] = made.all;
  auto const talk = [&]() -> task<> {
    std::array<char, 100> space{};
    co_await client.async_write("question");
    co_await client.async_shutdown_write();
    auto const asked = co_await server.async_read(space);
    CHECK(asked == 8);
    co_await server.async_write("answer");
    co_await server.async_close();
    auto const answered = co_await client.async_read(space);
    CHECK(answered == 6);
  };
  run(talk());
  CHECK_FALSE(server.is_open());
  CHECK_THROWS_AS(client.write("x"), std::system_error);  // it has said that there is nothing more
  client.close();
  client.close();
  CHECK(support::system_error_of([&] { client.write("x"); }) == EBADF);
}

TEST_CASE("tls_stream: an end that cannot be said is limited, in a thread as well", "[tls]") {
  connected<> made(a_terse_server());
  auto& [server, client] = made.all;
  std::vector<char> const much(100'000);
  while (client.try_write_some(much)) continue;
  CHECK_FALSE(client.try_shutdown_write_for(1ms));
  CHECK_FALSE(client.try_shutdown_write_until(std::chrono::steady_clock::now()));
  std::stop_source stop;
  stop.request_stop();
  CHECK_FALSE(client.shutdown_write(stop.get_token()));
  // What is in the way goes out, and then the end as well.
  std::thread reading([&] {
    std::array<char, 10'000> space;
    while (server.read_some(space) != 0) continue;
  });
  CHECK(client.try_shutdown_write_for(1min));
  reading.join();
}

TEST_CASE("tls_stream: with() says the end on every way out", "[tls]") {
  connected<> made(a_terse_server());
  auto& [server, client] = made.all;
  auto const use = [](tls_over_unix& mine) -> task<> {
    co_await mine.async_write("hello");
    throw std::runtime_error("no more");
  };
  auto const talk = [&]() -> task<> { co_await concur::with(std::move(client), use); };
  CHECK_THROWS_AS(run(talk()), std::runtime_error);
  std::array<char, 10> space{};
  CHECK(server.read(space) == 5);
}

TEST_CASE("tls_stream: close waits for a peer that does not read, but not for ever", "[tls]") {
  connected<> made(a_terse_server());
  auto& [server, client] = made.all;
  auto const talk = [&]() -> task<> {
    std::vector<char> const much(10'000'000);
    bool const written = co_await concur::move_on_after(5ms, client.async_write(much));
    CHECK_FALSE(written);
    co_await client.async_close(1ms);
    CHECK_FALSE(client.is_open());
    auto const code = co_await error_of_reading(server);
    CHECK(code == tls_errc::truncated);
  };
  run(talk());
}

TEST_CASE("tls_stream: a peer that speaks something else is an error that says so", "[tls]") {
  auto plain = unix_stream::pair();
  tls_stream server(std::move(plain.first), a_server());
  auto const talk = [&]() -> task<> {
    co_await plain.second.async_write("GET / HTTP/1.0\r\n\r\n");
    auto const told = co_await shake_hands(server);
    CHECK(told.code.category() == concur::openssl_category());
    CHECK(told.text == "a TLS connection: http request");
  };
  run(talk());
}

// The reader has to write: the alert.
TEST_CASE("tls_stream: what was changed on the way is an error for both", "[tls]") {
  connected<> made(a_terse_server());
  auto& [server, client] = made.all;
  auto const talk = [&]() -> task<> {
    auto const forged = std::string("\x17\x03\x03\x00\x20", 5) + std::string(32, 'x');
    co_await client.next_layer().async_write(forged);
    auto const found = co_await error_of_reading(server);
    CHECK(found.category() == concur::openssl_category());
    auto const told = co_await error_of_reading(client);
    CHECK(told.category() == concur::openssl_category());
    CHECK(told.message().find("alert bad record mac") != std::string::npos);
    // For good.
    auto const again = co_await error_of_reading(server);
    CHECK(again == found);
    CHECK_THROWS_AS(server.write("x"), std::system_error);
  };
  run(talk());
}

/// Trap I11.
TEST_CASE("tls_stream: those who wait when their loop ends are cancelled first", "[tls]") {
  connected<single_bytes> made(a_terse_server());
  auto& [server, client] = made.all;
  std::vector<char> const much(100'000);
  std::array<char, 10> space{};
  int cancelled = 0;
  auto const until_cancelled = [&](task<> waiting) -> task<> {
    try {
      co_await std::move(waiting);
    } catch (concur::cancelled const&) {
      ++cancelled;
      throw;
    }
  };
  auto const read = [&]() -> task<> { co_await client.async_read_some(space); };
  auto const leave = [&]() -> task<> {
    static_cast<void>(spawn(until_cancelled(read())));
    static_cast<void>(spawn(until_cancelled(client.async_write(much))));
    for (int i = 0; i < 10; ++i) co_await concur::yield();
  };
  concur::event_loop().run(leave());
  CHECK(cancelled == 2);
}

TEST_CASE("tls_stream: a handshake with a silent peer can be limited, stopped and cancelled", "[tls]") {
  auto plain = unix_stream::pair();
  tls_stream server(std::move(plain.first), a_server());
  CHECK_FALSE(server.try_handshake_for(1ms));
  CHECK_FALSE(server.try_handshake_until(std::chrono::system_clock::now() + 1ms));
  std::stop_source stop;
  std::thread stopper([&] { stop.request_stop(); });
  CHECK_FALSE(server.handshake(stop.get_token()));
  stopper.join();
  auto const give_up = [&]() -> task<> {
    bool const shaken = co_await concur::move_on_after(1ms, server.async_handshake());
    CHECK_FALSE(shaken);
  };
  run(give_up());
  // All of that has harmed nothing.
  tls_stream client(std::move(plain.second), a_client(), "example.org");
  std::thread serving([&] { CHECK(server.try_handshake_for(1min)); });
  client.handshake();
  serving.join();
}

TEST_CASE("tls_stream: the handshake is made by whoever comes first", "[tls]") {
  ends<> both(a_server(), a_client());
  auto const talk = [&]() -> task<> {
    // One reader and one writer on each side, all of whom need it.
    auto [there, back, one, other] = co_await concur::gather(
        contract::read_in_pieces(both.server, 100'000, 1), contract::read_in_pieces(both.client, 100'000, 2),
        contract::write_in_pieces(both.server, 100'000, 3), contract::write_in_pieces(both.client, 100'000, 4));
    CHECK(there == 100'000);
    CHECK(back == 100'000);
  };
  run(talk());
}

TEST_CASE("tls_stream: keys are changed while both sides read and write", "[tls]") {
  connected<> made;
  auto& [server, client] = made.all;
  constexpr std::size_t total = 1'000'000;
  auto const write_and_change = [](tls_over_unix& out) -> task<> {
    for (std::size_t sent = 0; sent < total; sent += 10'000) {
      if (sent % 50'000 == 0) CHECK(::SSL_key_update(out.native_handle(), SSL_KEY_UPDATE_REQUESTED) == 1);
      co_await out.async_write(contract::bytes(sent, 10'000));
    }
  };
  auto const talk = [&]() -> task<> {
    auto [there, back, one, other] =
        co_await concur::gather(contract::read_in_pieces(server, total, 1), contract::read_in_pieces(client, total, 2),
                                write_and_change(server), write_and_change(client));
    CHECK(there == total);
    CHECK(back == total);
  };
  run(talk());
}

TEST_CASE("tls_stream: a thread reads while another one writes", "[tls]") {
  connected<> made;
  auto& [server, client] = made.all;
  constexpr std::size_t total = 1'000'000;
  auto const write_all = [](tls_over_unix& out) {
    for (std::size_t sent = 0; sent < total; sent += 10'000) out.write(contract::bytes(sent, 10'000));
  };
  auto const read_all = [](tls_over_unix& in) {
    std::vector<char> space(7'000);
    std::size_t good = 0;
    while (good < total) {
      auto const count = in.read_some(space);
      if (count == 0 || !contract::are_bytes(good, std::span(space).first(count))) break;
      good += count;
    }
    return good;
  };
  std::thread one([&] { write_all(server); });
  std::thread other([&] { write_all(client); });
  std::size_t back = 0;
  std::thread reader([&] { back = read_all(client); });
  CHECK(read_all(server) == total);
  one.join();
  other.join();
  reader.join();
  CHECK(back == total);
}

// Over a stream that moves one byte at a time, so that there are many moments.
TEST_CASE("tls_stream: a cancel at any moment loses nothing, and it can be used on", "[tls]") {
  for (int rounds = 0; rounds < 40; ++rounds) {
    INFO("cancelled after " << rounds << " rounds");
    connected<single_bytes> made(a_terse_server());
    auto& [server, client] = made.all;
    constexpr std::size_t total = 60;
    auto const piece = contract::bytes(0, total);
    auto const write = [&]() -> task<> {
      for (std::size_t sent = 0; sent < total;) {
        // What is cancelled has taken nothing.
        auto taken = co_await cancelled_after(rounds, client.async_write_some(std::span(piece).subspan(sent)));
        if (!taken) taken = co_await client.async_write_some(std::span(piece).subspan(sent).first(1));
        sent += *taken;
      }
      co_await client.async_shutdown_write();
    };
    auto const read = [&]() -> task<std::size_t> {
      std::array<char, 7> space{};
      for (std::size_t good = 0;;) {
        auto count = co_await cancelled_after(rounds, server.async_read_some(space));
        if (!count) count = co_await server.async_read_some(space);
        if (*count == 0 || !contract::are_bytes(good, std::span(space).first(*count))) co_return good;
        good += *count;
      }
    };
    auto const both = [&]() -> task<std::size_t> {
      auto [good, written] = co_await concur::gather(read(), write());
      co_return good;
    };
    CHECK(run(both()) == total);
  }
}

TEST_CASE("tls_stream: a handshake that was cancelled at any moment can be gone on with", "[tls]") {
  for (int rounds = 0; rounds < 60; ++rounds) {
    INFO("cancelled after " << rounds << " rounds");
    ends<> both(a_server(), a_client());
    auto const shake = [&](tls_over_unix& mine) -> task<> {
      auto const first = [&mine]() -> task<std::size_t> {
        co_await mine.async_handshake();
        co_return 0u;
      };
      auto const done = co_await cancelled_after(rounds, first());
      if (!done) co_await mine.async_handshake();
    };
    auto const talk = [&]() -> task<> {
      co_await concur::gather(shake(both.server), shake(both.client));
      co_await both.client.async_write("hello");
      std::array<char, 5> space{};
      auto const count = co_await both.server.async_read(space);
      CHECK(count == 5);
    };
    run(talk());
  }
}

TEST_CASE("tls_stream: a server of many clients, one of which does not speak TLS", "[tls]") {
  concur::tcp_listener listener(concur::endpoint::parse("127.0.0.1:0"));
  auto const at = listener.local_endpoint();
  int failed = 0;
  auto const echo = [&failed](concur::tcp_stream plain) -> task<> {
    tls_stream client(std::move(plain), a_server());
    auto const told = co_await shake_hands(client);
    failed += !told.text.empty();
    if (!told.text.empty()) co_return;
    std::array<char, 256> space{};
    while (auto const count = co_await client.async_read_some(space)) {
      co_await client.async_write(std::span(space).first(count));
    }
    co_await client.async_close();
  };
  auto const ask = [&]() -> task<bool> {
    tls_stream server(co_await concur::tcp_stream::async_connect(at), a_client(), "example.org");
    std::array<char, 5> space{};
    co_await server.async_write("hello");
    auto const count = co_await server.async_read(space);
    co_await server.async_shutdown_write();
    auto const end = co_await server.async_read_some(space);
    co_return count == 5 && std::string_view(space.data(), count) == "hello" && end == 0;
  };
  auto const all = [&]() -> task<> {
    auto serving = spawn(concur::serve(listener, echo));
    auto rude = co_await concur::tcp_stream::async_connect(at);
    co_await rude.async_write("I do not speak your language\n");
    std::vector<task<bool>> clients;
    for (int i = 0; i < 20; ++i) clients.push_back(ask());
    auto const served = co_await concur::gather(std::move(clients));
    CHECK(std::ranges::count(served, true) == 20);
    CHECK(failed == 1);
    serving.cancel();
  };
  run(all());
}
