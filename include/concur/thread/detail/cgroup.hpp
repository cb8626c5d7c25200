// SPDX-License-Identifier: BSL-1.0
//
// How much processor time the control groups of this process allow, as containers are limited. Versions 1 and 2.
#pragma once

#include <concur/core/abi.hpp>

#include <cstdio>
#include <cstdlib>
#include <limits>
#include <memory>
#include <string>
#include <string_view>

namespace concur::inline CONCUR_ABI::detail {

/// The first line of a file, without its end; empty if it cannot be read.
inline std::string first_line(std::string const& path) {
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> const file(std::fopen(path.c_str(), "re"), &std::fclose);
  char line[256];
  if (file == nullptr || std::fgets(line, sizeof line, file.get()) == nullptr) return {};
  std::string_view const text(line);
  return std::string(text.substr(0, text.find('\n')));
}

inline constexpr double no_limit = std::numeric_limits<double>::infinity();

/// Processors' worth of time: `quota` out of `period`, both in microseconds, as text; no limit if they are none.
inline double processors_in(std::string const& quota, std::string const& period) {
  double const granted = std::atof(quota.c_str());  // 0 for "max", -1 for none
  double const whole = std::atof(period.c_str());
  return granted > 0 && whole > 0 ? granted / whole : no_limit;
}

/// The limit that one group sets, whose directory this is.
inline double limit_of_group(std::string const& directory, bool version_2) {
  if (!version_2)
    return processors_in(first_line(directory + "/cpu.cfs_quota_us"), first_line(directory + "/cpu.cfs_period_us"));
  auto const line = first_line(directory + "/cpu.max");
  auto const space = line.find(' ');
  return space == line.npos ? no_limit : processors_in(line.substr(0, space), line.substr(space + 1));
}

/// The least limit of the group at `path` below `mount` and of those around it.
inline double limit_along(std::string const& mount, std::string path, bool version_2) {
  double least = no_limit;
  for (;;) {
    double const here = limit_of_group(mount + path, version_2);
    if (here < least) least = here;
    auto const slash = path.rfind('/');
    if (slash == path.npos) return least;
    path.resize(slash);
  }
}

/// The number of processors' worth of time this process may use, infinite without a limit. `membership` is
/// /proc/self/cgroup and `mount` is /sys/fs/cgroup, but in tests. Throws std::bad_alloc.
inline double cgroup_processors(std::string const& membership, std::string const& mount) {
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> const file(std::fopen(membership.c_str(), "re"), &std::fclose);
  double least = no_limit;
  char line[4096];
  // number:controllers:path, where version 2 has number 0 and no controllers
  while (file != nullptr && std::fgets(line, sizeof line, file.get()) != nullptr) {
    std::string_view text(line);
    text = text.substr(0, text.find('\n'));
    auto const first = text.find(':');
    auto const second = text.find(':', first + 1);
    if (first == text.npos || second == text.npos) continue;
    auto const controllers = "," + std::string(text.substr(first + 1, second - first - 1)) + ",";
    std::string path(text.substr(second + 1));
    if (path == "/") path.clear();
    double limit = no_limit;
    if (controllers == ",,") {
      limit = limit_along(mount, path, true);
    } else if (controllers.find(",cpu,") != controllers.npos) {
      limit = limit_along(mount + "/cpu", path, false);
    }
    if (limit < least) least = limit;
  }
  return least;
}

}  // namespace concur::inline CONCUR_ABI::detail
