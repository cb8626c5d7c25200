// SPDX-License-Identifier: BSL-1.0
//
// Runs an example and looks at what it printed. All of them go at a hundred times their speed: order and sets of lines
// are checked, never how long anything took.
#pragma once

#include "support/catch.hpp"
#include "support/program.hpp"
#include "support/source_text.hpp"

#include <algorithm>
#include <cstddef>
#include <set>
#include <string>
#include <vector>

namespace support {

using lines = std::vector<std::string>;
using set_of_lines = std::multiset<std::string>;

/// Runs build/…/examples/<name> and returns the lines that it printed; it must have found its result right, and must
/// not have complained of anything.
inline lines output_of(std::string const& name, std::vector<std::string> arguments = {},
                       std::string const& input = "") {
  arguments.insert(arguments.begin(), {"--speed", "100"});
  auto const result = run_program(CONCUR_EXAMPLES_DIR "/" + name, arguments, input);
  INFO("standard output of " << name << ":\n" << result.output << "standard error:\n" << result.errors);
  REQUIRE_FALSE(result.timed_out);
  REQUIRE(result.status == 0);
  REQUIRE(result.errors.empty());
  return lines_of(result.output);
}

inline set_of_lines as_set(lines const& all) { return {all.begin(), all.end()}; }

/// Lines [from, to), as a set.
inline set_of_lines as_set(lines const& all, std::size_t from, std::size_t to) {
  REQUIRE(from <= to);
  REQUIRE(to <= all.size());
  return {all.begin() + static_cast<std::ptrdiff_t>(from), all.begin() + static_cast<std::ptrdiff_t>(to)};
}

/// What `line(i)` says for i in [first, last].
template <class Line>
set_of_lines each(int first, int last, Line line) {
  set_of_lines all;
  for (int i = first; i <= last; ++i) all.insert(line(std::to_string(i)));
  return all;
}

/// Where a line stands that begins with `start`; the number of lines if there is none.
inline std::size_t position(lines const& all, std::string const& start) {
  auto const at = std::find_if(all.begin(), all.end(), [&](auto const& line) { return line.starts_with(start); });
  return static_cast<std::size_t>(at - all.begin());
}

}  // namespace support
