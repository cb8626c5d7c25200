// SPDX-License-Identifier: BSL-1.0
//
// T06: names of threads: given by the owner, read and changed from inside, listed, and seen by the operating system, so
// that `top -H`, `ps -L` and debuggers show them as well.
#include <concur/concur.hpp>

#include <fstream>
#include <string>
#include <vector>

#include "tutorial.hpp"

using namespace tutorial;

// What the kernel calls a thread of this process; it keeps 15 characters.
std::string name_in_the_kernel(int native_id) {
  std::string name;
  std::ifstream file("/proc/self/task/" + std::to_string(native_id) + "/comm");
  std::getline(file, name);
  return name;
}

int main(int count, char** words) {
  arguments(count, words, "Three named threads and one that renames itself.");

  concur::latch all_named(4);
  concur::event home_time;
  auto const work = [&](std::string const& wanted) {
    // The current thread is asked by functions: there is no object to get hold of first.
    if (concur::this_thread::name() != wanted) concur::this_thread::set_name(wanted);
    std::string const in_the_kernel = name_in_the_kernel(concur::this_thread::native_id());
    say("this is ", concur::this_thread::name(), ", for the system ", in_the_kernel);
    expect(concur::this_thread::name() == wanted, "a thread reads its own name");
    expect(in_the_kernel == wanted, "the operating system knows it by that name");
    expect(!concur::this_thread::is_main(), "only the first thread of the process is the main thread");
    all_named.count_down();
    home_time.wait();
  };

  std::vector<concur::thread> spiders;
  for (std::string const name : {"spider 1", "spider 2", "spider 3"}) {
    spiders.emplace_back(concur::thread_options().name(name), work, name);
    expect(spiders.back().name() == name, "the owner reads the name");
  }
  spiders.emplace_back(work, "renamed");
  all_named.wait();

  say("alive:");
  for (concur::thread_info const& thread : concur::threads()) {
    say("  ", thread.name, thread.main ? ", the main thread" : "");
  }
  expect(concur::thread_count() == 5 && concur::threads().size() == 5, "four threads and the main thread are alive");
  expect(spiders.back().name() == "renamed", "the owner sees the new name");
  home_time.set();
}
