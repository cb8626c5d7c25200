// SPDX-License-Identifier: BSL-1.0
//
// What a future and the producer of its result share, but for the result itself: who completes it, who waits for it,
// who is called back, and how many still hold it. See future_state.hpp.
//
// Two words decide everything. `stage_` says who may write the result, producer or canceller
// (producer_stage.hpp). `word_` says how far its publication is, and carries the list of those who wait.
#pragma once

#include <concur/core/blocking.hpp>
#include <concur/core/errors.hpp>
#include <concur/core/frame_recycler.hpp>
#include <concur/core/os.hpp>
#include <concur/core/wait_list.hpp>
#include <concur/core/waiter.hpp>
#include <concur/future/producer_stage.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <new>
#include <utility>

namespace concur::inline CONCUR_ABI {

class future_state_base;

/// Something to be called when a state has its outcome; see `future_state_base::call`.
class future_callback {
 public:
  /// Called once, on the completing thread. The callback is its own owner: it may destroy itself.
  virtual void run(future_state_base& done) noexcept = 0;

 protected:
  ~future_callback() = default;

 private:
  friend class future_state_base;
  // Under the lock of the state's list; then the publisher's own.
  os::plain<future_callback*> next_;
  os::plain<waiter*> waiters_{nullptr};  // of the newest callback: those who wait for the state
};

/// The part that does not know the type of the value. Counted: whoever calls anything holds a reference, and the last
/// one destroys the state. Life: pending, running (from `begin` on), done. What happened before the completion is
/// visible to whoever finds it done.
class future_state_base {
 public:
  future_state_base(future_state_base const&) = delete;
  future_state_base& operator=(future_state_base const&) = delete;

  /// Blocks come from the recycler, also those of derived classes.
  static void* operator new(std::size_t size) { return frame_recycler::allocate(size); }
  static void* operator new(std::size_t size, std::align_val_t alignment) { return ::operator new(size, alignment); }
  static void operator delete(void* block, std::size_t size) noexcept { frame_recycler::free(block, size); }
  static void operator delete(void* block, std::size_t, std::align_val_t alignment) noexcept {
    ::operator delete(block, alignment);
  }

  void add_reference() noexcept {
    // relaxed: whoever copies a reference has one.
    references_.fetch_add(1, std::memory_order_relaxed);
  }
  void drop_reference() noexcept {
    // acquire: all uses of the others come before the destruction. Who sees 1 is alone and spares the locked operation.
    if (references_.load(std::memory_order_acquire) == 1 || references_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      delete this;
    }
  }

  // ---- for those who read

  /// Whether the outcome is there. One load.
  bool done() const noexcept { return is_done(word_.bits().load(std::memory_order_acquire)); }

  /// Whether it may be taken: it is there, and the callbacks that were to see it have run. One load.
  bool takeable() const noexcept { return is_takeable(word_.bits().load(std::memory_order_acquire)); }

  /// Whether it ended with an error. Requires: done.
  bool failed() const noexcept { return kind_.get() >= kind::error; }

  /// Blocks the thread or fiber until the outcome may be taken; returns whether it came within the limit. Throws misuse
  /// in a callback of this very state, and what the deriving class has to say against blocking here.
  bool wait_within(wait_limit const& limit);

  /// As in wait_word: waits unless the outcome may be taken.
  bool enqueue(waiter& arriving) noexcept {
    return word_.enqueue<waiters_place>(arriving, [](bits_type bits) { return !is_takeable(bits); });
  }
  bool withdraw(waiter& leaving) noexcept { return word_.withdraw<waiters_place>(leaving); }

  /// Before a party enqueues itself: throws misuse if it is in a callback of this very state, and would wait for its
  /// own end.
  void require_not_in_callback() const;

  /// Tells the deriving class that the calling thread is about to sleep until this state is done: the owner of a queue
  /// may run the job in place, an event loop throws misuse when its own thread would wait for itself.
  virtual void about_to_block(wait_limit const&) {}

