// SPDX-License-Identifier: BSL-1.0
//
// The table at the end: how long each way of doing the same thing took.
//
//     web::times times;
//     times.add("serial", watch.seconds());
//     times.add("pool", again.seconds());
//     times.print();       // pool          0.24 s,  9.0 times as fast
#pragma once

#include "tutorial.hpp"

#include <cstdio>
#include <string>
#include <utility>
#include <vector>

namespace web {

class times {
 public:
  void add(std::string name, double seconds) { rows_.push_back({std::move(name), seconds}); }

  double of(std::string const& name) const {
    for (auto const& [each, seconds] : rows_) {
      if (each == name) return seconds;
    }
    return 0;
  }

  /// Compares all with the first one.
  void print() const {
    tutorial::say("");
    for (auto const& [name, seconds] : rows_) {
      char text[120];
      std::snprintf(text, sizeof text, "%-34s%7.2f s, %5.1f times as fast", name.c_str(), seconds,
                    rows_.front().second / seconds);
      tutorial::say(text);
    }
  }

 private:
  std::vector<std::pair<std::string, double>> rows_;
};

}  // namespace web
