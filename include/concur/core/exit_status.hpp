// SPDX-License-Identifier: BSL-1.0
//
// How a child process ended.
//
//     auto const status = child.wait();
//     if (!status.success()) std::puts(status.to_string().c_str());      // "exit status 2", "ended by signal 9"
#pragma once

#include <concur/core/abi.hpp>

#include <optional>
#include <string>

namespace concur::inline CONCUR_ABI {

/// It has ended by itself, with a number, or by a signal.
class exit_status {
 public:
  /// Success.
  constexpr exit_status() noexcept = default;
  static constexpr exit_status of_exit(int code) noexcept { return {code, false}; }
  static constexpr exit_status of_signal(int number) noexcept { return {number, true}; }

  constexpr bool success() const noexcept { return !by_signal_ && number_ == 0; }
  /// What it gave to `exit`; nothing if it ended by a signal.
  constexpr std::optional<int> code() const noexcept { return by_signal_ ? std::nullopt : std::optional<int>(number_); }
  /// The signal that ended it; nothing if none did.
  constexpr std::optional<int> signal() const noexcept {
    return by_signal_ ? std::optional<int>(number_) : std::nullopt;
  }

  std::string to_string() const { return (by_signal_ ? "ended by signal " : "exit status ") + std::to_string(number_); }

  friend constexpr bool operator==(exit_status const&, exit_status const&) noexcept = default;

 private:
  constexpr exit_status(int number, bool by_signal) noexcept : number_(number), by_signal_(by_signal) {}

  int number_ = 0;
  bool by_signal_ = false;
};

}  // namespace concur::inline CONCUR_ABI
