// SPDX-License-Identifier: BSL-1.0
//
// What an event loop runs next, first in, first out: a list through the items' own links, which is as fast as a ring of
// pointers and never allocates.
//
//     ready.push(item);
//     for (work* each = ready.take_all(); each != nullptr;) each = run_and_step(each);
#pragma once

#include <concur/core/executor.hpp>
#include <concur/core/os.hpp>

#include <utility>

namespace concur::inline CONCUR_ABI::detail {

/// Of one thread at a time. Owns nothing: items that are left in it when it goes are never run.
class ready_queue {
 public:
  ready_queue() noexcept = default;
  ready_queue(ready_queue const&) = delete;
  ready_queue& operator=(ready_queue const&) = delete;

  bool empty() const noexcept { return first_.get() == nullptr; }

  void push(work& item) noexcept {
    item.set_next(nullptr);
    append(item, item);
  }

  /// `first` to `last`, which are linked; `last` to nothing.
  void append(work& first, work& last) noexcept {
    if (first_.get() == nullptr) {
      first_.set(&first);
    } else {
      last_.get()->set_next(&first);
    }
    last_.set(&last);
  }

  /// All of them, linked; null when there are none.
  work* take_all() noexcept {
    work* const all = first_.get();
    first_.set(nullptr);
    return all;
  }

 private:
  os::plain<work*> first_;
  os::plain<work*> last_;  // meaningful unless first_ is null
};

/// The same items in the opposite order.
inline work* reversed(work* items) noexcept {
  work* turned = nullptr;
  while (items != nullptr) {
    work* const next = items->next();
    items->set_next(turned);
    turned = std::exchange(items, next);
  }
  return turned;
}

}  // namespace concur::inline CONCUR_ABI::detail
