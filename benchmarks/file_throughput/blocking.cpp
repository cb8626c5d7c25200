// SPDX-License-Identifier: BSL-1.0
//
// The floor: read and write, which block.
#include "workload.hpp"

namespace {

class blocking {
 public:
  static void write(std::string const& path, pieces& plan) {
    int const fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
    while (!plan.all_written()) {
      char const* next = plan.next();
      for (std::size_t left = pieces::size; left > 0;) {
        auto const written = ::write(fd, next, left);
        if (written <= 0) throw std::system_error(errno, std::generic_category(), "write");
        next += written;
        left -= std::size_t(written);
      }
    }
    close(fd);
  }
  static void read(std::string const& path, pieces& plan) {
    int const fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    for (ssize_t got; (got = ::read(fd, plan.room(), plan.room_size())) > 0;) plan.add(std::size_t(got));
    close(fd);
  }
};

bench::cases const here = transfers_with<blocking>("blocking");

}  // namespace
