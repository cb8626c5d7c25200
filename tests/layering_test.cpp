// SPDX-License-Identifier: BSL-1.0
//
// The rules of the house, read from the headers themselves: which layer may include which, what only the seam may
// name, which macros exist, where `#if` may stand, how long a header may be, and what the umbrella includes.
#include "support/catch.hpp"
#include "support/source_text.hpp"

#include <map>
#include <regex>
#include <set>

namespace {

using words = std::set<std::string>;

words operator+(words a, words const& b) {
  a.insert(b.begin(), b.end());
  return a;
}

// A layer may include itself and the layers of its row.
std::map<std::string, words> const& layers() {
  static words const io = {"core", "sync", "queue", "future", "thread", "pool", "coro", "loop"};
  static words const net = io + words{"io"};
  static words const on_net = net + words{"net"};
  static std::map<std::string, words> const table = {
      {"core", {}},
      {"sync", {"core"}},
      {"queue", {"core", "sync"}},
      {"future", {"core", "sync"}},
      {"thread", {"core", "sync", "future"}},
      {"pool", {"core", "sync", "queue", "future", "thread"}},
      {"coro", {"core", "sync", "queue", "future"}},
      {"loop", {"core", "sync", "queue", "future", "coro"}},
      {"io", io},
      {"net", net},
      {"http", on_net},
      {"redis", on_net},
      {"mysql", on_net},
      {"process", {"core", "sync", "queue", "future", "thread", "pool", "coro", "loop", "io"}},
      {"fiber", {"core", "sync", "queue", "future", "thread", "coro", "loop", "io", "net"}},
      {"trace", {"core"}},
      {"testing/engine", {}},
      {"testing", {"testing/engine", "core", "sync", "queue", "future", "thread", "coro", "loop"}},
  };
  return table;
}

// Includes that the table does not allow, each with its reason.
std::set<std::pair<std::string, std::string>> const allowed_includes = {
    // The seam takes its types from the engine when exploring.
    {"core/os.hpp", "testing/engine/engine.hpp"},
};

// Files that need more than the switch CONCUR_CHECKED in an `#if`, each with its reason.
words const seam_files = {
    "core/abi.hpp",          // defines the switches
    "core/os.hpp",           // machine or engine
    "core/assert.hpp",       // checked or not
    "loop/detail/loop_poller.hpp",  // the back end
    "testing/explorer.hpp",  // refuses to be compiled without CONCUR_EXPLORE
};

// Headers that the umbrella leaves out because they need another library.
words const needs_a_library = {
    // OpenSSL
    "net/tls.hpp",
    "net/tls_context.hpp",
    "net/tls_error.hpp",
    "net/tls_options.hpp",
    "net/tls_stream.hpp",
    // Boost; and the parts of the server that are of no use without it
    "http/server.hpp",
    "http/exception.hpp",
    "http/head_rules.hpp",
    "http/request.hpp",
    "http/response.hpp",
    "http/router.hpp",
    "http/server_options.hpp",
    "http/static_files.hpp",
    "http/url_text.hpp",
    // libcurl, and what is of use only with it
    "http/client.hpp",
    "http/client_error.hpp",
    "http/client_options.hpp",
    "http/client_request.hpp",
    "http/client_response.hpp",
    "http/client_settings.hpp",
    "http/client_stream.hpp",
};

words const documented_macros = {"CONCUR_ASSERT", "CONCUR_CHECKED", "CONCUR_EXPLORE", "CONCUR_IO_URING", "CONCUR_ABI"};

// What only the seam names. The bool tells whether the word ends there (std::atomic also stands for std::atomic_flag).
std::map<std::string, bool> const seam_words = {
    {"std::atomic", false},     {"steady_clock::now", true},  {"system_clock::now", true}, {"thread_local", true},
    {"std::thread", true},      {"std::jthread", true},       {"std::this_thread", true},  {"std::stop_token", true},
    {"std::stop_source", true}, {"std::stop_callback", true}, {"SYS_futex", true},         {"FUTEX_", false},
    {"futex.h", true},          {"pthread_create", true},
};

/// The layer of a file below include/concur, or nothing for the umbrella.
std::string layer_of(std::string const& file) {
  if (file.starts_with("testing/engine/")) return "testing/engine";
  auto const slash = file.find('/');
  return slash == file.npos ? "" : file.substr(0, slash);
}

bool is_engine(std::string const& file) { return layer_of(file) == "testing/engine"; }

/// What is wrong with the includes of `file`, a path below include/concur.
std::vector<std::string> wrong_includes(std::string const& file, std::string const& text) {
  static std::regex const include(R"re(^\s*#\s*include\s*([<"])([^>"]*)[>"])re");
  std::vector<std::string> wrong;
  auto const layer = layer_of(file);
  if (!layer.empty() && !layers().contains(layer)) wrong.push_back("no such layer in the table: " + layer);
  for (auto const& line : support::lines_of(text)) {
    std::smatch match;
    if (!std::regex_search(line, match, include)) continue;
    std::string const name = match[2];
    if (match[1] == "\"") wrong.push_back("include it as <concur/...>: " + name);
    if (!name.starts_with("concur/")) continue;
    auto const target = name.substr(7);
    auto const target_layer = layer_of(target);
    bool allowed = target_layer == layer || allowed_includes.contains({file, target});
    if (layer.empty()) {
      allowed = allowed || (layers().contains(target_layer) && target_layer != "testing" && !is_engine(target));
    } else {
      allowed = allowed || (layers().contains(layer) && layers().at(layer).contains(target_layer));
    }
    if (!allowed) wrong.push_back("the table does not allow <" + name + ">");
    auto const detail = target.find("detail/");
    if (detail != target.npos && !file.starts_with(target.substr(0, detail))) {
      wrong.push_back("detail/ is private to its folder: <" + name + ">");
    }
  }
  return wrong;
}

