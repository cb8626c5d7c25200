// SPDX-License-Identifier: BSL-1.0
//
// Memory for the objects of one execution: handed out by bumping a pointer, taken back all at once, kept from one
// execution to the next. Objects are destroyed in reverse order, or, after a failure, not at all.
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

namespace concur::testing::engine {

class arena {
 public:
  template <class T, class... Args>
  T& make(Args&&... args) {
    void* const memory = allocate(sizeof(T), alignof(T));
    T* const object = ::new (memory) T(std::forward<Args>(args)...);
    if constexpr (!std::is_trivially_destructible_v<T>) {
      destructors_.push_back({object, [](void* p) { static_cast<T*>(p)->~T(); }});
    }
    return *object;
  }

  /// Destructors run explored code: one that fails or waits switches away from here.
  void destroy_all() {
    while (!destructors_.empty()) {
      destructor const last = destructors_.back();
      destructors_.pop_back();
      last.run(last.object);
    }
  }

  /// Takes the memory back.
  void reset() noexcept {
    destructors_.clear();
    block_ = 0;
    used_ = 0;
  }

  /// After a failure under a leak checker: what the objects own must stay reachable, so their memory is not reused.
  void retire() {
    static auto& retired = *new std::vector<std::vector<std::unique_ptr<std::byte[]>>>;
    destructors_.clear();
    retired.push_back(std::move(blocks_));
    blocks_.clear();
    reset();
  }

 private:
  static constexpr std::size_t block_size = 256 * 1024;
  struct destructor {
    void* object;
    void (*run)(void*);
  };

  void* allocate(std::size_t size, std::size_t alignment) {
    for (;;) {
      if (block_ == blocks_.size()) {
        std::size_t const bytes = size + alignment > block_size ? size + alignment : block_size;
        blocks_.push_back(std::make_unique<std::byte[]>(bytes));
        sizes_.resize(blocks_.size());
        sizes_[block_] = bytes;
      }
      void* place = blocks_[block_].get() + used_;
      std::size_t space = sizes_[block_] - used_;
      if (std::align(alignment, size, place, space) != nullptr) {
        used_ = sizes_[block_] - space + size;
        return place;
      }
      ++block_;
      used_ = 0;
    }
  }

  std::vector<std::unique_ptr<std::byte[]>> blocks_;
  std::vector<std::size_t> sizes_;
  std::vector<destructor> destructors_;
  std::size_t block_ = 0;
  std::size_t used_ = 0;
};

}  // namespace concur::testing::engine
