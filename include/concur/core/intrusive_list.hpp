// SPDX-License-Identifier: BSL-1.0
//
// A doubly linked list of objects that bring their own links: nothing is allocated, nothing throws, and an object
// leaves in O(1) without being looked for.
//
//     struct waiter : intrusive_list_node<> { … };
//     intrusive_list<waiter> waiters;
//     waiters.push_back(mine);
//     mine.unlink();
#pragma once

#include <concur/core/abi.hpp>
#include <concur/core/assert.hpp>

#include <cstddef>
#include <iterator>
#include <type_traits>
#include <utility>

namespace concur::inline CONCUR_ABI {

template <class T, class Tag>
class intrusive_list;

/// One place in a ring of neighbours; what nodes and lists are made of. Not for use by itself.
template <class Tag>
class intrusive_list_links {
 private:
  template <class T, class ListTag>
  friend class intrusive_list;
  template <class NodeTag>
  friend class intrusive_list_node;

  // Both null: in no list.
  intrusive_list_links* next_ = nullptr;
  intrusive_list_links* previous_ = nullptr;
};

/// The links of one object in one list; the object derives from it, publicly. An object that stands in several lists
/// at once derives from several of them with different tags. Not copyable: others point at it. Must have left its
/// list when it is destroyed, which checked builds assert (in a destructor: a handler that throws ends the program).
template <class Tag = void>
class intrusive_list_node : private intrusive_list_links<Tag> {
 public:
  constexpr intrusive_list_node() noexcept = default;
  intrusive_list_node(intrusive_list_node const&) = delete;
  intrusive_list_node& operator=(intrusive_list_node const&) = delete;
  constexpr ~intrusive_list_node() { CONCUR_ASSERT(!is_linked(), "an object was destroyed while it stood in a list"); }

  /// Whether it stands in a list. Under the lock of that list, as everything here.
  constexpr bool is_linked() const noexcept { return this->next_ != nullptr; }

  /// Leaves its list, whichever that is; does nothing when it is in none. O(1).
  constexpr void unlink() noexcept;

 private:
  template <class T, class ListTag>
  friend class intrusive_list;
};

/// The list. It owns nothing: destroying it leaves the objects as they are, so it should be empty by then. It has no
/// lock: callers bring one. Every operation is O(1) and allocates nothing. Neither copied nor moved, since the
/// objects at both ends point at it. Fit for static storage: constexpr constructor, trivial destructor.
template <class T, class Tag = void>
class intrusive_list {
  template <class Item>
  class cursor;

 public:
  using value_type = T;
  using iterator = cursor<T>;
  using const_iterator = cursor<T const>;

  constexpr intrusive_list() noexcept;
  intrusive_list(intrusive_list const&) = delete;
  intrusive_list& operator=(intrusive_list const&) = delete;

  constexpr bool empty() const noexcept { return ring_.next_ == &ring_; }

  /// The first and the last. Requires: not empty.
  constexpr T& front();
  constexpr T& back();

  /// Requires: `item` stands in no list of this tag.
  constexpr void push_back(T& item) { insert(end(), item); }
  constexpr void push_front(T& item) { insert(begin(), item); }

  /// Puts `item` before `position` and returns where it stands.
  constexpr iterator insert(iterator position, T& item);

  /// Takes the first one out; null when empty.
  constexpr T* pop_front() noexcept;

  /// Takes `item` out. Requires: it stands in this list. Returns what followed it, so that a loop can go on.
  constexpr iterator erase(T& item);

  /// Appends all of `other` in their order and leaves it empty. `other` must not be this list.
  constexpr void splice_back(intrusive_list& other) noexcept;

  /// Bidirectional; valid until the object they stand at leaves.
  constexpr iterator begin() noexcept { return iterator(ring_.next_); }
  constexpr iterator end() noexcept { return iterator(&ring_); }
  constexpr const_iterator begin() const noexcept { return const_iterator(ring_.next_); }
  constexpr const_iterator end() const noexcept { return const_iterator(&ring_); }

