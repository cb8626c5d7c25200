// SPDX-License-Identifier: BSL-1.0
//
// How a thread pool is to be made: its name, what its workers do first, how their threads are started.
//
//     concur::thread_pool pool(4, concur::thread_pool_options().name("fetch").initializer(open_connection));
#pragma once

#include <concur/core/abi.hpp>
#include <concur/thread/thread_options.hpp>

#include <functional>
#include <string>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// A value, made by chained calls. Setters throw std::bad_alloc at most, and what copying an initializer throws.
class thread_pool_options {
 public:
  thread_pool_options() = default;

  /// For reports; the workers are called "name-1", "name-2" and so on. Without a name it is "pool-1", "pool-2" …
  thread_pool_options& name(std::string value) {
    name_ = std::move(value);
    return *this;
  }

  /// Called once by each worker, on its thread, before its first job; by several at the same time. The pool's
  /// constructor waits for all of these calls, and throws what one of them throws.
  thread_pool_options& initializer(std::function<void()> value) {
    initializer_ = std::move(value);
    return *this;
  }

  /// How the threads are started: stack, affinity, scheduling. The name in it is not used. With `daemon` the end of the
  /// process does not wait for them; the pool's destructor does, all the same.
  thread_pool_options& threads(thread_options value) {
    threads_ = std::move(value);
    return *this;
  }

  std::string const& name() const noexcept { return name_; }
  std::function<void()> const& initializer() const noexcept { return initializer_; }
  thread_options const& threads() const noexcept { return threads_; }

 private:
  std::string name_;
  std::function<void()> initializer_;
  thread_options threads_;
};

}  // namespace concur::inline CONCUR_ABI
