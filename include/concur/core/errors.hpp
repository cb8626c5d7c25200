// SPDX-License-Identifier: BSL-1.0
//
// The errors of the library, one type for each reaction a caller can have, and the hook for errors nobody took.
//
//     try {
//       q.put(item);
//     } catch (concur::closed const&) {
//       return;  // the other side has finished
//     }
//
// Failures of the operating system are std::system_error. Outcomes that are expected are values, not errors.
#pragma once

#include <concur/core/abi.hpp>
#include <concur/core/os.hpp>

#include <cstdio>
#include <cstdlib>
#include <cxxabi.h>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <typeinfo>
#include <utility>
#include <vector>

namespace concur::inline CONCUR_ABI {

/// The scope of the operation was cancelled. Not a std::exception, so that nobody catches it by accident: let it
/// pass, or rethrow it after tidying up.
class [[gnu::visibility("default")]] cancelled {
 public:
  char const* what() const noexcept { return "cancelled"; }
};

/// A time limit ran out, in a call that has no return value to say so.
class [[gnu::visibility("default")]] timed_out : public std::exception {
 public:
  char const* what() const noexcept override { return "timed out"; }
};

/// The queue, stream or pool was closed: nothing more can be put in, or nothing more will come out.
class [[gnu::visibility("default")]] closed : public std::exception {
 public:
  char const* what() const noexcept override { return "closed"; }
};

/// The barrier was aborted, or a party left it, while others waited.
class [[gnu::visibility("default")]] broken_barrier : public std::exception {
 public:
  char const* what() const noexcept override { return "the barrier is broken"; }
};

/// The promise was destroyed without a value or an error.
class [[gnu::visibility("default")]] broken_promise : public std::exception {
 public:
  char const* what() const noexcept override { return "the promise was destroyed without a result"; }
};

/// A worker process ended while it had work.
class [[gnu::visibility("default")]] broken_process_pool : public std::exception {
 public:
  char const* what() const noexcept override { return "a worker process of the pool ended unexpectedly"; }
};

/// A mistake in the program that every build detects at no cost. What only checked builds detect goes to the misuse
/// handler instead (`core/assert.hpp`).
class [[gnu::visibility("default")]] misuse : public std::logic_error {
 public:
  /// `sentence` says what is wrong. Throws std::bad_alloc.
  explicit misuse(char const* sentence) : std::logic_error(sentence) {}
};

/// Several things failed at once: a group whose children threw, a gather that collected. One error alone is
/// rethrown as it is and never wrapped. Copies share the list and do not throw.
class [[gnu::visibility("default")]] multiple_errors : public std::exception {
 public:
  /// Takes the errors, in the order in which they are to be shown; none may be null. Throws std::bad_alloc.
  explicit multiple_errors(std::vector<std::exception_ptr> errors);

  /// The errors, in the order given. Lives as long as any copy of this object.
  std::vector<std::exception_ptr> const& errors() const noexcept { return state_->errors; }

  /// All of them in one line: "2 errors: first text; second text".
  char const* what() const noexcept override { return state_->text.c_str(); }

 private:
  struct state {
    explicit state(std::vector<std::exception_ptr> list) noexcept : errors(std::move(list)) {}
    std::vector<std::exception_ptr> errors;
    std::string text;
  };
  std::shared_ptr<state const> state_;
};

/// Appends type and text of an error to `out`: "std::runtime_error: no such host". Needs no RTTI. Newlines become
/// spaces. Any thread. Throws std::bad_alloc.
void append_error(std::string& out, std::exception_ptr const& error);

/// Is told of an error that nobody will ever see: the future was dropped, a callback threw. Runs on the thread where
/// that became known, possibly with locks of the program held, so it should only record. If it throws, the program
/// ends. `where` is text such as "a job of thread_pool" and lives only during the call.
using unhandled_error_hook = void (*)(std::exception_ptr const& error, char const* where);

/// Exchanges the hook of the process and returns the one before. Null, also as an answer, stands for the default,
/// which prints one line on standard error. Any thread; a report under way may still use the old one.
unhandled_error_hook set_unhandled_error_hook(unhandled_error_hook hook) noexcept;

/// Gives `error` to the hook; does nothing when it is null. Any thread.
void report_unhandled_error(std::exception_ptr const& error, char const* where) noexcept;

}  // namespace concur::inline CONCUR_ABI

namespace concur {
// Outside the ABI tag: one object for the whole process, shared by plugins of whatever build.
namespace [[gnu::visibility("default")]] process_wide {

// Written by set_unhandled_error_hook, read by report_unhandled_error.
inline constinit os::machine_atomic<void (*)(std::exception_ptr const&, char const*)> current_unhandled_error_hook{
    nullptr};

}  // namespace process_wide
}  // namespace concur

namespace concur::inline CONCUR_ABI {

inline multiple_errors::multiple_errors(std::vector<std::exception_ptr> errors) {
  auto made = std::make_shared<state>(std::move(errors));
  made->text = std::to_string(made->errors.size()) + " errors:";
  char const* separator = " ";
  for (auto const& error : made->errors) {
    made->text += separator;
    append_error(made->text, error);
    separator = "; ";
  }
  state_ = std::move(made);
}

inline void append_error(std::string& out, std::exception_ptr const& error) {
  auto const begin = out.size();
  auto const append_type = [&out] {
    // Asked of the runtime, because typeid is not there without RTTI.
    auto const* type = abi::__cxa_current_exception_type();
    if (type == nullptr) return;
    int status = 0;
    std::unique_ptr<char, void (*)(void*)> const readable(abi::__cxa_demangle(type->name(), nullptr, nullptr, &status),
                                                          std::free);
    out += readable ? readable.get() : type->name();
  };
  try {
    if (error) std::rethrow_exception(error);
    out += "no error";
  } catch (std::exception const& thrown) {
    append_type();
    out += ": ";
    out += thrown.what();
  } catch (...) {
    append_type();
  }
  for (auto at = begin; at < out.size(); ++at) {
    if (out[at] == '\n' || out[at] == '\r') out[at] = ' ';
  }
}

inline unhandled_error_hook set_unhandled_error_hook(unhandled_error_hook hook) noexcept {
  return process_wide::current_unhandled_error_hook.exchange(hook, std::memory_order_acq_rel);
}

inline void report_unhandled_error(std::exception_ptr const& error, char const* where) noexcept {
  if (!error) return;
  if (auto const hook = process_wide::current_unhandled_error_hook.load(std::memory_order_acquire)) {
    return hook(error, where);
  }
  try {
    std::string line = "concur: nobody took the error of ";
    line += where;
    line += ": ";
    append_error(line, error);
    line += '\n';
    std::fwrite(line.data(), 1, line.size(), stderr);
  } catch (...) {
    std::fputs("concur: nobody took an error, and there is no memory left to describe it\n", stderr);
  }
}

}  // namespace concur::inline CONCUR_ABI
