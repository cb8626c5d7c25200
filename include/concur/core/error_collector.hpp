// SPDX-License-Identifier: BSL-1.0
//
// The errors of the parts of one whole, thrown when all parts have ended.
//
//     error_collector errors;
//     for (auto& part : parts) if (part.error()) errors.add(part.error());
//     errors.throw_any();
#pragma once

#include <concur/core/abi.hpp>
#include <concur/core/errors.hpp>

#include <exception>
#include <utility>
#include <vector>

namespace concur::inline CONCUR_ABI {

/// Whether it is `cancelled`.
[[gnu::cold, gnu::noinline]] inline bool is_cancelled(std::exception_ptr const& error) noexcept {
  try {
    std::rethrow_exception(error);
  } catch (cancelled const&) {
    return true;
  } catch (...) {
    return false;
  }
}

/// One thread at a time. Allocates nothing for the first error.
class error_collector {
 public:
  error_collector() noexcept = default;

  /// Not null. Where there is no memory for a list, the first one alone is kept.
  [[gnu::cold, gnu::noinline]] void add(std::exception_ptr error) noexcept {
    if (first_ == nullptr) {
      first_ = std::move(error);
      return;
    }
    try {
      others_.push_back(std::move(error));
    } catch (...) {
    }
  }

  bool empty() const noexcept { return first_ == nullptr; }

  /// Throws one error as it is, several as multiple_errors in the order in which they were added; nothing when it is
  /// empty. Once.
  void throw_any() {
    if (!empty()) [[unlikely]]
      throw_all();
  }

 private:
  [[noreturn, gnu::cold, gnu::noinline]] void throw_all() {
    if (others_.empty()) std::rethrow_exception(std::move(first_));
    others_.insert(others_.begin(), std::move(first_));
    throw multiple_errors(std::move(others_));
  }

  std::exception_ptr first_;
  std::vector<std::exception_ptr> others_;
};

}  // namespace concur::inline CONCUR_ABI
