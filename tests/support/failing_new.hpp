// SPDX-License-Identifier: BSL-1.0
//
// Allocations that fail on demand, to see what a function leaves behind when memory runs out at any of its steps.
//
//     for (int k = 1;; ++k) {
//       support::failing_new const shortage(k);
//       try { work(); } catch (std::bad_alloc const&) { }
//       if (!shortage.happened()) break;   // it needs fewer than k allocations: all have failed in turn
//     }
//
// The program has to be linked with failing_new.cpp, which replaces the global operator new. The thread sanitizer of
// Clang does not let anybody do that: there no allocation fails.
#pragma once

namespace support {

/// While it lives, the `count`-th operator new of the calling thread from now on throws std::bad_alloc; all others
/// work. One at a time on a thread.
class failing_new {
 public:
  explicit failing_new(int count) noexcept;
  ~failing_new();
  failing_new(failing_new const&) = delete;
  failing_new& operator=(failing_new const&) = delete;

  /// Whether it has come to that.
  bool happened() const noexcept;

  /// Whether allocations can fail in this build.
  static bool available() noexcept;
};

}  // namespace support
