// SPDX-License-Identifier: BSL-1.0
//
// Nine pages are fetched from a site on 127.0.0.1 that thinks 24 ms about each, a tenth of what the tutorial's site
// took: one after the other, by nine threads of a pool, and by coroutines on one thread. A session sends the same
// header with each request; the texts of the links in each page are found. The site is the same for all, a process of
// its own on the first CPU; it never has more to do than those nine.
#pragma once

#include "../support/servers_up.hpp"
#include "../support/whole_work.hpp"

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

inline constexpr char const* nine_fetches = "nine_fetches/all";
inline constexpr int fetches = 9;
inline constexpr int links_of_a_page = 20;
inline constexpr auto thinking = std::chrono::milliseconds(24);

inline std::string page_text(std::string_view number) {
  std::string text = "<html><body>\n";
  for (int link = 1; link <= links_of_a_page; ++link) {
    text.append("<a href=\"/").append(number).append("/" + std::to_string(link) + "\">article ");
    text.append(number).append(", part " + std::to_string(link) + "</a>\n");
  }
  return text + "</body></html>\n";
}

/// What stands between `">` and `</a>`.
inline std::vector<std::string> link_texts(std::string_view page) {
  constexpr std::string_view before = "\">";
  constexpr std::string_view after = "</a>";
  std::vector<std::string> texts;
  for (std::size_t end = 0;;) {
    auto const begin = page.find(before, end);
    if (begin == page.npos) return texts;
    end = page.find(after, begin);
    if (end == page.npos) return texts;
    texts.emplace_back(page.substr(begin + before.size(), end - begin - before.size()));
  }
}

inline std::string site_url() { return "http://127.0.0.1:" + std::to_string(bench::server_up("site").port()); }
