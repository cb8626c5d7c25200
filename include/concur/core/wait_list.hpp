// SPDX-License-Identifier: BSL-1.0
//
// The list of waiters of a primitive, and the state word that carries it: eight bytes hold the head of the list, the
// lock of the list and two flags of the primitive. There is no table beside it.
//
//     class event { wait_word word_; … };
//     if (word_.enqueue(me, [](auto bits) { return !(bits & set); })) …;   // set: it need not wait
//
// A word with its list lock set is changed by nobody but the holder. The holder lets go of lock and list by one store,
// its last access: after that the primitive may be gone, and only waiters taken out of the list are touched.
#pragma once

#include <concur/core/assert.hpp>
#include <concur/core/in_static_storage.hpp>
#include <concur/core/os.hpp>
#include <concur/core/waiter.hpp>

#include <cstdint>

namespace concur::inline CONCUR_ABI {

/// Waiters in order of arrival. A value: the head is kept in the word. O(1) but where stated. Under the lock of the
/// list.
class wait_list {
 public:
  constexpr explicit wait_list(waiter* head = nullptr) noexcept : head_(head) {}

  bool empty() const noexcept { return head_ == nullptr; }
  waiter* front() const noexcept { return head_; }

  void push_back(waiter& arriving) noexcept;
  void push_front(waiter& returning) noexcept;

  /// Takes the first one out. Requires: not empty.
  waiter& pop_front() noexcept;

  /// How many wait, but at most `count`. O(result).
  std::size_t count_up_to(std::size_t count) const noexcept;

  /// How many at the front `wanted(waiter)` accepts, one after the other. O(result).
  template <class Wanted>
  std::size_t count_while(Wanted wanted) const noexcept;

  /// Takes up to `count` out of the front and returns them as a list. O(taken).
  wait_list split(std::size_t count) noexcept;

  /// Takes the last one out and returns it as a list. O(1). Requires: not empty.
  wait_list split_last() noexcept;

  /// Takes it out if it is in; says whether it was. `leaving` is in this list or in none.
  bool remove(waiter& leaving) noexcept;

  /// Wakes all of them, in order. Requires: the list is the caller's own, taken out by `split`.
  void wake_all(wake_reason reason, os::site at = os::site::here()) noexcept;

 private:
  // previous_ of the head is the tail; next_ of the tail is null; previous_ null: in no list.
  waiter* head_;
};

/// The word. `Checked` adds the assertion that nobody waits when it is destroyed; the destructor is trivial otherwise.
/// In static storage somebody may: a daemon, which the end of the process stops.
/// `ListFlag` is the flag that is set exactly while somebody waits, for a primitive that keeps something else in place
/// of the list otherwise; 0: the place holds the list at all times.
template <bool Checked, std::uintptr_t ListFlag = 0>
class basic_wait_word {
 public:
  using bits_type = std::uintptr_t;

  static constexpr bits_type list_lock = 1;
  static constexpr bits_type first_flag = 2;   // the primitive's own
  static constexpr bits_type second_flag = 4;  // the primitive's own
  static constexpr bits_type all_flags = 7;

  constexpr basic_wait_word() noexcept = default;
  constexpr explicit basic_wait_word(bits_type initial) noexcept : bits_(initial) {}
  ~basic_wait_word()
    requires(!Checked)
  = default;
  constexpr ~basic_wait_word() {
    if (!std::is_constant_evaluated()) assert_nobody_waits();
  }

  /// The word itself, for fast paths.
  os::atomic<bits_type>& bits() noexcept { return bits_; }
  os::atomic<bits_type> const& bits() const noexcept { return bits_; }

  static bool has_waiters(bits_type bits) noexcept {
    return ListFlag != 0 ? (bits & ListFlag) != 0 : (bits & ~all_flags) != 0;
  }
  static wait_list list_in(bits_type bits) noexcept {
    return wait_list(has_waiters(bits) ? reinterpret_cast<waiter*>(bits & ~all_flags) : nullptr);
  }
  /// The word with this list, and with `flags` beside it; ListFlag and lock are taken care of.
  static bits_type with_list(wait_list list, bits_type flags) noexcept {
    flags &= all_flags & ~(ListFlag | list_lock);
    return list.empty() ? flags : reinterpret_cast<bits_type>(list.front()) | flags | ListFlag;
  }

  /// Locks the list while `wanted(bits)` holds. Returns whether it did, and in `bits` the word without the lock; if it
  /// did not, what happened before the word was written is visible.
  template <class Wanted>
  bool lock_list_if(bits_type& bits, Wanted wanted) noexcept;
  bits_type lock_list() noexcept {
    bits_type bits = 0;
    lock_list_if(bits, [](bits_type) { return true; });
    return bits;
  }

  /// Lets go of the list and writes the word: the last access. release: the next party to lock the list, or to read
  /// the word with acquire, sees all that was done before.
  void unlock_list(bits_type bits) noexcept { bits_.store(bits, std::memory_order_release); }

  /// Appends the waiter if `must_wait(bits)` holds. Returns whether it waits now. If it does not, its reason is
  /// `stopped` for a task whose scope is cancelled, else `none`: it need not wait. `Place` says where the list is, for
  /// a primitive that does not always keep it here: it has `list_in` and `with_list`.
  template <class Place = basic_wait_word, class MustWait>
  bool enqueue(waiter& arriving, MustWait must_wait) noexcept;

