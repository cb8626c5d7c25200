// SPDX-License-Identifier: BSL-1.0
//
// What the tutorial programs about threads print: in order where order is promised, as a set where it is not.
#include "example.hpp"

#include <cctype>

using support::as_set;
using support::each;
using support::lines;
using support::output_of;
using support::position;
using support::set_of_lines;

TEST_CASE("threads/spiders: T01, serial, threaded and without a join") {
  auto const printed = output_of("threads/spiders");
  REQUIRE(printed.size() == 18);
  CHECK(lines(printed.begin(), printed.begin() + 5) == lines{"-- one after the other", "spider 1 starts",
                                                             "spider 1 has finished", "spider 2 starts",
                                                             "spider 2 has finished"});
  CHECK(printed[5].starts_with("-- took "));
  CHECK(printed[6] == "-- as threads");
  CHECK(as_set(printed, 7, 11) ==
        set_of_lines{"spider 1 starts", "spider 1 has finished", "spider 2 starts", "spider 2 has finished"});
  CHECK(printed[11].starts_with("-- took "));
  CHECK(printed[12] == "-- as threads, without a join");
  lines const last(printed.begin() + 12, printed.end());
  CHECK(position(last, "-- the caller is here after ") < last.size());
  for (std::string const spider : {"spider 1", "spider 2"}) {
    CHECK(position(last, spider + " starts") < position(last, spider + " was stopped"));
    CHECK(position(last, spider + " was stopped") < last.size());
  }
}

TEST_CASE("threads/start: T02, the lines of the thread and of the main function, in any order") {
  CHECK(as_set(output_of("threads/start")) == set_of_lines{"123", "11"});
}

TEST_CASE("threads/owner_waits: T03, the process waits for its threads") {
  CHECK(as_set(output_of("threads/owner_waits")) == set_of_lines{"123", "3", "9"});
}

TEST_CASE("threads/daemon: T04, the process does not wait for daemons") {
  CHECK(output_of("threads/daemon") == lines{"123"});
}

TEST_CASE("threads/join_for: T05, a join with a limit says whether the thread has ended") {
  auto const printed = output_of("threads/join_for");
  REQUIRE(printed.size() == 3);
  CHECK(printed[0].starts_with("the fast thread has ended: true, after "));
  CHECK(printed[1].starts_with("the slow thread has ended: false, after "));
  CHECK(printed[2] == "the slow thread was told to stop, and has ended: true");
}

TEST_CASE("threads/names: T06, names are seen from inside, by the owner and by the system") {
  auto const printed = output_of("threads/names");
  REQUIRE(printed.size() == 10);
  set_of_lines named = each(1, 3, [](auto i) { return "this is spider " + i + ", for the system spider " + i; });
  named.insert("this is renamed, for the system renamed");
  CHECK(as_set(printed, 0, 4) == named);
  CHECK(lines(printed.begin() + 4, printed.end()) ==
        lines{"alive:", "  main, the main thread", "  spider 1", "  spider 2", "  spider 3", "  renamed"});
}

TEST_CASE("threads/thread_type: T07, objects run with the arguments they have stored") {
  CHECK(as_set(output_of("threads/thread_type")) ==
        set_of_lines{"hello, Alice", "good morning, Bob", "counts to 100", "1 + … + 100 = 5050"});
}

TEST_CASE("threads/cpu_work: T08, both lists are right") {
  auto const printed = output_of("threads/cpu_work", {"20"});
  REQUIRE(printed.size() == 4);
  CHECK(printed[0].starts_with("two lists of 100000 numbers, 20 rounds, "));
  CHECK(printed[1].starts_with("one after the other: "));
  CHECK(printed[2].starts_with("in two threads: "));
  CHECK(printed[3].starts_with("on a pool of "));
}

TEST_CASE("threads/shared_number: T10, with the lock each thread reads what it wrote") {
  auto const printed = output_of("threads/shared_number");
  REQUIRE(printed.size() == 21);
  int right = 0;
  for (int i = 1; i <= 10; ++i) {
    auto const number = std::to_string(i);
    auto const unlocked = "without a lock: wrote " + number + ", read ";
    CHECK(position(printed, unlocked) < 10);
    right += position(printed, unlocked + number) < 10 && printed[position(printed, unlocked)] == unlocked + number;
  }
  CHECK(right == 1);
  CHECK(printed[10] == "9 of 10 have read what another one wrote");
  CHECK(as_set(printed, 11, 21) == each(1, 10, [](auto i) { return "with a lock: wrote " + i + ", read " + i; }));
}

TEST_CASE("threads/hundred_takers: T11, with the lock nothing is left, every time") {
  CHECK(output_of("threads/hundred_takers") ==
        lines{"without a lock: 99", "with a lock: 0", "with a lock: 0", "with a lock: 0"});
}

TEST_CASE("threads/append_and_read: T12, each line shows its own number twice") {
  CHECK(as_set(output_of("threads/append_and_read")) == each(0, 9, [](auto i) { return i + " " + i; }));
}

