// SPDX-License-Identifier: BSL-1.0
//
// What the tutorial programs share and what is not the library's: the option --speed, a watch that shows tutorial time,
// output by whole lines, and the check of the result. Each folder has a copy of it, so that it can be taken away alone.
//
//     int main(int count, char** words) {
//       tutorial::arguments(count, words, "sleeps for three seconds");
//       tutorial::stopwatch watch;
//       concur::this_thread::sleep_for(3s / tutorial::speed);
//       tutorial::say("slept for ", watch.seconds(), " s");
//       tutorial::expect(watch.seconds() >= 3, "a sleep is not shorter than it was told to be");
//     }
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <iomanip>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace tutorial {

using namespace std::chrono_literals;

/// Every pause of a program is divided by it. Written by `arguments` only, before there are threads.
inline double speed = 1;

/// An option with a value, which is put where that says.
struct option {
  char const* name;
  char const* value;
  char const* meaning;
  std::string* where;
};

/// Takes the option --speed, and those of the program, out of the command line and returns the other arguments. Answers
/// --help and ends the program.
inline std::vector<std::string> arguments(int count, char** words, char const* purpose, char const* operands = "",
                                          std::vector<option> const& options = {}) {
  auto const usage = [&](std::FILE* stream) {
    std::fprintf(stream, "Usage: %s [option…]%s%s\n\n%s\n\n", words[0], *operands == 0 ? "" : " ", operands, purpose);
    auto const line = [stream](std::string name, char const* meaning) {
      name.resize(std::max<std::size_t>(name.size() + 1, 18), ' ');
      std::fprintf(stream, "  %s%s\n", name.c_str(), meaning);
    };
    for (auto const& each : options) line(std::string(each.name) + ' ' + each.value, each.meaning);
    line("--speed N", "go N times as fast");
    line("--help", "this text");
  };
  std::vector<std::string> others;
  for (int i = 1; i < count; ++i) {
    std::string_view const word = words[i];
    char* end = nullptr;
    auto const own = std::find_if(options.begin(), options.end(), [&](auto const& each) { return word == each.name; });
    if (own != options.end() && i + 1 < count) {
      *own->where = words[++i];
    } else if (word == "--help") {
      usage(stdout);
      std::exit(EXIT_SUCCESS);
    } else if (word == "--speed" && i + 1 < count && (speed = std::strtod(words[i + 1], &end)) > 0 && *end == 0) {
      ++i;
    } else if (*operands == 0 || word.starts_with("--")) {
      usage(stderr);
      std::exit(2);
    } else {
      others.emplace_back(word);
    }
  }
  return others;
}

/// Tutorial seconds since it was made: real ones times the speed.
class stopwatch {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count() * speed;
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// Prints its arguments as one line, which no other thread's line can tear apart.
template <class... Parts>
void say(Parts const&... parts) {
  std::ostringstream line;
  line << std::boolalpha << std::fixed << std::setprecision(1);
  (line << ... << parts) << '\n';
  std::string const text = line.str();
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

/// Ends the program with an error, at once, whatever other threads do, unless `holds`.
inline void expect(bool holds, char const* sentence) {
  if (holds) return;
  std::fprintf(stderr, "This is not so: %s.\n", sentence);
  std::_Exit(EXIT_FAILURE);
}

}  // namespace tutorial
