// SPDX-License-Identifier: BSL-1.0
//
// What a thread object and its running thread share; the last of them destroys it.
//
// The end of a thread has two moments. `ended_` is set by the last of its own code, after its thread_local objects are
// gone: that is what limits, stops and coroutines wait for. A join then collects the system's thread, which takes a
// moment only. A join without a limit skips the first and sleeps in the system.
#pragma once

#include <concur/core/assert.hpp>
#include <concur/core/errors.hpp>
#include <concur/core/os.hpp>
#include <concur/core/waiter.hpp>
#include <concur/sync/event.hpp>
#include <concur/sync/mutex.hpp>
#include <concur/thread/detail/thread_attributes.hpp>
#include <concur/thread/thread_info.hpp>
#include <concur/thread/thread_options.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <mutex>
#include <new>
#include <string>
#include <string_view>
#include <utility>

namespace concur::inline CONCUR_ABI::detail {

/// A name as the kernel takes it: 15 bytes at the most, and no half of a UTF-8 character. Allocates nothing.
class kernel_name {
 public:
  explicit kernel_name(std::string_view name) noexcept {
    std::size_t length = name.size();
    if (length > most) {
      length = most;
      while (length > 0 && (static_cast<unsigned char>(name[length]) & 0xc0) == 0x80) --length;
    }
    name.copy(text_, length);
  }
  char const* c_str() const noexcept { return text_; }

 private:
  static constexpr std::size_t most = 15;
  char text_[most + 1] = {};
};

class thread_state : public process_wide::thread_entry {
 public:
  thread_state(thread_state const&) = delete;
  thread_state& operator=(thread_state const&) = delete;

  /// Starts the thread, which then has a reference of its own. Throws std::system_error and std::bad_alloc; then it is
  /// as if it had never been called.
  void start(thread_options const& options);

  /// The state of the calling thread, or null.
  static thread_state* current() noexcept { return slot(); }

