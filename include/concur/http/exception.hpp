// SPDX-License-Identifier: BSL-1.0
//
// An answer as an exception. FastAPI's HTTPException, aiohttp's web.HTTPNotFound and the like.
//
//     if (!known(id)) throw concur::http_exception(404, "no such item");
#pragma once

#include <concur/core/abi.hpp>

#include <stdexcept>
#include <string>

namespace concur::inline CONCUR_ABI {

/// Leaves a handler, and becomes an answer with that status and the text as its body. No error of the server's: the
/// hook is not told.
class [[gnu::visibility("default")]] http_exception : public std::runtime_error {
 public:
  /// Throws std::bad_alloc.
  explicit http_exception(int status, std::string const& text = {}) : std::runtime_error(text), status_(status) {}

  [[nodiscard]] int status() const noexcept { return status_; }

 private:
  int status_;
};

}  // namespace concur::inline CONCUR_ABI