TEST_CASE("threads/recursive_lock: T13, taken twice, and a plain lock in that place is reported") {
  auto const printed = output_of("threads/recursive_lock");
  REQUIRE(printed.size() == 2);
  CHECK(printed[0] == "recursive_mutex: ten threads have added 20");
  CHECK(printed[1].starts_with("mutex: lock() of a mutex by the party that holds it already"));
}

TEST_CASE("threads/bounded_semaphore: T14, never more than three inside, and no release too many") {
  auto const printed = output_of("threads/bounded_semaphore");
  REQUIRE(printed.size() == 21);
  for (int i = 1; i <= 20; ++i) {
    auto const in = "thread " + std::to_string(i) + " is in, ";
    REQUIRE(position(printed, in) < 20);
    auto const now = printed[position(printed, in)].substr(in.size());
    CHECK((now == "1 at this moment" || now == "2 at this moment" || now == "3 at this moment"));
  }
  CHECK(printed[20] == "one release too many: a semaphore was released above its bound");
}

namespace {

// The numbers of threads that went on between one question and the next.
std::vector<std::size_t> numbers_released(lines const& printed) {
  std::vector<std::size_t> counts;
  set_of_lines seen;
  for (auto const& line : printed) {
    if (line == "How many may go on?") {
      counts.push_back(0);
    } else if (line.starts_with("thread ")) {
      REQUIRE_FALSE(counts.empty());
      ++counts.back();
      seen.insert(line);
      CHECK(seen.count(line) == 1);
    }
  }
  return counts;
}

using counts = std::vector<std::size_t>;

}  // namespace

TEST_CASE("threads/release_n: T15, as many go on as the user says") {
  SECTION("the numbers come from standard input") {
    auto const printed = output_of("threads/release_n", {}, "2\nmany\n0\n3\n");
    CHECK(numbers_released(printed) == counts{2, 0, 0, 3, 0});
    CHECK(position(printed, "'many' is no number of threads.") < printed.size());
    CHECK(position(printed, "3 went on, 5 still wait") < printed.size());
  }
  SECTION("or from the command line, and no more go on than there are") {
    auto const printed = output_of("threads/release_n", {"4", "5", "6"});
    CHECK(numbers_released(printed) == counts{4, 5, 1});
    CHECK(position(printed, "1 went on, 0 still wait") < printed.size());
  }
  SECTION("without either there is a script") {
    auto const printed = output_of("threads/release_n");
    CHECK(numbers_released(printed) == counts{1, 3, 4, 0});
    CHECK(position(printed, "There is no input") < printed.size());
    CHECK(printed.back() == "That was all. 2 are told to stop.");
  }
}

TEST_CASE("threads/wait_for_predicate: T16, goes on when what it waits for is true, not before") {
  auto const printed = output_of("threads/wait_for_predicate");
  auto const drives = position(printed, "the van has 3 parcels, and drives");
  CHECK(drives == printed.size() - 1);
  CHECK(position(printed, "parcel 1 arrives") < position(printed, "parcel 2 arrives"));
  CHECK(position(printed, "parcel 2 arrives") < position(printed, "parcel 3 arrives"));
  CHECK(position(printed, "parcel 3 arrives") < drives);
}

TEST_CASE("threads/traffic_light: T17, ten held, ten released, the next ten held") {
  auto const printed = output_of("threads/traffic_light");
  auto const comes = [](auto i) { return "car " + i + " comes to the light"; };
  auto const drives = [](auto i) { return "car " + i + " drives"; };
  REQUIRE(printed.size() == 44);
  CHECK(printed[0] == "red");
  CHECK(as_set(printed, 1, 11) == each(1, 10, comes));
  CHECK(printed[11] == "green");
  CHECK(as_set(printed, 12, 22) == each(1, 10, drives));
  CHECK(printed[22] == "red");
  CHECK(as_set(printed, 23, 33) == each(11, 20, comes));
  CHECK(printed[33] == "green");
  CHECK(as_set(printed, 34, 44) == each(11, 20, drives));
}

TEST_CASE("threads/thread_specific: T18, no thread sees another's value") {
  auto const printed = output_of("threads/thread_specific");
  REQUIRE(printed.size() == 20);
  CHECK(as_set(printed, 0, 10) == each(0, 9, [](auto i) { return "thread_specific: stored " + i + ", read " + i; }));
  CHECK(as_set(printed, 10, 20) == each(0, 9, [](auto i) { return "by hand: stored " + i + ", read " + i; }));
}

