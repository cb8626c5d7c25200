// SPDX-License-Identifier: BSL-1.0
//
// T23: a TCP server with a thread for each client. It answers in upper case until the client says "quit" or ends, and
// notes who comes and goes. Three clients are served at once, and a fourth, which breaks off, harms none of them.
#include <concur/concur.hpp>

#include <algorithm>
#include <array>
#include <cctype>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "tutorial.hpp"

using namespace tutorial;

namespace {

void serve_client(concur::tcp_stream client) {
  std::string name = "somebody";
  std::array<char, 1024> space;
  try {
    name = client.remote_endpoint().to_string();  // has none any more if it has broken off already
    say(name, " has come");
    while (auto const count = client.read_some(space)) {
      auto const text = std::span(space).first(count);
      if (std::string_view(text.data(), count).starts_with("quit")) break;
      std::ranges::transform(text, text.begin(), [](unsigned char c) { return char(std::toupper(c)); });
      client.write(text);
    }
    say(name, " has gone");
  } catch (std::system_error const& error) {
    say(name, " has broken off: ", error.code().message());  // Python's version ends its thread with a traceback
  }
}

/// Until a stop is requested; then it waits for the threads of the clients.
void serve(concur::tcp_listener& listener, std::stop_token const& stop) {
  std::vector<concur::thread> crew;
  while (auto client = listener.accept(stop)) crew.emplace_back(serve_client, std::move(*client));
  for (concur::thread& each : crew) each.join();
}

/// Says the words, one each second, and expects them back in upper case. Waits after the first one until all clients
/// have been answered.
void talk(concur::endpoint const& server, concur::barrier<>& all_are_served, std::vector<std::string> const& words) {
  auto stream = concur::tcp_stream::connect(server);
  for (std::string const& word : words) {
    stream.write(word);
    std::string answer(word.size(), ' ');
    answer.resize(stream.read(answer));
    say(word, " -> ", answer);
    std::string loud = word;
    std::ranges::transform(loud, loud.begin(), [](unsigned char c) { return char(std::toupper(c)); });
    expect(answer == loud, "the answer is what was said, in upper case");
    if (&word == &words.front()) {
      expect(all_are_served.arrive_and_wait_for(60s).has_value(), "all clients are served at once");
    }
    concur::this_thread::sleep_for(1s / speed);
  }
  stream.write("quit");
}

}  // namespace

int main(int count, char** words) {
  auto const others = arguments(count, words, "A TCP server on 127.0.0.1 with a thread for each client.",
                                "[port, 8899 if none is given, 0 for any; then `serve` to go on until it is killed]");
  auto const at = concur::endpoint::try_parse("127.0.0.1:" + (others.empty() ? "8899" : others[0]));
  expect(at.has_value(), "a port is a number up to 65535");
  concur::tcp_listener listener(*at);
  auto const here = listener.local_endpoint();
  say("listening at ", here);

  std::stop_source stop;
  concur::thread server([&] { serve(listener, stop.get_token()); });
  if (others.size() > 1 && others[1] == "serve") server.join();

  {
    concur::barrier<> all_are_served(3);
    std::vector<concur::thread> clients;
    for (auto const& said :
         {std::vector<std::string>{"red", "green", "blue"}, {"one", "two", "three"}, {"do", "re", "mi"}}) {
      clients.emplace_back([&, said] { talk(here, all_are_served, said); });
    }
    clients.emplace_back([&here] {
      auto const rude = concur::tcp_stream::connect(here);
      rude.options().set(SOL_SOCKET, SO_LINGER, linger{1, 0});  // its end is a reset
    });
    for (concur::thread& each : clients) each.join();
  }
  stop.request_stop();
  server.join();
  say("the server has closed");
}
