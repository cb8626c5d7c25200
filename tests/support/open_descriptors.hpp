// SPDX-License-Identifier: BSL-1.0
//
// What this process has open.
#pragma once

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <iterator>
#include <string>
#include <system_error>

namespace support {

inline std::ptrdiff_t open_descriptors() {
  std::filesystem::directory_iterator const all("/proc/self/fd");
  return std::distance(begin(all), end(all));
}

/// Other descriptors may come and go meanwhile.
inline std::ptrdiff_t open_sockets() {
  std::filesystem::directory_iterator const all("/proc/self/fd");
  return std::count_if(begin(all), end(all), [](auto const& each) {
    std::error_code gone;
    return read_symlink(each.path(), gone).string().starts_with("socket:");
  });
}

}  // namespace support
