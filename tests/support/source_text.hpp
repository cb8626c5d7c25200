// SPDX-License-Identifier: BSL-1.0
//
// Source files as text, for the tests that read the library's own sources.
#pragma once

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace support {

inline std::string read_file(std::filesystem::path const& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// The C++ files below a directory, as paths relative to it, sorted.
inline std::vector<std::string> source_files(std::filesystem::path const& directory) {
  std::vector<std::string> found;
  if (!std::filesystem::exists(directory)) return found;
  for (auto const& entry : std::filesystem::recursive_directory_iterator(directory)) {
    auto const extension = entry.path().extension();
    if (extension == ".hpp" || extension == ".cpp") {
      found.push_back(std::filesystem::relative(entry.path(), directory).generic_string());
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

inline std::vector<std::string> lines_of(std::string const& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

inline bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

/// Whether `word` stands in `text` with no letter, digit or underscore before it, and none after it if `whole`.
inline bool has_word(std::string_view text, std::string_view word, bool whole = true) {
  for (auto at = text.find(word); at != text.npos; at = text.find(word, at + 1)) {
    auto const end = at + word.size();
    if ((at == 0 || !is_word(text[at - 1])) && (!whole || end == text.size() || !is_word(text[end]))) return true;
  }
  return false;
}

/// The code with comments and the contents of literals blanked out; every line keeps its number. Names of included
/// files in quotes go as well.
inline std::string code_of(std::string const& text) {
  std::string code = text;
  auto const blank = [&](std::size_t from, std::size_t to) {
    for (auto i = from; i < std::min(to, code.size()); ++i) {
      if (code[i] != '\n') code[i] = ' ';
    }
    return to;
  };
  auto const find_end = [&](std::string const& end, std::size_t from) {
    auto const at = text.find(end, from);
    return at == text.npos ? text.size() : at;
  };
  for (std::size_t i = 0; i < text.size();) {
    if (text.compare(i, 2, "//") == 0) {
      i = blank(i, find_end("\n", i));
    } else if (text.compare(i, 2, "/*") == 0) {
      i = blank(i, find_end("*/", i + 2) + 2);
    } else if (text.compare(i, 2, "R\"") == 0 && (i == 0 || !is_word(text[i - 1]))) {
      auto const open = find_end("(", i);
      i = blank(i + 2, find_end(")" + text.substr(i + 2, open - i - 2) + "\"", open)) + 1;
    } else if (text[i] == '"' || (text[i] == '\'' && (i == 0 || !is_word(text[i - 1])))) {
      auto end = i + 1;
      while (end < text.size() && text[end] != text[i] && text[end] != '\n') end += text[end] == '\\' ? 2 : 1;
      i = blank(i + 1, end) + 1;
    } else {
      ++i;
    }
  }
  return code;
}

}  // namespace support
