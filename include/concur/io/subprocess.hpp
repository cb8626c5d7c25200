// SPDX-License-Identifier: BSL-1.0
//
// Another program as a child process. Python's subprocess.Popen, and asyncio's.
//
//     concur::subprocess sort({"sort", "-n"}, concur::subprocess_options().pipes());
//     auto const sorted = co_await sort.async_communicate("3\n1\n2\n");      // .output, .error, .status
//
//     concur::subprocess server({"./server"}, concur::subprocess_options().standard_output(concur::stdio::pipe()));
//     concur::buffered_reader lines(server.standard_output());
//     auto const first = co_await lines.async_read_line();
//     server.terminate();
//     concur::exit_status const how = co_await server.async_wait();
//
// The same without `async_` and `co_await` blocks the calling thread.
#pragma once

#include <concur/core/abi.hpp>
#include <concur/core/blocking.hpp>
#include <concur/core/child_handle.hpp>
#include <concur/core/deadline.hpp>
#include <concur/core/errors.hpp>
#include <concur/core/exit_status.hpp>
#include <concur/core/os.hpp>
#include <concur/coro/task.hpp>
#include <concur/coro/task_group.hpp>
#include <concur/coro/this_task.hpp>
#include <concur/coro/with.hpp>
#include <concur/io/buffer.hpp>
#include <concur/io/detail/communication.hpp>
#include <concur/io/detail/program_start.hpp>
#include <concur/io/pipe.hpp>
#include <concur/io/subprocess_options.hpp>
#include <concur/io/wait_for_descriptor.hpp>
#include <concur/loop/readiness.hpp>

#include <chrono>
#include <csignal>
#include <memory>
#include <optional>
#include <poll.h>
#include <string>
#include <sys/types.h>
#include <system_error>
#include <utility>
#include <vector>

namespace concur::inline CONCUR_ABI {

/// What came of a child process. Texts of streams that were not pipes are empty.
struct subprocess_result {
  subprocess_result() = default;

  exit_status status;
  std::string output;
  std::string error;
};

/// Owns a child process: it does not outlive this object. The destructor kills it if it has not been waited for, and
/// reaps it, as Trio does: neither a process nor a zombie is left behind. That waits until the kernel has ended it,
/// which takes long only for one that hangs in a device, or that may not be killed since it has become another user;
/// `async_close`, and so `with`, do it without blocking.
///
/// Signals go by a descriptor, never by a number that may have become a stranger's. The child inherits nothing but its
/// three streams, has no signal blocked, and SIGPIPE as usual. See child_handle for what the program must not do about
/// its children. A process that was forked from this one must not use it.
///
/// One thread at a time; several coroutines may wait. May be moved while nobody waits.
class subprocess {
 public:
  /// None: it has ended, and nobody knows how.
  subprocess() noexcept = default;

  /// Starts a program with its arguments, of which the first is its name: a path if it has a slash, else looked up in
  /// the PATH of this process. Returns when the program runs, or throws std::system_error (no_such_file_or_directory,
  /// permission_denied …) if it or its directory is not there; then there is no child. Throws misuse without a name.
  explicit subprocess(std::vector<std::string> const& arguments,
                      subprocess_options const& options = subprocess_options());

  /// Its number, for people to read.
  [[nodiscard]] pid_t pid() const noexcept { return child_.pid(); }

  /// Our ends; closed unless they were to be pipes.
  [[nodiscard]] pipe_writer& standard_input() noexcept { return input_; }
  [[nodiscard]] pipe_reader& standard_output() noexcept { return output_; }
  [[nodiscard]] pipe_reader& standard_error() noexcept { return error_; }

  // ---- its end. Each may be called again, and then gives the same. Throw std::system_error.

  /// Waits until it has ended. It may not end as long as nobody reads what it writes: see communicate.
  exit_status wait() { return *wait_within({}); }
  /// Nothing when a stop was requested, or the limit reached, first. The child goes on.
  std::optional<exit_status> wait(os::stop_token const& stop) { return wait_within({.stop = &stop}); }
  std::optional<exit_status> try_wait() { return child_.try_reap(); }
  template <class Rep, class Period>
  std::optional<exit_status> try_wait_for(std::chrono::duration<Rep, Period> const& limit) {
    return wait_within({.deadline = deadline_after(limit)});
  }
  template <class Clock, class Duration>
  std::optional<exit_status> try_wait_until(std::chrono::time_point<Clock, Duration> const& limit) {
    return wait_within(limit_at(limit));
  }
  /// A cancel ends the wait only.
  [[nodiscard]] task<exit_status> async_wait();

  /// Sends a signal: SIGKILL, SIGTERM, or any. Returns false when the end was learned of: then nobody gets it.
  bool kill() { return child_.send_signal(SIGKILL); }
  bool terminate() { return child_.send_signal(SIGTERM); }
  bool send_signal(int number) { return child_.send_signal(number); }

  /// Closes the pipes; kills it if it has not ended, and waits for that.
  void close() noexcept;
  [[nodiscard]] task<> async_close();

  // ---- all at once

