// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

namespace {

struct one_thread {
  auto run(auto root) { return root(); }
  void fork(auto&& f, auto&& g) {
    f();
    g();
  }
};

bench::cases const here = recursions_on<one_thread>("serial");

}  // namespace
