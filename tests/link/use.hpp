// SPDX-License-Identifier: BSL-1.0
//
// Included by each translation unit of link_tests, which differ in their switches. Everything here is local to its
// unit; what they share is what the headers themselves define.
#pragma once

#include <concur/concur.hpp>

#include <mutex>

namespace {

/// Goes through the slow paths as far as one thread can. Returns 1.
int use() {
  static concur::mutex lock;
  concur::semaphore permits(0);
  concur::event ready;
  int passed = 0;
  {
    std::scoped_lock const guard(lock);
    permits.release();
    ready.set();
  }
  ready.wait();
  permits.acquire();
  if (!permits.try_acquire()) ++passed;
  return passed;
}

}  // namespace
