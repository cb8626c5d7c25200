// SPDX-License-Identifier: BSL-1.0
//
// An HTTP server on 127.0.0.1 that says whatever a test wants it to say, on a thread of its own.
//
//     support::scripted_server server([](support::seen_request const& asked) {
//       return support::scripted("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe", support::then::close);
//     });
//     client.get(server.url("/"));
#pragma once

#include "../support/reset_at_close.hpp"

#include <concur/coro/task.hpp>
#include <concur/http/headers.hpp>
#include <concur/io/buffered_reader.hpp>
#include <concur/loop/event_loop.hpp>
#include <concur/net/serve.hpp>
#include <concur/net/tcp_listener.hpp>
#include <concur/net/tcp_stream.hpp>
#include <concur/sync/semaphore.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace support {

struct seen_request {
  std::string method;
  std::string target;
  concur::http_headers headers;
  std::string body;
  int connection = 0;  // counted from 1
};

/// What the server does when it has said its piece.
enum class then {
  keep,   ///< wait for the next request
  close,  ///< close the connection
  reset,  ///< break it off
  stall,  ///< say nothing, until the peer has gone
  pour,   ///< say the same again and again, until the peer has gone
};

class scripted {
 public:
  scripted(std::string text, then what = then::keep) : bytes(std::move(text)), next(what) {}
  std::string bytes;
  then next;
};

/// A well-formed answer.
inline scripted answer_of(std::string_view body, std::string_view fields = {}, std::string_view status = "200 OK") {
  return scripted("HTTP/1.1 " + std::string(status) + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
                  std::string(fields) + "\r\n" + std::string(body));
}

class scripted_server {
 public:
  using script = std::function<scripted(seen_request const&)>;

  explicit scripted_server(script what) : script_(std::move(what)), thread_([this] { run(); }) {}
  ~scripted_server() {
    loop_.post([this] { loop_.stop(); });
    thread_.join();
  }

  std::string url(std::string_view path) const { return "http://" + at_.to_string() + std::string(path); }
  concur::endpoint const& at() const { return at_; }
  int connections() const { return connections_.load(); }
  std::size_t poured() const { return poured_.load(); }
  std::vector<seen_request> seen() const {
    std::lock_guard const held(lock_);
    return seen_;
  }

  /// Each request that was read and answered as far as it will be; and each connection that has ended.
  concur::semaphore answered{0};
  concur::semaphore ended{0};

 private:
  using reader = concur::buffered_reader<concur::tcp_stream&>;

  void run() {
    auto const serve = [this]() -> concur::task<> {
      auto const handler = [this](concur::tcp_stream peer) { return handle(std::move(peer)); };
      co_await concur::serve(listener_, handler);
    };
    try {
      loop_.run(serve);
    } catch (concur::cancelled const&) {
    }
  }

  concur::task<> handle(concur::tcp_stream peer) {
    int const number = ++connections_;
    reader from(peer);
    try {
      for (bool more = true; more;) more = co_await answer_next(from, peer, number);
    } catch (std::exception const&) {
      // The peer has gone, in whatever way.
    }
    peer.close();
    ended.release();
  }

  concur::task<bool> answer_next(reader& from, concur::tcp_stream& peer, int number) {
    auto request = co_await next_request(from);
    if (!request) co_return false;
    request->connection = number;
    {
      std::lock_guard const held(lock_);
      seen_.push_back(*request);
    }
    auto const say = script_(*request);
    co_await peer.async_write(say.bytes);
    answered.release();
    switch (say.next) {
      case then::keep: co_return true;
      case then::close: co_return false;
      case then::reset: support::reset_at_close(peer); co_return false;
      case then::stall: break;
      case then::pour:
        for (;;) {
          co_await peer.async_write(say.bytes);
          poured_ += say.bytes.size();
        }
    }
    std::array<char, 256> space{};
    for (std::size_t count = 1; count != 0;) count = co_await from.async_read_some(space);
    co_return false;
  }

  static concur::task<std::optional<seen_request>> next_request(reader& from) {
    auto const head = co_await from.async_read_until("\r\n\r\n");
    if (!head) co_return std::nullopt;
    seen_request made;
    std::string_view rest = *head;
    auto const line = [&rest] {
      auto const end = rest.find("\r\n");
      auto const first = rest.substr(0, end);
      rest.remove_prefix(end + 2);
      return first;
    };
    auto const first = line();
    auto const word = first.find(' ');
    made.method = first.substr(0, word);
    made.target = first.substr(word + 1, first.rfind(' ') - word - 1);
    for (auto field = line(); !field.empty(); field = line()) {
      auto const colon = field.find(':');
      auto value = field.substr(colon + 1);
      while (value.starts_with(' ')) value.remove_prefix(1);
      made.headers.add(field.substr(0, colon), value);
    }
    auto const length = made.headers.get("content-length", "0");
    made.body = co_await from.async_read_exactly(std::stoul(std::string(length)));
    co_return made;
  }

  script const script_;
  concur::tcp_listener listener_{concur::endpoint::parse("127.0.0.1:0")};
  concur::endpoint const at_ = listener_.local_endpoint();
  concur::event_loop loop_;
  std::atomic<int> connections_{0};
  std::atomic<std::size_t> poured_{0};
  std::mutex mutable lock_;
  std::vector<seen_request> seen_;
  std::thread thread_;  // last: it uses all the others
};

}  // namespace support
