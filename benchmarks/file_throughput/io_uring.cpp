// SPDX-License-Identifier: BSL-1.0
//
// The other floor: io_uring by liburing, one system call to hand over a piece and to wait for it.
#include "workload.hpp"

#include <liburing.h>

namespace {

class ring {
 public:
  ring() { check(io_uring_queue_init(8, &ring_, 0)); }
  ~ring() { io_uring_queue_exit(&ring_); }
  ring(ring const&) = delete;
  ring& operator=(ring const&) = delete;

  void write(std::string const& path, pieces& plan) {
    int const fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
    while (!plan.all_written()) {
      char const* next = plan.next();
      for (std::size_t left = pieces::size; left > 0;) {
        auto const written = do_one([&](io_uring_sqe* entry) {
          io_uring_prep_write(entry, fd, next, unsigned(left), std::uint64_t(-1));  // at the file's own position
        });
        next += written;
        left -= written;
      }
    }
    close(fd);
  }
  void read(std::string const& path, pieces& plan) {
    int const fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    std::size_t got = 0;
    do {
      got = do_one([&](io_uring_sqe* entry) {
        io_uring_prep_read(entry, fd, plan.room(), unsigned(plan.room_size()), std::uint64_t(-1));
      });
      plan.add(got);
    } while (got > 0);
    close(fd);
  }

 private:
  static int check(int result) {
    if (result < 0) throw std::system_error(-result, std::generic_category(), "io_uring");
    return result;
  }

  template <class Prepare>
  std::size_t do_one(Prepare prepare) {
    prepare(io_uring_get_sqe(&ring_));
    check(io_uring_submit_and_wait(&ring_, 1));
    io_uring_cqe* completion = nullptr;
    check(io_uring_wait_cqe(&ring_, &completion));
    int const result = completion->res;
    io_uring_cqe_seen(&ring_, completion);
    return std::size_t(check(result));
  }

  io_uring ring_{};
};

bench::cases const here = transfers_with<ring>("io_uring");

}  // namespace
