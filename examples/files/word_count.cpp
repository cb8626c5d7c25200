// SPDX-License-Identifier: BSL-1.0
//
// Counts the words of a text in the way of a shell, `tr | sort | uniq -c`, but for what the loop does itself: it writes
// the text to a file and reads it line by line, has another program sort the words while it still sends them, and
// counts what comes back. Nothing of it blocks the thread.
#include <concur/concur.hpp>

#include <filesystem>
#include <sstream>
#include <string>
#include <string_view>
#include <unistd.h>
#include <utility>
#include <vector>

namespace {

constexpr std::string_view rhyme =
    "how much wood would a woodchuck chuck\n"
    "if a woodchuck could chuck wood\n"
    "as much wood as a woodchuck would\n"
    "if a woodchuck could chuck wood\n";

// Sends each word of a file on a line of its own. When it ends, the writer is closed, and the reader finds the end.
concur::task<> send_words(std::string const& path, concur::pipe_writer& to) {
  auto file = co_await concur::file::async_open(path);
  concur::buffered_reader reader(file);
  concur::buffered_writer writer(to);
  auto lines = reader.async_lines();
  while (auto line = co_await lines.next()) {
    std::istringstream words(*line);
    for (std::string word; words >> word;) co_await writer.async_write(word + "\n");
  }
  co_await writer.async_close();
}

concur::task<> count_sorted(concur::pipe_reader& from, std::vector<std::pair<std::string, int>>& counts) {
  concur::buffered_reader reader(from);
  auto lines = reader.async_lines();
  while (auto word = co_await lines.next()) {
    if (counts.empty() || counts.back().first != *word) counts.emplace_back(*word, 0);
    ++counts.back().second;
  }
}

concur::task<int> count_words(std::string const& path) {
  co_await concur::async_write_file(path, rhyme);
  concur::subprocess sort({"sort"}, concur::subprocess_options()
                                        .standard_input(concur::stdio::pipe())
                                        .standard_output(concur::stdio::pipe())
                                        .variable("LC_ALL", "C"));
  std::vector<std::pair<std::string, int>> counts;
  co_await concur::gather(send_words(path, sort.standard_input()), count_sorted(sort.standard_output(), counts));
  auto const status = co_await sort.async_wait();
  auto out = concur::standard_output();
  for (auto const& [word, count] : counts) {
    co_await out.async_write(std::to_string(count) + " " + word + "\n");
  }
  co_return status.success() && counts.size() == 10 ? 0 : 1;
}

}  // namespace

int main() {
  auto const path = std::filesystem::temp_directory_path() / ("rhyme." + std::to_string(::getpid()));
  int const result = concur::run(count_words(path.string()));
  std::filesystem::remove(path);
  return result;
}
