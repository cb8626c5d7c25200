// SPDX-License-Identifier: BSL-1.0
//
// No program without a test, and what all of them have in common.
#include "example.hpp"

#include <filesystem>

namespace {

std::filesystem::path const root = CONCUR_SOURCE_DIR;

// <folder>/<file>, without the extension.
std::vector<std::string> examples() {
  std::vector<std::string> names;
  for (auto const& file : support::source_files(root / "examples")) {
    if (file.ends_with(".cpp")) names.push_back(file.substr(0, file.size() - 4));
  }
  return names;
}

}  // namespace

TEST_CASE("examples: each program is run by the test of its folder") {
  CHECK(examples().size() > 10);
  for (auto const& name : examples()) {
    auto const folder = name.substr(0, name.find('/'));
    auto const test = support::read_file(root / "tests/examples" / (folder + "_test.cpp"));
    INFO(name);
    CHECK(test.find("output_of(\"" + name + "\"") != test.npos);
  }
}

TEST_CASE("examples: a folder has all that it needs, and what several of them have is the same") {
  std::string shared;
  int copies = 0;
  for (auto const& file : support::source_files(root / "examples")) {
    auto const source = support::read_file(root / "examples" / file);
    INFO(file);
    CHECK(source.find("#include \"../") == source.npos);
    if (!file.ends_with("/tutorial.hpp")) continue;
    if (++copies == 1) shared = source;
    CHECK(source == shared);
  }
  CHECK(copies > 2);
}

TEST_CASE("examples: each tutorial program tells what it does, and refuses what it does not know") {
  for (auto const& name : examples()) {
    auto const source = support::read_file(root / "examples" / (name + ".cpp"));
    if (source.find("tutorial.hpp") == source.npos) continue;
    INFO(name);
    std::string const path = CONCUR_EXAMPLES_DIR "/" + name;
    auto const help = support::run_program(path, {"--help"});
    CHECK(help.status == 0);
    CHECK(help.output.find("--speed N") != help.output.npos);
    CHECK(support::run_program(path, {"--sped", "2"}).status == 2);
    CHECK(support::run_program(path, {"--speed", "0"}).status == 2);
  }
}

TEST_CASE("examples: what is not as expected ends a program with the sentence and an error") {
  auto const result = support::run_program(CONCUR_EXAMPLES_DIR "/threads/cpu_work", {"none"});
  CHECK(result.status == 1);
  CHECK(result.errors == "This is not so: ROUNDS is a number above zero.\n");
}

TEST_CASE("programs: one that does not end is killed when its time is over") {
  auto const result = support::run_program("/bin/sleep", {"600"}, "", std::chrono::milliseconds(50));
  CHECK(result.timed_out);
  CHECK(result.status == -SIGKILL);
}

TEST_CASE("programs: input, output and status are those of the program") {
  auto const result = support::run_program("/bin/sh", {"-c", "cat; echo bad >&2; exit 7"}, "good\n");
  CHECK_FALSE(result.timed_out);
  CHECK(result.output == "good\n");
  CHECK(result.errors == "bad\n");
  CHECK(result.status == 7);
}
