// SPDX-License-Identifier: BSL-1.0
//
// A small image site on 127.0.0.1. Its list pages are encoded as GBK, and every answer takes its time.
//
//     web::image_site const site(50ms);
//     fetch(site.url() + "/index_2.html");
#pragma once

#include "local_site.hpp"

#include <concur/concur.hpp>
#include <concur/http/server.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iconv.h>
#include <stdexcept>
#include <string>
#include <string_view>

namespace web {

/// Text in another encoding. Throws std::runtime_error if there is none, or the text is not what it claims to be.
inline std::string converted(std::string_view text, char const* from, char const* to) {
  auto* const converter = ::iconv_open(to, from);
  if (converter == reinterpret_cast<iconv_t>(-1)) {
    throw std::runtime_error(std::string("no conversion from ") + from + " to " + to);
  }
  std::string result(text.size() * 4, '\0');
  char* in = const_cast<char*>(text.data());
  char* out = result.data();
  std::size_t left = text.size();
  std::size_t room = result.size();
  bool const failed = ::iconv(converter, &in, &left, &out, &room) == std::size_t(-1);
  ::iconv_close(converter);
  if (failed) throw std::runtime_error(std::string("this text is not ") + from);
  result.resize(result.size() - room);
  return result;
}

class image_site {
 public:
  static constexpr int first_page = 2;
  static constexpr int last_page = 5;
  static constexpr int images_of_a_page = 10;

  explicit image_site(std::chrono::nanoseconds delay) : site_(pages(delay)) {}

  std::string const& url() const noexcept { return site_.url(); }

  static std::string image(int page, int number) {
    return noise(std::size_t(4000 + 100 * number), std::uint32_t(page * 1000 + number));
  }

 private:
  using request = concur::http_request;
  using answer = concur::http_response;

  static concur::http_router pages(std::chrono::nanoseconds delay) {
    concur::http_router router;
    router.get("/{page}", [delay](request& asked) -> concur::task<answer> {
      co_await concur::sleep_for(delay);
      co_return list_page(asked.param("page"));
    });
    router.get("/uploads/allimg/{page}/{image}", [delay](request& asked) -> concur::task<answer> {
      co_await concur::sleep_for(delay);
      int const page = std::atoi(asked.param("page").c_str());
      int const number = std::atoi(asked.param("image").c_str());
      co_return answer::of_type("image/jpeg", image(page, number));
    });
    return router;
  }

  // "index_2.html" and so on.
  static answer list_page(std::string_view name) {
    int const number = name.starts_with("index_") ? std::atoi(std::string(name.substr(6)).c_str()) : 0;
    if (number < first_page || number > last_page) return answer::text("there is no such page\n", 404);
    std::string text = "<html><head><title>图片，第 " + std::to_string(number) + " 页</title></head><body>\n";
    for (int i = 1; i <= images_of_a_page; ++i) {
      auto const at = "/uploads/allimg/" + std::to_string(number) + "/" + std::to_string(i) + ".jpg";
      text += "<img src=\"" + at + "\" alt=\"图 " + std::to_string(i) + "\">\n";
    }
    return answer::of_type("text/html; charset=gbk", converted(text + "</body></html>\n", "UTF-8", "GBK"));
  }

  local_site site_;
};

}  // namespace web
