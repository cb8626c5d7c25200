// SPDX-License-Identifier: BSL-1.0
//
// What `co_await` uses to put into a queue and to get out of it.
#pragma once

#include <concur/core/errors.hpp>
#include <concur/queue/detail/outgoing.hpp>
#include <concur/queue/detail/queue_core.hpp>
#include <concur/queue/ring.hpp>
#include <concur/sync/event_count.hpp>

#include <coroutine>
#include <cstddef>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

namespace concur::inline CONCUR_ABI::detail {

/// Waits until `Derived::attempt()` is not refused any more. Its await_resume calls `finish`.
template <class Derived>
class queue_await {
 public:
  using context_aware = void;  // see coro/foreign_await.hpp

  queue_await(queue_await const&) = delete;
  queue_await& operator=(queue_await const&) = delete;

  bool await_ready() const noexcept { return false; }
  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> handle) {
    return wait_.await_suspend(handle);
  }

 protected:
  explicit queue_await(event_count& hint) : wait_(hint.async_wait(settled(*this))) {}
  ~queue_await() = default;

  /// Throws what an attempt threw, `cancelled` and `closed`.
  void finish() const {
    wait_.await_resume();
    if (outcome_ == ring_outcome::closed) [[unlikely]]
      throw closed();
  }

 private:
  class settled {
   public:
    explicit settled(queue_await& operation) noexcept : operation_(&operation) {}
    bool operator()() const {
      operation_->outcome_ = static_cast<Derived*>(operation_)->attempt();
      return operation_->outcome_ != ring_outcome::refused;
    }

   private:
    queue_await* operation_;
  };

  ring_outcome outcome_ = ring_outcome::refused;
  decltype(std::declval<event_count&>().async_wait(std::declval<settled>())) wait_;
};

/// Moves from the caller's element, or from a copy of its own: `Source` is T& or T.
template <class T, class Store, class Source>
class [[nodiscard]] put_await final : public queue_await<put_await<T, Store, Source>> {
  using base = queue_await<put_await>;

 public:
  template <class Item>
  put_await(queue_core<T, Store>& to, Item& item) : base(to.not_full()), queue_(to), item_(item) {}
  void await_resume() const { this->finish(); }

 private:
  friend base;
  ring_outcome attempt() { return queue_.attempt_put(item_); }

  queue_core<T, Store>& queue_;
  Source item_;
};

template <class T, class Store>
class [[nodiscard]] get_await final : public queue_await<get_await<T, Store>> {
  using base = queue_await<get_await>;

 public:
  explicit get_await(queue_core<T, Store>& from) : base(from.not_empty()), queue_(from) {}
  T await_resume() {
    this->finish();
    return std::move(*taken_);
  }

 private:
  friend base;
  ring_outcome attempt() { return queue_.attempt_get(taken_); }

  queue_core<T, Store>& queue_;
  std::optional<T> taken_;
};

/// Whatever ends it when something is in already, but for an error, is a success that came before: a cancel strikes at
/// the next await.
template <class T, class Store, class Range>
class [[nodiscard]] put_many_await final : public queue_await<put_many_await<T, Store, Range>> {
  using base = queue_await<put_many_await>;

 public:
  put_many_await(queue_core<T, Store>& to, std::remove_reference_t<Range>& range)
      : base(to.not_full()), queue_(to), items_(range) {}
  std::size_t await_resume() const {
    try {
      this->finish();
    } catch (cancelled const&) {
      if (items_.count() == 0) throw;
    } catch (closed const&) {
      if (items_.count() == 0) throw;
    }
    return items_.count();
  }

 private:
  friend base;
  ring_outcome attempt() { return queue_.attempt_put_many(items_); }

  queue_core<T, Store>& queue_;
  outgoing<T, Range> items_;
};

template <class T, class Store>
class [[nodiscard]] get_many_await final : public queue_await<get_many_await<T, Store>> {
  using base = queue_await<get_many_await>;

 public:
  get_many_await(queue_core<T, Store>& from, std::size_t max) : base(from.not_empty()), queue_(from), max_(max) {}
  std::vector<T> await_resume() {
    this->finish();
    return std::move(taken_);
  }

 private:
  friend base;
  ring_outcome attempt() { return max_ == 0 ? ring_outcome::done : queue_.attempt_get_many(taken_, max_); }

  queue_core<T, Store>& queue_;
  std::size_t const max_;
  std::vector<T> taken_;
};

}  // namespace concur::inline CONCUR_ABI::detail
