// SPDX-License-Identifier: BSL-1.0
//
// What select needs of a queue and users do not.
#pragma once

#include <concur/core/abi.hpp>
#include <concur/queue/ring.hpp>
#include <concur/sync/event_count.hpp>

#include <optional>

namespace concur::inline CONCUR_ABI {

/// A friend of basic_queue.
class queue_access {
 public:
  /// What is notified when a get, or a put, may succeed that was refused before, or learns that the queue is closed.
  template <class Queue>
  static event_count& not_empty(Queue& of) noexcept {
    return of.core_.not_empty();
  }
  template <class Queue>
  static event_count& not_full(Queue& of) noexcept {
    return of.core_.not_full();
  }

  /// Tries once and tells the other side of a success. Moves from the item only if it is done.
  template <class Queue>
  static ring_outcome attempt_put(Queue& to, typename Queue::value_type& item) {
    return to.core_.attempt_put(item);
  }
  template <class Queue>
  static ring_outcome attempt_get(Queue& from, std::optional<typename Queue::value_type>& taken) {
    return from.core_.attempt_get(taken);
  }
};

}  // namespace concur::inline CONCUR_ABI
