// SPDX-License-Identifier: BSL-1.0
//
// Mutation testing of memory orders, wakes and barriers: does some scenario notice when one of them is weakened?
//
//     auto report = concur::testing::run_mutations({{"hand-over", {}, hand_over}, {"two waiters", {}, two_waiters}});
//     REQUIRE(report.unexplained() == 0);
//
// A first run records every place that the scenarios' threads pass while another thread lives. Each mutant then
// weakens one place: a memory order to a weaker one, a futex_wake or a waiter's wake or a barrier to nothing. It is
// killed when a scenario fails. A mutant that survives is either a missing scenario, or an order stronger than it
// must be, or equal to the original: then a comment on that line, or up to three lines above it, says why and
// contains `mutant:`. Nothing is compiled again.
#pragma once

#include <concur/testing/explorer.hpp>

#include <cstdint>
#include <fstream>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

namespace concur::testing::inline CONCUR_ABI {

using engine::mutation_site;

/// A scenario that passes, in random schedules too, with the bounds it is explored in.
struct mutation_scenario {
  std::string name;
  options bounds;
  std::function<void(scenario&)> function;
};

/// How much effort goes into each scenario.
struct mutation_effort {
  std::uint64_t executions = 200'000;       ///< of exhaustive search, for each mutant
  double seconds = 3;                       ///< of exhaustive search, for each mutant
  std::uint64_t random_executions = 5'000;  ///< after it, if the mutant still lives
  std::string only_in{};                    ///< part of a path: places in other files are left alone

  /// For a first round through all scenarios: most mutants fall to one of them at once, seldom to the first.
  mutation_effort brief() const {
    mutation_effort less = *this;
    less.executions = executions / 100 + 1;
    less.seconds = seconds / 10;
    less.random_executions = random_executions / 10 + 1;
    return less;
  }
};

struct mutant {
  mutation_site place;
  bool dropped = false;                                       ///< the operation is left out; else
  std::memory_order weaker = std::memory_order_relaxed;       ///< it has this order
  std::string killer{};                                       ///< the scenario that failed; empty: it survived
  std::string failure{};                                      ///< and how
  std::string reason{};                                       ///< what the source says beside `mutant:`

  bool killed() const noexcept { return !killer.empty(); }

  /// "mutex.hpp:88:12 store release -> relaxed"
  std::string text() const {
    std::string const where = std::string(engine::file_name(place.file.c_str())) + ":" + std::to_string(place.line) +
                              ":" + std::to_string(place.column) + " " + engine::name_of(place.kind);
    if (dropped) return where + " dropped";
    return where + " " + engine::name_of(place.order) + " -> " + engine::name_of(weaker);
  }
};

struct mutation_report {
  std::vector<mutant> mutants;

  int killed() const noexcept {
    int n = 0;
    for (mutant const& m : mutants) n += m.killed() ? 1 : 0;
    return n;
  }
  /// Survivors for which the source gives no reason.
  int unexplained() const noexcept {
    int n = 0;
    for (mutant const& m : mutants) n += !m.killed() && m.reason.empty() ? 1 : 0;
    return n;
  }
};

/// The comment with `mutant:` at the place or up to three lines above it; empty if there is none.
inline std::string stated_reason(mutation_site const& place) {
  std::ifstream source(place.file);
  std::string line;
  std::string found;
  unsigned found_at = 0;
  for (unsigned number = 1; number <= place.line && std::getline(source, line); ++number) {
    auto const comment = line.find("//");
    if (comment == std::string::npos) continue;
    auto const word = line.find("mutant:", comment);
    if (word == std::string::npos) continue;
    auto const begin = line.find_first_not_of(' ', word + 7);
    found = begin == std::string::npos ? "" : line.substr(begin);
    found_at = number;
  }
  return found_at != 0 && found_at + 3 >= place.line ? found : std::string();
}

/// All mutants of the places that these scenarios pass; `users[i]` tells which scenarios pass the place of mutant i.
class mutation_plan {
 public:
  mutation_plan(std::vector<mutation_scenario> const& scenarios, mutation_effort const& effort) {
    for (std::size_t i = 0; i < scenarios.size(); ++i) {
      engine::mutator recorder;
      recorder.state = engine::mutator::mode::record;
      options bounds = scenarios[i].bounds;
      bounds.executions = effort.executions / 4 + 1;
      bounds.seconds = effort.seconds / 4;
      record(scenarios[i], bounds, recorder);
      bounds.strategy = search::random;
      bounds.executions = effort.random_executions;
      record(scenarios[i], bounds, recorder);
      for (mutation_site const& place : recorder.sites) {
        if (std::string(place.file).find(effort.only_in) != std::string::npos) add(place, i);
      }
    }
  }

  std::vector<mutant> mutants;
  std::vector<std::vector<std::size_t>> users;

 private:
  // A scenario that fails as it is would kill every mutant.
  static void record(mutation_scenario const& by, options const& bounds, engine::mutator& recorder) {
    result const r = explore(by.function, bounds, &recorder);
    if (!r.passed) throw std::logic_error("the scenario '" + by.name + "' fails without a mutant: " + r.failure);
  }

  void add(mutation_site const& place, std::size_t user) {
    bool known = false;
    for (std::size_t i = 0; i < mutants.size(); ++i) {
      if (mutants[i].place != place) continue;
      users[i].push_back(user);
      known = true;
    }
    if (known) return;
    using enum engine::operation;
    if (place.kind == wake || place.kind == waiter_wake || place.kind == light || place.kind == heavy) {
      mutants.push_back({.place = place, .dropped = true});
    } else {
      for (std::memory_order const weaker : engine::weaker_orders(place)) {
        mutants.push_back({.place = place, .weaker = weaker});
      }
    }
    users.resize(mutants.size(), {user});
  }
};

/// Runs one mutant against one scenario: exhaustively first, then by chance. True when it was killed.
inline bool attack(mutant& m, mutation_scenario const& by, mutation_effort const& effort) {
  engine::mutator weakened;
  weakened.state = engine::mutator::mode::mutate;
  weakened.target = m.place;
  weakened.replacement = m.weaker;
  options bounds = by.bounds;
  bounds.executions = effort.executions;
  bounds.seconds = effort.seconds;
  result r = explore(by.function, bounds, &weakened);
  if (r.passed) {
    bounds.strategy = search::random;
    bounds.executions = effort.random_executions;
    r = explore(by.function, bounds, &weakened);
  }
  if (r.passed) return false;
  m.killer = by.name;
  m.failure = r.failure;
  return true;
}

/// Finds the mutants of these scenarios and runs them. `progress` is told each one's fate. One that lives after the
/// brief round costs most of the time, so that is all there is for one that the source explains. Throws
/// std::logic_error if a scenario fails without a mutant.
inline mutation_report run_mutations(std::vector<mutation_scenario> const& scenarios,
                                     mutation_effort const& effort = {},
                                     std::function<void(mutant const&)> const& progress = {}) {
  mutation_plan plan(scenarios, effort);
  for (std::size_t i = 0; i < plan.mutants.size(); ++i) {
    mutant& m = plan.mutants[i];
    m.reason = stated_reason(m.place);
    for (mutation_effort const& each : {effort.brief(), effort}) {
      for (std::size_t user : plan.users[i]) {
        if (m.killed() || attack(m, scenarios[user], each)) break;
      }
      if (!m.reason.empty()) break;
    }
    if (progress) progress(m);
  }
  return {std::move(plan.mutants)};
}

}  // namespace concur::testing::inline CONCUR_ABI
