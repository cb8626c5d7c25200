// SPDX-License-Identifier: BSL-1.0
//
// T21: one producer makes 1 to 10, one each three seconds; two consumers need six seconds for each. In Python one of
// them waits for ever in the end. Here the producer closes the queue, and a loop over a closed queue ends when it is
// empty.
#include <concur/concur.hpp>

#include <map>
#include <string>

#include "tutorial.hpp"

using namespace tutorial;

int main(int count, char** words) {
  arguments(count, words, "One producer, two consumers, and a clean end.");

  concur::queue<int> numbers(10);
  concur::guarded<std::map<int, int>> consumed;  // how often each number

  concur::thread const producer([&] {
    for (int n = 1; n <= 10; ++n) {
      concur::this_thread::sleep_for(3s / speed);
      numbers.put(n);
      say("produced ", n);
    }
    numbers.close();  // nothing more will come
  });

  auto const consume = [&](std::string const& name) {
    for (int const n : numbers) {  // ends when the queue is closed and empty
      concur::this_thread::sleep_for(6s / speed);
      say(name, " consumed ", n);
      ++(*consumed.lock())[n];
    }
    say(name, " has finished");
  };
  concur::thread first(consume, "consumer 1");
  concur::thread second(consume, "consumer 2");
  first.join();
  second.join();

  auto const result = consumed.lock();
  expect(result->size() == 10, "all ten were consumed");
  for (auto const& [n, times] : *result) expect(n >= 1 && n <= 10 && times == 1, "each exactly once");
}