/// Words of the seam in a file that is neither the seam nor the engine.
std::vector<std::string> wrong_words(std::string const& file, std::string const& text) {
  std::vector<std::string> wrong;
  if (file == "core/os.hpp" || is_engine(file)) return wrong;
  auto const code = support::code_of(text);
  for (auto const& [word, whole] : seam_words) {
    if (support::has_word(code, word, whole)) wrong.push_back("only core/os.hpp may name " + word);
  }
  return wrong;
}

/// Macros that nobody documented, and conditions outside the seam. The engine may define what it undefines again.
std::vector<std::string> wrong_directives(std::string const& file, std::string const& text) {
  static std::regex const define(R"(^\s*#\s*define\s+(\w+))");
  static std::regex const condition(R"(^\s*#\s*(if|ifdef|ifndef|elif)\b\s*(.*?)\s*$)");
  std::vector<std::string> wrong;
  auto const code = support::code_of(text);
  for (auto const& line : support::lines_of(code)) {
    std::smatch match;
    if (std::regex_search(line, match, define) && !documented_macros.contains(match[1])) {
      bool const undefined_again = support::has_word(code, "#undef " + match[1].str());
      if (!is_engine(file) || !undefined_again) wrong.push_back("undocumented macro " + match[1].str());
    }
    if (std::regex_search(line, match, condition)) {
      bool const plain = match[1] == "if" && (match[2] == "CONCUR_CHECKED" || match[2] == "!CONCUR_CHECKED");
      if (!plain && !seam_files.contains(file) && !is_engine(file)) wrong.push_back("#if outside the seam: " + line);
      // Trap C14: whoever has a library's header need not link the library.
      if (line.find("__has_include") != line.npos) wrong.push_back("a switch decides, not a header: " + line);
    }
  }
  return wrong;
}

/// The form of a header: licence line, guard, and a reason when it is long.
std::vector<std::string> wrong_form(std::string const& text) {
  std::vector<std::string> wrong;
  auto const lines = support::lines_of(text);
  if (lines.empty() || lines[0] != "// SPDX-License-Identifier: BSL-1.0") wrong.push_back("line 1 is not the licence");
  if (std::count(lines.begin(), lines.end(), "#pragma once") != 1) wrong.push_back("not exactly one #pragma once");
  auto const top = std::vector(lines.begin(), lines.begin() + std::min<std::ptrdiff_t>(20, std::ssize(lines)));
  bool const explained = std::any_of(top.begin(), top.end(), [](auto const& line) {
    return line.starts_with("//") && line.find("lines because") != line.npos;
  });
  if (lines.size() > 400 && !explained) {
    wrong.push_back(std::to_string(lines.size()) + " lines, and no '… lines because …' at the top");
  }
  return wrong;
}

