// SPDX-License-Identifier: BSL-1.0
//
// A coroutine that yields values one after the other, as a range: Python's generator. The interface is that of C++23's
// std::generator, without its allocators.
//
//     concur::generator<int> count(int from) {
//       for (;; ++from) co_yield from;
//     }
//     for (int n : count(1) | std::views::take(3)) std::cout << n;  // 123
//
// `co_yield elements_of(g)` is Python's `yield from g`, except that no value comes back from it. Like the standard's,
// after the paper P2502 by Casey Carter (2021).
#pragma once

#include <concur/core/abi.hpp>
#include <concur/core/assert.hpp>
#include <concur/core/frame_recycler.hpp>
#include <concur/coro/detail/generator_nest.hpp>

#include <concepts>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <iterator>
#include <memory>
#include <ranges>
#include <type_traits>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// What to co_yield when each element of a range is to be yielded in turn. Refers to the range, which is used up if it
/// is a generator.
template <class Range>
class elements_of {
  static_assert(std::is_reference_v<Range> && std::ranges::input_range<Range>, "elements_of takes a range");

 public:
  constexpr explicit elements_of(std::type_identity_t<Range> range) noexcept : range_(static_cast<Range>(range)) {}

  constexpr Range range() const noexcept { return static_cast<Range>(range_); }

 private:
  Range range_;
};
template <class Range>
elements_of(Range&&) -> elements_of<Range&&>;

/// An input range and a view that can be moved, not copied. `generator<T>` gives its elements as `T&&`, `generator<T&>`
/// and `generator<T const&>` as they say; with two arguments the first is the reference type, the second the value
/// type, as of a range.
///
/// Nothing runs before begin(), which may be called once. Each element lives until the iterator is incremented; none is
/// copied on the way, but an lvalue yielded by a `generator<T>` (whose elements may be moved from). What leaves the
/// body leaves begin() or ++, and the range is at its end then.
///
/// In the body: `co_yield value`, `co_yield elements_of(range)`, `co_return`; no `co_await`. The elements of another
/// generator of the same kind cost no more than its own, however deeply generators delegate to each other, and the
/// stack does not grow; an exception of the other is thrown by that `co_yield`. Other ranges cost a frame for each
/// elements_of. A generator that was begun has no more to delegate to.
///
/// Its destructor destroys a body that is suspended, those that it delegates to first. Throws std::bad_alloc when it is
/// made. Any thread, one at a time.
template <class Reference, class Value = void>
class [[nodiscard]] generator : public std::ranges::view_interface<generator<Reference, Value>> {
  using value = std::conditional_t<std::is_void_v<Value>, std::remove_cvref_t<Reference>, Value>;
  using reference = std::conditional_t<std::is_void_v<Value>, Reference&&, Reference>;
  static_assert(std::is_object_v<value> && std::same_as<value, std::remove_cv_t<value>>,
                "the value type of a generator is an object type without const");
  static_assert(std::is_reference_v<reference> ||
                    (std::same_as<reference, std::remove_cv_t<reference>> && std::copy_constructible<reference>),
                "the reference type of a generator is a reference, or can be copied");

 public:
  /// What `co_yield` takes.
  using yielded = std::conditional_t<std::is_reference_v<reference>, reference, reference const&>;

  class promise_type;
  class iterator;

  generator(generator&& other) noexcept : body_(std::exchange(other.body_, nullptr)) {}
  generator& operator=(generator other) noexcept {
    std::swap(body_, other.body_);
    return *this;
  }
  ~generator() {
    if (body_ != nullptr) body_->destroy();
  }

  /// Runs the body up to its first element. Once.
  iterator begin() {
    CONCUR_ASSERT(body_ != nullptr, "begin() of a generator that was moved from, or given to elements_of");
    CONCUR_ASSERT(!body_->begun(), "begin() of a generator was called a second time");
    body_->begin();
    return iterator(*body_);
  }
  std::default_sentinel_t end() const noexcept { return std::default_sentinel; }

 private:
  template <class, class>
  friend class generator;
  using nest = detail::generator_nest<yielded>;

  explicit generator(nest& body) noexcept : body_(&body) {}

  // Null when it was moved from, or when its frame belongs to the nest of another.
  nest* body_;
};

/// An input iterator. Ends with its generator.
template <class Reference, class Value>
class generator<Reference, Value>::iterator {
 public:
  using value_type = value;
  using difference_type = std::ptrdiff_t;

  iterator(iterator&&) noexcept = default;
  iterator& operator=(iterator&&) noexcept = default;

  /// Requires: not at the end, as does ++.
  reference operator*() const
      noexcept(std::is_reference_v<reference> || std::is_nothrow_copy_constructible_v<reference>) {
    return static_cast<reference>(*value_);
  }
  iterator& operator++() {
    value_ = nullptr;  // stays so if advance() throws
    value_ = root_->advance();
    return *this;
  }
  void operator++(int) { ++*this; }
  friend bool operator==(iterator const& at, std::default_sentinel_t) noexcept { return at.value_ == nullptr; }

