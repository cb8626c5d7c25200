// SPDX-License-Identifier: BSL-1.0
#include <concur/http/router.hpp>

#include "../support/catch.hpp"

#include <concur/loop/run.hpp>

#include <cstddef>
#include <string>
#include <utility>

namespace {

using concur::http_request;
using concur::http_response;
using concur::http_router;
using concur::misuse;
using concur::task;

class no_exchange final : public concur::detail::exchange {
 public:
  task<std::size_t> read_body(concur::mutable_buffer) override { co_return std::size_t{0}; }
  task<> write_body(concur::const_buffer) override { co_return; }
};

std::string answer(http_router const& router, std::string method, std::string target) {
  concur::detail::request_head head;
  head.method = std::move(method);
  head.target = std::move(target);
  no_exchange none;
  http_request request(std::move(head), none);
  auto const response = concur::run(router(request));
  if (response.status() == 200) return response.body();
  return std::to_string(response.status()) + std::string(response.headers().get("Allow").empty() ? "" : " ") +
         std::string(response.headers().get("Allow"));
}

auto says(std::string text) {
  return [text](http_request& request) {
    std::string said = text;
    for (auto const* name : {"a", "b", "rest"}) {
      if (!request.param(name).empty()) said += std::string(" ") + name + "=" + request.param(name);
    }
    return http_response::text(said);
  };
}

}  // namespace

TEST_CASE("router: texts before names before rests, and back where they lead nowhere", "[http]") {
  http_router router;
  router.get("/", says("root"));
  router.get("/x", says("text"));
  router.get("/{a}", says("name"));
  router.get("/x/y/z", says("deep"));
  router.get("/x/{b}/w", says("back"));
  router.get("/{a}/{b}", says("two"));
  router.get("/f/{rest...}", says("rest"));
  router.get("/slash/", says("slash"));
  CHECK(answer(router, "GET", "/") == "root");
  CHECK(answer(router, "GET", "/x") == "text");
  CHECK(answer(router, "GET", "/x?y") == "text");
  CHECK(answer(router, "GET", "/%78") == "text");
  CHECK(answer(router, "GET", "/q") == "name a=q");
  CHECK(answer(router, "GET", "/a%2Fb%20c") == "name a=a/b c");
  CHECK(answer(router, "GET", "/x/y/z") == "deep");
  CHECK(answer(router, "GET", "/x/y/w") == "back b=y");
  CHECK(answer(router, "GET", "/x/y") == "two a=x b=y");
  CHECK(answer(router, "GET", "/f/1/2/3") == "rest rest=1/2/3");
  CHECK(answer(router, "GET", "/f/") == "rest");
  CHECK(answer(router, "GET", "/f") == "name a=f");
  CHECK(answer(router, "GET", "/slash/") == "slash");
  CHECK(answer(router, "GET", "/x/") == "404");
  CHECK(answer(router, "GET", "//") == "404");
  CHECK(answer(router, "GET", "/1/2/3") == "404");
}

TEST_CASE("router: methods", "[http]") {
  http_router router;
  router.get("/a", says("get")).post("/a", says("post")).del("/{a}", says("delete")).put("/b", says("put"));
  CHECK(answer(router, "GET", "/a") == "get");
  CHECK(answer(router, "HEAD", "/a") == "get");
  CHECK(answer(router, "POST", "/a") == "post");
  CHECK(answer(router, "DELETE", "/a") == "delete a=a");
  CHECK(answer(router, "get", "/a") == "405 DELETE, GET, HEAD, OPTIONS, POST");
  CHECK(answer(router, "HEAD", "/b") == "405 DELETE, OPTIONS, PUT");
  CHECK(answer(router, "OPTIONS", "/b") == "204 DELETE, OPTIONS, PUT");
  CHECK(answer(router, "OPTIONS", "/b/c") == "404");
  CHECK(answer(router, "OPTIONS", "*") == "204");
  router.add("OPTIONS", "/b", says("options")).add("HEAD", "/a", says("head"));
  CHECK(answer(router, "OPTIONS", "/b") == "options");
  CHECK(answer(router, "HEAD", "/a") == "head");
}

TEST_CASE("router: patterns that are none, and routes that are there already, are misuse", "[http]") {
  http_router router;
  router.get("/a/{b}", says("x"));
  CHECK_THROWS_AS(router.get("/a/{b}", says("x")), misuse);
  CHECK_THROWS_AS(router.get("/a/{c}", says("x")), misuse);
  for (auto const* pattern :
       {"", "a", "/{", "/}", "/{}", "/a{b}", "/{a}b", "/{a}/{a}", "/{a...}/b", "/{...}", "/{{a}}"}) {
    CAPTURE(pattern);
    CHECK_THROWS_AS(router.get(pattern, says("x")), misuse);
  }
  CHECK_THROWS_AS(router.add("G T", "/z", says("x")), misuse);
  CHECK(answer(router, "GET", "/a/1") == "x b=1");
}
