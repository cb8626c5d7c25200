// SPDX-License-Identifier: BSL-1.0
//
// A field that several threads use under a rule of their own. Two accesses that no happens-before orders, one of them
// a write, are a data race and end the execution, in whatever order they ran. Making the object counts as a write,
// and so does its end.
#pragma once

#include <concur/testing/engine/memory.hpp>
#include <concur/testing/engine/report.hpp>
#include <concur/testing/engine/schedule.hpp>

#include <type_traits>
#include <utility>

namespace concur::testing::engine {

template <class T>
class plain {
 public:
  constexpr plain() noexcept = default;
  constexpr explicit plain(T value) noexcept : value_(std::move(value)) {}
  plain(plain const&) = delete;
  plain& operator=(plain const&) = delete;
  constexpr ~plain() {
    if (std::is_constant_evaluated()) return;
    if (machine* const m = running()) m->write_plain(id_, "destroyed", {});
  }

  T get(site at = site::here()) const noexcept {
    if (machine* const m = running()) m->read_plain(id_, at);
    return value_;
  }

  void set(T value, site at = site::here()) noexcept {
    if (machine* const m = running()) m->write_plain(id_, "written", at);
    value_ = std::move(value);
  }

 private:
  mutable identity id_;
  T value_{};
};

}  // namespace concur::testing::engine
