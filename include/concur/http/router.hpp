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
#include <optional>
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
    route added{std::string(method), {}, {}, {}};
    if constexpr (std::same_as<std::invoke_result_t<Handler&, http_request&>, http_response>) {
      added.plain = std::move(handler);
    } else {
      added.handler = std::move(handler);
    }
    place(pattern, std::move(added));
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

  [[nodiscard]] task<http_response> operator()(http_request& request) const {
    auto found = look_up(request);
    if (found.way == nullptr) return given(std::move(*found.answer));
    if (found.way->handler) return found.way->handler(request);
    return given_by(found.way->plain, request);
  }

  /// The same for a server: an answer that is given at once comes without a task.
  [[nodiscard]] task<http_response> dispatch(http_request& request, std::optional<http_response>& answer) const {
    auto found = look_up(request);
    if (found.way != nullptr && found.way->handler) return found.way->handler(request);
    answer = found.way == nullptr ? std::move(found.answer) : found.way->plain(request);
    return {};
  }

 private:
  using handler_function = std::function<task<http_response>(http_request&)>;
  using plain_function = std::function<http_response(http_request&)>;
  using parameters = std::vector<std::pair<std::string, std::string>>;

  struct route {
    std::string method;
    std::vector<std::string> names;
    handler_function handler;  // or
    plain_function plain;
  };
  // One part of a path. Children: those with a text, and one each at most for a name and for a rest.
  struct node {
    std::string text;
    std::vector<route> routes;
    std::vector<node> texts;
    std::vector<node> name;
    std::vector<node> rest;
  };

  /// What a request leads to: a route, or else an answer.
  struct destination {
    route const* way = nullptr;
    std::optional<http_response> answer;
  };

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
  static task<http_response> given(http_response response) { co_return response; }
  static task<http_response> given_by(plain_function const& handler, http_request& request) {
    co_return handler(request);
  }

  void place(std::string_view pattern, route added);
  destination look_up(http_request& request) const;
  route const* find_route(http_request& request, std::string_view method) const;
  http_response refusal(http_request const& request) const;
  template <class Visit>
  static bool find(node const& at, std::string_view path, std::vector<std::string>& values, Visit const& visit);
  static route const* route_of(node const& at, std::string_view method) noexcept {
    for (auto const& each : at.routes) {
      if (each.method == method) return &each;
    }
    return nullptr;
  }

  node root_;
};

inline void http_router::place(std::string_view pattern, route added) {
  if (!is_header_name(added.method)) throw misuse("the method of a route is not a token");
  if (!pattern.starts_with('/')) throw misuse("the pattern of a route begins with a slash");
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
  if (route_of(*at, added.method) != nullptr) throw misuse("there is a route for that method and path already");
  at->routes.push_back(std::move(added));
}

/// Visits what the path may lead to, the preferred first, until a visit returns true. `path`: the parts that are left,
/// each with the slash before it; decoded only where something in it is encoded.
template <class Visit>
bool http_router::find(node const& at, std::string_view path, std::vector<std::string>& values, Visit const& visit) {
  if (path.empty()) return !at.routes.empty() && visit(at);
  auto const end = std::min(path.find('/', 1), path.size());
  auto part = path.substr(1, end - 1);
  std::string decoded;
  if (part.find('%') != part.npos) part = decoded = url_decoded(part);
  for (auto const& each : at.texts) {
    if (each.text == part && find(each, path.substr(end), values, visit)) return true;
  }
  if (!at.name.empty() && !part.empty()) {
    values.emplace_back(part);
    if (find(at.name.front(), path.substr(end), values, visit)) return true;
    values.pop_back();
  }
  if (at.rest.empty()) return false;
  values.push_back(url_decoded(path.substr(1)));
  if (visit(at.rest.front())) return true;
  values.pop_back();
  return false;
}

/// The route for that method, and then its parameters are set; or null.
inline http_router::route const* http_router::find_route(http_request& request, std::string_view method) const {
  route const* found = nullptr;
  std::vector<std::string> values;
  auto const visit = [&](node const& at) { return (found = route_of(at, method)) != nullptr; };
  if (!find(root_, request.path(), values, visit)) return nullptr;
  if (values.empty()) return found;
  parameters params;
  for (std::size_t i = 0; i < values.size(); ++i) params.emplace_back(found->names[i], std::move(values[i]));
  request.set_params(std::move(params));
  return found;
}

inline http_router::destination http_router::look_up(http_request& request) const {
  destination result;
  if (request.path() != "*") {
    result.way = find_route(request, request.method());
    if (result.way == nullptr && request.method() == "HEAD") result.way = find_route(request, "GET");
  }
  if (result.way == nullptr) result.answer = refusal(request);
  return result;
}

inline http_response http_router::refusal(http_request const& request) const {
  if (request.path() == "*") return http_response(204);
  std::vector<std::string_view> allowed;
  std::vector<std::string> values;
  auto const visit = [&](node const& at) {
    for (auto const& each : at.routes) allowed.push_back(each.method);
    return false;
  };
  find(root_, request.path(), values, visit);
  if (allowed.empty()) return http_response::text("not found\n", 404);

  if (std::find(allowed.begin(), allowed.end(), "GET") != allowed.end()) allowed.push_back("HEAD");
  allowed.push_back("OPTIONS");
  std::sort(allowed.begin(), allowed.end());
  allowed.erase(std::unique(allowed.begin(), allowed.end()), allowed.end());
  std::string list;
  for (auto const each : allowed) list.append(list.empty() ? "" : ", ").append(each);
  if (request.method() == "OPTIONS") return http_response(204).header("Allow", list);
  return http_response::text("method not allowed\n", 405).header("Allow", list);
}

}  // namespace concur::inline CONCUR_ABI
