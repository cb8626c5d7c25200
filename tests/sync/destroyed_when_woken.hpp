// SPDX-License-Identifier: BSL-1.0
//
// Objects that are destroyed by the party that they let go, while the call that did so may not have returned: on the
// heap, where sanitizers notice who comes too late, and on pages of their own, which are unmapped, where every build
// does.
#pragma once

#include "../support/catch.hpp"
#include "../support/hammer.hpp"

#include <concur/core/os.hpp>
#include <concur/core/spin.hpp>

#include <atomic>
#include <cstddef>
#include <new>
#include <sys/mman.h>
#include <type_traits>

namespace support::inline CONCUR_ABI {

struct heap_allocated {
  static void* allocate(std::size_t size) { return ::operator new(size); }
  static void release(void* place, std::size_t) { ::operator delete(place); }
};

struct own_page {
  static void* allocate(std::size_t) {
    return mmap(nullptr, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  }
  static void release(void* place, std::size_t) { munmap(place, page); }
  static constexpr std::size_t page = 4096;
};

/// Long enough for another thread to fall asleep.
inline void linger() {
  for (int i = 0; i < 20; ++i) {
    for (int j = 0; j < 50; ++j) concur::os::spin_pause();
    concur::os::yield();
  }
}

/// One thread makes an object by `make(place)`, waits by `wait(object, i, offer)`, which calls `offer()` when the other
/// may begin, and destroys it. The other thread lets it go by `wake(object, fall_asleep)`, and calls `fall_asleep()`
/// before its last step, to give the first time to do so now and then.
template <class Memory, class Make, class Wait, class Wake>
void the_waiter_may_destroy_it(int times, Make make, Wait wait, Wake wake) {
  using object = std::remove_pointer_t<std::invoke_result_t<Make, void*>>;
  std::atomic<object*> offered{nullptr};
  hammer crowd;
  crowd.add([&] {
    for (int i = 0; i < times; ++i) {
      object* const mine = make(Memory::allocate(sizeof(object)));
      wait(*mine, i, [&] { offered.store(mine); });
      mine->~object();
      Memory::release(mine, sizeof(object));
    }
  });
  crowd.add([&] {
    for (int i = 0; i < times; ++i) {
      object* taken = nullptr;
      for (concur::brief_wait other; (taken = offered.exchange(nullptr)) == nullptr;) other.pause();
      wake(*taken, [&] {
        for (int yields = i % 16 == 0 ? 100 : 0; yields > 0; --yields) concur::os::yield();
      });
    }
  });
  crowd.run();
  SUCCEED();
}

}  // namespace support::inline CONCUR_ABI
