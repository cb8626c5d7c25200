// SPDX-License-Identifier: BSL-1.0
//
// Which handler answers which request. Go's ServeMux, aiohttp's UrlDispatcher.
//
//     concur::http_router router;
//     router.get("/items/{id}", [](concur::http_request& request) -> concur::task<concur::http_response> {
//       co_return concur::http_response::text("item " + request.param("id"));
//     });
//     router.get("/health", [](concur::http_request&) { return concur::http_response::text("ok"); });
//     router.get("/static/{path...}", concur::static_files("public"));
#pragma once

#include <concur/core/abi.hpp>
#include <concur/core/errors.hpp>
#include <concur/coro/task.hpp>
#include <concur/http/request.hpp>
#include <concur/http/response.hpp>
#include <concur/http/url_text.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace concur::inline CONCUR_ABI {

/// Answers a request: gives the answer, or a task of it. It is called for many requests at a time.
template <class Handler>
concept http_handler = std::copy_constructible<Handler> && requires(Handler& handler, http_request& request) {
  requires std::same_as<decltype(handler(request)), task<http_response>> ||
               std::same_as<decltype(handler(request)), http_response>;
};

/// A pattern is a path whose parts are texts, or names in braces, which stand for one part each that is not empty;
/// `{name...}` at the end stands for all that follows the slash before it, slashes included, also for nothing. A text
/// is preferred to a name, a name to a rest. Parts are compared as they are when decoded; a slash at the end counts.
///
/// A path without a route is answered with 404, a method without one with 405 and Allow. HEAD is answered as GET
/// without the body, and OPTIONS with Allow, unless there are routes for them.
///
/// It is itself a handler. Routes are added before it serves. A handler may be a lambda with captures: the router keeps
/// it, and has to outlive the tasks that it gave.
class http_router {
 public:
  http_router() = default;

  /// Adds a route. Throws misuse for a pattern that is none, and if there is one for that method and path already.
  template <http_handler Handler>
  http_router& add(std::string_view method, std::string_view pattern, Handler handler) {
    place(method, pattern, erased(std::move(handler)));
    return *this;
  }
  template <http_handler Handler>
  http_router& get(std::string_view pattern, Handler handler) {
    return add("GET", pattern, std::move(handler));
  }
  template <http_handler Handler>
  http_router& post(std::string_view pattern, Handler handler) {
    return add("POST", pattern, std::move(handler));
  }
  template <http_handler Handler>
  http_router& put(std::string_view pattern, Handler handler) {
    return add("PUT", pattern, std::move(handler));
  }
  template <http_handler Handler>
  http_router& patch(std::string_view pattern, Handler handler) {
    return add("PATCH", pattern, std::move(handler));
  }
  template <http_handler Handler>
  http_router& del(std::string_view pattern, Handler handler) {
    return add("DELETE", pattern, std::move(handler));
  }

  [[nodiscard]] task<http_response> operator()(http_request& request) const;

 private:
  using handler_function = std::function<task<http_response>(http_request&)>;
  using parameters = std::vector<std::pair<std::string, std::string>>;

  struct route {
    std::string method;
    std::vector<std::string> names;
    handler_function handler;
  };
  // One part of a path. Children: those with a text, and one each at most for a name and for a rest.
  struct node {
    std::string text;
    std::vector<route> routes;
    std::vector<node> texts;
    std::vector<node> name;
    std::vector<node> rest;
  };

  template <class Handler>
  static handler_function erased(Handler handler) {
    if constexpr (std::same_as<std::invoke_result_t<Handler&, http_request&>, http_response>) {
      return [handler = std::move(handler)](http_request& request) mutable -> task<http_response> {
        co_return handler(request);
      };
    } else {
      return handler_function(std::move(handler));
    }
  }
  static std::vector<std::string_view> parts_of(std::string_view path) {
    std::vector<std::string_view> parts;
    while (!path.empty()) {
      path.remove_prefix(1);  // the slash
      auto const end = std::min(path.find('/'), path.size());
      parts.push_back(path.substr(0, end));
      path.remove_prefix(end);
    }
    return parts;
  }
  static node& only(std::vector<node>& of) {
    if (of.empty()) of.emplace_back();
    return of.front();
  }
  static task<http_response> plain(http_response response) { co_return response; }

  void place(std::string_view method, std::string_view pattern, handler_function handler);
  template <class Visit>
  static bool find(node const& at, std::vector<std::string> const& parts, std::size_t depth,
                   std::vector<std::string>& values, Visit const& visit);
  static route const* route_of(node const& at, std::string_view method) noexcept {
    for (auto const& each : at.routes) {
      if (each.method == method) return &each;
    }
    return nullptr;
  }

