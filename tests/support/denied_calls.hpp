// SPDX-License-Identifier: BSL-1.0
//
// System calls that fail, to see how the library bears a kernel that is older, or has no room left.
//
//     if (!support::calls_can_be_denied()) return;
//     support::on_own_thread([&] {
//       support::deny({SYS_epoll_pwait2, ENOSYS});
//       support::deny({SYS_epoll_ctl, ENOSPC, 1, EPOLL_CTL_ADD});      // where its second argument is that
//       …
//     });
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>

namespace support {

/// A system call and the error that it is to fail with, always or for one value of one of its arguments.
struct denied_call {
  denied_call(long call, int with) noexcept : number(call), error(with) {}
  denied_call(long call, int with, unsigned which, std::uint32_t is) noexcept
      : number(call), error(with), argument(int(which)), value(is) {}

  long number;
  int error;
  int argument = -1;
  std::uint32_t value = 0;
};

/// From now on and for good it fails on the calling thread. Returns false where the kernel does not allow that.
inline bool deny(denied_call const& what) noexcept {
  auto const load = [](std::size_t offset) -> sock_filter {
    return {BPF_LD | BPF_W | BPF_ABS, 0, 0, std::uint32_t(offset)};
  };
  auto const skip_unless = [](std::uint32_t value, std::uint8_t steps) -> sock_filter {
    return {BPF_JMP | BPF_JEQ | BPF_K, 0, steps, value};
  };
  bool const any = what.argument < 0;
  // Both kinds of machine that the library knows are little-endian: the low half of an argument comes first.
  std::size_t const place = offsetof(seccomp_data, args) + sizeof(std::uint64_t) * std::size_t(any ? 0 : what.argument);
  sock_filter program[] = {
      load(offsetof(seccomp_data, nr)),
      skip_unless(std::uint32_t(what.number), 3),
      any ? load(offsetof(seccomp_data, nr)) : load(place),
      skip_unless(any ? std::uint32_t(what.number) : what.value, 1),
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | (std::uint32_t(what.error) & SECCOMP_RET_DATA)},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
  };
  sock_fprog const filter{sizeof program / sizeof program[0], program};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

/// Whether `deny` works here.
inline bool calls_can_be_denied() {
  static bool const possible = [] {
    bool works = false;
    std::thread([&works] {
      works = deny({SYS_getppid, EXDEV}) && ::syscall(SYS_getppid) == -1 && errno == EXDEV;
    }).join();
    return works;
  }();
  return possible;
}

/// Runs `body` on a thread of its own, since what is denied stays denied there.
template <class Body>
void on_own_thread(Body body) {
  std::thread(body).join();
}

}  // namespace support
