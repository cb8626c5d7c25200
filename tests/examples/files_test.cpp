// SPDX-License-Identifier: BSL-1.0
//
// What the examples with files and subprocesses print.
#include "example.hpp"

TEST_CASE("files/word_count: the words of a file, sorted by another program") {
  CHECK(support::output_of("files/word_count") == support::lines{"4 a", "2 as", "3 chuck", "2 could", "1 how", "2 if",
                                                                 "2 much", "4 wood", "4 woodchuck", "2 would"});
}