  /// Has `callback` run when the outcome is there, before it may be taken; callbacks run in the order in which they
  /// came. Returns false, and does nothing, if it is there already: then the caller, who owns the future, runs it.
  bool call(future_callback& callback) noexcept { return call_unless(callback, is_done); }
  /// The same for a callback that takes the outcome: false only if it may be taken.
  bool call_to_take(future_callback& callback) noexcept { return call_unless(callback, is_takeable); }

  /// Pending: completes with the error `cancelled`, and what has not begun never begins. Running: asks the producer to
  /// stop. Returns whether it came before the completion. Any thread.
  bool cancel() noexcept;

  /// Somebody has taken note of the error, so that it need not go to the hook.
  // relaxed: read after the last reference has gone.
  void note_error_taken() noexcept { taken_.fetch_or(error_taken, std::memory_order_relaxed); }

  // ---- for producers

  /// Pending becomes running. False if it was cancelled or completed before: then the work must not be done.
  bool begin() noexcept { return stage_.begin(); }

  /// Whether anybody has cancelled it, before or after it began.
  bool cancel_requested() const noexcept { return stage_.cancel_requested(); }

  /// Completes it with an error, not null. Returns whether it was not completed before.
  bool complete_error(std::exception_ptr error) noexcept {
    if (!stage_.claim()) return false;
    store_error(std::move(error));
    publish();
    return true;
  }

 protected:
  future_state_base() noexcept = default;
  /// `references` to start with.
  explicit future_state_base(std::uint32_t references) noexcept : references_(references) {}
  explicit future_state_base(producer_stage::manner how) noexcept : stage_(how) {}
  virtual ~future_state_base() = default;

  /// Called once, by the first cancel that comes before the completion, whether the work has begun or not; a reference
  /// is held. For stop sources, scopes, and queues from which a job can be taken out.
  virtual void request_cancel() noexcept {}

  /// Called by the cancel that came before the work began, before anybody learns of it: for what the work would have
  /// used.
  virtual void never_begins() noexcept {}

  /// The outcome of that cancel.
  virtual void store_cancel() noexcept { store_error(std::make_exception_ptr(cancelled())); }

  virtual void store_error(std::exception_ptr error) noexcept = 0;
  virtual std::exception_ptr stored_error() const noexcept = 0;

  /// Who writes the outcome. Whoever claims it publishes it as well.
  producer_stage& stage() noexcept { return stage_; }
  producer_stage const& stage() const noexcept { return stage_; }

  /// For a producer that begins lightly, see there. Its own thread need not pay.
  virtual void order_cancel() noexcept { os::heavy_barrier(); }

  /// Lets everybody know. The caller may hold no reference if nobody can drop the last one before this returns. Those
  /// who wait may run, and destroy the future, before it returns.
  void publish() noexcept;

  /// The same for one who has just written to the state's line, so that a look at the word costs nothing.
  void publish_after_a_look() noexcept {
    if (word_.bits().load(std::memory_order_relaxed) == 0) return publish();
    publish_slowly();
  }

  /// For destructors of deriving classes that hold the outcome.
  void report_error_not_taken() noexcept;

  enum class kind : std::uint8_t {
    none,
    value,
    error,
    never_begun,  // cancelled, and without the room to say so
  };
  bool has_outcome() const noexcept { return kind_.get() != kind::none; }
  bool never_begun() const noexcept { return kind_.get() == kind::never_begun; }
  void set_kind(kind now) noexcept { kind_.set(now); }

  /// For the deriving class, whose own byte would cost eight: whether the owner of the only future took the outcome;
  /// if that is an error, somebody has taken note of it.
  // relaxed: the owner's own.
  bool taken() const noexcept { return (taken_.load(std::memory_order_relaxed) & outcome_taken) != 0; }
  void set_taken() noexcept {
    if (failed()) {
      taken_.fetch_or(outcome_taken | error_taken, std::memory_order_relaxed);
    } else {
      taken_.store(outcome_taken, std::memory_order_relaxed);
    }
  }

