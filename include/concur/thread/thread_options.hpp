// SPDX-License-Identifier: BSL-1.0
//
// How a thread is to be started: its name, its stack, where and how it is scheduled.
//
//     concur::thread crawler(concur::thread_options().name("crawler").daemon().stack_size(1 << 20), crawl, site);
//
// Nothing is checked before the thread is started; then everything is, and the error says what is wrong.
#pragma once

#include <concur/core/abi.hpp>

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace concur::inline CONCUR_ABI {

/// How the kernel shares the processors among threads; see sched(7).
enum class scheduling_policy : unsigned char {
  other,        ///< the usual one; its priority is 0
  fifo,         ///< real time, runs until it waits; priority 1 … 99; needs permission
  round_robin,  ///< as fifo, in turn with others of its priority
};

/// A value, made by chained calls. Setters throw std::bad_alloc at most.
class thread_options {
 public:
  thread_options() = default;

  /// For reports, debuggers and the kernel, which is told the first 15 bytes. Without a name it is "thread-1",
  /// "thread-2" and so on in reports, and the kernel shows the name of the program.
  thread_options& name(std::string value) {
    name_ = std::move(value);
    return *this;
  }

  /// A daemon does not hold anything back: the destructor of its `thread` neither asks it to stop nor waits for it, and
  /// the end of the process ends it wherever it is.
  thread_options& daemon(bool value = true) noexcept {
    daemon_ = value;
    return *this;
  }

  /// Bytes of stack, rounded up to whole pages; 0: as the system has it, usually 8 MiB. What is not used takes no
  /// memory.
  thread_options& stack_size(std::size_t bytes) noexcept {
    stack_size_ = bytes;
    return *this;
  }

  /// The processors it may run on, by number; none: any. Numbers that do not exist are ignored as long as one of them
  /// does.
  thread_options& affinity(std::vector<int> processors) {
    affinity_ = std::move(processors);
    return *this;
  }

  /// Without it, a thread is scheduled as its creator is.
  thread_options& scheduling(scheduling_policy policy, int priority = 0) noexcept {
    scheduled_ = true;
    policy_ = policy;
    priority_ = priority;
    return *this;
  }

  std::string const& name() const noexcept { return name_; }
  bool is_daemon() const noexcept { return daemon_; }
  std::size_t stack_size() const noexcept { return stack_size_; }
  std::vector<int> const& affinity() const noexcept { return affinity_; }
  /// Whether `scheduling` was called, and with what.
  bool scheduled() const noexcept { return scheduled_; }
  scheduling_policy policy() const noexcept { return policy_; }
  int priority() const noexcept { return priority_; }

 private:
  std::string name_;
  std::vector<int> affinity_;
  std::size_t stack_size_ = 0;
  int priority_ = 0;
  scheduling_policy policy_ = scheduling_policy::other;
  bool scheduled_ = false;
  bool daemon_ = false;
};

}  // namespace concur::inline CONCUR_ABI
