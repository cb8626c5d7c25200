// SPDX-License-Identifier: BSL-1.0
//
// A place in the source: every operation the explorer sees carries the place of its caller.
//
//     void store(T value, std::memory_order order, site at = site::here());
//
// One pointer wide, so that it costs little as a default argument inside coroutines.
#pragma once

#include <compare>
#include <cstring>
#include <source_location>
#include <string>

namespace concur::testing::engine {

/// What a `site` points to, spelled out.
struct place {
  char const* file;
  char const* function;
  unsigned line;
  unsigned column;
};

/// Where an operation stands in the source; `site{}` is nowhere (the engine's own operations).
struct site {
  void const* where = nullptr;

  /// The place of the call whose default argument this is.
  static constexpr site here(void const* where = __builtin_source_location()) noexcept { return site{where}; }

  /// Two compilers and all their versions lay the built-in record out like this: two strings, two numbers.
  place spelled() const noexcept {
    if (where == nullptr) return {"", "", 0, 0};
    place out;
    std::memcpy(&out, where, sizeof out);
    return out;
  }
};

/// The last part of a path: reports show no directories of the machine they were made on.
inline char const* file_name(char const* path) noexcept {
  char const* slash = std::strrchr(path, '/');
  return slash != nullptr ? slash + 1 : path;
}

/// "mutex.hpp:88"; empty for nowhere.
inline std::string to_string(site at) {
  if (at.where == nullptr) return {};
  place const here = at.spelled();
  return std::string(file_name(here.file)) + ":" + std::to_string(here.line);
}

}  // namespace concur::testing::engine
