// SPDX-License-Identifier: BSL-1.0
//
// A value together with the lock that guards it: nobody reaches the one without the other.
//
//     concur::guarded<std::map<int, user>> users;
//     users.lock()->erase(7);                                      // for one expression
//     { auto all = users.lock(); all->clear(); (*all)[1] = me; }   // for a block
//     int n = users.with([](auto& all) { return int(all.size()); });
//     auto all = co_await users.async_lock();                      // a coroutine
#pragma once

#include <concur/core/assert.hpp>
#include <concur/core/awaiter.hpp>
#include <concur/core/os.hpp>
#include <concur/sync/mutex.hpp>

#include <chrono>
#include <concepts>
#include <coroutine>
#include <functional>
#include <initializer_list>
#include <mutex>
#include <shared_mutex>
#include <type_traits>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// Holds the lock of a guarded value, gives access to the value, and unlocks when it is destroyed. `Lock` is a
/// std::unique_lock or a std::shared_lock. Empty when a form that may fail has found no lock, and after `unlock` or a
/// move: then it only says so, and gives no access, which checked builds report. It belongs to the party that locked,
/// may move to other threads with its task, and is used by one party at a time.
template <class T, class Lock>
class [[nodiscard]] locked {
 public:
  locked() noexcept = default;
  locked(Lock lock, T& value) noexcept : lock_(std::move(lock)), value_(&value) {}
  locked(locked&&) noexcept = default;
  locked& operator=(locked&&) noexcept = default;

  /// Whether it holds the lock.
  explicit operator bool() const noexcept { return lock_.owns_lock(); }

  T& operator*() const {
    require_held();
    return *value_;
  }
  T* operator->() const {
    require_held();
    return value_;
  }

  /// Lets go of the lock before the end of its life.
  void unlock() {
    require_held();
    lock_.unlock();
  }

 private:
  void require_held() const { CONCUR_ASSERT(lock_.owns_lock(), "a guarded value was used without its lock"); }

  Lock lock_;
  T* value_ = nullptr;
};

/// Awaits an operation that gives a lock, and couples the lock with the value. `Operation` is the mutex's own awaiter,
/// built in place, since it must not be moved.
template <class T, class Operation>
class [[nodiscard]] async_locked_operation {
  using lock_type = decltype(std::declval<Operation&>().await_resume());

 public:
  using context_aware = void;  // see coro/foreign_await.hpp

  template <class Make>
  async_locked_operation(T& value, Make const& make) noexcept : operation_(make()), value_(value) {}
  async_locked_operation(async_locked_operation const&) = delete;
  async_locked_operation& operator=(async_locked_operation const&) = delete;

  bool await_ready() const noexcept { return operation_.await_ready(); }
  template <class Promise>
  auto await_suspend(std::coroutine_handle<Promise> handle) {
    return operation_.await_suspend(handle);
  }
  locked<T, lock_type> await_resume() { return locked<T, lock_type>(operation_.await_resume(), value_); }

 private:
  Operation operation_;
  T& value_;
};

/// A mutex that several readers can hold at the same time.
template <class Mutex>
concept sharable_lock = requires(Mutex& m) {
  m.lock_shared();
  m.unlock_shared();
};

/// Requires of `Mutex` what the members that are used need: lock and unlock, try_lock and so on, named as the standard
/// names them, with lock_shared and its kin for the shared forms.
///
/// Guarantees what the mutex guarantees. References and pointers to the value, or into it, are guarded only as long as
/// the handle lives from which they came: a range-for needs a handle that has a name. A party that holds the value must
/// not lock it again, as in `with` inside `with`: it would wait for itself, which checked builds report for the
/// library's mutexes.
///
/// What the mutex throws, and what is done to the value, comes out. An exception that leaves `with`, or the life of a
/// handle, unlocks; the value stays as it was then. May be destroyed when nobody holds it or waits for it. All members
/// may be called from any thread. Static storage is fine if it is for T.
template <class T, class Mutex = mutex>
class guarded {
 public:
  using value_type = T;
  using mutex_type = Mutex;
  using handle = locked<T, std::unique_lock<Mutex>>;
  using shared_handle = locked<T const, std::shared_lock<Mutex>>;

