// SPDX-License-Identifier: BSL-1.0
//
// The load of the HTTP workload: wrk with one thread, a program of its own on the CPU of whoever calls this.
#pragma once

#include "request_figures.hpp"
#include "server.hpp"

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <regex>
#include <stdexcept>
#include <string>

namespace bench {

namespace wrk_output {

inline std::string output_of(std::string const& command) {
  struct closer {
    void operator()(std::FILE* stream) const { pclose(stream); }
  };
  std::unique_ptr<std::FILE, closer> const stream(popen(command.c_str(), "r"));
  if (!stream) throw_errno("no pipe");
  std::string text;
  char some[4096];
  while (auto const count = std::fread(some, 1, sizeof some, stream.get())) text.append(some, count);
  return text;
}

inline std::string found(std::string const& text, char const* pattern) {
  std::smatch match;
  if (!std::regex_search(text, match, std::regex(pattern))) throw std::runtime_error("wrk says: " + text);
  return match[1];
}

/// "350.23us", "1.20ms", "2.00s".
inline double seconds_in(std::string const& words) {
  std::size_t end = 0;
  double const number = std::stod(words, &end);
  auto const unit = words.substr(end);
  return number * (unit == "us" ? 1e-6 : unit == "ms" ? 1e-3 : unit == "s" ? 1 : 60);
}

}  // namespace wrk_output

/// Throws std::runtime_error with a sentence when wrk cannot run, or any answer was wrong or missing.
inline request_figures run_wrk(std::uint16_t port, int connections, std::chrono::seconds length, clockid_t server) {
  using namespace wrk_output;
  auto const command = "wrk -t1 -c" + std::to_string(connections) + " -d" + std::to_string(length.count()) +
                       "s --latency http://127.0.0.1:" + std::to_string(port) + "/hello 2>&1";
  double const cpu_before = cpu_seconds(server);
  auto const text = output_of(command);
  double const cpu = cpu_seconds(server) - cpu_before;
  if (text.find("Non-2xx") != text.npos || text.find("Socket errors") != text.npos) {
    throw std::runtime_error("wrk says: " + text);
  }
  double const requests = std::stod(found(text, R"(\n *(\d+) requests in)"));
  if (requests == 0) throw std::runtime_error("wrk says: " + text);
  request_figures result;
  result.seconds = 1 / std::stod(found(text, R"(Requests/sec: *([0-9.]+))"));
  result.server_cpu = cpu / requests;
  result.p50 = seconds_in(found(text, R"(50% +([0-9.a-z]+))"));
  result.p99 = seconds_in(found(text, R"(99% +([0-9.a-z]+))"));
  return result;
}

}  // namespace bench
