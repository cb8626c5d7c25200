// SPDX-License-Identifier: BSL-1.0
//
// A small image site on 127.0.0.1, for the programs of this folder: what they would fetch from somewhere else. Its
// pages are encoded as GBK, and every answer takes its time.
//
//     web::image_site const site(50ms);
//     fetch(site.url() + "/index_2.html");
#pragma once

#include <concur/concur.hpp>
#include <concur/http/server.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iconv.h>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>

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
  if (failed) throw std::runtime_error(std::string("a text that is not ") + from);
  result.resize(result.size() - room);
  return result;
}

/// Answers from its own thread, in the order of the requests of each connection, until it goes.
class image_site {
 public:
  static constexpr int first_page = 2;
  static constexpr int last_page = 5;
  static constexpr int images_of_a_page = 10;

  explicit image_site(std::chrono::nanoseconds delay)
      : delay_(delay), listener_(concur::endpoint(concur::ip_address::loopback_v4(), 0)) {
    url_ = "http://" + listener_.local_endpoint().to_string();
    thread_ = concur::thread(concur::thread_options().name("image site"), [this] { serve(); });
  }
  ~image_site() {
    stop_.request_stop();
    thread_.join();
  }
  image_site(image_site const&) = delete;
  image_site& operator=(image_site const&) = delete;

  std::string const& url() const noexcept { return url_; }

  /// What an image has in it: as good as any picture, since nobody looks.
  static std::string image(int page, int number) {
    std::string bytes(std::size_t(4000 + 100 * number), '\0');
    std::uint32_t random = std::uint32_t(page * 1000 + number);
    for (char& each : bytes) each = char((random = random * 1664525 + 1013904223) >> 24);
    return bytes;
  }

 private:
  using request = concur::http_request;
  using answer = concur::http_response;

  void serve() {
    concur::http_router router;
    router.get("/{page}", [this](request& asked) -> concur::task<answer> {
      co_await concur::sleep_for(delay_);
      co_return page(asked.param("page"));
    });
    router.get("/uploads/allimg/{page}/{image}", [this](request& asked) -> concur::task<answer> {
      co_await concur::sleep_for(delay_);
      int const page = std::atoi(std::string(asked.param("page")).c_str());
      int const number = std::atoi(std::string(asked.param("image")).c_str());
      co_return answer::of_type("image/jpeg", image(page, number));
    });
    auto const until_stop = concur::serve_options().stop(stop_.get_token());
    concur::run(concur::serve_http(listener_, std::move(router), concur::http_server_options().serving(until_stop)));
  }

  // "index_2.html" and so on.
  static answer page(std::string_view name) {
    int const number = name.starts_with("index_") ? std::atoi(std::string(name.substr(6)).c_str()) : 0;
    if (number < first_page || number > last_page) return answer::text("there is no such page\n", 404);
    std::string text = "<html><head><title>图片，第 " + std::to_string(number) + " 页</title></head><body>\n";
    for (int i = 1; i <= images_of_a_page; ++i) {
      auto const at = "/uploads/allimg/" + std::to_string(number) + "/" + std::to_string(i) + ".jpg";
      text += "<img src=\"" + at + "\" alt=\"图 " + std::to_string(i) + "\">\n";
    }
    return answer::of_type("text/html; charset=gbk", converted(text + "</body></html>\n", "UTF-8", "GBK"));
  }

  std::chrono::nanoseconds const delay_;
  concur::tcp_listener listener_;
  std::string url_;
  std::stop_source stop_;
  concur::thread thread_;
};

}  // namespace web
