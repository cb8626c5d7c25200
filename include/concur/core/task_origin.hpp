// SPDX-License-Identifier: BSL-1.0
//
// What reports say of a task beside where it waits: its name, and where it was spawned.
#pragma once

#include <concur/core/await_link.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// Says what a task_origin does, while that exists. Constant, so any thread may read it.
class task_origin_view {
 public:
  explicit task_origin_view(std::uintptr_t word) noexcept : word_(word) {}

  /// Empty for a task without a name.
  std::string_view name() const noexcept { return (word_ & has_name) != 0 ? record().name : std::string_view(); }

  /// Null if nobody knows.
  source_place place() const noexcept {
    return (word_ & has_name) != 0 ? record().place : reinterpret_cast<source_place>(word_);
  }

 protected:
  struct named {
    std::string name;
    source_place place;
  };
  static constexpr std::uintptr_t has_name = 1;

  named& record() const noexcept { return *reinterpret_cast<named*>(word_ & ~has_name); }

  std::uintptr_t word_;  // a source_place, or a record and its flag
};

/// Eight bytes; only a name takes a block of its own.
class task_origin : public task_origin_view {
 public:
  task_origin() noexcept : task_origin_view(0) {}
  explicit task_origin(source_place place) noexcept : task_origin_view(reinterpret_cast<std::uintptr_t>(place)) {}
  /// Throws std::bad_alloc.
  task_origin(source_place place, std::string_view name) : task_origin(place) {
    if (!name.empty()) set_name(name);
  }
  task_origin(task_origin&& other) noexcept : task_origin_view(other.release()) {}
  task_origin& operator=(task_origin&&) = delete;
  ~task_origin() {
    if ((word_ & has_name) != 0) [[unlikely]]
      drop_name();
  }

  /// Gives it away as a word, in which the second and the third bit are free, and takes it over again.
  std::uintptr_t release() noexcept { return std::exchange(word_, 0); }
  static task_origin adopt(std::uintptr_t word) noexcept { return task_origin(adopted(), word); }

 private:
  // Not inlined where tasks are spawned, most of which have no name.
  [[gnu::noinline]] void set_name(std::string_view name) {
    word_ = reinterpret_cast<std::uintptr_t>(new named{std::string(name), place()}) | has_name;
  }
  [[gnu::noinline]] void drop_name() noexcept { delete &record(); }

  struct adopted {};
  task_origin(adopted, std::uintptr_t word) noexcept : task_origin_view(word) {}
};

}  // namespace concur::inline CONCUR_ABI
