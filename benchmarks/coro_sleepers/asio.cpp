// SPDX-License-Identifier: BSL-1.0
//
// Timers with callbacks, which is as light as it gets, and coroutines.
#include "workload.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>

#include <chrono>
#include <cstddef>
#include <vector>

namespace {

class with_callbacks {
 public:
  void run(sleepers& all) {
    context_.restart();
    all.begin(0);
    {
      std::vector<boost::asio::steady_timer> timers;
      timers.reserve(std::size_t(all.count));
      for (int n = 0; n < all.count; ++n) {
        timers.emplace_back(context_, all.length.next()).async_wait([&](boost::system::error_code) { all.end_one(); });
      }
      context_.poll();
      all.all_asleep(0);
      context_.run();
    }
    all.end();
  }

 private:
  boost::asio::io_context context_{1};
};

boost::asio::awaitable<void> sleep(std::chrono::microseconds length, sleepers& all) {
  boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor, length);
  co_await timer.async_wait(boost::asio::deferred);
  all.end_one();
}

class with_coroutines {
 public:
  void run(sleepers& all) {
    context_.restart();
    all.begin(0);
    for (int n = 0; n < all.count; ++n) {
      boost::asio::co_spawn(context_, sleep(all.length.next(), all), boost::asio::detached);
    }
    context_.poll();
    all.all_asleep(0);
    context_.run();
    all.end();
  }

 private:
  boost::asio::io_context context_{1};
};

bench::cases const callbacks = sleeping_on<with_callbacks>("asio");
bench::cases const coroutines = sleeping_on<with_coroutines>("asio_awaitable");

}  // namespace
