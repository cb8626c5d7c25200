// SPDX-License-Identifier: BSL-1.0
#include "failing_calls.hpp"

#if CONCUR_IO_URING
#include <concur/loop/detail/file_operation.hpp>
#include <concur/loop/detail/io_operation.hpp>

#include <liburing.h>
#endif

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <fcntl.h>
#include <iterator>
#include <poll.h>
#include <spawn.h>
#include <string_view>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

// Calls that a ring makes for us fail as they are reported. They have been made: EINTR and the like would be lies.
#if CONCUR_IO_URING
#define RING_CALLS(X)                                                                   \
  X(completion, ECONNRESET, EPIPE, ETIMEDOUT, ENOBUFS, ENOMEM, ENOTCONN, EBADF, EINVAL) \
  X(io_uring_queue_init_params, EPERM, ENOSYS, ENOMEM, EMFILE, ENFILE, EINVAL)          \
  X(io_uring_submit_and_wait_timeout, EINTR, EAGAIN, EBUSY)                             \
  X(io_uring_submit_and_get_events, EINTR, EAGAIN, EBUSY)
#else
#define RING_CALLS(X)
#endif

// Each entry: the function, and its errors. In the order of `enum call`.
#define CALLS(X)                                                                                                       \
  X(read, EINTR, EIO, EBADF, EINVAL, EISDIR, ECONNRESET)                                                               \
  X(write, EINTR, EPIPE, EIO, ENOSPC, EFBIG, EDQUOT, EBADF, EINVAL, EPERM, EDESTADDRREQ)                               \
  X(recv, EINTR, ECONNRESET, ECONNREFUSED, ETIMEDOUT, ENOMEM, ENOTCONN, EBADF, ENOTSOCK, EINVAL)                       \
  X(send, EINTR, EPIPE, ECONNRESET, ENOBUFS, ENOMEM, EACCES, EMSGSIZE, ENOTCONN, EDESTADDRREQ, EBADF, ENOTSOCK,        \
    EALREADY, EOPNOTSUPP, EINVAL)                                                                                      \
  X(recvmsg, EINTR, ECONNRESET, ECONNREFUSED, ENOMEM, ENOTCONN, EBADF, ENOTSOCK, EINVAL)                               \
  X(sendmsg, EINTR, EPIPE, ECONNRESET, ENOBUFS, ENOMEM, EACCES, EMSGSIZE, ENOTCONN, EDESTADDRREQ, EBADF, ENOTSOCK,     \
    EOPNOTSUPP, EINVAL)                                                                                                \
  X(accept4, EINTR, ECONNABORTED, EMFILE, ENFILE, ENOBUFS, ENOMEM, EPERM, EPROTO, EBADF, EINVAL, ENOTSOCK, EOPNOTSUPP, \
    ENETDOWN, EHOSTDOWN, ENONET, EHOSTUNREACH, ENETUNREACH, ENOPROTOOPT)                                               \
  X(connect, EINTR, ECONNREFUSED, ETIMEDOUT, ENETUNREACH, EHOSTUNREACH, EACCES, EPERM, EADDRINUSE, EADDRNOTAVAIL,      \
    EAFNOSUPPORT, EBADF, ENOTSOCK, EPROTOTYPE)                                                                         \
  X(socket, EMFILE, ENFILE, ENOBUFS, ENOMEM, EACCES, EAFNOSUPPORT, EPROTONOSUPPORT, EINVAL)                            \
  X(socketpair, EMFILE, ENFILE, EAFNOSUPPORT, EOPNOTSUPP, EPROTONOSUPPORT)                                             \
  X(bind, EADDRINUSE, EADDRNOTAVAIL, EACCES, EINVAL, EBADF, ENOTSOCK, ENOENT, ENOMEM, ENOTDIR, EROFS, ELOOP)           \
  X(listen, EADDRINUSE, EBADF, ENOTSOCK, EOPNOTSUPP)                                                                   \
  X(getsockname, ENOBUFS, EBADF, ENOTSOCK, EINVAL)                                                                     \
  X(getpeername, ENOTCONN, ENOBUFS, EBADF, ENOTSOCK, EINVAL)                                                           \
  X(setsockopt, ENOPROTOOPT, EBADF, ENOTSOCK, EINVAL)                                                                  \
  X(getsockopt, ENOPROTOOPT, EBADF, ENOTSOCK, EINVAL)                                                                  \
  X(shutdown, ENOTCONN, EBADF, ENOTSOCK, EINVAL)                                                                       \
  X(poll, EINTR, ENOMEM, EINVAL)                                                                                       \
  X(epoll_create1, EMFILE, ENFILE, ENOMEM, EINVAL)                                                                     \
  X(epoll_ctl, ENOMEM, ENOSPC, EPERM, EBADF, EINVAL, ELOOP)                                                            \
  X(epoll_wait, EINTR, EBADF, EINVAL)                                                                                  \
  X(epoll_pwait2, EINTR, ENOSYS, EBADF, EINVAL)                                                                        \
  X(eventfd, EMFILE, ENFILE, ENODEV, ENOMEM, EINVAL)                                                                   \
  X(fcntl, EBADF, EINTR, EMFILE, EINVAL)                                                                               \
  X(close, EINTR, EIO, ENOSPC, EDQUOT)                                                                                 \
  X(pipe2, EMFILE, ENFILE, EINVAL)                                                                                     \
  X(open, EINTR, EACCES, EMFILE, ENFILE, ENOENT, ENOMEM, ENOSPC, EISDIR, EROFS, ELOOP, EDQUOT, ENODEV, EOVERFLOW)      \
  X(preadv2, EINTR, EIO, EBADF, EINVAL, EISDIR, EOPNOTSUPP, EAGAIN)                                                    \
  X(pwritev2, EINTR, EIO, ENOSPC, EFBIG, EDQUOT, EBADF, EINVAL, EPERM, EOPNOTSUPP, EAGAIN)                             \
  X(lseek, EBADF, EINVAL, EOVERFLOW, ESPIPE, ENXIO)                                                                    \
  X(fstat, EBADF, ENOMEM, EOVERFLOW)                                                                                   \
  X(fsync, EIO, ENOSPC, EROFS, EINVAL, EDQUOT, EBADF)                                                                  \
  X(fdatasync, EIO, ENOSPC, EROFS, EINVAL, EDQUOT, EBADF)                                                              \
  X(ftruncate, EINTR, EIO, EFBIG, EINVAL, EPERM, EROFS, EBADF)                                                         \
  X(waitid, EINTR, EINVAL)                                                                                             \
  X(pidfd_open, EMFILE, ENFILE, ENOMEM, ENODEV, ESRCH, EINVAL)                                                         \
  X(posix_spawnp, EAGAIN, ENOMEM, ENOENT, EACCES, E2BIG, ENOEXEC, ELOOP)                                               \
  X(pidfd_send_signal, EPERM, ESRCH, EBADF, EINVAL)                                                                    \
  RING_CALLS(X)