  /// Takes the waiter out if it still waits; says whether.
  template <class Place = basic_wait_word>
  bool withdraw(waiter& leaving) noexcept;

 private:
  void assert_nobody_waits() const {
    // relaxed: whoever destroys it has made sure that nobody uses it.
    CONCUR_ASSERT(!has_waiters(bits_.load(std::memory_order_relaxed)) || in_static_storage(this),
                  "a primitive was destroyed while a party waited for it");
  }

  os::atomic<bits_type> bits_{0};
};

using wait_word = basic_wait_word<CONCUR_CHECKED>;
static_assert(CONCUR_EXPLORE || sizeof(wait_word) == 8);
static_assert(alignof(waiter) > wait_word::all_flags, "the flags stand in the low bits of a pointer to a waiter");

inline void wait_list::push_back(waiter& arriving) noexcept {
  arriving.next_.set(nullptr);
  if (head_ == nullptr) {
    arriving.previous_.set(&arriving);
    head_ = &arriving;
    return;
  }
  waiter* const tail = head_->previous_.get();
  tail->next_.set(&arriving);
  arriving.previous_.set(tail);
  head_->previous_.set(&arriving);
}

inline void wait_list::push_front(waiter& returning) noexcept {
  returning.next_.set(head_);
  returning.previous_.set(head_ == nullptr ? &returning : head_->previous_.get());
  if (head_ != nullptr) head_->previous_.set(&returning);
  head_ = &returning;
}

inline waiter& wait_list::pop_front() noexcept {
  waiter& first = *head_;
  waiter* const next = first.next_.get();
  if (next != nullptr) next->previous_.set(first.previous_.get());
  first.previous_.set(nullptr);
  head_ = next;
  return first;
}

inline std::size_t wait_list::count_up_to(std::size_t count) const noexcept {
  std::size_t found = 0;
  for (waiter const* each = head_; each != nullptr && found != count; each = each->next_.get()) ++found;
  return found;
}

template <class Wanted>
std::size_t wait_list::count_while(Wanted wanted) const noexcept {
  std::size_t found = 0;
  for (waiter const* each = head_; each != nullptr && wanted(*each); each = each->next_.get()) ++found;
  return found;
}

inline wait_list wait_list::split(std::size_t count) noexcept {
  if (count == 0 || head_ == nullptr) return wait_list();
  wait_list const taken(head_);
  waiter* const tail = head_->previous_.get();
  waiter* last = nullptr;
  // Each of them must know that it is in no list now: a party that gives up asks.
  for (; count != 0 && head_ != nullptr; --count) {
    last = head_;
    head_ = last->next_.get();
    last->previous_.set(nullptr);
  }
  last->next_.set(nullptr);
  if (head_ != nullptr) head_->previous_.set(tail);
  return taken;
}

inline wait_list wait_list::split_last() noexcept {
  waiter& last = *head_->previous_.get();
  remove(last);
  last.next_.set(nullptr);
  return wait_list(&last);
}

inline bool wait_list::remove(waiter& leaving) noexcept {
  waiter* const previous = leaving.previous_.get();
  if (previous == nullptr) return false;
  if (head_ == &leaving) {
    pop_front();
    return true;
  }
  waiter* const next = leaving.next_.get();
  previous->next_.set(next);
  (next != nullptr ? next : head_)->previous_.set(previous);
  leaving.previous_.set(nullptr);
  return true;
}

inline void wait_list::wake_all(wake_reason reason, os::site at) noexcept {
  while (head_ != nullptr) {
    waiter& each = *head_;
    head_ = each.next_.get();  // before the wake, after which `each` may be gone
    each.wake(reason, at);
  }
}

template <bool Checked, std::uintptr_t ListFlag>
template <class Wanted>
bool basic_wait_word<Checked, ListFlag>::lock_list_if(bits_type& bits, Wanted wanted) noexcept {
  brief_wait other_holder;
  // mutant: the three acquires that do not lock matter where the word is not wanted, as when an event is set.
  bits = bits_.load(std::memory_order_acquire);
  while (wanted(bits)) {
    if ((bits & list_lock) != 0) {
      other_holder.pause();
      bits = bits_.load(std::memory_order_acquire);  // mutant: see above
      // mutant: see above, for the order of failure
    } else if (bits_.compare_exchange_weak(bits, bits | list_lock, std::memory_order_acquire,
                                           std::memory_order_acquire)) {
      return true;
    }
  }
  return false;
}

template <bool Checked, std::uintptr_t ListFlag>
template <class Place, class MustWait>
bool basic_wait_word<Checked, ListFlag>::enqueue(waiter& arriving, MustWait must_wait) noexcept {
  bits_type bits = 0;
  if (!lock_list_if(bits, must_wait)) return false;
  if (arriving.refused()) {
    arriving.settle(wake_reason::stopped);
    unlock_list(bits);
    return false;
  }
  auto list = Place::list_in(bits);
  list.push_back(arriving);
  unlock_list(Place::with_list(list, bits));
  return true;
}

template <bool Checked, std::uintptr_t ListFlag>
template <class Place>
bool basic_wait_word<Checked, ListFlag>::withdraw(waiter& leaving) noexcept {
  bits_type const bits = lock_list();
  auto list = Place::list_in(bits);
  bool const waited = list.remove(leaving);
  unlock_list(waited ? Place::with_list(list, bits) : bits);
  return waited;
}

}  // namespace concur::inline CONCUR_ABI
