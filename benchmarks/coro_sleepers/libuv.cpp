// SPDX-License-Identifier: BSL-1.0
//
// Timers with callbacks. The library counts in milliseconds, rounded up here, and takes no memory of its own.
#include "workload.hpp"

#include <uv.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace {

class with_callbacks {
 public:
  with_callbacks() { uv_loop_init(&loop_); }
  ~with_callbacks() { uv_loop_close(&loop_); }
  with_callbacks(with_callbacks const&) = delete;
  with_callbacks& operator=(with_callbacks const&) = delete;

  void run(sleepers& all) {
    all.begin(0);
    {
      std::vector<uv_timer_t> timers;
      timers.reserve(std::size_t(all.count));
      for (int n = 0; n < all.count; ++n) {
        auto const length = std::chrono::ceil<std::chrono::milliseconds>(all.length.next());
        uv_timer_t& timer = timers.emplace_back();
        uv_timer_init(&loop_, &timer);
        timer.data = &all;
        uv_update_time(&loop_);  // a length counts from what the loop takes for now
        uv_timer_start(&timer, wake, std::uint64_t(length.count()), 0);
      }
      all.all_asleep(0);
      uv_run(&loop_, UV_RUN_DEFAULT);
    }
    all.end();
  }

 private:
  static void wake(uv_timer_t* timer) {
    static_cast<sleepers*>(timer->data)->end_one();
    uv_close(reinterpret_cast<uv_handle_t*>(timer), nullptr);
  }

  uv_loop_t loop_;
};

bench::cases const here = sleeping_on<with_callbacks>("libuv");

}  // namespace