namespace {

enum call : int {
#define X(name, ...) call_##name,
  CALLS(X)
#undef X
};

#define X(name, ...) constexpr int name##_errors[] = {__VA_ARGS__};
CALLS(X)
#undef X

constexpr support::fallible_call calls[] = {
#define X(name, ...) {#name, name##_errors},
    CALLS(X)
#undef X
};

// The one that is to fail: how many calls come before it, counted down by all threads. Below zero when it has.
std::atomic<int> chosen{-1};
std::atomic<int> error_now{0};
std::atomic<int> calls_before{0};
std::atomic<bool> has_failed{false};
std::atomic<long> closed_wrongly{0};

bool fails(call which) noexcept {
  if (chosen.load(std::memory_order_relaxed) != which) [[likely]]
    return false;
  if (calls_before.fetch_sub(1) != 0) return false;
  has_failed.store(true);
  errno = error_now.load();
  return true;
}

using syscall_type = long (*)(long, ...);
syscall_type real_syscall() noexcept {
  static auto const found = reinterpret_cast<syscall_type>(::dlsym(RTLD_NEXT, "syscall"));
  return found;
}
template <class... Arguments>
long real(long number, Arguments... arguments) noexcept {
  return real_syscall()(number, arguments...);
}

}  // namespace

// ---- in place of the C library's

