// SPDX-License-Identifier: BSL-1.0
//
// `co_await` inside the bare condition of an `if`, `while`, `do` or `switch`: GCC 12 compiles it so that a coroutine
// that declares nothing before it never completes. `if (bool ok = co_await f())` is right. No source of ours has the
// bare form, except the tests of the trap itself.
#include "support/catch.hpp"
#include "support/source_text.hpp"

#include <regex>

namespace {

/// The text from `open`, which is a parenthesis, up to its partner; without both.
std::string in_parentheses(std::string const& code, std::size_t open) {
  int depth = 0;
  for (auto i = open; i < code.size(); ++i) {
    if (code[i] == '(') ++depth;
    if (code[i] == ')' && --depth == 0) return code.substr(open + 1, i - open - 1);
  }
  return code.substr(open + 1);
}

/// Whether a condition has `co_await` and does not declare what it tests. In `if (init; condition)` the condition.
bool is_bare_await(std::string condition) {
  if (auto const semicolon = condition.rfind(';'); semicolon != condition.npos) condition.erase(0, semicolon + 1);
  if (!support::has_word(condition, "co_await")) return false;
  static std::regex const declaration(R"(^\s*[A-Za-z_][\w:<>,&*\s]*[\s&*]+[A-Za-z_]\w*\s*(=[^=]|\{))");
  std::smatch match;
  if (!std::regex_search(condition, match, declaration)) return true;
  return support::has_word(match.str(), "co_await");
}

/// The lines at which a condition is a bare await.
std::vector<int> bare_awaits(std::string const& text) {
  static std::regex const keyword(R"(\b(if|while|switch)(\s+constexpr)?\s*\()");
  auto const code = support::code_of(text);
  std::vector<int> found;
  for (std::sregex_iterator at(code.begin(), code.end(), keyword), end; at != end; ++at) {
    auto const open = static_cast<std::size_t>(at->position() + at->length() - 1);
    if (is_bare_await(in_parentheses(code, open))) {
      found.push_back(1 + static_cast<int>(std::count(code.begin(), code.begin() + at->position(), '\n')));
    }
  }
  return found;
}

}  // namespace

TEST_CASE("no condition awaits without declaring what it tests") {
  std::filesystem::path const root = CONCUR_SOURCE_DIR;
  std::size_t files = 0;
  for (auto const* part : {"include", "tests", "examples", "benchmarks"}) {
    for (auto const& file : support::source_files(root / part)) {
      auto const path = std::string(part) + "/" + file;
      if (path.starts_with("tests/compilers/")) continue;
      ++files;
      for (auto const line : bare_awaits(support::read_file(root / path))) {
        FAIL_CHECK(path << ":" << line << ": co_await in a bare condition; write `if (auto x = co_await …)`");
      }
    }
  }
  CHECK(files > 5);
}

TEST_CASE("a planted bare await is found") {
  for (auto const* right : {
           "if (bool ok = co_await f()) g();",
           "while (auto x = co_await r.next()) use(*x);",
           "if (auto const& x = co_await f(); x.ok()) g();",
           "if (std::optional<int> x{co_await f()}) g();",
           "if (pool::job* x = co_await f()) g();",
           "for (; co_await f();) g();",
           "bool const ok = co_await f();\nif (ok) g();",
           "// if (co_await f())",
           "auto s = \"if (co_await f())\";",
           "if (ready) co_await f();",
       }) {
    CAPTURE(right);
    CHECK(bare_awaits(right).empty());
  }
  for (auto const* bare : {
           "\nif (co_await f()) g();",
           "\nif (!co_await f()) g();",
           "\nif (ready() && co_await f()) g();",
           "\nwhile (co_await f()) g();",
           "\ndo g(); while (co_await f());",
           "\nswitch (co_await f()) {}",
           "\nif ((co_await f()) == 3) g();",
           "\nif (x == co_await f()) g();",
           "\nif (x = co_await f()) g();",
           "\nif (int y = 1; co_await f(y)) g();",
           "\nif (\n    co_await f()) g();",
       }) {
    CAPTURE(bare);
    CHECK(bare_awaits(bare) == std::vector<int>{2});
  }
}
