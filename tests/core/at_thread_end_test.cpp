// SPDX-License-Identifier: BSL-1.0
#include <concur/core/os.hpp>

#include "../support/catch.hpp"
#include "../support/hammer.hpp"

#include <concur/thread/thread.hpp>

#include <atomic>
#include <pthread.h>
#include <thread>
#include <vector>

namespace {

namespace os = concur::os;

std::vector<int> order;  // written on one thread at a time

struct logged_call : os::thread_end_call {
  explicit logged_call(int n) : number(n) {
    run = [](os::thread_end_call& self) noexcept { order.push_back(static_cast<logged_call&>(self).number); };
  }
  int number;
};

// Registers another one when it runs.
struct registering_call : os::thread_end_call {
  explicit registering_call(logged_call& l) : later(l) {
    run = [](os::thread_end_call& self) noexcept {
      order.push_back(-1);
      if (!os::at_thread_end(static_cast<registering_call&>(self).later)) order.push_back(-100);
    };
  }
  logged_call& later;
};

struct local_logger {
  int number = 0;
  os::thread_end_call* registers = nullptr;
  ~local_logger() {
    if (number == 0) return;
    order.push_back(number);
    if (registers != nullptr && !os::at_thread_end(*registers)) order.push_back(-100);
  }
};
thread_local local_logger local;

// A key whose destructor runs in the first round, whether made before or after the seam's own.
struct first_round_key {
  first_round_key() {
    pthread_key_create(&key, [](void* value) { order.push_back(*static_cast<int*>(value)); });
  }
  ~first_round_key() { pthread_key_delete(key); }
  first_round_key(first_round_key const&) = delete;
  first_round_key& operator=(first_round_key const&) = delete;
  pthread_key_t key{};
};

// On a thread of the library, on one of the standard's, and on one that leaves by pthread_exit.
template <class Body>
void on_each_kind(Body body) {
  order.clear();
  concur::thread(body).join();
  auto const of_library = order;
  order.clear();
  std::thread(body).join();
  auto const of_standard = order;
  order.clear();
  concur::thread([&body] {
    body();
    pthread_exit(nullptr);
  }).join();
  CHECK(of_library == of_standard);
  CHECK(of_library == order);
}

}  // namespace

TEST_CASE("at_thread_end: the calls are made after the function, the last registered first", "[at_thread_end]") {
  logged_call first(1), second(2), third(3);
  on_each_kind([&] {
    for (auto* const each : {&first, &second, &third}) {
      if (!os::at_thread_end(*each)) order.push_back(-100);
    }
    order.push_back(0);
  });
  CHECK(order == std::vector{0, 3, 2, 1});
}

TEST_CASE("at_thread_end: after thread_local objects and the first round of pthread keys", "[at_thread_end]") {
  first_round_key before;
  logged_call call(1);
  static int eight = 8, nine = 9;
  std::thread([&] { static_cast<void>(os::at_thread_end(call)); }).join();  // the seam's key is there now
  first_round_key after;
  on_each_kind([&] {
    if (!os::at_thread_end(call)) order.push_back(-100);
    pthread_setspecific(after.key, &nine);
    pthread_setspecific(before.key, &eight);
    local.number = 7;
  });
  REQUIRE(order.size() == 4);
  CHECK(order.front() == 7);
  CHECK(order.back() == 1);
}

TEST_CASE("at_thread_end: what is registered while the thread ends runs too", "[at_thread_end]") {
  logged_call last(3), from_local(2);
  registering_call again(last);
  on_each_kind([&] {
    if (!os::at_thread_end(again)) order.push_back(-100);
    local.number = 1;
    local.registers = &from_local;
  });
  CHECK(order == std::vector{1, 2, -1, 3});

  // By the destructor of a pthread key in the second round, which comes after the calls or before them.
  struct late_key {
    late_key() {
      pthread_key_create(&key(), [](void* value) {
        static thread_local int rounds = 0;
        if (++rounds < 2) {
          pthread_setspecific(key(), value);
        } else if (!os::at_thread_end(*static_cast<logged_call*>(value))) {
          order.push_back(-100);
        }
      });
    }
    ~late_key() { pthread_key_delete(key()); }
    static pthread_key_t& key() {
      static pthread_key_t only{};
      return only;
    }
  };
  {
    late_key const key;
    logged_call first(4);
    on_each_kind([&] {
      if (!os::at_thread_end(first)) order.push_back(-100);
      pthread_setspecific(late_key::key(), &last);
    });
    CHECK((order == std::vector{4, 3} || order == std::vector{3, 4}));
  }

  // With nothing registered before.
  on_each_kind([&] {
    local.number = 1;
    local.registers = &again;
  });
  CHECK(order == std::vector{1, -1, 3});
}

TEST_CASE("at_thread_end: a call may destroy itself, and each runs once on its own thread", "[at_thread_end]") {
  static std::atomic<int> runs, elsewhere;
  runs = 0, elsewhere = 0;
  struct owned_call : os::thread_end_call {
    std::thread::id const home = std::this_thread::get_id();
  };
  constexpr int threads = 4, calls = 10;
  int const times = support::rounds(200);
  for (int round = 0; round < times; ++round) {
    support::hammer crowd;
    crowd.add(threads, [] {
      for (int i = 0; i < calls; ++i) {
        auto* const call = new owned_call;
        call->run = [](os::thread_end_call& self) noexcept {
          auto* const mine = static_cast<owned_call*>(&self);
          elsewhere += mine->home != std::this_thread::get_id();
          ++runs;
          delete mine;
        };
        if (!os::at_thread_end(*call)) delete call;
      }
    });
    crowd.run();
  }
  CHECK(runs == times * threads * calls);
  CHECK(elsewhere == 0);
}
