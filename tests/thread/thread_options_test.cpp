// SPDX-License-Identifier: BSL-1.0
#include <concur/thread/thread_options.hpp>

#include "../support/catch.hpp"

#include <string>
#include <vector>

using concur::scheduling_policy;
using concur::thread_options;

TEST_CASE("thread_options: by default nothing is asked for", "[thread_options]") {
  thread_options const plain;
  CHECK(plain.name().empty());
  CHECK_FALSE(plain.is_daemon());
  CHECK(plain.stack_size() == 0);
  CHECK(plain.affinity().empty());
  CHECK_FALSE(plain.scheduled());
}

TEST_CASE("thread_options: calls can be chained, and the last one counts", "[thread_options]") {
  auto const options = thread_options()
                           .name("spider")
                           .daemon()
                           .stack_size(1 << 20)
                           .affinity({1, 3})
                           .scheduling(scheduling_policy::fifo, 7)
                           .name("fly");
  CHECK(options.name() == "fly");
  CHECK(options.is_daemon());
  CHECK(options.stack_size() == 1 << 20);
  CHECK(options.affinity() == std::vector{1, 3});
  CHECK(options.scheduled());
  CHECK(options.policy() == scheduling_policy::fifo);
  CHECK(options.priority() == 7);
}

TEST_CASE("thread_options: a copy is independent", "[thread_options]") {
  thread_options first;
  first.name("one").affinity({0});
  auto second = first;
  second.name("other").daemon().affinity({}).scheduling(scheduling_policy::other);
  CHECK(first.name() == "one");
  // On what is not const, daemon() would set it.
  CHECK_FALSE(first.is_daemon());
  CHECK(first.affinity() == std::vector{0});
  CHECK_FALSE(first.scheduled());
  CHECK(second.name() == "other");
  CHECK(second.affinity().empty());
  CHECK(second.scheduled());
  CHECK(second.is_daemon());
  CHECK_FALSE(second.daemon(false).is_daemon());
}
