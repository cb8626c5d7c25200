// SPDX-License-Identifier: BSL-1.0
//
// T20: a queue with room for three: put, get, size and empty, and what happens when it is full or empty and nobody is
// willing to wait.
#include <concur/concur.hpp>

#include <optional>
#include <string>

#include "tutorial.hpp"

using namespace tutorial;

int main(int count, char** words) {
  arguments(count, words, "A queue of size three: put, get, size, empty, and refusals that lose nothing.");

  concur::queue<std::string> plates(3);
  say("empty: ", plates.empty());
  for (std::string const plate : {"soup", "fish", "cake"}) {
    plates.put(plate);
    say("put ", plate, ", size ", plates.size());
  }
  expect(plates.full() && plates.size() == 3, "three fill it");

  // Python raises queue.Full. Here it is a value, and the element is still there.
  std::string coffee = "coffee";
  bool const taken = plates.try_put(std::move(coffee));
  say("try_put: ", taken ? "there was room" : "full", ", and the cook still has the ", coffee);
  expect(!taken && coffee == "coffee", "a refused put keeps its item");

  while (!plates.empty()) {
    std::string const plate = plates.get();
    say("got ", plate, ", size ", plates.size());
  }

  std::optional<std::string> const nothing = plates.try_get();  // Python raises queue.Empty
  say("try_get: ", nothing ? "an item" : "empty, nothing");
  expect(!nothing, "an empty queue gives nothing");

  stopwatch watch;
  expect(!plates.try_get_for(1s / speed), "nobody puts anything in meanwhile");
  say("try_get_for: nothing after ", watch.seconds(), " s either");
  expect(watch.seconds() >= 1, "it has waited as long as it was told to");
}
