// SPDX-License-Identifier: BSL-1.0
//
// One call of the system that fails, at its n-th time: the program's own functions of these names stand before those of
// the C library (failing_calls.cpp), and all that the library's headers call goes through them.
//
//     support::for_every_failing_call([&](support::call_failure const& now) { … use sockets; … });
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace support {

/// What can fail. Not among the errors, although manual pages have them: EAGAIN and EWOULDBLOCK of calls that may have
/// to wait, since whoever waits for readiness relies on their being true, and ECHILD of waitid(2), which says that
/// there is nobody to wait for; EFAULT, which only a broken program gets; and EINPROGRESS and EISCONN of connect(2),
/// which are no failures.
struct fallible_call {
  char const* name;
  std::span<int const> errors;
};
std::span<fallible_call const> fallible_calls();

/// The one that is to fail now.
struct call_failure {
  std::size_t call;  // of fallible_calls()
  int error;
  int occurrence;  // the first one is 1

  std::string text() const;
};

/// For as long as it lives, in all threads. One at a time.
class failing_call {
 public:
  explicit failing_call(call_failure const& which);
  ~failing_call();
  failing_call(failing_call const&) = delete;
  failing_call& operator=(failing_call const&) = delete;

  /// Whether it came to that.
  static bool happened() noexcept;
};

/// How often a number was closed that no file had: somebody closed it twice.
long wrong_closes() noexcept;

/// For every call of every kind that `body(failure)` makes, up to the 20th: has it fail with each of its errors. The
/// body says what must hold. None may last longer than a minute; descriptors and memory are left to the caller.
/// Returns how many calls have failed.
template <class Body>
long for_every_failing_call(Body body);

// ---- what follows is for the template

/// Ends the program with the text of the failure if it lasts too long.
class failure_watchdog {
 public:
  failure_watchdog();
  ~failure_watchdog();
  void now(call_failure const& which);
};

inline constexpr int most_occurrences = 20;

template <class Body>
long for_every_failing_call(Body body) {
  failure_watchdog watchdog;
  long failed = 0;
  auto const calls = fallible_calls();
  for (std::size_t call = 0; call < calls.size(); ++call) {
    bool made = true;  // as often as `occurrence`, or more often
    for (int occurrence = 1; made && occurrence <= most_occurrences; ++occurrence) {
      made = false;
      for (int const error : calls[call].errors) {
        call_failure const which{call, error, occurrence};
        watchdog.now(which);
        body(which);
        if (!failing_call::happened()) break;
        made = true;
        ++failed;
      }
    }
  }
  return failed;
}

}  // namespace support