 private:
  using links = intrusive_list_links<Tag>;
  using node = intrusive_list_node<Tag>;

  static constexpr links* links_of(T& item) noexcept { return static_cast<links*>(static_cast<node*>(&item)); }

  // Never null: `next_` is the first and `previous_` the last, or this place itself when the list is empty.
  // Mutable, because iterators over a constant list still walk through the list's own place.
  mutable links ring_;
};

template <class T, class Tag>
template <class Item>
class intrusive_list<T, Tag>::cursor {
 public:
  using iterator_category = std::bidirectional_iterator_tag;
  using value_type = T;
  using difference_type = std::ptrdiff_t;
  using pointer = Item*;
  using reference = Item&;

  constexpr cursor() noexcept = default;
  constexpr Item& operator*() const noexcept { return static_cast<Item&>(static_cast<node&>(*place_)); }
  constexpr Item* operator->() const noexcept { return &**this; }
  constexpr cursor& operator++() noexcept { return place_ = place_->next_, *this; }
  constexpr cursor& operator--() noexcept { return place_ = place_->previous_, *this; }
  constexpr cursor operator++(int) noexcept { return cursor(std::exchange(place_, place_->next_)); }
  constexpr cursor operator--(int) noexcept { return cursor(std::exchange(place_, place_->previous_)); }
  constexpr bool operator==(cursor const&) const noexcept = default;

 private:
  friend intrusive_list;
  constexpr explicit cursor(links* place) noexcept : place_(place) {}
  links* place_ = nullptr;
};

template <class Tag>
constexpr void intrusive_list_node<Tag>::unlink() noexcept {
  if (!is_linked()) return;
  auto* const following = this->next_;
  auto* const preceding = this->previous_;
  preceding->next_ = following;
  following->previous_ = preceding;
  this->next_ = this->previous_ = nullptr;
}

template <class T, class Tag>
constexpr intrusive_list<T, Tag>::intrusive_list() noexcept {
  static_assert(std::is_trivially_destructible_v<intrusive_list>);
  ring_.next_ = ring_.previous_ = &ring_;
}

template <class T, class Tag>
constexpr T& intrusive_list<T, Tag>::front() {
  CONCUR_ASSERT(!empty(), "front() of an empty list");
  return *begin();
}

template <class T, class Tag>
constexpr T& intrusive_list<T, Tag>::back() {
  CONCUR_ASSERT(!empty(), "back() of an empty list");
  return *--end();
}

template <class T, class Tag>
constexpr auto intrusive_list<T, Tag>::insert(iterator position, T& item) -> iterator {
  CONCUR_ASSERT(!static_cast<node&>(item).is_linked(), "an object was put into a list while it stood in one");
  links* const place = links_of(item);
  links* const following = position.place_;
  links* const preceding = following->previous_;
  preceding->next_ = following->previous_ = place;
  place->next_ = following;
  place->previous_ = preceding;
  return iterator(place);
}

template <class T, class Tag>
constexpr T* intrusive_list<T, Tag>::pop_front() noexcept {
  if (empty()) return nullptr;
  T& first = *begin();
  static_cast<node&>(first).unlink();
  return &first;
}

template <class T, class Tag>
constexpr auto intrusive_list<T, Tag>::erase(T& item) -> iterator {
  CONCUR_ASSERT(static_cast<node&>(item).is_linked(), "an object was taken out of a list in which it did not stand");
  iterator const following(links_of(item)->next_);
  static_cast<node&>(item).unlink();
  return following;
}

template <class T, class Tag>
constexpr void intrusive_list<T, Tag>::splice_back(intrusive_list& other) noexcept {
  if (other.empty()) return;
  links* const first = other.ring_.next_;
  links* const last = other.ring_.previous_;
  first->previous_ = ring_.previous_;
  first->previous_->next_ = first;
  last->next_ = &ring_;
  ring_.previous_ = last;
  other.ring_.next_ = other.ring_.previous_ = &other.ring_;
}

}  // namespace concur::inline CONCUR_ABI
