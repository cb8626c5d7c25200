// SPDX-License-Identifier: BSL-1.0
//
// Reports wrong use of the library, and broken invariants of its own, in builds with CONCUR_CHECKED.
//
//     void mutex::unlock() {
//       CONCUR_ASSERT(owner_ == current(), "unlock() was called by a party that does not hold the mutex");
//
// The report goes to a handler that can be replaced; tests install one that throws. Therefore no function between
// an assertion that reports misuse and its caller may be noexcept, unless ending the program is right there.
#pragma once

#include <concur/core/abi.hpp>
#include <concur/core/os.hpp>

#include <cstdio>
#include <cstdlib>
#include <source_location>

namespace concur {
// Outside the ABI tag: one handler for the whole process, shared by plugins of whatever build.
namespace [[gnu::visibility("default")]] process_wide {

/// What is wrong and where it was noticed. The texts live as long as the program.
struct misuse_report {
  char const* sentence;
  char const* file;
  unsigned line;
  char const* function;
};

using misuse_handler = void (*)(misuse_report const&);

// Written by set_misuse_handler, read by report_misuse.
inline constinit os::machine_atomic<misuse_handler> current_misuse_handler{nullptr};

}  // namespace process_wide
}  // namespace concur

namespace concur::inline CONCUR_ABI {

using process_wide::misuse_report;

/// Is told of wrong use. It may throw, and the exception leaves the call that was wrong; if it returns, the program
/// is aborted (under the explorer: the execution fails), since nothing can be relied upon after a broken precondition.
/// Must be callable from any thread.
using process_wide::misuse_handler;

/// Exchanges the handler of the process and returns the one before. Null, also as an answer, stands for the default,
/// which prints one line on standard error and aborts. Any thread.
misuse_handler set_misuse_handler(misuse_handler handler) noexcept;

/// Gives a sentence, in words for the user, and a place to the handler. Never returns normally; throws what the
/// handler throws. Any thread.
[[noreturn]] void report_misuse(char const* sentence, std::source_location place = std::source_location::current());

}  // namespace concur::inline CONCUR_ABI

/// Reports `sentence` unless `condition` holds. Without CONCUR_CHECKED the condition is compiled but never evaluated,
/// and no code is left of it. No `co_await` inside (GCC compiles it wrongly).
#if CONCUR_CHECKED
#define CONCUR_ASSERT(condition, sentence) ((condition) ? static_cast<void>(0) : ::concur::report_misuse(sentence))
#else
#define CONCUR_ASSERT(condition, sentence) static_cast<void>(false && (condition))
#endif

namespace concur::inline CONCUR_ABI {

inline misuse_handler set_misuse_handler(misuse_handler handler) noexcept {
  return process_wide::current_misuse_handler.exchange(handler, std::memory_order_acq_rel);
}

[[gnu::cold, gnu::noinline]] inline void report_misuse(char const* sentence, std::source_location place) {
  misuse_report const report{sentence, place.file_name(), place.line(), place.function_name()};
  auto const handler = process_wide::current_misuse_handler.load(std::memory_order_acquire);
  if (handler != nullptr) handler(report);
  os::fail_execution(report.sentence, report.file, report.line);
  if (handler == nullptr) {
    std::fprintf(stderr, "concur: %s:%u: in %s: %s\n", report.file, report.line, report.function, report.sentence);
  }
  std::abort();
}

}  // namespace concur::inline CONCUR_ABI