/// Public headers that the umbrella should include and does not.
std::vector<std::string> missing_from_umbrella(std::vector<std::string> const& files, std::string const& umbrella) {
  std::vector<std::string> missing;
  auto const lines = support::lines_of(umbrella);
  for (auto const& file : files) {
    auto const layer = layer_of(file);
    bool const wanted = !layer.empty() && !layer.starts_with("testing") && file.find("detail/") == file.npos &&
                        !needs_a_library.contains(file);
    auto const include = "#include <concur/" + file + ">";
    bool const included = std::find(lines.begin(), lines.end(), include) != lines.end();
    if (wanted && !included) missing.push_back(include);
  }
  return missing;
}

std::filesystem::path headers() { return std::filesystem::path(CONCUR_SOURCE_DIR) / "include/concur"; }

/// Runs a check over every header.
template <class Check>
void over_every_header(Check check) {
  auto const files = support::source_files(headers());
  REQUIRE(files.size() > 2);
  for (auto const& file : files) {
    for (auto const& fault : check(file, support::read_file(headers() / file))) FAIL_CHECK(file << ": " << fault);
  }
}

}  // namespace

TEST_CASE("a header includes only its own layer and those the table allows") { over_every_header(wrong_includes); }

TEST_CASE("only the seam names atomics, the futex, the clock, threads and stop tokens") {
  over_every_header(wrong_words);
}

TEST_CASE("only documented macros are defined, and conditions stand in the seam") {
  over_every_header(wrong_directives);
}

TEST_CASE("a header has its licence, its guard, and a reason when it is long") {
  over_every_header([](std::string const&, std::string const& text) { return wrong_form(text); });
}

// Trap C14, the other way round: nobody gets OpenSSL or libcurl without having asked for it.
TEST_CASE("what needs another library is reached only from headers that need it too") {
  over_every_header([](std::string const& file, std::string const& text) {
    std::vector<std::string> wrong;
    bool const is_of_tls =
        file.starts_with("net/tls") || file.starts_with("net/detail/tls_") || file == "net/detail/openssl_handles.hpp";
    bool const is_of_curl = file.starts_with("http/client") || file.starts_with("http/detail/curl_");
    for (auto const& line : support::lines_of(text)) {
      if (line.find("#include") != 0) continue;
      if (!is_of_curl && (line.find("<curl/") != line.npos || line.find("http/client") != line.npos ||
                          line.find("/curl_") != line.npos)) {
        wrong.push_back(line);
      }
      if (is_of_tls) continue;
      bool const reaches = line.find("<openssl/") != line.npos || line.find("/tls") != line.npos ||
                           line.find("openssl_handles") != line.npos;
      if (reaches) wrong.push_back(line);
    }
    return wrong;
  });
}

// It is slow to compile.
TEST_CASE("Boost is included by one header, and that by the HTTP server only") {
  over_every_header([](std::string const& file, std::string const& text) {
    std::vector<std::string> wrong;
    words const may_reach = {"http/detail/http_connection.hpp", "http/detail/http_connection_bodies.hpp",
                             "http/server.hpp"};
    for (auto const& line : support::lines_of(text)) {
      if (line.find("#include") != 0) continue;
      bool const is_boost = line.find("<boost/") != line.npos && file != "http/detail/head_parser.hpp";
      bool const reaches =
          (line.find("/head_parser.hpp") != line.npos || line.find("/http_connection.hpp") != line.npos ||
           line.find("http/server.hpp") != line.npos) &&
          !may_reach.contains(file);
      if (is_boost || reaches) wrong.push_back(line);
    }
    return wrong;
  });
}

TEST_CASE("the umbrella includes every public header that needs no other library") {
  for (auto const& include :
       missing_from_umbrella(support::source_files(headers()), support::read_file(headers() / "concur.hpp"))) {
    FAIL_CHECK("concur.hpp lacks " << include);
  }
}

