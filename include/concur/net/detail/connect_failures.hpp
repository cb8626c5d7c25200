// SPDX-License-Identifier: BSL-1.0
//
// What came of the attempts to connect to one of several endpoints, if none of them succeeded.
#pragma once

#include <concur/core/abi.hpp>
#include <concur/net/endpoint.hpp>
#include <concur/net/resolve_error.hpp>

#include <string>
#include <system_error>
#include <utility>

namespace concur::inline CONCUR_ABI::detail {

/// All are told in the text of one error, whose code is that of the last: what a caller does about it is the same.
class connect_failures {
 public:
  void add(endpoint const& at, std::error_code why) {
    if (why_) text_ += " (" + why_.message() + "), ";
    text_ += at.to_string();
    why_ = why;
  }

  [[noreturn]] void throw_all() const {
    if (!why_) throw std::system_error(resolve_errc::no_address, "connecting");
    throw std::system_error(why_, "connecting to " + text_);
  }

 private:
  std::string text_;
  std::error_code why_;  // of the last one; the text has the others
};

}  // namespace concur::inline CONCUR_ABI::detail
