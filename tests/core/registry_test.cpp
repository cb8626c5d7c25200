// SPDX-License-Identifier: BSL-1.0
#include <concur/core/registry.hpp>

#include "../support/catch.hpp"
#include "../support/forked.hpp"

#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <type_traits>
#include <unistd.h>
#include <utility>
#include <vector>

namespace {

class entry final : public concur::registry_entry {
 public:
  explicit entry(std::string name, concur::registry_kind kind = concur::registry_kind::thread, bool survives = false)
      : registry_entry(kind), name_(std::move(name)), survives_(survives) {
    insert();
  }
  ~entry() { remove(); }
  void describe(std::string& out) const override { out += name_; }
  bool survive_fork() noexcept override { return survives_; }
  using registry_entry::insert;
  using registry_entry::remove;

 private:
  std::string name_;
  bool survives_;
};

class failing_entry final : public concur::registry_entry {
 public:
  failing_entry() : registry_entry(concur::registry_kind::other) { insert(); }
  ~failing_entry() { remove(); }
  void describe(std::string&) const override { throw std::runtime_error("no description"); }
};

// All that is listed but the main thread, which is there as soon as anybody in this program has used threads.
std::string listed() {
  auto text = concur::dump_registry();
  if (auto const main = text.find("thread \"main\""); main != text.npos)
    text.erase(main, text.find('\n', main) + 1 - main);
  return text;
}

// Listed before main and until after it.
entry static_entry("static", concur::registry_kind::other);
bool const listed_before_main = concur::dump_registry().find("object static\n") != std::string::npos;

static_assert(!std::is_copy_constructible_v<entry>);

}  // namespace

TEST_CASE("what lives is listed with its kind, in order of insertion", "[registry]") {
  CHECK(listed_before_main);
  {
    entry const pool("4 workers", concur::registry_kind::thread_pool);
    entry const thread("\"spider\"\nwaits\nlong");
    CHECK(listed() == "object static\nthread pool 4 workers\nthread \"spider\"\n  waits\n  long\n");
  }
  CHECK(listed() == "object static\n");
}

TEST_CASE("inserting or removing twice does no harm", "[registry]") {
  entry first("first"), second("second");
  first.insert();
  first.remove();
  first.remove();
  CHECK(listed() == "object static\nthread second\n");
  first.insert();
  CHECK(listed() == "object static\nthread second\nthread first\n");
}

TEST_CASE("a description that throws reaches the caller and leaves the list usable", "[registry]") {
  {
    failing_entry const broken;
    CHECK_THROWS_AS(concur::dump_registry(), std::runtime_error);
    entry const other("other");
  }
  CHECK(listed() == "object static\n");
}

TEST_CASE("entries can be visited by kind", "[registry]") {
  entry const a("a"), b("b", concur::registry_kind::event_loop), c("c");
  int threads = 0;
  concur::registry::for_each([&threads](concur::registry_entry const& each) {
    threads += each.kind() == concur::registry_kind::thread && each.as_thread() == nullptr;
  });
  CHECK(threads == 2);
}

TEST_CASE("threads come and go while another one reports", "[registry]") {
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (int n = 0; n < 3; ++n) {
    threads.emplace_back([&stop, n] {
      while (!stop) {
        auto const mine = std::make_unique<entry>("number " + std::to_string(n));
        entry const more("more");
      }
    });
  }
  for (int round = 0; round < 2000; ++round) {
    if (listed().find("object static\n") != 0) FAIL("the first entry is missing");
  }
  stop = true;
  for (auto& thread : threads) thread.join();
  CHECK(listed() == "object static\n");
}

TEST_CASE("a forked child finds the lock free and only what survived", "[registry]") {
  std::atomic<bool> stop{false};
  std::thread busy([&stop] {
    // A name that needs no allocation: a child cannot allocate if the address sanitizer's allocator was at work when it
    // was forked.
    while (!stop) entry const other("other");
  });
  entry const mine("mine", concur::registry_kind::thread, true);
  entry const pool("of the parent", concur::registry_kind::thread_pool);
  int failures = 0;
  for (int round = 0; round < 20; ++round) {
    pid_t const child = ::fork();
    if (child == 0) {
      ::alarm(20);
      bool right = listed() == "thread mine\n";
      entry const fresh("fresh");
      right = right && listed() == "thread mine\nthread fresh\n";
      support::end_child(right);
    }
    failures += support::child_was_right(child) ? 0 : 1;
  }
  stop = true;
  busy.join();
  CHECK(failures == 0);
}
