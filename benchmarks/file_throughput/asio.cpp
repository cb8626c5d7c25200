// SPDX-License-Identifier: BSL-1.0
//
// Asio has files where it is told to use io_uring, here for everything: this is the only file of the program with Asio.
#define BOOST_ASIO_HAS_IO_URING 1
#define BOOST_ASIO_DISABLE_EPOLL 1

#include "workload.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/stream_file.hpp>
#include <boost/asio/write.hpp>

namespace {

using error_code = boost::system::error_code;

class with_callbacks {
 public:
  void write(std::string const& path, pieces& plan) {
    file file(context_, path, file::write_only);
    write_next(file, plan);
    run();
  }
  void read(std::string const& path, pieces& plan) {
    file file(context_, path, file::read_only);
    read_next(file, plan);
    run();
  }

 private:
  using file = boost::asio::basic_stream_file<boost::asio::io_context::executor_type>;

  void run() {
    context_.restart();
    context_.run();
  }

  static void write_next(file& file, pieces& plan) {
    if (plan.all_written()) return;
    auto const whole = boost::asio::buffer(plan.next(), pieces::size);
    boost::asio::async_write(file, whole, [&](error_code error, std::size_t) {
      if (error) throw boost::system::system_error(error);
      write_next(file, plan);
    });
  }
  static void read_next(file& file, pieces& plan) {
    file.async_read_some(boost::asio::buffer(plan.room(), plan.room_size()), [&](error_code error, std::size_t got) {
      if (error == boost::asio::error::eof) return;
      if (error) throw boost::system::system_error(error);
      plan.add(got);
      read_next(file, plan);
    });
  }

  boost::asio::io_context context_{1};  // one thread runs it
};

bench::cases const here = transfers_with<with_callbacks>("asio");

}  // namespace
