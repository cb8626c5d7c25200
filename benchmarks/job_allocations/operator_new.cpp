// SPDX-License-Identifier: BSL-1.0
//
// operator new that counts. The forms for arrays and those that do not throw call these two.
#include "workload.hpp"

#include <cstddef>
#include <cstdlib>
#include <new>

namespace {

void* counted(void* memory) {
  if (memory == nullptr) throw std::bad_alloc();
  calls_of_new.fetch_add(1, std::memory_order_relaxed);
  return memory;
}

}  // namespace

void* operator new(std::size_t size) { return counted(std::malloc(size == 0 ? 1 : size)); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  auto const unit = std::size_t(alignment);
  return counted(std::aligned_alloc(unit, (size + unit - 1) / unit * unit));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
