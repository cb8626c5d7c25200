// SPDX-License-Identifier: BSL-1.0
#include <concur/core/unique_fd.hpp>

#include "../support/catch.hpp"

#include <cerrno>
#include <fcntl.h>
#include <sys/syscall.h>
#include <system_error>
#include <type_traits>
#include <unistd.h>
#include <utility>

namespace {

int watched_fd = -1;
int closes_of_watched = 0;
int errno_of_watched = 0;

int open_null() { return ::open("/dev/null", O_RDWR | O_CLOEXEC); }
bool is_open(int fd) { return ::fcntl(fd, F_GETFD) != -1; }

// From here on, closing `fd` closes it and answers with `error`.
void watch(int fd, int error) {
  watched_fd = fd;
  closes_of_watched = 0;
  errno_of_watched = error;
}

}  // namespace

// The sanitizers', in front of which this one stands as well: they have to know of it.
extern "C" [[gnu::weak]] int __interceptor_close(int fd);

// Stands in front of the C library's.
extern "C" int close(int fd) {
  long const result = __interceptor_close != nullptr ? __interceptor_close(fd) : ::syscall(SYS_close, fd);
  if (fd < 0 || fd != watched_fd) return static_cast<int>(result);
  ++closes_of_watched;
  if (errno_of_watched == 0) return static_cast<int>(result);
  errno = errno_of_watched;
  return -1;
}

using concur::unique_fd;

static_assert(!std::is_copy_constructible_v<unique_fd>);
static_assert(std::is_nothrow_move_constructible_v<unique_fd> && std::is_nothrow_move_assignable_v<unique_fd>);
static_assert(sizeof(unique_fd) == sizeof(int));

TEST_CASE("none is the default, and what a failed call returns", "[unique_fd]") {
  CHECK_FALSE(unique_fd());
  CHECK_FALSE(unique_fd(-1));
  CHECK(unique_fd(-5).get() == unique_fd::none);
  unique_fd none;
  none.close();
  none.reset();
}

TEST_CASE("the descriptor is closed with its owner, once, also when that is interrupted", "[unique_fd]") {
  int const error = GENERATE(0, EINTR, EIO);
  int const fd = open_null();
  watch(fd, error);
  errno = 0;
  {
    unique_fd owner(fd);
    REQUIRE(owner);
    unique_fd second(std::move(owner));
    CHECK_FALSE(owner);
    CHECK(second.get() == fd);
  }
  int const after = errno;
  CHECK(after == 0);
  CHECK(closes_of_watched == 1);
  CHECK_FALSE(is_open(fd));
}

TEST_CASE("close reports a failure, but not an interruption, and holds nothing after either", "[unique_fd]") {
  int const error = GENERATE(0, EINTR, EIO);
  unique_fd owner(open_null());
  watch(owner.get(), error);
  if (error == EIO) {
    CHECK_THROWS_AS(owner.close(), std::system_error);
  } else {
    CHECK_NOTHROW(owner.close());
  }
  CHECK_FALSE(owner);
  owner.close();
  CHECK(closes_of_watched == 1);
}

TEST_CASE("assignment closes the old one and survives itself", "[unique_fd]") {
  unique_fd owner(open_null());
  unique_fd other(open_null());
  int const kept = other.get();
  watch(owner.get(), 0);
  owner = std::move(other);
  CHECK(closes_of_watched == 1);
  CHECK(owner.get() == kept);
  auto& same = owner;
  owner = std::move(same);
  CHECK(owner.get() == kept);
  CHECK(is_open(kept));
  int const released = owner.release();
  CHECK_FALSE(owner);
  CHECK(is_open(released));
  owner.reset(released);
  CHECK(owner.get() == released);
}
