// SPDX-License-Identifier: BSL-1.0
//
// The registry of explorer scenarios. A `*_explore.cpp` file registers its scenarios here; its test case runs those
// of its subject, and the command `mutate` runs them against weakened code.
//
//     static explored::registration const hand_over{"mutex", "hand-over", [](testing::scenario& s) { … }};
//     TEST_CASE("mutex: explored") { explored::run("mutex"); }
//
// A scenario that is one thread, beside which there are only those that the library starts, needs no argument:
//
//     static explored::registration const one_job{"thread_pool", "one job", [] { thread_pool pool(1); … }};
#pragma once

#include <concur/testing/mutation.hpp>

#include <functional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace explored {

namespace testing = concur::testing;

struct entry {
  std::string subject;
  testing::mutation_scenario scenario;
};

inline std::vector<entry>& registry() {
  static std::vector<entry> entries;
  return entries;
}

/// A static object of this type makes a scenario known.
struct registration {
  template <class Function>
  registration(char const* subject, std::string name, Function function, testing::options bounds = {}) {
    registry().push_back({subject, {std::move(name), std::move(bounds), scenario_of(std::move(function))}});
  }

 private:
  template <class Function>
  static std::function<void(testing::scenario&)> scenario_of(Function function) {
    if constexpr (std::is_invocable_v<Function&, testing::scenario&>) return function;
    else return [function = std::move(function)](testing::scenario& s) { s.thread("owner", function); };
  }
};

/// The subjects in the order of their first scenarios' registration.
inline std::vector<std::string> subjects() {
  std::vector<std::string> out;
  for (entry const& e : registry()) {
    bool known = false;
    for (std::string const& s : out) known = known || s == e.subject;
    if (!known) out.push_back(e.subject);
  }
  return out;
}

inline std::vector<testing::mutation_scenario> scenarios_of(std::string const& subject) {
  std::vector<testing::mutation_scenario> out;
  for (entry const& e : registry()) {
    if (e.subject == subject) out.push_back(e.scenario);
  }
  return out;
}

}  // namespace explored
