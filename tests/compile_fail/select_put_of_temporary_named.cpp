// SPDX-License-Identifier: BSL-1.0
//
// A case that has a name does not refer to an element that is gone.
// expect: name the element, not the case
#include <concur/queue/queue.hpp>
#include <concur/queue/select.hpp>

#include <string>

void use(concur::queue<std::string>& log) {
#if GOOD
  std::string const line = "started";
  auto const entry = concur::on_put(log, line);
  concur::select(entry);
#else
  auto const entry = concur::on_put(log, "started");
  concur::select(entry);
#endif
}
