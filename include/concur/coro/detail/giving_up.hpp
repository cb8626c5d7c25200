// SPDX-License-Identifier: BSL-1.0
//
// When a task may go without having been awaited: nobody forgot it, the one who was to await it gave up.
#pragma once

#include <concur/core/os.hpp>

#include <exception>
#include <utility>

namespace concur::inline CONCUR_ABI::detail {

/// While it lives, what is destroyed on this thread is given up: a coroutine that never began, with its arguments.
class giving_up {
 public:
  giving_up() noexcept : outer_(std::exchange(slot(), true)) {}
  ~giving_up() { slot() = outer_; }
  giving_up(giving_up const&) = delete;
  giving_up& operator=(giving_up const&) = delete;

  /// Whether that is so here and now, or an error is on its way.
  static bool here() noexcept { return slot() || std::uncaught_exceptions() > 0; }

 private:
  static bool& slot() noexcept { return os::thread_slot<giving_up, bool>(); }

  bool const outer_;
};

}  // namespace concur::inline CONCUR_ABI::detail
