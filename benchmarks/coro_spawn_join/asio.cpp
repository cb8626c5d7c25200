// SPDX-License-Identifier: BSL-1.0
//
// For joining several the library has the parallel group. Completion handlers that count, and a
// timer that is cancelled in the end, are lighter.
#include "../support/asio_loop.hpp"
#include "workload.hpp"

#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <exception>
#include <utility>
#include <vector>

namespace {

class loop_that_counts : public bench::asio_loop {
 public:
  template <class Make>
  task<long> spawn_all(Make make) {
    long sum = 0;
    int left = crowd;
    for (int n = 0; n < crowd; ++n) {
      boost::asio::co_spawn(context_, make(1), [&](std::exception_ptr, long result) {
        sum += result;
        if (--left == 0) all_done_.cancel();
      });
    }
    boost::system::error_code cancelled;
    co_await all_done_.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, cancelled));
    co_return sum;
  }

 private:
  boost::asio::steady_timer all_done_{context_, std::chrono::steady_clock::time_point::max()};
};

class loop_with_parallel_group : public bench::asio_loop {
 public:
  template <class Make>
  task<long> spawn_all(Make make) {
    long sum = 0;
    auto const operation = [&] { return boost::asio::co_spawn(context_, make(1), boost::asio::deferred); };
    std::vector<decltype(operation())> group;
    for (int n = 0; n < crowd; ++n) group.push_back(operation());
    auto const [order, errors, results] =
        co_await boost::asio::experimental::make_parallel_group(std::move(group))
            .async_wait(boost::asio::experimental::wait_for_all(), boost::asio::use_awaitable);
    for (long const each : results) sum += each;
    co_return sum;
  }
};

bench::cases const one = spawning_one_on<bench::asio_loop>("asio");
bench::cases const one_typed = spawning_one_on<bench::asio_typed_loop>("asio_typed");
bench::cases const hundred = spawning_a_hundred_on<loop_that_counts>("asio");
bench::cases const hundred_grouped = spawning_a_hundred_on<loop_with_parallel_group>("asio_parallel_group");

}  // namespace
