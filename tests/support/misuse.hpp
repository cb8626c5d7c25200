// SPDX-License-Identifier: BSL-1.0
//
// What a call says of its misuse: what a checked build reports, or the exception `misuse` of every build.
//
//     support::throwing_misuse_handler const throwing;
//     CHECK(support::speaks_of(support::report_of([&] { m.unlock(); }), "does not hold"));
//     CHECK(support::speaks_of(support::complaint_of([] { concur::latch l(0); }), "a count of zero"));
#pragma once

#include "hammer.hpp"

#include <concur/core/errors.hpp>

#include <string>

namespace support::inline CONCUR_ABI {

/// What `use` reports to a throwing_misuse_handler, or nothing.
template <class Use>
std::string report_of(Use use) {
  try {
    use();
  } catch (reported_misuse const& report) {
    return report.sentence;
  }
  return "";
}

/// The sentence of the exception `misuse` that `use` throws, or nothing.
template <class Use>
std::string complaint_of(Use use) {
  try {
    use();
  } catch (concur::misuse const& thrown) {
    return thrown.what();
  }
  return "";
}

inline bool speaks_of(std::string const& report, char const* words) { return report.find(words) != std::string::npos; }

}  // namespace support::inline CONCUR_ABI
