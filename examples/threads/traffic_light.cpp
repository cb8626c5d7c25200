// SPDX-License-Identifier: BSL-1.0
//
// T17: an event is a traffic light. Ten cars stop at red; green lets all of them go; red again stops the next ten.
#include <concur/concur.hpp>

#include <atomic>
#include <vector>

#include "tutorial.hpp"

using namespace tutorial;

int main(int count, char** words) {
  arguments(count, words, "Ten cars at a red light, which turns green, and red again for the next ten.");

  concur::event green;  // not set: the light is red
  std::atomic<int> passed = 0;

  // Ten threads, all of them at the light when this returns.
  auto const ten_cars = [&](int first) {
    concur::latch at_the_light(10);
    std::vector<concur::thread> cars;
    for (int number = first; number < first + 10; ++number) {
      cars.emplace_back([&, number] {
        say("car ", number, " comes to the light");
        at_the_light.count_down();
        green.wait();
        say("car ", number, " drives");
        ++passed;
      });
    }
    at_the_light.wait();
    return cars;
  };

  say("red");
  std::vector<concur::thread> cars = ten_cars(1);
  concur::this_thread::sleep_for(3s / speed);
  expect(passed == 0, "red holds all ten");

  say("green");
  green.set();
  for (concur::thread& car : cars) car.join();
  expect(passed == 10, "green lets all ten go");

  say("red");
  green.clear();
  cars = ten_cars(11);
  concur::this_thread::sleep_for(3s / speed);
  expect(passed == 10, "red holds the next ten");

  say("green");
  green.set();
  for (concur::thread& car : cars) car.join();
  expect(passed == 20, "green lets them go");
}