TEST_CASE("a planted include is found") {
  CHECK(wrong_includes("sync/mutex.hpp", "#include <concur/core/os.hpp>\n#include <vector>\n").empty());
  CHECK(wrong_includes("sync/mutex.hpp", "#include <concur/sync/detail/list.hpp>\n").empty());
  CHECK(wrong_includes("core/os.hpp", "  # include <concur/testing/engine/engine.hpp>\n").empty());
  CHECK(wrong_includes("testing/engine/fiber.hpp", "#include <concur/testing/engine/engine.hpp>\n").empty());
  CHECK(wrong_includes("testing/explorer.hpp", "#include <concur/testing/engine/engine.hpp>\n").empty());
  CHECK(wrong_includes("concur.hpp", "#include <concur/sync/mutex.hpp>\n").empty());

  CHECK(wrong_includes("core/waiter.hpp", "#include <concur/sync/mutex.hpp>\n").size() == 1);
  CHECK(wrong_includes("core/waiter.hpp", "# include <concur/testing/engine/engine.hpp>\n").size() == 1);
  CHECK(wrong_includes("sync/mutex.hpp", "#include <concur/queue/queue.hpp>\n").size() == 1);
  CHECK(wrong_includes("sync/mutex.hpp", "#include <concur/core/detail/list.hpp>\n").size() == 1);
  CHECK(wrong_includes("sync/mutex.hpp", "#include <concur/concur.hpp>\n").size() == 1);
  CHECK(wrong_includes("sync/mutex.hpp", "#include \"event.hpp\"\n").size() == 1);
  CHECK(wrong_includes("util/all.hpp", "").size() == 1);
  CHECK(wrong_includes("testing/engine/fiber.hpp", "#include <concur/core/errors.hpp>\n").size() == 1);
  CHECK(wrong_includes("concur.hpp", "#include <concur/testing/explorer.hpp>\n").size() == 1);
}

TEST_CASE("a planted word of the seam is found") {
  CHECK(wrong_words("sync/mutex.hpp", "os::atomic<int> x; os::futex_wait(x, 1); std::memory_order_relaxed").empty());
  CHECK(wrong_words("sync/mutex.hpp", "// std::atomic is in the seam\nauto s = \"std::thread\";").empty());
  CHECK(wrong_words("core/os.hpp", "std::atomic<int> x;").empty());
  CHECK(wrong_words("testing/engine/engine.hpp", "std::atomic<int> x;").empty());
  for (auto const* text : {"std::atomic<int> x;", "std::atomic_flag x;", "std::chrono::steady_clock::now()",
                           "static thread_local int x;", "std::thread t;", "std::stop_token s", "syscall(SYS_futex)",
                           "int const big = 1'000; std::jthread t; char c = 'x';"}) {
    CAPTURE(text);
    CHECK(wrong_words("sync/mutex.hpp", text).size() == 1);
  }
}

TEST_CASE("a planted macro or condition is found") {
  CHECK(wrong_directives("core/assert.hpp", "#define CONCUR_ASSERT(c, s) c\n").empty());
  CHECK(wrong_directives("sync/mutex.hpp", "#if CONCUR_CHECKED\n#else\n#endif\n// #define X\n").empty());
  CHECK(wrong_directives("core/os.hpp", "#if defined(__x86_64__)\n#endif\n").empty());
  CHECK(wrong_directives("testing/engine/fiber.hpp", "#define CONCUR_ENGINE_X 1\n#undef CONCUR_ENGINE_X\n").empty());
  CHECK(wrong_directives("testing/engine/fiber.hpp", "#define CONCUR_ENGINE_X 1\n").size() == 1);
  CHECK(wrong_directives("sync/mutex.hpp", "#define CONCUR_FAST 1\n").size() == 1);
  CHECK(wrong_directives("sync/mutex.hpp", "#define CONCUR_FAST 1\n#undef CONCUR_FAST\n").size() == 1);
  CHECK(wrong_directives("sync/mutex.hpp", "#if defined(__x86_64__)\n#endif\n").size() == 1);
  CHECK(wrong_directives("sync/mutex.hpp", "#ifdef CONCUR_CHECKED\n#endif\n").size() == 1);
  CHECK(wrong_directives("sync/mutex.hpp", " # if CONCUR_EXPLORE\n#endif\n").size() == 1);
  CHECK(wrong_directives("core/os.hpp", "#if __has_include(<liburing.h>)\n#endif\n").size() == 1);
}

TEST_CASE("a planted fault of form is found") {
  std::string const good = "// SPDX-License-Identifier: BSL-1.0\n#pragma once\n";
  std::string const many(400, '\n');
  CHECK(wrong_form(good).empty());
  CHECK(wrong_form(good + "// 402 lines because all of it is one table.\n" + many).empty());
  CHECK(wrong_form(good + many).size() == 1);
  CHECK(wrong_form("#pragma once\n").size() == 1);
  CHECK(wrong_form("// SPDX-License-Identifier: BSL-1.0\n").size() == 1);
}

TEST_CASE("a header missing from the umbrella is found") {
  std::vector<std::string> const files = {"concur.hpp", "core/os.hpp", "core/detail/x.hpp", "testing/explorer.hpp"};
  CHECK(missing_from_umbrella(files, "#include <concur/core/os.hpp>\n").empty());
  CHECK(missing_from_umbrella(files, "// #include <concur/core/os.hpp>\n").size() == 1);
}