  constexpr guarded() noexcept(std::is_nothrow_default_constructible_v<T>)
    requires std::default_initializable<T>
      : value_() {}
  /// The value is made in place, from these arguments.
  template <class First, class... Rest>
    requires std::constructible_from<T, First, Rest...> && (!std::same_as<std::remove_cvref_t<First>, guarded>)
  constexpr explicit guarded(First&& first, Rest&&... rest)
      : value_(std::forward<First>(first), std::forward<Rest>(rest)...) {}
  /// Of a list: `guarded<std::vector<int>> g({1, 2, 3});`
  template <class Element, class... Rest>
    requires std::constructible_from<T, std::initializer_list<Element>&, Rest...>
  constexpr explicit guarded(std::initializer_list<Element> elements, Rest&&... rest)
      : value_(elements, std::forward<Rest>(rest)...) {}
  guarded(guarded const&) = delete;
  guarded& operator=(guarded const&) = delete;

  /// Waits for the lock.
  [[nodiscard]] handle lock() { return handle(std::unique_lock<Mutex>(mutex_), value_); }

  /// Takes the lock if it is free, or waits for it so long, or until then, or until a stop is requested. The handle is
  /// empty when it was not locked.
  [[nodiscard]] handle try_lock() { return handle(std::unique_lock<Mutex>(mutex_, std::try_to_lock), value_); }
  template <class Rep, class Period>
  [[nodiscard]] handle try_lock_for(std::chrono::duration<Rep, Period> const& limit) {
    return handle(std::unique_lock<Mutex>(mutex_, limit), value_);
  }
  template <class Clock, class Duration>
  [[nodiscard]] handle try_lock_until(std::chrono::time_point<Clock, Duration> const& limit) {
    return handle(std::unique_lock<Mutex>(mutex_, limit), value_);
  }
  [[nodiscard]] handle lock(os::stop_token const& stop) {
    return mutex_.lock(stop) ? handle(std::unique_lock<Mutex>(mutex_, std::adopt_lock), value_) : handle();
  }

  /// `auto value = co_await g.async_lock();` waits without blocking the thread. Throws `cancelled`.
  [[nodiscard]] awaitable<handle> auto async_lock() noexcept
    requires requires(Mutex& m) { m.async_lock(); }
  {
    auto const make = [this] { return mutex_.async_lock(); };
    return async_locked_operation<T, decltype(make())>(value_, make);
  }

  /// Calls `f` with the value, locked, and returns what it returns, by value: a reference would outlive the lock.
  template <std::invocable<T&> F>
  auto with(F&& f) {
    std::lock_guard const hold(mutex_);
    return std::invoke(std::forward<F>(f), value_);
  }

  /// The same, shared with other readers: the value is const. Only for a mutex that can be shared.
  [[nodiscard]] shared_handle lock_shared() const
    requires sharable_lock<Mutex>
  {
    return shared_handle(std::shared_lock<Mutex>(mutex_), value_);
  }
  [[nodiscard]] shared_handle try_lock_shared() const
    requires sharable_lock<Mutex>
  {
    return shared_handle(std::shared_lock<Mutex>(mutex_, std::try_to_lock), value_);
  }
  template <class Rep, class Period>
    requires sharable_lock<Mutex>
  [[nodiscard]] shared_handle try_lock_shared_for(std::chrono::duration<Rep, Period> const& limit) const {
    return shared_handle(std::shared_lock<Mutex>(mutex_, limit), value_);
  }
  template <class Clock, class Duration>
    requires sharable_lock<Mutex>
  [[nodiscard]] shared_handle try_lock_shared_until(std::chrono::time_point<Clock, Duration> const& limit) const {
    return shared_handle(std::shared_lock<Mutex>(mutex_, limit), value_);
  }
  [[nodiscard]] shared_handle lock_shared(os::stop_token const& stop) const
    requires sharable_lock<Mutex>
  {
    return mutex_.lock_shared(stop) ? shared_handle(std::shared_lock<Mutex>(mutex_, std::adopt_lock), value_)
                                    : shared_handle();
  }
  [[nodiscard]] awaitable<shared_handle> auto async_lock_shared() const noexcept
    requires requires(Mutex& m) { m.async_lock_shared(); }
  {
    auto const make = [this] { return mutex_.async_lock_shared(); };
    return async_locked_operation<T const, decltype(make())>(value_, make);
  }
  template <std::invocable<T const&> F>
    requires sharable_lock<Mutex>
  auto with_shared(F&& f) const {
    std::shared_lock const hold(mutex_);
    return std::invoke(std::forward<F>(f), value_);
  }

 private:
  mutable Mutex mutex_;
  T value_;  // under mutex_
};

template <class T>
guarded(T) -> guarded<T>;

}  // namespace concur::inline CONCUR_ABI