  /// Writes the input, which it then closes, reads all output, and waits for the end. A child that does not read all of
  /// the input is no error. On every other way out than a result the child has been killed, and has ended.
  /// Throws misuse for an input without a pipe, std::bad_alloc and std::system_error.
  subprocess_result communicate(const_buffer input = {}) { return *communicate_within(input, {}); }
  /// Nothing when a stop was requested, or the limit reached, first.
  std::optional<subprocess_result> communicate(const_buffer input, os::stop_token const& stop) {
    return communicate_within(input, {.stop = &stop});
  }
  template <class Rep, class Period>
  std::optional<subprocess_result> try_communicate_for(const_buffer input,
                                                       std::chrono::duration<Rep, Period> const& limit) {
    return communicate_within(input, {.deadline = deadline_after(limit)});
  }
  template <class Clock, class Duration>
  std::optional<subprocess_result> try_communicate_until(const_buffer input,
                                                         std::chrono::time_point<Clock, Duration> const& limit) {
    return communicate_within(input, limit_at(limit));
  }
  /// The input has to stay until it has ended.
  [[nodiscard]] task<subprocess_result> async_communicate(const_buffer input = {});

 private:
  class closing {
   public:
    explicit closing(subprocess& child) noexcept : child_(child) {}
    closing(closing const&) = delete;
    closing& operator=(closing const&) = delete;
    ~closing() { child_.close(); }

   private:
    subprocess& child_;
  };

  std::optional<exit_status> wait_within(wait_limit const& limit);
  std::optional<subprocess_result> communicate_within(const_buffer input, wait_limit const& limit);
  void require_pipe_for(const_buffer input) const {
    if (!input.empty() && !input_.is_open()) throw misuse("a subprocess was given input that is not read from a pipe");
  }
  void close_pipes() noexcept {
    input_.close();
    output_.close();
    error_.close();
  }

  task<> feed(const_buffer input);
  static task<> drain(pipe_reader& from, std::string& text);
  task<subprocess_result> talk(const_buffer input);

  child_handle child_;
  pipe_writer input_;
  pipe_reader output_;
  pipe_reader error_;
};

inline subprocess::subprocess(std::vector<std::string> const& arguments, subprocess_options const& options) {
  if (arguments.empty() || arguments[0].empty()) throw misuse("a subprocess needs the name of a program");
  detail::program_start ready(arguments, options);
  child_ = child_handle(ready.start());
  input_ = pipe_writer(std::move(ready.ours[0]));
  output_ = pipe_reader(std::move(ready.ours[1]));
  error_ = pipe_reader(std::move(ready.ours[2]));
}

inline std::optional<exit_status> subprocess::wait_within(wait_limit const& limit) {
  for (;;) {
    if (auto const how = child_.try_reap()) return how;
    if (wait_for_descriptor(child_.fd(), POLLIN, limit) != wake_reason::granted) return std::nullopt;
  }
}

inline task<exit_status> subprocess::async_wait() {
  if (this_task::cancelled()) throw cancelled();
  for (;;) {
    if (auto const how = child_.try_reap()) co_return *how;
    co_await wait_readable(child_.fd());
  }
}

inline void subprocess::close() noexcept {
  close_pipes();
  child_.kill_and_reap();
}

inline task<> subprocess::async_close() {
  close_pipes();
  if (!child_) co_return;
  try {
    kill();
  } catch (std::system_error const&) {
    // One that may not be killed is waited for, as by `close`.
  }
  co_await async_wait();
}

inline std::optional<subprocess_result> subprocess::communicate_within(const_buffer input, wait_limit const& limit) {
  require_pipe_for(input);
  closing const at_end(*this);
  std::optional<subprocess_result> result(std::in_place);
  detail::communication talking(input_, input, output_, result->output, error_, result->error);
  if (!talking.run(limit)) return std::nullopt;
  auto const how = wait_within(limit);
  if (!how) return std::nullopt;
  result->status = *how;
  return result;
}

inline task<> subprocess::feed(const_buffer input) {
  try {
    co_await input_.async_write(input);
  } catch (std::system_error const& error) {
    if (!detail::nobody_reads(error)) throw;
  }
  input_.close();
}

inline task<> subprocess::drain(pipe_reader& from, std::string& text) {
  std::unique_ptr<char[]> const space(new char[detail::output_piece]);
  mutable_buffer const piece(space.get(), detail::output_piece);
  while (auto const count = co_await from.async_read_some(piece)) text.append(space.get(), count);
  from.close();
}

inline task<subprocess_result> subprocess::talk(const_buffer input) {
  subprocess_result result;
  auto const move_all = [&](task_group& group) -> task<> {
    if (input_.is_open()) group.spawn(feed(input));
    if (output_.is_open()) group.spawn(drain(output_, result.output));
    if (error_.is_open()) group.spawn(drain(error_, result.error));
    co_return;
  };
  co_await with_group(move_all);
  result.status = co_await async_wait();
  co_return result;
}

inline task<subprocess_result> subprocess::async_communicate(const_buffer input) {
  require_pipe_for(input);
  auto const talk_to = [input](subprocess& child) { return child.talk(input); };
  auto talking = with(*this, talk_to);
  co_return co_await std::move(talking);
}

}  // namespace concur::inline CONCUR_ABI