  node root_;
};

inline void http_router::place(std::string_view method, std::string_view pattern, handler_function handler) {
  if (!is_header_name(method)) throw misuse("the method of a route is not a token");
  if (!pattern.starts_with('/')) throw misuse("the pattern of a route begins with a slash");
  route added{std::string(method), {}, std::move(handler)};
  node* at = &root_;
  bool ended = false;
  for (auto part : parts_of(pattern)) {
    if (ended) throw misuse("nothing can follow the rest in the pattern of a route");
    bool const is_name = part.starts_with('{') && part.ends_with('}');
    if (!is_name) {
      if (part.find_first_of("{}") != part.npos) throw misuse("a brace in the pattern of a route is out of place");
      auto const found =
          std::find_if(at->texts.begin(), at->texts.end(), [&](node const& n) { return n.text == part; });
      if (found != at->texts.end()) {
        at = &*found;
      } else {
        at = &at->texts.emplace_back();
        at->text = part;
      }
      continue;
    }
    part = part.substr(1, part.size() - 2);
    ended = part.ends_with("...");
    if (ended) part.remove_suffix(3);
    bool const is_new = !part.empty() && part.find_first_of("{}") == part.npos &&
                        std::find(added.names.begin(), added.names.end(), part) == added.names.end();
    if (!is_new) throw misuse("a name in the pattern of a route is none, or is there twice");
    added.names.emplace_back(part);
    at = &only(ended ? at->rest : at->name);
  }
  if (route_of(*at, method) != nullptr) throw misuse("there is a route for that method and path already");
  at->routes.push_back(std::move(added));
}

/// Visits what the path may lead to, the preferred first, until a visit returns true.
template <class Visit>
bool http_router::find(node const& at, std::vector<std::string> const& parts, std::size_t depth,
                       std::vector<std::string>& values, Visit const& visit) {
  if (depth == parts.size()) {
    if (!at.routes.empty() && visit(at)) return true;
  } else {
    for (auto const& each : at.texts) {
      if (each.text == parts[depth] && find(each, parts, depth + 1, values, visit)) return true;
    }
    if (!at.name.empty() && !parts[depth].empty()) {
      values.push_back(parts[depth]);
      if (find(at.name.front(), parts, depth + 1, values, visit)) return true;
      values.pop_back();
    }
  }
  if (at.rest.empty() || depth == parts.size()) return false;
  std::string rest;
  for (auto i = depth; i < parts.size(); ++i) rest += (i > depth ? "/" : "") + parts[i];
  values.push_back(std::move(rest));
  if (visit(at.rest.front())) return true;
  values.pop_back();
  return false;
}

inline task<http_response> http_router::operator()(http_request& request) const {
  if (request.path() == "*") return plain(http_response(204));
  std::vector<std::string> parts;
  for (auto const part : parts_of(request.path())) parts.push_back(url_decoded(part));

  std::vector<std::string> allowed;
  auto const wanted = [&](std::string_view method) -> route const* {
    route const* found = nullptr;
    std::vector<std::string> values;
    auto const visit = [&](node const& at) {
      for (auto const& each : at.routes) allowed.push_back(each.method);
      found = route_of(at, method);
      return found != nullptr;
    };
    if (!find(root_, parts, 0, values, visit)) return nullptr;
    parameters params;
    for (std::size_t i = 0; i < values.size(); ++i) params.emplace_back(found->names[i], std::move(values[i]));
    request.set_params(std::move(params));
    return found;
  };

  auto const* found = wanted(request.method());
  if (found == nullptr && request.method() == "HEAD") found = wanted("GET");
  if (found != nullptr) return found->handler(request);
  if (allowed.empty()) return plain(http_response::text("not found\n", 404));

  if (std::find(allowed.begin(), allowed.end(), "GET") != allowed.end()) allowed.push_back("HEAD");
  allowed.push_back("OPTIONS");
  std::sort(allowed.begin(), allowed.end());
  allowed.erase(std::unique(allowed.begin(), allowed.end()), allowed.end());
  std::string list;
  for (auto const& each : allowed) list += (list.empty() ? "" : ", ") + each;
  if (request.method() == "OPTIONS") return plain(http_response(204).header("Allow", list));
  return plain(http_response::text("method not allowed\n", 405).header("Allow", list));
}

}  // namespace concur::inline CONCUR_ABI
