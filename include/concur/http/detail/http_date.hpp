// SPDX-License-Identifier: BSL-1.0
//
// Dates as HTTP writes them: "Sun, 06 Nov 1994 08:49:37 GMT", whatever the locale.
#pragma once

#include <concur/core/abi.hpp>

#include <array>
#include <cstdio>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>

namespace concur::inline CONCUR_ABI::detail {

inline constexpr std::array<char const*, 7> day_names = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
inline constexpr std::array<char const*, 12> month_names = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

inline std::string http_date(std::time_t when) {
  std::tm parts{};
  ::gmtime_r(&when, &parts);
  char text[64];
  auto const size = std::snprintf(text, sizeof text, "%s, %02d %s %04d %02d:%02d:%02d GMT",
                                  day_names[static_cast<unsigned>(parts.tm_wday) % 7], parts.tm_mday,
                                  month_names[static_cast<unsigned>(parts.tm_mon) % 12], parts.tm_year + 1900,
                                  parts.tm_hour, parts.tm_min, parts.tm_sec);
  return std::string(text, static_cast<std::size_t>(size));
}

/// The line of answers that says when, made once in a second. Of one thread.
class answer_date {
 public:
  std::string const& line() {
    auto const when = std::time(nullptr);
    if (when != made_at_) {
      line_ = "Date: " + http_date(when) + "\r\n";
      made_at_ = when;
    }
    return line_;
  }

 private:
  std::time_t made_at_ = -1;
  std::string line_;
};

/// Only of the form above, which is the one that may be sent.
inline std::optional<std::time_t> parse_http_date(std::string_view text) {
  std::string const copy(text);
  std::tm parts{};
  char day[4];
  char month[4];
  int end = 0;
  auto const count = std::sscanf(copy.c_str(), "%3s, %2d %3s %4d %2d:%2d:%2d GMT%n", day, &parts.tm_mday, month,
                                 &parts.tm_year, &parts.tm_hour, &parts.tm_min, &parts.tm_sec, &end);
  if (count != 7 || static_cast<std::size_t>(end) != copy.size()) return std::nullopt;
  parts.tm_mon = -1;
  for (int i = 0; i < 12; ++i) {
    if (std::string_view(month) == month_names[static_cast<unsigned>(i)]) parts.tm_mon = i;
  }
  if (parts.tm_mon < 0) return std::nullopt;
  parts.tm_year -= 1900;
  return ::timegm(&parts);
}

}  // namespace concur::inline CONCUR_ABI::detail
