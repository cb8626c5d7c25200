// SPDX-License-Identifier: BSL-1.0
//
// T07: threads defined by a type. Python derives from Thread and overrides run(). Here nothing is derived: a thread
// takes any function, member functions and objects among them, and an object may also bring its thread along.
#include <concur/concur.hpp>

#include <string>
#include <utility>

#include "tutorial.hpp"

using namespace tutorial;

// What a thread is to do, with its arguments.
class greeter {
 public:
  greeter(std::string greeting, std::string whom) : greeting_(std::move(greeting)), whom_(std::move(whom)) {}
  void run() const { say(greeting_, ", ", whom_); }

 private:
  std::string greeting_;
  std::string whom_;
};

// The same, running from its constructor on.
class counter {
 public:
  explicit counter(int limit) : limit_(limit), thread_(&counter::run, this) {}
  int result() {
    thread_.join();
    return sum_;
  }

 private:
  void run() {
    say("counts to ", limit_);
    for (int i = 1; i <= limit_; ++i) sum_ += i;
  }

  int limit_;
  int sum_ = 0;
  concur::thread thread_;  // the last member: started when the others are there, joined before they go
};

int main(int count, char** words) {
  arguments(count, words, "Two threads that are given by an object, and an object that has its own thread.");

  concur::thread first(&greeter::run, greeter("hello", "Alice"));
  concur::thread second(&greeter::run, greeter("good morning", "Bob"));
  counter sum(100);
  say("1 + … + 100 = ", sum.result());
  expect(sum.result() == 5050, "the thread has worked with the arguments of its object");
}
