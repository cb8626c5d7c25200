// SPDX-License-Identifier: BSL-1.0
//
// Jobs in the order in which they came: pointers in segments, so that taking many of them touches none of the jobs,
// whose memory is in the caches of another processor.
#pragma once

#include <concur/core/executor.hpp>
#include <concur/core/frame_recycler.hpp>
#include <concur/core/os.hpp>

#include <cstddef>
#include <new>

namespace concur::inline CONCUR_ABI::detail {

/// Not thread-safe: it stands under its owner's lock. Keeps the memory of its largest size, eight bytes for a job. What
/// is in it when it is destroyed is forgotten.
class job_lane {
 public:
  job_lane() noexcept = default;
  job_lane(job_lane const&) = delete;
  job_lane& operator=(job_lane const&) = delete;
  ~job_lane();

  bool empty() const noexcept { return size_.get() == 0; }
  std::size_t size() const noexcept { return size_.get(); }

  /// Makes room for so many pushes. Throws std::bad_alloc; then nothing has changed that matters.
  void reserve(std::size_t more);

  /// Requires: there is room.
  void push(work& item) noexcept;

  /// Takes the first one out. Requires: not empty.
  work& pop() noexcept;

 private:
  struct segment {
    static constexpr std::size_t room = (1024 - sizeof(void*)) / sizeof(void*);
    segment* next = nullptr;
    work* items[room];
  };
  static segment* allocate() { return ::new (frame_recycler::allocate(sizeof(segment))) segment; }
  static void free(segment* emptied) noexcept { frame_recycler::free(emptied, sizeof(segment)); }

  // Items lie in `first_` from begin_ on, in the segments that follow, and in `last_` up to end_; segments after that
  // one are reserved.
  os::plain<segment*> first_{nullptr};
  os::plain<segment*> last_{nullptr};
  os::plain<std::size_t> begin_{0};
  os::plain<std::size_t> end_{segment::room};
  os::plain<std::size_t> size_{0};
};

inline job_lane::~job_lane() {
  for (segment* each = first_.get(); each != nullptr;) {
    segment* const next = each->next;
    free(each);
    each = next;
  }
}

inline void job_lane::reserve(std::size_t more) {
  std::size_t room = segment::room - end_.get();
  if (room >= more) [[likely]]
    return;
  segment* tail = last_.get();
  if (tail == nullptr && first_.get() != nullptr) {
    // Left by a call that failed before anything was pushed.
    tail = first_.get();
    room = segment::room;
  }
  for (; room < more && tail != nullptr && tail->next != nullptr; tail = tail->next) room += segment::room;
  for (; room < more; room += segment::room) {
    segment* const fresh = allocate();
    if (tail == nullptr) {
      first_.set(fresh);
    } else {
      tail->next = fresh;
    }
    tail = fresh;
  }
}

inline void job_lane::push(work& item) noexcept {
  if (end_.get() == segment::room) {
    last_.set(last_.get() == nullptr ? first_.get() : last_.get()->next);
    end_.set(0);
  }
  last_.get()->items[end_.get()] = &item;
  end_.set(end_.get() + 1);
  size_.set(size_.get() + 1);
}

inline work& job_lane::pop() noexcept {
  segment* const from = first_.get();
  work& item = *from->items[begin_.get()];
  begin_.set(begin_.get() + 1);
  size_.set(size_.get() - 1);
  if (size_.get() == 0) {
    // The segment serves again from its beginning; it is `last_` too.
    begin_.set(0);
    end_.set(0);
  } else if (begin_.get() == segment::room) {
    first_.set(from->next);
    begin_.set(0);
    from->next = last_.get()->next;
    last_.get()->next = from;
  }
  return item;
}

}  // namespace concur::inline CONCUR_ABI::detail