  void add_reference() noexcept {
    // relaxed: whoever copies a reference has one.
    references_.fetch_add(1, std::memory_order_relaxed);
  }
  void drop_reference() noexcept {
    // acq_rel: all uses of the others come before the destruction.
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

  bool alive() const noexcept { return !ended_.is_set() && !lost(); }
  os::stop_source& stop() noexcept { return stop_; }
  event& ended() noexcept { return ended_; }
  os::native_thread native_thread() const noexcept { return native_; }

  /// Gives an error that left the function of this thread, which is the calling one, to the hook.
  void report(std::exception_ptr const& error) const noexcept;

  /// In a child process forked while the thread ran elsewhere: it does not exist here, and is as if it had ended.
  bool lost() const noexcept { return forks_ != forks_now(); }

  /// Not of a thread that is lost: its callbacks lie on its stack, which may be another thread's by now.
  bool request_stop() noexcept { return !lost() && stop_.request_stop(); }

  /// Waits for the end of the thread. Any thread, any number of times. Throws misuse if that one waits for the end of
  /// this one, without a limit.
  void join() {
    if (lost()) return;
    joining const now(current(), *this);
    if (running_fiber() != nullptr) ended_.wait();  // suspends the fiber instead of its thread
    std::lock_guard const one_at_a_time(collecting_);
    collect();
  }

  /// Gives the system's thread up: nobody will join it.
  void detach() {
    if (lost()) return;
    std::lock_guard const one_at_a_time(collecting_);
    if (collected_.get()) return;
    os::detach_thread(native_);
    collected_.set(true);
  }

 protected:
  explicit thread_state(thread_options const& options)
      : thread_entry(options.name().empty() ? "thread-" + std::to_string(next_number()) : options.name(),
                     options.is_daemon()),
        named_(!options.name().empty()) {}
  virtual ~thread_state() = default;

  /// The function of the thread, and the end of what it was given.
  virtual void run() = 0;

  bool survive_fork() noexcept override {
    bool const survives = thread_entry::survive_fork();
    if (survives) {
      forks_ = forks_now();
      ::new (&collecting_) mutex;  // whoever waits for the end of this thread in the parent holds it
    }
    return survives;
  }

 private:
  struct at_end : os::thread_end_call {
    thread_state* state = nullptr;
  };

  /// `who`, if that is a thread of the library, waits for the end of another one. Of two that begin to wait for each
  /// other's, one learns of it, or both.
  class joining {
   public:
    joining(thread_state* who, thread_state const& other) : who_(who) {
      if (who_ == nullptr) return;
      // seq_cst, both: of two that write their own and then read the other's, one at least sees what the other wrote.
      who_->joins_.store(&other, std::memory_order_seq_cst);
      if (other.joins_.load(std::memory_order_seq_cst) == who_) {
        end();
        throw misuse("two threads wait for each other's end");
      }
    }
    ~joining() { end(); }
    joining(joining const&) = delete;
    joining& operator=(joining const&) = delete;

   private:
    void end() noexcept {
      // relaxed: who sees it late is told of a wait that was just given up, since it would have had no end.
      if (who_ != nullptr) who_->joins_.store(nullptr, std::memory_order_relaxed);
    }
    thread_state* const who_;
  };

  static thread_state*& slot() noexcept { return os::thread_slot<thread_state, thread_state*>(); }
  static unsigned next_number() noexcept {
    static constinit os::machine_atomic<unsigned> started{0};
    return started.fetch_add(1, std::memory_order_relaxed) + 1;
  }

  static unsigned forks_now() noexcept {
    return process_wide::forks.load(std::memory_order_relaxed);  // relaxed: see there
  }

  static void main(void* self);
  bool begin_here() noexcept;  // returns whether end_here will be called
  void end_here() noexcept;

  void collect() {
    if (collected_.get()) return;
    os::join_thread(native_);
    collected_.set(true);
  }

  // One for the thread object, one for the running thread, one for each coroutine that waits for it.
  os::atomic<std::uint32_t> references_{1};
  os::native_thread native_{};  // written by start, before anybody else knows of the state
  event ended_;
  mutex collecting_;
  os::atomic<thread_state const*> joins_{nullptr};  // written by the running thread; compared, never dereferenced
  os::plain<bool> collected_{false};  // joined or detached; under collecting_
  // The process that it belongs to. By number, because a thread that has ended, but was not joined, stands in no list.
  unsigned forks_ = forks_now();  // changed in a forked child while that has one thread
  bool const named_;
  os::stop_source stop_;
  at_end at_end_;
};

inline void thread_state::start(thread_options const& options) {
  // The explorer's threads are not listed: an execution that fails leaves them behind.
  if constexpr (!CONCUR_EXPLORE) {
    of_main();
    insert();
  }
  add_reference();
  int error = 0;
  try {
    if (thread_attributes::needed_for(options)) {
      thread_attributes const attributes(options);
      error = os::start_thread<&main>(native_, attributes.get(), this);
    } else {
      error = os::start_thread<&main>(native_, nullptr, this);
    }
    if (error != 0) thread_attributes::refuse_start(error, options);
  } catch (...) {
    remove();
    drop_reference();
    throw;
  }
}

inline void thread_state::main(void* self) {
  auto& state = *static_cast<thread_state*>(self);
  // Without memory for more, its thread_local objects end after it.
  struct early_end {
    ~early_end() {
      if (wanted) state.end_here();
    }
    thread_state& state;
    bool const wanted;
  } const at_return{state, !state.begin_here()};
  try {
    state.run();
  } catch (...) {
    auto const error = std::current_exception();
    if (error == nullptr) throw;  // pthread_exit or pthread_cancel, which must go on
    state.report(error);
  }
}

inline bool thread_state::begin_here() noexcept {
  begin(os::this_thread_id());
  slot() = this;
  // Nobody but the thread itself renames it, so it may look without the lock.
  if (named_) os::name_this_thread(kernel_name(listed_name()).c_str());
  at_end_.state = this;
  at_end_.run = [](os::thread_end_call& call) noexcept { static_cast<at_end&>(call).state->end_here(); };
  return os::at_thread_end(at_end_);
}

inline void thread_state::end_here() noexcept {
  end();
  slot() = nullptr;
  remove();
  ended_.set();
  drop_reference();
}

inline void thread_state::report(std::exception_ptr const& error) const noexcept {
  char where[160];
  std::snprintf(where, sizeof where, "thread \"%.140s\"", listed_name().c_str());
  report_unhandled_error(error, where);
}

}  // namespace concur::inline CONCUR_ABI::detail
