// SPDX-License-Identifier: BSL-1.0
#include "failing_new.hpp"

#include <cstddef>
#include <cstdlib>
#include <new>

namespace {

// How many allocations of this thread remain up to the one that fails; 0: none will.
constinit thread_local int remaining = 0;

#if defined(__clang__)
#if __has_feature(thread_sanitizer)
#define NEW_CANNOT_BE_REPLACED
#endif
#endif

#ifndef NEW_CANNOT_BE_REPLACED
bool fails_now() noexcept { return remaining > 0 && --remaining == 0; }

void* allocate(std::size_t size) {
  if (fails_now()) throw std::bad_alloc();
  for (;;) {
    if (void* const memory = std::malloc(size == 0 ? 1 : size)) return memory;
    auto const handler = std::get_new_handler();
    if (handler == nullptr) throw std::bad_alloc();
    handler();
  }
}
#endif

}  // namespace

namespace support {

failing_new::failing_new(int count) noexcept { remaining = count; }
failing_new::~failing_new() { remaining = 0; }
bool failing_new::happened() const noexcept { return remaining == 0; }
bool failing_new::available() noexcept {
#ifdef NEW_CANNOT_BE_REPLACED
  return false;
#else
  return true;
#endif
}

}  // namespace support

#ifndef NEW_CANNOT_BE_REPLACED
// Those for arrays and without exceptions are replaced too: sanitizers want a pair to come from the same hands. Those
// for greater alignments are left as they are, both of the pair.
void* operator new(std::size_t size) { return allocate(size); }
void* operator new[](std::size_t size) { return allocate(size); }
void* operator new(std::size_t size, std::nothrow_t const&) noexcept {
  try {
    return allocate(size);
  } catch (...) {
    return nullptr;
  }
}
void* operator new[](std::size_t size, std::nothrow_t const& none) noexcept { return operator new(size, none); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::nothrow_t const&) noexcept { std::free(memory); }
void operator delete[](void* memory, std::nothrow_t const&) noexcept { std::free(memory); }
#endif
