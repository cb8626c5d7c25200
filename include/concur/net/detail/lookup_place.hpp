// SPDX-License-Identifier: BSL-1.0
//
// What a lookup on another thread holds, and what becomes of it when those who wait go.
#pragma once

#include <concur/core/abi.hpp>
#include <concur/future/basic_future.hpp>
#include <concur/sync/semaphore.hpp>

#include <utility>

namespace concur::inline CONCUR_ABI::detail {

/// One of the places for lookups under way, taken before and given back when this ends: with the job, whether it has
/// run or never will. It is the last thing of the resolver that the job touches.
class lookup_place {
 public:
  explicit lookup_place(semaphore& places) noexcept : places_(&places) {}
  lookup_place(lookup_place&& other) noexcept : places_(std::exchange(other.places_, nullptr)) {}
  lookup_place& operator=(lookup_place&&) = delete;
  ~lookup_place() {
    if (places_ != nullptr) places_->release();
  }

 private:
  semaphore* places_;
};

/// At the end of a wait: a lookup that has not begun never begins.
template <class T>
class given_up {
 public:
  explicit given_up(basic_future<T> const& running) noexcept : running_(running) {}
  given_up(given_up const&) = delete;
  given_up& operator=(given_up const&) = delete;
  ~given_up() {
    if (!running_.done()) running_.cancel();
  }

 private:
  basic_future<T> const& running_;
};

}  // namespace concur::inline CONCUR_ABI::detail
