// SPDX-License-Identifier: BSL-1.0
//
// std::stop_token and its family for explored code. The standard's own knows operating-system threads only, and all
// explored threads share one: a callback's destructor would not wait for a callback that another thread is running.
#pragma once

#include <concur/testing/engine/seam.hpp>

#include <concepts>
#include <cstdint>
#include <stop_token>
#include <type_traits>
#include <utility>

namespace concur::testing::engine {

/// What sources, tokens and callbacks share. Between two operations on `word` no other thread runs, so the list and
/// the counts need no lock of their own; `word` carries the synchronization that the standard promises.
class stop_state {
 public:
  struct callback {
    void (*call)(callback*) = nullptr;
    callback* next = nullptr;
    callback* previous = nullptr;
    bool linked = false;
    bool* gone = nullptr;  // set while the callback runs: told when its object is destroyed
  };

  bool requested() const noexcept { return (word_.load(std::memory_order_acquire, site{}) & 1u) != 0; }

  bool request() noexcept {
    if ((word_.fetch_or(1, std::memory_order_acq_rel, site{}) & 1u) != 0) return false;
    requester_ = caller();
    while (first_ != nullptr) {
      callback* const c = first_;
      unlink(*c);
      bool gone = false;
      c->gone = &gone;
      executing_ = c;
      c->call(c);
      if (gone) executing_ = nullptr;
      word_.fetch_add(2, std::memory_order_acq_rel, site{});  // who waits for the callback's end synchronizes here
      executing_ = nullptr;
      if (machine* const m = running()) m->wake(&word_, max_threads, {});
    }
    return true;
  }

  /// False when the request has come already: the caller runs the callback itself.
  bool add(callback& c) noexcept {
    if ((word_.fetch_add(2, std::memory_order_acq_rel, site{}) & 1u) != 0) return false;
    c.next = first_;
    c.previous = nullptr;
    if (first_ != nullptr) first_->previous = &c;
    first_ = &c;
    c.linked = true;
    return true;
  }

  void remove(callback& c) noexcept {
    word_.fetch_add(2, std::memory_order_acq_rel, site{});
    if (c.linked) return unlink(c);
    if (executing_ != &c) return;
    if (requester_ == caller()) {
      *c.gone = true;  // destroyed by its own callback
      return;
    }
    while (executing_ == &c) running()->wait_for_wake(&word_, {});
    word_.fetch_add(2, std::memory_order_acquire, site{});
  }

  int owners = 1;   // of any kind
  int sources = 1;  // that can still request

 private:
  static int caller() noexcept { return present == nullptr ? -1 : present->thread; }

  void unlink(callback& c) noexcept {
    (c.previous != nullptr ? c.previous->next : first_) = c.next;
    if (c.next != nullptr) c.next->previous = c.previous;
    c.linked = false;
  }

  atomic<std::uint32_t> word_{0};  // bit 0: requested; above: changes so far
  callback* first_ = nullptr;
  callback* executing_ = nullptr;
  int requester_ = -2;
};

/// A counted reference.
class stop_reference {
 public:
  stop_reference() noexcept = default;
  explicit stop_reference(stop_state* fresh) noexcept : state_(fresh) {}
  stop_reference(stop_reference const& other) noexcept : state_(other.state_) {
    if (state_ != nullptr) ++state_->owners;
  }
  stop_reference(stop_reference&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
  stop_reference& operator=(stop_reference other) noexcept {
    std::swap(state_, other.state_);
    return *this;
  }
  ~stop_reference() { drop(state_); }

  stop_state* operator->() const noexcept { return state_; }
  explicit operator bool() const noexcept { return state_ != nullptr; }
  bool operator==(stop_reference const& other) const noexcept { return state_ == other.state_; }

 private:
  // Not inlined: GCC 12 takes two references that end after each other for a use after free.
  [[gnu::noinline]] static void drop(stop_state* state) noexcept {
    if (state != nullptr && --state->owners == 0) delete state;
  }

  stop_state* state_ = nullptr;
};

template <class F>
class stop_callback;

class stop_token {
 public:
  stop_token() noexcept = default;
  bool stop_requested() const noexcept { return state_ && state_->requested(); }
  bool stop_possible() const noexcept { return state_ && (state_->sources > 0 || state_->requested()); }
  void swap(stop_token& other) noexcept { std::swap(state_, other.state_); }
  friend bool operator==(stop_token const& a, stop_token const& b) noexcept { return a.state_ == b.state_; }

 private:
  friend class stop_source;
  template <class F>
  friend class stop_callback;
  explicit stop_token(stop_reference s) noexcept : state_(std::move(s)) {}
  stop_reference state_;
};

class stop_source {
 public:
  stop_source() : state_(new stop_state) {}
  explicit stop_source(std::nostopstate_t) noexcept {}
  stop_source(stop_source const& other) noexcept : state_(other.state_) {
    if (state_) ++state_->sources;
  }
  stop_source(stop_source&& other) noexcept = default;
  stop_source& operator=(stop_source other) noexcept {
    std::swap(state_, other.state_);
    return *this;
  }
  ~stop_source() {
    if (state_) --state_->sources;
  }

  bool request_stop() const noexcept {
    stop_reference const alive = state_;
    return alive && alive->request();
  }
  bool stop_requested() const noexcept { return state_ && state_->requested(); }
  bool stop_possible() const noexcept { return static_cast<bool>(state_); }
  stop_token get_token() const noexcept { return stop_token(state_); }
  void swap(stop_source& other) noexcept { std::swap(state_, other.state_); }
  friend bool operator==(stop_source const& a, stop_source const& b) noexcept { return a.state_ == b.state_; }

 private:
  stop_reference state_;
};

/// Runs `f` when stop is requested; at once if it has been. The destructor waits while another thread runs it.
template <class F>
class stop_callback : private stop_state::callback {
 public:
  using callback_type = F;

  template <class C>
    requires std::constructible_from<F, C>
  explicit stop_callback(stop_token const& token, C&& f) : state_(token.state_), f_(std::forward<C>(f)) {
    attach();
  }
  template <class C>
    requires std::constructible_from<F, C>
  explicit stop_callback(stop_token&& token, C&& f) : state_(std::move(token.state_)), f_(std::forward<C>(f)) {
    attach();
  }
  stop_callback(stop_callback const&) = delete;
  stop_callback& operator=(stop_callback const&) = delete;
  ~stop_callback() {
    if (state_) state_->remove(*this);
  }

 private:
  void attach() {
    call = [](stop_state::callback* self) { std::forward<F>(static_cast<stop_callback*>(self)->f_)(); };
    if (!state_) return;
    if (state_->add(*this)) return;
    state_ = {};
    std::forward<F>(f_)();
  }

  stop_reference state_;
  F f_;
};

template <class F>
stop_callback(stop_token, F) -> stop_callback<F>;

}  // namespace concur::testing::engine
