// SPDX-License-Identifier: BSL-1.0
//
// A thread: with a name, a stop token, joins that can be limited, awaited and repeated, and errors that are reported.
//
//     concur::thread spider([&] { crawl(site); });
//     concur::thread logger(concur::thread_options().name("logger").daemon(), write_log, path);
//     if (!spider.try_join_for(2s)) spider.request_stop();
//     // the destructor of `spider` waits for it; that of `logger`, a daemon, does not
#pragma once

#include <concur/core/awaiter.hpp>
#include <concur/core/bound_call.hpp>
#include <concur/core/errors.hpp>
#include <concur/core/os.hpp>
#include <concur/sync/event.hpp>
#include <concur/thread/detail/thread_state.hpp>
#include <concur/thread/thread_info.hpp>
#include <concur/thread/thread_options.hpp>

#include <chrono>
#include <coroutine>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// Owns one thread, or none. Moves only.
///
/// The function and its arguments are copied or moved into the thread and destroyed there when the function has
/// returned. If the function can be called with a stop token before its arguments (a member function: after its
/// object), it gets the thread's. An exception that leaves it goes to the hook for unhandled errors (core/errors.hpp),
/// whose default prints one line with the name of the thread; the program goes on.
///
/// What happened before the construction is visible to the thread; what the thread did, its thread_local destructors
/// included, is visible after a join. `join` and its other forms, `request_stop` and all that ask may be called from
/// any thread while the object lives; construction, moves and destruction belong to one. In a child process forked by
/// another thread the thread does not exist: it counts as ended, and joins return at once.
///
/// Threads that are destroyed one after the other are also asked to stop one after the other: where that adds up, ask
/// all of them with `request_stop` first. Costs one allocation, and one for the stop token.
class thread {
 public:
  /// No thread: joins throw misuse, as they do on an object that was moved from.
  thread() noexcept = default;

  /// Starts a thread that calls `function(arguments…)`, or `function(stop_token, arguments…)` if that is possible.
  /// "Started" means ready to run: it may run before this returns, or much later. Throws std::system_error that says
  /// why a thread could not be started, std::bad_alloc, and what copying throws; then there is no thread and nothing is
  /// left behind.
  template <class Function, class... Arguments>
    requires(!std::is_same_v<std::decay_t<Function>, thread> && !std::is_same_v<std::decay_t<Function>, thread_options>)
  explicit thread(Function&& function, Arguments&&... arguments)
      : thread(thread_options(), std::forward<Function>(function), std::forward<Arguments>(arguments)...) {}
  template <class Function, class... Arguments>
  explicit thread(thread_options const& options, Function&& function, Arguments&&... arguments);

