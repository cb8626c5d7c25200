// SPDX-License-Identifier: BSL-1.0
//
// All servers of a program, up at once from the first case that wants one until the program ends.
#pragma once

#include "server_process.hpp"

#include <map>
#include <memory>
#include <string>

namespace bench {

inline server_process& server_up(std::string const& library) {
  static auto const all = [] {
    std::map<std::string, std::unique_ptr<server_process>> up;
    for (auto const& each : registered_servers()) up.try_emplace(each.library, std::make_unique<server_process>(each));
    return up;
  }();
  return *all.at(library);
}

}  // namespace bench
