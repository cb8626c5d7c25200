// SPDX-License-Identifier: BSL-1.0
//
// How a program is started: what posix_spawn is told.
//
// Not fork, which copies what nobody needs, and after which almost nothing may be called in a process of several
// threads; nor vfork or clone by hand, under which the child runs the parent's code on the parent's memory. The C
// library does that with code made for it, unseen by sanitizers, and gives the error of the exec, or of what came
// before it, as its result: no pipe is needed for that.
#pragma once

#include <concur/core/abi.hpp>
#include <concur/core/unique_fd.hpp>
#include <concur/io/subprocess_options.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <fcntl.h>
#include <new>
#include <spawn.h>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

namespace concur::inline CONCUR_ABI::detail {

class program_start {
 public:
  /// Opens what the child is to have. Throws std::system_error, std::bad_alloc, and std::invalid_argument for texts
  /// with a zero byte.
  program_start(std::vector<std::string> const& arguments, subprocess_options const& options);
  program_start(program_start const&) = delete;
  program_start& operator=(program_start const&) = delete;
  ~program_start() {
    ::posix_spawn_file_actions_destroy(&actions_);
    ::posix_spawnattr_destroy(&attributes_);
  }

  /// Our ends of the pipes, which do not block; none where no pipe is wanted.
  std::array<unique_fd, 3> ours;

  /// Returns the number of the child, which runs the program. Throws std::system_error if that cannot be executed.
  pid_t start() {
    pid_t child = 0;
    if (int const error =
            ::posix_spawnp(&child, words_[0], &actions_, &attributes_, words_.data(), variables_.data())) {
      throw std::system_error(error, std::generic_category(), "starting " + what_);
    }
    return child;
  }

 private:
  static void check(int error) {
    if (error == ENOMEM) throw std::bad_alloc();
    if (error != 0) throw std::system_error(error, std::generic_category(), "preparing a subprocess");
  }
  static unique_fd checked(int fd, char const* what) {
    if (fd < 0) throw std::system_error(errno, std::generic_category(), what);
    return unique_fd(fd);
  }
  static char* word(std::string const& text) {
    if (text.find('\0') != text.npos) throw std::invalid_argument("a zero byte in a text for a subprocess");
    return const_cast<char*>(text.c_str());
  }

  void set_environment(subprocess_options const& options);
  void set_attributes(subprocess_options const& options);
  void set_stream(int number, stdio what);
  unique_fd pipe_for(int number);

  std::string what_;
  std::vector<char*> words_;
  std::vector<std::string> texts_;
  std::vector<char*> variables_;
  std::array<unique_fd, 3> theirs_;
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

inline program_start::program_start(std::vector<std::string> const& arguments, subprocess_options const& options)
    : what_("'" + arguments[0] + "'" + (options.directory().empty() ? "" : " in '" + options.directory() + "'")) {
  for (auto const& each : arguments) words_.push_back(word(each));
  words_.push_back(nullptr);
  set_environment(options);
  check(::posix_spawn_file_actions_init(&actions_));
  if (int const error = ::posix_spawnattr_init(&attributes_)) {
    ::posix_spawn_file_actions_destroy(&actions_);
    check(error);
  }
  try {
    set_attributes(options);
    set_stream(STDIN_FILENO, options.standard_input());
    set_stream(STDOUT_FILENO, options.standard_output());
    set_stream(STDERR_FILENO, options.standard_error());
    if (!options.directory().empty()) {
      check(::posix_spawn_file_actions_addchdir_np(&actions_, word(options.directory())));
    }
    if (!options.inherit_descriptors()) {
      check(::posix_spawn_file_actions_addclosefrom_np(&actions_, STDERR_FILENO + 1));
    }
  } catch (...) {
    ::posix_spawn_file_actions_destroy(&actions_);
    ::posix_spawnattr_destroy(&attributes_);
    throw;
  }
}

inline void program_start::set_environment(subprocess_options const& options) {
  auto const set = [this](std::string_view name, std::string const* text) {
    auto const same = [name](std::string const& each) {
      return each.size() > name.size() && each.starts_with(name) && each[name.size()] == '=';
    };
    texts_.erase(std::remove_if(texts_.begin(), texts_.end(), same), texts_.end());
    if (text != nullptr) texts_.push_back(std::string(name) + '=' + *text);
  };
  if (options.environment()) {
    texts_ = *options.environment();
  } else {
    for (char** each = environ; each != nullptr && *each != nullptr; ++each) texts_.emplace_back(*each);
  }
  for (auto const& [name, value] : options.variables()) set(name, value ? &*value : nullptr);
  for (auto const& each : texts_) variables_.push_back(word(each));
  variables_.push_back(nullptr);
}

// The child has no signal blocked, whatever this thread has; and those by which a program learns that nobody reads what
// it writes, or that its file is too large, are as programs expect, also where this one ignores them.
inline void program_start::set_attributes(subprocess_options const& options) {
  sigset_t none;
  sigset_t usual;
  sigemptyset(&none);
  sigemptyset(&usual);
  sigaddset(&usual, SIGPIPE);
  sigaddset(&usual, SIGXFSZ);
  check(::posix_spawnattr_setsigmask(&attributes_, &none));
  check(::posix_spawnattr_setsigdefault(&attributes_, &usual));
  int const flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | (options.new_session() ? POSIX_SPAWN_SETSID : 0);
  check(::posix_spawnattr_setflags(&attributes_, static_cast<short>(flags)));
}

inline void program_start::set_stream(int number, stdio what) {
  auto const target = static_cast<std::size_t>(number);
  unique_fd opened;
  int from = unique_fd::none;
  switch (what.what()) {
    case stdio::kind::inherit: return;
    case stdio::kind::output: check(::posix_spawn_file_actions_adddup2(&actions_, STDOUT_FILENO, number)); return;
    case stdio::kind::descriptor: from = what.fd(); break;
    case stdio::kind::null: opened = checked(::open("/dev/null", O_RDWR | O_CLOEXEC), "/dev/null"); break;
    case stdio::kind::pipe: opened = pipe_for(number); break;
  }
  if (opened) from = opened.get();
  // Not one of the first three: the child replaces them one after the other.
  if (from <= STDERR_FILENO)
    opened = checked(::fcntl(from, F_DUPFD_CLOEXEC, STDERR_FILENO + 1), "a descriptor for a subprocess");
  if (opened) from = opened.get();
  check(::posix_spawn_file_actions_adddup2(&actions_, from, number));
  theirs_[target] = std::move(opened);
}

inline unique_fd program_start::pipe_for(int number) {
  int ends[2] = {unique_fd::none, unique_fd::none};
  if (::pipe2(ends, O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category(), "pipe2");
  unique_fd reader(ends[0]);
  unique_fd writer(ends[1]);
  auto& mine = number == STDIN_FILENO ? writer : reader;
  // Only ours: the flag belongs to that end, not to the pipe.
  if (::fcntl(mine.get(), F_SETFL, O_NONBLOCK) != 0) throw std::system_error(errno, std::generic_category(), "fcntl");
  ours[static_cast<std::size_t>(number)] = std::move(mine);
  return number == STDIN_FILENO ? std::move(reader) : std::move(writer);
}

}  // namespace concur::inline CONCUR_ABI::detail
