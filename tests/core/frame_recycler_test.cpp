// SPDX-License-Identifier: BSL-1.0
#include <concur/core/frame_recycler.hpp>

#include "../support/catch.hpp"
#include "../support/forked.hpp"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <new>
#include <random>
#include <set>
#include <sys/resource.h>
#include <sys/wait.h>
#include <thread>
#include <type_traits>
#include <unistd.h>
#include <utility>
#include <vector>

// Named directly, so that it is tested in builds that do not use it for frames, too.
using frames = concur::process_wide::recycled_frames;

static_assert(concur::os::watches_memory || std::is_same_v<concur::frame_recycler, frames>);

namespace {

// Each test that counts uses a size of its own, since the depot keeps what the tests before it left.
template <class Function>
void on_a_thread(Function function) {
  std::thread(std::move(function)).join();
}

// Uses the recycler in its destructor: made before the thread's first frame, so destroyed after the lists are gone.
struct late {
  ~late() {
    if (kept == nullptr) return;
    std::memset(kept, 1, 96);
    frames::free(kept, 96);
    for (std::size_t size : {std::size_t{0}, std::size_t{96}, frames::largest, frames::largest + 1}) {
      void* const block = frames::allocate(size);
      std::memset(block, 2, size);
      frames::free(block, size);
    }
    lists_were_empty = frames::held_by_this_thread(96) == 0;
  }
  void* kept = nullptr;
  static inline bool lists_were_empty = false;
};
thread_local late destroyed_last;

}  // namespace

// There when the program is built with the sanitizer, whose allocators do not bear a memory limit.
extern "C" [[gnu::weak]] void __asan_init();
extern "C" [[gnu::weak]] void __tsan_init();

TEST_CASE("every size gets memory of its own, all of it usable, and as aligned as an object of that size can be",
          "[frame_recycler]") {
  std::vector<std::pair<unsigned char*, std::size_t>> blocks;
  for (std::size_t size = 0; size <= frames::largest + 40; ++size) {
    auto* const block = static_cast<unsigned char*>(frames::allocate(size));
    REQUIRE(reinterpret_cast<std::uintptr_t>(block) % (size % 16 == 0 ? 16 : 8) == 0);
    std::memset(block, static_cast<int>(size % 251), size);
    blocks.emplace_back(block, size);
  }
  for (auto const& [block, size] : blocks) {
    for (std::size_t at = 0; at < size; ++at) {
      if (block[at] != size % 251) FAIL("block of " << size << " was overwritten at " << at);
    }
    frames::free(block, size);
  }
}

TEST_CASE("the newest free block of a size is given out first", "[frame_recycler]") {
  void* const first = frames::allocate(100);
  frames::free(first, 100);
  CHECK(frames::allocate(104) == first);  // the same class
  void* const other = frames::allocate(105);
  CHECK(other != first);
  frames::free(first, 104);
  frames::free(other, 105);
}