TEST_CASE("threads/thread_pool: T19, never more at once than there are workers, and results in their order") {
  auto const printed = output_of("threads/thread_pool");
  REQUIRE(printed.size() == 49);
  set_of_lines run;
  for (std::size_t i = 0; i < 40; ++i) {
    auto const at = printed[i].find(" runs, ");
    REQUIRE(at != printed[i].npos);
    run.insert(printed[i].substr(0, at));
    auto const inside = printed[i].substr(at + 7);
    CHECK(each(1, 5, [](auto n) { return n + " at this moment"; }).count(inside) == 1);
  }
  CHECK(run == each(1, 40, [](auto n) { return "task " + n; }));

  lines const last(printed.begin() + 40, printed.end());
  std::set<std::string> sleepers;
  for (std::string const seconds : {"1", "2", "3"}) {
    auto const sleeps = std::find_if(last.begin(), last.end(),
                                     [&](auto const& line) { return line.ends_with(" sleeps for " + seconds + " s"); });
    REQUIRE(sleeps != last.end());
    sleepers.insert(sleeps->substr(0, sleeps->find(' ')));
    CHECK(std::size_t(sleeps - last.begin()) < position(last, "result " + seconds + " after "));
  }
  CHECK(sleepers == std::set<std::string>{"worker-1", "worker-2"});
  CHECK(position(last, "result 1 after ") < position(last, "result 2 after "));
  CHECK(position(last, "result 2 after ") < position(last, "result 3 after "));
  CHECK(lines(last.end() - 2, last.end()) ==
        lines{"done: true, true, true", "shut down, and refused a task that came too late"});
}

TEST_CASE("threads/queue_of_three: T20, what is refused stays, and what is empty gives nothing") {
  auto const printed = output_of("threads/queue_of_three");
  REQUIRE(printed.size() == 10);
  CHECK(lines(printed.begin(), printed.begin() + 9) ==
        lines{"empty: true", "put soup, size 1", "put fish, size 2", "put cake, size 3",
              "try_put: full, and the cook still has the coffee", "got soup, size 2", "got fish, size 1",
              "got cake, size 0", "try_get: empty, nothing"});
  CHECK(printed[9].starts_with("try_get_for: nothing after "));
}

TEST_CASE("threads/producer_consumers: T21, everything is consumed once, and both consumers end") {
  auto const printed = output_of("threads/producer_consumers");
  REQUIRE(printed.size() == 22);
  set_of_lines expected = each(1, 10, [](auto n) { return "produced " + n; });
  for (std::string const who : {"consumer 1", "consumer 2"}) expected.insert(who + " has finished");
  set_of_lines consumed;
  for (auto line : printed) {
    auto const at = line.find(" consumed ");
    if (at == line.npos) {
      CHECK(expected.erase(line) == 1);
    } else {
      consumed.insert(line.substr(at + 10));
    }
  }
  CHECK(expected.empty());
  CHECK(consumed == each(1, 10, [](auto n) { return n; }));
  CHECK(printed.back().ends_with(" has finished"));
}

TEST_CASE("threads/kitchen: T22, after the end on request everything baked has been eaten") {
  auto const printed = output_of("threads/kitchen");
  lines home, ended;
  std::set<std::string> eaten;
  int meals = 0;
  for (auto const& line : printed) {
    if (line.ends_with(" goes home, and takes the last bun along")) home.push_back(line.substr(0, line.find(' ')));
    if (line.ends_with(" has had enough")) ended.push_back(line.substr(0, line.find(' ')));
    if (auto const at = line.find(" eats "); at != line.npos) {
      eaten.insert(line.substr(at));
      ++meals;
    }
  }
  CHECK(set_of_lines(home.begin(), home.end()) == set_of_lines{"Ann", "Ben", "Cleo"});
  CHECK(set_of_lines(ended.begin(), ended.end()) == set_of_lines{"Dora", "Emil"});
  CHECK(meals >= 20);
  CHECK(eaten.size() == std::size_t(meals));  // nothing twice
  auto const number = std::to_string(meals);
  CHECK(printed.back() == number + " baked, " + number + " eaten");
}

TEST_CASE("threads/tcp_server: T23, three clients are served at once, and one that breaks off harms nobody") {
  auto const printed = output_of("threads/tcp_server", {"0"});
  REQUIRE(printed.size() >= 17);
  CHECK(printed.front().starts_with("listening at 127.0.0.1:"));
  CHECK(printed.back() == "the server has closed");
  for (lines const& said : {lines{"red", "green", "blue"}, lines{"one", "two", "three"}, lines{"do", "re", "mi"}}) {
    std::size_t before = 0;
    for (auto const& word : said) {
      auto answer = word + " -> ";
      for (char const c : word) answer += char(std::toupper(static_cast<unsigned char>(c)));
      auto const at = position(printed, answer);
      CHECK(at < printed.size());
      CHECK(at > before);
      before = at;
    }
  }
  int come = 0, gone = 0, broken = 0;
  for (auto const& line : printed) {
    come += line.ends_with(" has come");
    gone += line.ends_with(" has gone");
    broken += line.find(" has broken off: ") != line.npos;
  }
  CHECK(gone == 3);
  CHECK(broken == 1);
  CHECK((come == 3 || come == 4));  // the rude one may have gone before anybody asks who it is
}
