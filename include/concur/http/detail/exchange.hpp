// SPDX-License-Identifier: BSL-1.0
//
// What a request and the writer of an answer need of their connection, whatever its stream is.
#pragma once

#include <concur/core/abi.hpp>
#include <concur/coro/task.hpp>
#include <concur/io/buffer.hpp>

#include <cstddef>

namespace concur::inline CONCUR_ABI::detail {

class exchange {
 public:
  virtual task<std::size_t> read_body(mutable_buffer into) = 0;
  virtual task<> write_body(const_buffer from) = 0;

 protected:
  exchange() noexcept = default;
  exchange(exchange const&) = default;
  exchange& operator=(exchange const&) = default;
  ~exchange() = default;
};

}  // namespace concur::inline CONCUR_ABI::detail