  /// A lock for the few fields of deriving classes that a cancel and the producer share.
  template <class Section>
  decltype(auto) with_list_locked(Section section) noexcept;

 private:
  using bits_type = wait_word::bits_type;

  // The flags of the word, beside the list of those who wait to take the outcome, or the newest of the callbacks, which
  // has that list:
  //   none                     not done
  //   flag_calls               not done, and there are callbacks
  //   flag_calls | flag_ready  done, and callbacks are running: the outcome must not be taken yet
  //   flag_ready               done
  static constexpr bits_type flag_calls = wait_word::first_flag;
  static constexpr bits_type flag_ready = wait_word::second_flag;
  static bool is_done(bits_type bits) noexcept { return (bits & flag_ready) != 0; }
  static bool is_takeable(bits_type bits) noexcept { return (bits & (flag_calls | flag_ready)) == flag_ready; }

  // The bits of taken_.
  enum : std::uint8_t { outcome_taken = 1, error_taken = 2 };

  static future_callback* newest_call(bits_type bits) noexcept {
    return (bits & flag_calls) != 0 ? reinterpret_cast<future_callback*>(bits & ~wait_word::all_flags) : nullptr;
  }
  static bits_type with_calls(future_callback& newest, wait_list waiters, bits_type flags) noexcept {
    newest.waiters_.set(waiters.front());
    return reinterpret_cast<bits_type>(&newest) | (flags & flag_ready) | flag_calls;
  }
  struct waiters_place {
    static wait_list list_in(bits_type bits) noexcept {
      auto const* const newest = newest_call(bits);
      return newest != nullptr ? wait_list(newest->waiters_.get()) : wait_word::list_in(bits);
    }
    static bits_type with_list(wait_list list, bits_type bits) noexcept {
      auto* const newest = newest_call(bits);
      return newest != nullptr ? with_calls(*newest, list, bits) : wait_word::with_list(list, bits);
    }
  };

  class announcement;

  bool call_unless(future_callback& callback, bool (*too_late)(bits_type)) noexcept;
  void publish_slowly() noexcept;
  void run_callbacks(future_callback* newest, announcement& mine) noexcept;
  bool in_own_callback() const noexcept;