#define FAIL_OR(name, ...)           \
  if (fails(call_##name)) return -1; \
  return decltype(name(__VA_ARGS__))(real(SYS_##name, __VA_ARGS__))

extern "C" {

ssize_t read(int fd, void* data, std::size_t size) { FAIL_OR(read, fd, data, size); }
ssize_t write(int fd, void const* data, std::size_t size) { FAIL_OR(write, fd, data, size); }
ssize_t recv(int fd, void* data, std::size_t size, int flags) {
  if (fails(call_recv)) return -1;
  return real(SYS_recvfrom, fd, data, size, flags, nullptr, nullptr);
}
ssize_t send(int fd, void const* data, std::size_t size, int flags) {
  if (fails(call_send)) return -1;
  return real(SYS_sendto, fd, data, size, flags, nullptr, 0);
}
ssize_t recvmsg(int fd, msghdr* message, int flags) { FAIL_OR(recvmsg, fd, message, flags); }
ssize_t sendmsg(int fd, msghdr const* message, int flags) { FAIL_OR(sendmsg, fd, message, flags); }
int accept4(int fd, sockaddr* address, socklen_t* size, int flags) { FAIL_OR(accept4, fd, address, size, flags); }
int connect(int fd, sockaddr const* address, socklen_t size) { FAIL_OR(connect, fd, address, size); }
int socket(int domain, int type, int protocol) noexcept { FAIL_OR(socket, domain, type, protocol); }
int socketpair(int domain, int type, int protocol, int* both) noexcept {
  FAIL_OR(socketpair, domain, type, protocol, both);
}
int bind(int fd, sockaddr const* address, socklen_t size) noexcept { FAIL_OR(bind, fd, address, size); }
int listen(int fd, int backlog) noexcept { FAIL_OR(listen, fd, backlog); }
int getsockname(int fd, sockaddr* address, socklen_t* size) noexcept { FAIL_OR(getsockname, fd, address, size); }
int getpeername(int fd, sockaddr* address, socklen_t* size) noexcept { FAIL_OR(getpeername, fd, address, size); }
int setsockopt(int fd, int level, int name, void const* value, socklen_t size) noexcept {
  FAIL_OR(setsockopt, fd, level, name, value, size);
}
int getsockopt(int fd, int level, int name, void* value, socklen_t* size) noexcept {
  FAIL_OR(getsockopt, fd, level, name, value, size);
}
int shutdown(int fd, int how) noexcept { FAIL_OR(shutdown, fd, how); }
int poll(pollfd* all, nfds_t count, int timeout_ms) {
  if (fails(call_poll)) return -1;
  timespec const limit{timeout_ms / 1000, timeout_ms % 1000 * 1'000'000L};
  return int(real(SYS_ppoll, all, count, timeout_ms < 0 ? nullptr : &limit, nullptr, 0));
}
int epoll_create1(int flags) noexcept { FAIL_OR(epoll_create1, flags); }
int epoll_ctl(int epoll, int operation, int fd, epoll_event* event) noexcept {
  FAIL_OR(epoll_ctl, epoll, operation, fd, event);
}
int epoll_wait(int epoll, epoll_event* events, int most, int timeout_ms) {
  if (fails(call_epoll_wait)) return -1;
  return int(real(SYS_epoll_pwait, epoll, events, most, timeout_ms, nullptr, 0));
}
int eventfd(unsigned count, int flags) noexcept {
  if (fails(call_eventfd)) return -1;
  return int(real(SYS_eventfd2, count, flags));
}
int fcntl(int fd, int operation, ...) {
  va_list rest;
  va_start(rest, operation);
  long const argument = va_arg(rest, long);
  va_end(rest);
  FAIL_OR(fcntl, fd, operation, argument);
}
// The number is free afterwards, whatever it says.
int close(int fd) {
  bool const failed = fails(call_close);
  int const error = errno;
  long const result = real(SYS_close, fd);
  if (result != 0 && errno == EBADF) ++closed_wrongly;
  if (!failed) return int(result);
  errno = error;
  return -1;
}
int pipe2(int* both, int flags) noexcept { FAIL_OR(pipe2, both, flags); }
int open(char const* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  unsigned const mode = va_arg(rest, unsigned);
  va_end(rest);
  if (fails(call_open)) return -1;
  return int(real(SYS_openat, AT_FDCWD, path, flags, mode));
}
ssize_t preadv2(int fd, iovec const* pieces, int count, off_t from, int flags) {
  if (fails(call_preadv2)) return -1;
  return real(SYS_preadv2, fd, pieces, count, from, from >> 63, flags);
}
ssize_t pwritev2(int fd, iovec const* pieces, int count, off_t from, int flags) {
  if (fails(call_pwritev2)) return -1;
  return real(SYS_pwritev2, fd, pieces, count, from, from >> 63, flags);
}
off_t lseek(int fd, off_t offset, int whence) noexcept { FAIL_OR(lseek, fd, offset, whence); }
int fstat(int fd, struct stat* what) noexcept { FAIL_OR(fstat, fd, what); }
int fsync(int fd) { FAIL_OR(fsync, fd); }
int fdatasync(int fd) { FAIL_OR(fdatasync, fd); }
int ftruncate(int fd, off_t size) noexcept { FAIL_OR(ftruncate, fd, size); }
int waitid(idtype_t kind, id_t id, siginfo_t* what, int options) {
  if (fails(call_waitid)) return -1;
  return int(real(SYS_waitid, kind, id, what, options, nullptr));
}
int posix_spawnp(pid_t* child, char const* file, posix_spawn_file_actions_t const* actions,
                 posix_spawnattr_t const* attributes, char* const* arguments, char* const* environment) {
  static auto const found = reinterpret_cast<decltype(&posix_spawnp)>(::dlsym(RTLD_NEXT, "posix_spawnp"));
  return fails(call_posix_spawnp) ? errno : found(child, file, actions, attributes, arguments, environment);
}
long syscall(long number, ...) noexcept {
  va_list rest;
  va_start(rest, number);
  long a[6];
  for (long& each : a) each = va_arg(rest, long);
  va_end(rest);
  bool const failed = (number == SYS_epoll_pwait2 && fails(call_epoll_pwait2)) ||
                      (number == SYS_pidfd_open && fails(call_pidfd_open)) ||
                      (number == SYS_pidfd_send_signal && fails(call_pidfd_send_signal));
  return failed ? -1 : real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

#if CONCUR_IO_URING

// Looks at what has come, and has one of the calls fail.
static void fail_completion(io_uring* ring) noexcept {
  unsigned head = 0;
  io_uring_cqe* each = nullptr;
  io_uring_for_each_cqe(ring, head, each) {
    bool const is_operation = each->user_data > 4096;  // the address of one
    if (!is_operation || each->res == -ECANCELED || !fails(call_completion)) continue;
    if (concur::detail::file_operation_of(each->user_data) == nullptr) {
      auto const& made = *reinterpret_cast<concur::detail::io_operation const*>(each->user_data);
      if (made.call().what() == concur::io_call::kind::accept && each->res >= 0) real(SYS_close, each->res);
    }
    each->res = -errno;
  }
}

int io_uring_queue_init_params(unsigned entries, io_uring* ring, io_uring_params* wanted) {
  static auto const found =
      reinterpret_cast<decltype(&io_uring_queue_init_params)>(::dlsym(RTLD_NEXT, "io_uring_queue_init_params"));
  return fails(call_io_uring_queue_init_params) ? -errno : found(entries, ring, wanted);
}
int io_uring_submit_and_wait_timeout(io_uring* ring, io_uring_cqe** first, unsigned count, __kernel_timespec* limit,
                                     sigset_t* mask) {
  static auto const found = reinterpret_cast<decltype(&io_uring_submit_and_wait_timeout)>(
      ::dlsym(RTLD_NEXT, "io_uring_submit_and_wait_timeout"));
  if (fails(call_io_uring_submit_and_wait_timeout)) return -errno;
  int const result = found(ring, first, count, limit, mask);
  fail_completion(ring);
  return result;
}
int io_uring_submit_and_get_events(io_uring* ring) {
  static auto const found =
      reinterpret_cast<decltype(&io_uring_submit_and_get_events)>(::dlsym(RTLD_NEXT, "io_uring_submit_and_get_events"));
  if (fails(call_io_uring_submit_and_get_events)) return -errno;
  int const result = found(ring);
  fail_completion(ring);
  return result;
}

#endif

}  // extern "C"

namespace support {

std::span<fallible_call const> fallible_calls() { return calls; }

std::string call_failure::text() const {
  return std::string(calls[call].name) + " fails with " + ::strerrorname_np(error) + " the " +
         std::to_string(occurrence) + ". time";
}

failing_call::failing_call(call_failure const& which) {
  has_failed.store(false);
  error_now.store(which.error);
  calls_before.store(which.occurrence - 1);
  chosen.store(int(which.call));
}
failing_call::~failing_call() { chosen.store(-1); }
bool failing_call::happened() noexcept { return has_failed.load(); }

long wrong_closes() noexcept { return closed_wrongly.load(); }

namespace {

char current_text[128];
struct sigaction alarm_before;

void ring(int) {
  static constexpr std::string_view words = " and nothing goes on\n";
  static_cast<void>(real(SYS_write, STDERR_FILENO, current_text, std::strlen(current_text)));
  static_cast<void>(real(SYS_write, STDERR_FILENO, words.data(), words.size()));
  std::abort();
}

}  // namespace

failure_watchdog::failure_watchdog() {
  struct sigaction action{};
  action.sa_handler = &ring;
  ::sigaction(SIGALRM, &action, &alarm_before);
}
failure_watchdog::~failure_watchdog() {
  ::alarm(0);
  ::sigaction(SIGALRM, &alarm_before, nullptr);
}
void failure_watchdog::now(call_failure const& which) {
  std::snprintf(current_text, sizeof current_text, "%s", which.text().c_str());
  ::alarm(60);
}

}  // namespace support
