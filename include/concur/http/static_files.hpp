// SPDX-License-Identifier: BSL-1.0
//
// Answers requests with the files of a directory. Go's FileServer, FastAPI's StaticFiles.
//
//     router.get("/static/{path...}", concur::static_files("public"));
#pragma once

#include <concur/coro/task.hpp>
#include <concur/http/detail/open_file.hpp>
#include <concur/http/request.hpp>
#include <concur/http/response.hpp>
#include <concur/pool/thread_pool.hpp>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// A handler, for a route whose pattern ends with `{path...}`. Only files below the directory are given out: a path
/// with "..", or with a byte that no name has, is a 404, as is whatever is no file; symbolic links are followed. A
/// directory is answered with its index.html. With Content-Type by the name, ETag and Last-Modified; If-None-Match and
/// If-Modified-Since are answered with 304.
///
/// Files are opened and read by the default pool, piece by piece. One that becomes shorter meanwhile breaks the answer
/// off.
class static_files {
 public:
  explicit static_files(std::string directory) : directory_(std::move(directory)) {}

  [[nodiscard]] task<http_response> operator()(http_request& request) const { return answer(request, directory_); }

 private:
  static constexpr std::size_t piece = 64 * 1024;

  static bool is_safe(std::string_view path) noexcept {
    if (path.find('\0') != path.npos || path.starts_with('/')) return false;
    while (!path.empty()) {
      auto const end = std::min(path.find('/'), path.size());
      if (path.substr(0, end) == "..") return false;
      path.remove_prefix(std::min(end + 1, path.size()));
    }
    return true;
  }
  static std::string_view type_of(std::string_view path) noexcept;
  static bool is_known(http_request const& request, detail::open_file const& file);
  static task<http_response> answer(http_request& request, std::string directory);

  std::string directory_;
};

inline std::string_view static_files::type_of(std::string_view path) noexcept {
  static constexpr std::pair<std::string_view, std::string_view> types[] = {
      {".html", "text/html; charset=utf-8"},
      {".htm", "text/html; charset=utf-8"},
      {".css", "text/css; charset=utf-8"},
      {".js", "text/javascript; charset=utf-8"},
      {".mjs", "text/javascript; charset=utf-8"},
      {".json", "application/json"},
      {".txt", "text/plain; charset=utf-8"},
      {".md", "text/markdown; charset=utf-8"},
      {".csv", "text/csv; charset=utf-8"},
      {".xml", "application/xml"},
      {".svg", "image/svg+xml"},
      {".png", "image/png"},
      {".jpg", "image/jpeg"},
      {".jpeg", "image/jpeg"},
      {".gif", "image/gif"},
      {".webp", "image/webp"},
      {".ico", "image/vnd.microsoft.icon"},
      {".pdf", "application/pdf"},
      {".wasm", "application/wasm"},
      {".woff2", "font/woff2"},
      {".mp4", "video/mp4"},
      {".mp3", "audio/mpeg"},
      {".zip", "application/zip"},
      {".gz", "application/gzip"},
  };
  auto const dot = std::min(path.rfind('.'), path.size());
  for (auto const& [ending, type] : types) {
    if (same_header_name(path.substr(dot), ending)) return type;
  }
  return "application/octet-stream";
}

inline bool static_files::is_known(http_request const& request, detail::open_file const& file) {
  if (request.headers().contains("If-None-Match")) {
    return detail::has_list_word(request.headers(), "If-None-Match", file.tag()) ||
           detail::has_list_word(request.headers(), "If-None-Match", "W/" + file.tag()) ||
           request.header("If-None-Match") == "*";
  }
  auto const since = detail::parse_http_date(request.header("If-Modified-Since"));
  return since && file.modified() <= *since;
}

inline task<http_response> static_files::answer(http_request& request, std::string directory) {
  auto const path = request.param("path");
  if (!is_safe(path)) co_return http_response::text("not found\n", 404);
  auto const open = [name = directory + "/" + path] { return detail::open_file::find(name); };
  auto opening = default_pool().submit(open);
  auto const file = co_await opening;
  if (!file) co_return http_response::text("not found\n", 404);

  http_response response(304);
  if (!is_known(request, *file)) {
    auto const body = [file](http_body_writer& out) -> task<> {
      auto const read_from = [file](std::uint64_t offset) { return file->read(offset, piece); };
      for (std::uint64_t offset = 0; offset < file->size();) {
        auto reading = default_pool().submit(read_from, offset);
        auto const data = co_await reading;
        co_await out.async_write(data);
        offset += data.size();
      }
    };
    response = http_response::stream(type_of(file->name()), body, file->size());
  }
  co_return std::move(response)
      .header("ETag", file->tag())
      .header("Last-Modified", detail::http_date(file->modified()));
}

}  // namespace concur::inline CONCUR_ABI
