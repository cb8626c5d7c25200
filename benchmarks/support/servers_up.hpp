// SPDX-License-Identifier: BSL-1.0
//
// All servers of a program, up at once from the first case that wants one until the program ends. None is measured
// before all of them are waiting for connections: they share a CPU, and to start takes some of them a second of it.
#pragma once

#include "server_process.hpp"

#include <exception>
#include <map>
#include <memory>
#include <string>

namespace bench {

inline server_process& server_up(std::string const& library) {
  static auto const all = [] {
    std::map<std::string, std::unique_ptr<server_process>> up;
    for (auto const& each : registered_servers()) up.try_emplace(each.library, std::make_unique<server_process>(each));
    for (auto const& [name, server] : up) {
      try {
        server->port();
      } catch (std::exception const&) {  // told by the case that wants it
      }
    }
    return up;
  }();
  return *all.at(library);
}

}  // namespace bench