  mutable wait_word word_;
  os::atomic<std::uint32_t> references_{2};  // to begin with, the producer's and the future's
  producer_stage stage_;
  os::plain<kind> kind_{kind::none};  // written by who completes it, before flag_ready
  os::atomic<std::uint8_t> taken_{0};  // stored only where there is no error that another could take note of
};

static_assert(alignof(future_callback) > wait_word::all_flags, "the flags stand in the low bits of a pointer to it");

/// Who runs the callbacks, on its stack: the last of those that have come meanwhile. Never called.
class future_state_base::announcement final : public future_callback {
 public:
  void const* const who = current_party();
  void run(future_state_base&) noexcept override {}
};

template <class Section>
decltype(auto) future_state_base::with_list_locked(Section section) noexcept {
  struct lock {
    explicit lock(wait_word& which) noexcept : word(which), bits(which.lock_list()) {}
    ~lock() { word.unlock_list(bits); }
    wait_word& word;
    bits_type const bits;
  } const held(word_);
  return section();
}

inline bool future_state_base::cancel() noexcept {
  // Who has begun with a locked instruction completes without a claim.
  if (done()) return false;
  add_reference();  // a callback may destroy the caller's future
  auto const when = stage_.cancel([this] { order_cancel(); });
  if (when == cancelled_when::unbegun) {
    never_begins();
    store_cancel();
    publish();
  }
  if (when >= cancelled_when::unbegun) request_cancel();
  drop_reference();
  return when != cancelled_when::too_late;
}

inline void future_state_base::publish() noexcept {
  bits_type nobody = 0;
  // release: who finds it done sees the outcome. The last access.
  if (word_.bits().compare_exchange_strong(nobody, flag_ready, std::memory_order_release, std::memory_order_relaxed))
    return;
  publish_slowly();
}

[[gnu::noinline]] inline void future_state_base::publish_slowly() noexcept {
  bits_type bits = word_.lock_list();
  if ((bits & flag_calls) != 0) {
    // From here on others see that it is done, and may drop their references.
    add_reference();
    announcement mine;
    word_.unlock_list(with_calls(mine, waiters_place::list_in(bits), flag_ready));
    run_callbacks(newest_call(bits), mine);
    drop_reference();
    return;
  }
  auto released = wait_word::list_in(bits).split(SIZE_MAX);
  word_.unlock_list(flag_ready);  // the state may be gone now
  released.wake_all(wake_reason::granted);
}

// From `newest` to the announcement, or to null at first; until there are none left, some of which came meanwhile. Then
// the outcome may be taken.
inline void future_state_base::run_callbacks(future_callback* newest, announcement& mine) noexcept {
  for (;;) {
    future_callback* oldest = nullptr;
    while (newest != nullptr && newest != &mine) {
      auto* const before = newest->next_.get();
      newest->next_.set(oldest);
      oldest = std::exchange(newest, before);
    }
    while (oldest != nullptr) {
      auto* const next = oldest->next_.get();  // before the call, after which it may be gone
      oldest->run(*this);
      oldest = next;
    }
    bits_type const bits = word_.lock_list();
    newest = newest_call(bits);
    auto waiters = waiters_place::list_in(bits);
    if (newest == &mine) {
      auto released = waiters.split(SIZE_MAX);
      word_.unlock_list(flag_ready);
      released.wake_all(wake_reason::granted);
      return;
    }
    word_.unlock_list(with_calls(mine, waiters, bits));
  }
}

inline bool future_state_base::call_unless(future_callback& callback, bool (*too_late)(bits_type)) noexcept {
  bits_type bits = 0;
  if (!word_.lock_list_if(bits, [too_late](bits_type now) { return !too_late(now); })) return false;
  callback.next_.set(newest_call(bits));
  word_.unlock_list(with_calls(callback, waiters_place::list_in(bits), bits));
  return true;
}

inline bool future_state_base::in_own_callback() const noexcept {
  auto const running = [](bits_type bits) { return is_done(bits) && !is_takeable(bits); };
  bits_type bits = 0;
  if (!word_.lock_list_if(bits, running)) return false;
  future_callback const* last = newest_call(bits);
  while (auto const* const before = last->next_.get()) last = before;
  bool const own = static_cast<announcement const*>(last)->who == current_party();
  word_.unlock_list(bits);
  return own;
}

inline void future_state_base::require_not_in_callback() const {
  if (in_own_callback()) throw misuse("a future was read by its own callback, which has the outcome as its argument");
}

[[gnu::noinline]] inline bool future_state_base::wait_within(wait_limit const& limit) {
  if (takeable()) return true;
  require_not_in_callback();
  if (limit.deadline == at_once) return false;
  about_to_block(limit);
  if (spin_until([this] { return takeable(); })) return true;
  waiter me;
  if (!enqueue(me)) return true;
  return wait_in_list(me, limit, [&] { return withdraw(me); }, {0, 0}) == wake_reason::granted;
}

inline void future_state_base::report_error_not_taken() noexcept {
  if (!failed() || (taken_.load(std::memory_order_relaxed) & error_taken) != 0) return;
  auto const error = stored_error();
  try {
    std::rethrow_exception(error);
  } catch (cancelled const&) {
    return;  // nobody needs to be told
  } catch (...) {
    report_unhandled_error(error, "a future");
  }
}

}  // namespace concur::inline CONCUR_ABI