TEST_CASE("blocks freed on another thread do not pile up there", "[frame_recycler]") {
  constexpr std::size_t size = 208;
  std::size_t most = 0;
  std::size_t reserved_after_warm_up = 0;
  for (int round = 0; round < 200; ++round) {
    std::vector<void*> blocks;
    for (int n = 0; n < 100; ++n) blocks.push_back(frames::allocate(size));
    on_a_thread([&] {
      for (void* block : blocks) frames::free(block, size);
      most = std::max(most, frames::held_by_this_thread(size));
    });
    if (round == 10) reserved_after_warm_up = frames::bytes_reserved();
  }
  CHECK(most <= frames::most_held_by_a_thread(size));
  CHECK(frames::bytes_reserved() == reserved_after_warm_up);

  // The same with one consumer that lives on.
  std::vector<void*> blocks;
  for (int n = 0; n < 10'000; ++n) blocks.push_back(frames::allocate(size));
  on_a_thread([&] {
    for (void* block : blocks) {
      frames::free(block, size);
      most = std::max(most, frames::held_by_this_thread(size));
    }
    CHECK(frames::held_by_depot(size) + frames::held_by_this_thread(size) >= 10'000);
  });
  CHECK(most <= frames::most_held_by_a_thread(size));
  CHECK(frames::held_by_depot(size) >= 10'000);
}

TEST_CASE("a thread leaves its lists, and the rest of its slab, to the others", "[frame_recycler]") {
  constexpr std::size_t size = 304;
  auto const use = [] {
    std::vector<void*> blocks;
    for (int n = 0; n < 90; ++n) blocks.push_back(frames::allocate(size));
    for (void* block : blocks) frames::free(block, size);
  };
  on_a_thread(use);
  CHECK(frames::held_by_depot(size) >= 90);
  std::size_t const reserved = frames::bytes_reserved();
  for (int round = 0; round < 1000; ++round) on_a_thread(use);
  CHECK(frames::bytes_reserved() == reserved);
}

TEST_CASE("short-lived threads share one slab", "[frame_recycler]") {
  std::size_t const before = frames::bytes_reserved();
  for (std::size_t size = 16; size <= 960; size += 16) {
    on_a_thread([size] {
      void* const first = frames::allocate(size);
      frames::free(first, size);
    });
  }
  CHECK(frames::bytes_reserved() <= before + 64 * 1024);
}

TEST_CASE("a thread counts its free blocks exactly", "[frame_recycler]") {
  constexpr std::size_t size = 256;
  on_a_thread([] {
    std::vector<void*> blocks(200);
    for (void*& block : blocks) block = frames::allocate(size);
    auto const before = frames::held_by_this_thread(size);
    for (int n = 0; n < 200; ++n) frames::free(blocks[static_cast<std::size_t>(n)], size);
    auto const full = frames::held_by_this_thread(size);
    CHECK(full <= frames::most_held_by_a_thread(size));
    CHECK(full > before);
    for (std::size_t n = 0; n < 70; ++n) blocks[n] = frames::allocate(size);
    CHECK(frames::held_by_this_thread(size) == full - 70);
    for (std::size_t n = 0; n < 70; ++n) frames::free(blocks[n], size);
  });
}

TEST_CASE("no block is lost between threads and depot", "[frame_recycler]") {
  constexpr std::size_t size = 720;
  std::set<void*> ever_given;
  std::minstd_rand random(5);
  for (int round = 0; round < 300; ++round) {
    on_a_thread([&] {
      std::vector<void*> blocks(1 + random() % 100);
      for (void*& block : blocks) ever_given.insert(block = frames::allocate(size));
      for (void* block : blocks) frames::free(block, size);
    });
    // Rests of slabs may have added some.
    auto const held = frames::held_by_depot(size);
    if (held < ever_given.size() || held > ever_given.size() + 100) FAIL(held << " of " << ever_given.size());
  }
}

TEST_CASE("frames may come and go while the thread's other objects are destroyed", "[frame_recycler]") {
  late::lists_were_empty = false;
  on_a_thread([] {
    destroyed_last.kept = nullptr;  // constructs it
    destroyed_last.kept = frames::allocate(96);
  });
  CHECK(late::lists_were_empty);
}

TEST_CASE("no block is given out twice", "[frame_recycler]") {
  std::minstd_rand random(3);
  std::set<void*> live;
  std::vector<void*> order;
  for (int step = 0; step < 20'000; ++step) {
    if (order.empty() || random() % 5 < 3) {
      void* const block = frames::allocate(400);
      if (!live.insert(block).second) FAIL("given out twice in step " << step);
      order.push_back(block);
    } else {
      std::swap(order[random() % order.size()], order.back());
      live.erase(order.back());
      frames::free(order.back(), 400);
      order.pop_back();
    }
  }
  for (void* block : order) frames::free(block, 400);
}

TEST_CASE("threads that exchange blocks of all sizes do not corrupt them", "[frame_recycler]") {
  struct parcel {
    unsigned char* block;
    std::size_t size;
  };
  std::mutex lock;
  std::vector<parcel> exchange;
  std::atomic<bool> corrupted{false};
  auto const work = [&](unsigned seed) {
    std::minstd_rand random(seed);
    for (int step = 0; step < 4000; ++step) {
      std::size_t const size = 1 + random() % (frames::largest + 100);
      parcel given{static_cast<unsigned char*>(frames::allocate(size)), size};
      std::memset(given.block, static_cast<int>(size & 0xff), size);
      {
        std::lock_guard const held(lock);
        exchange.push_back(given);
        if (exchange.size() < 50 + random() % 400) continue;
        std::swap(exchange[random() % exchange.size()], exchange.back());
        given = exchange.back();
        exchange.pop_back();
      }
      if (given.block[0] != (given.size & 0xff) || given.block[given.size - 1] != (given.size & 0xff)) corrupted = true;
      frames::free(given.block, given.size);
    }
  };
  for (unsigned round = 0; round < 4; ++round) {
    std::vector<std::thread> threads;
    for (unsigned n = 0; n < 4; ++n) threads.emplace_back(work, 4 * round + n + 1);
    for (auto& thread : threads) thread.join();
  }
  for (auto const& rest : exchange) frames::free(rest.block, rest.size);
  CHECK_FALSE(corrupted);
}

TEST_CASE("a child forked while other threads allocate can allocate", "[frame_recycler]") {
  // There the recycler passes on to operator new, and the sanitizer's allocator does not bear a fork while it is at
  // work.
  if (__asan_init != nullptr) return;
  std::atomic<bool> stop{false};
  std::thread busy([&stop] {
    while (!stop) {
      std::vector<void*> blocks;
      for (int n = 0; n < 300; ++n) blocks.push_back(frames::allocate(48));
      std::thread([&blocks] {
        for (void* block : blocks) frames::free(block, 48);
      }).join();
    }
  });
  int failures = 0;
  for (int round = 0; round < 20; ++round) {
    pid_t const child = ::fork();
    if (child == 0) {
      ::alarm(20);
      for (int n = 0; n < 1000; ++n) static_cast<void>(frames::allocate(48));
      support::end_child(true);
    }
    failures += support::child_was_right(child) ? 0 : 1;
  }
  stop = true;
  busy.join();
  CHECK(failures == 0);
}

TEST_CASE("a fork waits until nobody is in the middle of the depot", "[frame_recycler]") {
  namespace inside = concur::process_wide;
  frames::free(frames::allocate(48), 48);
  std::atomic<bool> held{false};
  std::atomic<bool> forking{false};
  std::thread holder([&] {
    inside::process_lock::guard const guard(inside::frame_depot_lock);
    held = true;
    while (!forking) std::this_thread::yield();
    // Long enough for a fork that does not wait; one that does is right after any time.
    for (int n = 0; n < 20'000; ++n) std::this_thread::yield();
  });
  while (!held) std::this_thread::yield();
  forking = true;
  pid_t const child = ::fork();
  if (child == 0) {
    ::alarm(5);
    inside::process_lock::guard const guard(inside::frame_depot_lock);
    support::end_child(true);
  }
  bool const right = support::child_was_right(child);
  holder.join();
  CHECK(right);
}

TEST_CASE("without memory bad_alloc is thrown, and nothing is broken by it", "[frame_recycler]") {
  if (__asan_init != nullptr || __tsan_init != nullptr) return;
  pid_t const child = ::fork();
  if (child == 0) {
    rlimit limit{};
    ::getrlimit(RLIMIT_AS, &limit);
    rlim_t const before = std::exchange(limit.rlim_cur, rlim_t{256} << 20);
    ::setrlimit(RLIMIT_AS, &limit);
    std::vector<void*> blocks;
    blocks.reserve(1 << 20);
    try {
      while (blocks.size() < blocks.capacity()) blocks.push_back(frames::allocate(1000));
      ::_exit(1);
    } catch (std::bad_alloc const&) {
    }
    limit.rlim_cur = before;
    ::setrlimit(RLIMIT_AS, &limit);
    for (void* block : blocks) frames::free(block, 1000);
    for (int n = 0; n < 1000; ++n) std::memset(frames::allocate(1000), 1, 1000);
    ::_exit(blocks.size() > 1000 ? 0 : 2);
  }
  int const status = support::end_of(child);
  CHECK(status == 0);
}