  thread(thread&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
  /// Lets go of the thread it has as the destructor does.
  thread& operator=(thread&& other) noexcept {
    if (this != &other) {
      release();
      state_ = std::exchange(other.state_, nullptr);
    }
    return *this;
  }

  /// Requests a stop and waits for the thread; a daemon: neither. If it runs on the thread itself, that goes on alone.
  /// Two threads that wait for each other's end here end the program.
  ~thread() { release(); }

  void swap(thread& other) noexcept { std::swap(state_, other.state_); }
  friend void swap(thread& a, thread& b) noexcept { a.swap(b); }

  /// Waits until the thread has ended. May be called again and again, from several threads at once. All joins throw
  /// misuse on the thread itself, which would wait for its own end, and when the object has no thread; this one also
  /// when that thread waits in it for the calling one. (Greater circles wait for ever.)
  void join() { joined_by_another().join(); }

  /// The same for so long, or until then: returns whether the thread has ended.
  template <class Rep, class Period>
  [[nodiscard]] bool try_join_for(std::chrono::duration<Rep, Period> const& limit) {
    return join_when([&](event& ended) { return ended.wait_for(limit); });
  }
  template <class Clock, class Duration>
  [[nodiscard]] bool try_join_until(std::chrono::time_point<Clock, Duration> const& limit) {
    return join_when([&](event& ended) { return ended.wait_until(limit); });
  }

  /// Waits until the thread has ended or the caller is requested to stop; returns whether it has ended.
  [[nodiscard]] bool join(os::stop_token const& stop) {
    return join_when([&](event& ended) { return ended.wait(stop); });
  }

  /// `co_await t.async_join();` waits without blocking the thread. Throws `cancelled`. The object may be moved
  /// meanwhile.
  [[nodiscard]] awaitable<void> auto async_join();

  /// Asks the function to stop, by its stop token. Returns whether this was the first request.
  bool request_stop() noexcept { return state_ != nullptr && state_->request_stop(); }
  [[nodiscard]] os::stop_source get_stop_source() const noexcept {
    return state_ == nullptr ? os::stop_source(std::nostopstate) : state_->stop();
  }
  [[nodiscard]] os::stop_token get_stop_token() const noexcept { return get_stop_source().get_token(); }

  /// Whether it has a thread, ended or not.
  [[nodiscard]] bool joinable() const noexcept { return state_ != nullptr; }
  /// Whether the thread has been started and has not ended; it may not have begun to run.
  [[nodiscard]] bool alive() const noexcept { return state_ != nullptr && state_->alive(); }
  [[nodiscard]] bool daemon() const noexcept { return state_ != nullptr && state_->daemon(); }
  /// The whole name; empty without a thread. Throws std::bad_alloc.
  [[nodiscard]] std::string name() const { return state_ == nullptr ? std::string() : state_->name(); }
  /// The kernel's number, as in /proc/self/task; 0 without a thread or while it has not begun to run.
  [[nodiscard]] int native_id() const noexcept { return state_ == nullptr ? 0 : state_->native_id(); }
  /// For the functions of the system. Requires: it has a thread that was not joined.
  [[nodiscard]] os::native_thread native_handle() const noexcept { return state_->native_thread(); }

 private:
  friend struct thread_access;
  class async_join_operation;
  template <class Function, class... Arguments>
  class call;

  detail::thread_state& joined_by_another() const;
  template <class Wait>
  bool join_when(Wait wait);
  void release() noexcept;

  detail::thread_state* state_ = nullptr;
};

/// For the layers above: the state behind a thread.
struct thread_access {
  /// Requires: it has one.
  static detail::thread_state& state(thread const& t) noexcept { return *t.state_; }
};

/// A function with its arguments.
template <class Function, class... Arguments>
class thread::call final : public detail::thread_state {
 public:
  template <class... Given>
  explicit call(thread_options const& options, Given&&... given)
      : thread_state(options), bound_(std::in_place, std::forward<Given>(given)...) {}

 private:
  using bound = bound_call<Function, Arguments...>;
  static_assert(
      bound::callable,
      "a thread needs a function that can be called with these arguments, or with a stop token before them; a "
      "member function takes the token after its object");

  void run() override {
    struct ending {
      ~ending() { given.reset(); }
      std::optional<bound>& given;
    } const at_return{bound_};
    static_cast<void>(std::move(*bound_)([this] { return stop().get_token(); }));
  }

  std::optional<bound> bound_;
};

template <class Function, class... Arguments>
thread::thread(thread_options const& options, Function&& function, Arguments&&... arguments) {
  auto* const state = new call<std::decay_t<Function>, std::decay_t<Arguments>...>(
      options, std::forward<Function>(function), std::forward<Arguments>(arguments)...);
  try {
    state->start(options);
  } catch (...) {
    state->drop_reference();
    throw;
  }
  state_ = state;
}

class [[nodiscard]] thread::async_join_operation {
 public:
  using context_aware = void;  // see coro/foreign_await.hpp

  explicit async_join_operation(detail::thread_state& state) : state_(state), ended_(state.ended().async_wait()) {
    state_.add_reference();
  }
  ~async_join_operation() { state_.drop_reference(); }
  async_join_operation(async_join_operation const&) = delete;
  async_join_operation& operator=(async_join_operation const&) = delete;

  bool await_ready() const noexcept { return state_.lost(); }
  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> handle) {
    return ended_.await_suspend(handle);
  }
  void await_resume() {
    ended_.await_resume();
    state_.join();  // a moment at the most: nothing of the thread's own runs any more
  }

 private:
  detail::thread_state& state_;
  decltype(std::declval<event&>().async_wait()) ended_;
};

inline awaitable<void> auto thread::async_join() { return async_join_operation(joined_by_another()); }

inline detail::thread_state& thread::joined_by_another() const {
  if (state_ == nullptr) throw misuse("a join of a thread object that has no thread");
  if (detail::thread_state::current() == state_) throw misuse("a join of a thread by itself: it would wait for ever");
  return *state_;
}

template <class Wait>
bool thread::join_when(Wait wait) {
  auto& state = joined_by_another();
  if (!state.lost() && !wait(state.ended())) return false;
  state.join();
  return true;
}

inline void thread::release() noexcept {
  if (state_ == nullptr) return;
  if (!state_->daemon()) request_stop();
  if (state_->daemon() || detail::thread_state::current() == state_) {
    state_->detach();
  } else {
    state_->join();
  }
  std::exchange(state_, nullptr)->drop_reference();
}

}  // namespace concur::inline CONCUR_ABI
