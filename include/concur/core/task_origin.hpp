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

/// Eight bytes; only a name takes a block of its own. Constant once it belongs to a task, so any thread may read it
/// while the task exists.
class task_origin {
 public:
  task_origin() noexcept = default;
  explicit task_origin(source_place place) noexcept : word_(reinterpret_cast<std::uintptr_t>(place)) {}
  /// Throws std::bad_alloc.
  task_origin(source_place place, std::string_view name) : task_origin(place) {
    if (!name.empty()) word_ = reinterpret_cast<std::uintptr_t>(new named{std::string(name), place}) | has_name;
  }
  task_origin(task_origin&& other) noexcept : word_(std::exchange(other.word_, 0)) {}
  task_origin& operator=(task_origin&&) = delete;
  ~task_origin() {
    if ((word_ & has_name) != 0) delete &record();
  }

  /// Empty for a task without a name.
  std::string_view name() const noexcept { return (word_ & has_name) != 0 ? record().name : std::string_view(); }

  /// Null if nobody knows.
  source_place place() const noexcept {
    return (word_ & has_name) != 0 ? record().place : reinterpret_cast<source_place>(word_);
  }

 private:
  struct named {
    std::string name;
    source_place place;
  };
  static constexpr std::uintptr_t has_name = 1;

  named& record() const noexcept { return *reinterpret_cast<named*>(word_ & ~has_name); }

  std::uintptr_t word_ = 0;  // a source_place, or a record and its flag
};

}  // namespace concur::inline CONCUR_ABI