 private:
  friend class generator;
  explicit iterator(nest& root) : root_(&root), value_(root.advance()) {}

  nest* root_;
  typename nest::pointer value_;
};

/// For the compiler.
template <class Reference, class Value>
class generator<Reference, Value>::promise_type final : public nest {
  using element = std::remove_cvref_t<yielded>;

  // The consumer may move from the elements, so lvalues and those of ranges are copied.
  static constexpr bool copies_lvalues =
      std::is_rvalue_reference_v<yielded> && std::constructible_from<element, element const&>;
  static constexpr bool is_small = std::is_trivially_copyable_v<element> && std::is_rvalue_reference_v<yielded> &&
                                   sizeof(element) <= 2 * sizeof(void*);
  template <class Range>
  static constexpr bool can_yield =
      std::convertible_to<std::ranges::range_reference_t<Range>, yielded> ||
      (std::is_rvalue_reference_v<yielded> && std::constructible_from<element, std::ranges::range_reference_t<Range>>);

  // An awaiter is never copied: GCC 12 would copy it bit by bit.
  class copied_element {
   public:
    explicit copied_element(element const& original) : copy_(original) {}
    copied_element(copied_element const&) = delete;
    copied_element& operator=(copied_element const&) = delete;

    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<promise_type> body) noexcept {
      body.promise().set_value(std::addressof(copy_));
    }
    void await_resume() const noexcept {}

   private:
    element copy_;
  };

  class delegation {
   public:
    delegation(nest& outer, nest& inner) noexcept : inner_(inner) { outer.delegate(inner); }
    delegation(delegation const&) = delete;
    delegation& operator=(delegation const&) = delete;

    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<>) const noexcept {}
    void await_resume() const { inner_.end_delegation(); }

   private:
    nest& inner_;
  };

 public:
  static void* operator new(std::size_t size) { return frame_recycler::allocate(bytes_of_frame(size)); }
  static void operator delete(void* frame, std::size_t size) noexcept {
    frame_recycler::free(frame, bytes_of_frame(size));
  }

  generator get_return_object() noexcept {
    this->set_handle(std::coroutine_handle<promise_type>::from_promise(*this));
    return generator(*this);
  }
  std::suspend_always initial_suspend() const noexcept { return {}; }
  std::suspend_always final_suspend() noexcept {
    this->leave();
    return {};
  }
  void return_void() const noexcept {}
  void unhandled_exception() noexcept { this->set_error(std::current_exception()); }

  std::suspend_always yield_value(yielded original) noexcept {
    this->set_value(std::addressof(original));
    return {};
  }

  std::suspend_always yield_value(std::remove_reference_t<yielded> const& original) noexcept
    requires(copies_lvalues && is_small)
  {
    this->set_value(std::construct_at(std::addressof(small_.copy), original));
    return {};
  }
  copied_element yield_value(std::remove_reference_t<yielded> const& original)
    requires(copies_lvalues && !is_small)
  {
    return copied_element(original);
  }

  template <class R, class V>
    requires std::same_as<typename generator<R, V>::yielded, yielded>
  delegation yield_value(elements_of<generator<R, V>&&> all) {
    return delegate_to(all.range());
  }
  template <class R, class V>
    requires std::same_as<typename generator<R, V>::yielded, yielded>
  delegation yield_value(elements_of<generator<R, V>&> all) {
    return delegate_to(all.range());
  }

  template <std::ranges::input_range Range>
    requires can_yield<Range>
  delegation yield_value(elements_of<Range> all) {
    auto&& range = all.range();
    return delegate_to(each_of(std::ranges::begin(range), std::ranges::end(range)));
  }

  template <class Awaited>
  std::suspend_always await_transform(Awaited&&) const noexcept {
    static_assert(std::is_void_v<Awaited>, "a generator cannot co_await; an async_generator can");
    return {};
  }

 private:
  template <class Generator>
  delegation delegate_to(Generator&& other) {
    CONCUR_ASSERT(other.body_ != nullptr,
                  "elements_of a generator that was moved from, or given to elements_of before");
    CONCUR_ASSERT(!other.body_->begun(), "elements_of a generator that was begun");
    return delegation(*this, *std::exchange(other.body_, nullptr));
  }

  template <class Iterator, class Sentinel>
  static generator<yielded> each_of(Iterator at, Sentinel end) {
    for (; at != end; ++at) {
      if constexpr (std::convertible_to<std::iter_reference_t<Iterator>, yielded>) {
        co_yield static_cast<yielded>(*at);
      } else {
        co_yield element(*at);
      }
    }
  }

  // A small element is copied to here, a big one into the awaiter of its co_yield.
  union small_element {
    constexpr small_element() noexcept : none() {}
    char none;
    element copy;
  };
  struct nothing {};
  [[no_unique_address]] std::conditional_t<is_small, small_element, nothing> small_;
};

}  // namespace concur::inline CONCUR_ABI
