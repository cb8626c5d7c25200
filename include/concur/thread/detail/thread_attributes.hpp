// SPDX-License-Identifier: BSL-1.0
//
// thread_options in the system's terms, and a sentence for each way in which it can refuse them.
#pragma once

#include <concur/thread/detail/processor_set.hpp>
#include <concur/thread/thread_options.hpp>

#include <cerrno>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <pthread.h>
#include <sched.h>
#include <string>
#include <system_error>
#include <unistd.h>

namespace concur::inline CONCUR_ABI::detail {

class thread_attributes {
 public:
  /// Throws std::system_error for options that the system refuses, and std::bad_alloc.
  explicit thread_attributes(thread_options const& options) : options_(options) {
    if (int const error = pthread_attr_init(&attributes_); error != 0) refuse(error, "no memory for its attributes");
    try {
      set_stack();
      set_affinity();
      set_scheduling();
    } catch (...) {
      pthread_attr_destroy(&attributes_);
      throw;
    }
  }
  ~thread_attributes() { pthread_attr_destroy(&attributes_); }
  thread_attributes(thread_attributes const&) = delete;
  thread_attributes& operator=(thread_attributes const&) = delete;

  /// Whether the defaults would do.
  static bool needed_for(thread_options const& options) noexcept {
    return options.stack_size() != 0 || !options.affinity().empty() || options.scheduled();
  }

  pthread_attr_t const* get() const noexcept { return &attributes_; }

  /// Says why the system has not started the thread.
  [[noreturn]] static void refuse(int error, std::string const& why) {
    throw std::system_error(error, std::generic_category(), "a thread could not be started: " + why);
  }
  [[noreturn]] static void refuse_start(int error, thread_options const& options) {
    switch (error) {
      case EAGAIN:
        refuse(error, options.stack_size() == 0
                          ? "too many threads, or no memory for another"
                          : "too many threads, or no memory for its stack of " + bytes(options.stack_size()));
      case EPERM: refuse(error, "no permission for the scheduling it is to have");
      case EINVAL: refuse(error, what_is_invalid(options));
      default: refuse(error, "the system refuses");
    }
  }

 private:
  static std::string bytes(std::size_t count) { return std::to_string(count) + " bytes"; }

  // The system says the same of both.
  static std::string what_is_invalid(thread_options const& options) {
    std::string const processors = "none of the processors it is to run on can be used";
    std::string const stack = "its stack of " + bytes(options.stack_size()) + " does not hold its thread_local objects";
    if (options.affinity().empty()) return stack;
    return options.stack_size() == 0 ? processors : processors + ", or " + stack;
  }

  void set_stack() {
    std::size_t const wanted = options_.stack_size();
    if (wanted == 0) return;
    std::size_t const page = std::size_t(sysconf(_SC_PAGESIZE));
    if (wanted > SIZE_MAX / 2) refuse(ENOMEM, "there is no room for its stack of " + bytes(wanted));
    std::size_t const rounded = (wanted + page - 1) / page * page;
    if (int const error = pthread_attr_setstacksize(&attributes_, rounded); error != 0) {
      refuse(error, "a stack of " + bytes(wanted) + " is less than the " + bytes(std::size_t(PTHREAD_STACK_MIN)) +
                        " that any thread needs");
    }
  }

  void set_affinity() {
    if (options_.affinity().empty()) return;
    processor_set set(options_.affinity());
    if (int const error = pthread_attr_setaffinity_np(&attributes_, set.bytes(), set.get()); error != 0) {
      refuse(error, "no memory for its affinity");
    }
  }

  void set_scheduling() {
    if (!options_.scheduled()) return;
    int const policy = options_.policy() == scheduling_policy::fifo          ? SCHED_FIFO
                       : options_.policy() == scheduling_policy::round_robin ? SCHED_RR
                                                                             : SCHED_OTHER;
    int const least = sched_get_priority_min(policy);
    int const most = sched_get_priority_max(policy);
    if (options_.priority() < least || options_.priority() > most) {
      refuse(EINVAL, "its priority is " + std::to_string(options_.priority()) + ", but must be from " +
                         std::to_string(least) + " to " + std::to_string(most) + " for its scheduling policy");
    }
    sched_param parameters{};
    parameters.sched_priority = options_.priority();
    pthread_attr_setinheritsched(&attributes_, PTHREAD_EXPLICIT_SCHED);
    pthread_attr_setschedpolicy(&attributes_, policy);
    pthread_attr_setschedparam(&attributes_, &parameters);
  }

  thread_options const& options_;
  pthread_attr_t attributes_;
};

}  // namespace concur::inline CONCUR_ABI::detail
