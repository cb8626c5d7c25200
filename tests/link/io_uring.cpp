// SPDX-License-Identifier: BSL-1.0
//
// A translation unit that includes everything, with CONCUR_IO_URING=1.
#include "use.hpp"

#include <string_view>

int on_io_uring() {
  concur::event_loop loop;
  std::string_view const backend = loop.backend();
  return backend == "io_uring" || backend == "epoll" ? use() : 0;
}
