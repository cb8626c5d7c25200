// SPDX-License-Identifier: BSL-1.0
//
// What an event loop knows of the descriptors that it watches.
#pragma once

#include <concur/core/intrusive_list.hpp>
#include <concur/loop/detail/descriptor_waiter.hpp>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <fcntl.h>
#include <memory>
#include <system_error>
#include <vector>

namespace concur::inline CONCUR_ABI::detail {

/// Those who wait to read, or to write. Stands in a list of the poller while the first of them has paused.
struct descriptor_direction : intrusive_list_node<> {
  intrusive_list<descriptor_waiter> waiters;
  // Of owned descriptors: whether we are told when it becomes ready; whether it may be so now, for all that we know, so
  // that asking is worth a call; and attempts that did not have to wait, one after the other.
  bool watched = false;
  bool may_be_ready = true;
  std::uint8_t in_a_row = 0;

  void reset() noexcept {
    watched = false;
    may_be_ready = true;
    in_a_row = 0;
    unlink();
  }
};

/// One number, whatever file it stands for. Most have an owner that tells the loop before it closes the file: those are
/// registered once, for every change of their state. The others are registered for each wait.
struct descriptor {
  descriptor_direction reading;
  descriptor_direction writing;
  std::uint32_t generation = 0;  // of the registration: events of an earlier one are not for us
  bool registered = false;  // as far as we know: closing the file undoes it
  bool owned = false;
  // Of owned ones: after a hang-up or urgent data, a stream that gave less than it was asked for may have more.
  bool ask_always = false;

  descriptor() = default;
  ~descriptor() {
    reading.unlink();
    writing.unlink();
  }

  descriptor_direction& direction(descriptor_waiter::what which) noexcept {
    return which == descriptor_waiter::what::readable ? reading : writing;
  }
};

/// By number. An entry stays where it is, for whatever gets that number next.
class descriptor_table {
 public:
  /// Null for a number that was never asked for.
  descriptor* find(int fd) const noexcept {
    return fd >= 0 && std::size_t(fd) < entries_.size() ? entries_[std::size_t(fd)].get() : nullptr;
  }

  /// Makes the entry if need be. Throws std::system_error (EBADF) when that is no descriptor, and std::bad_alloc.
  descriptor& operator[](int fd) {
    auto* const known = find(fd);
    return known != nullptr ? *known : make(fd);
  }

 private:
  [[gnu::noinline]] descriptor& make(int fd) {
    // Asked before the table grows: a number that is no descriptor may be any number.
    if (fd < 0 || ::fcntl(fd, F_GETFD) < 0) {
      throw std::system_error(EBADF, std::generic_category(), "waiting for a descriptor");
    }
    if (std::size_t(fd) >= entries_.size()) entries_.resize(std::size_t(fd) + 1);
    auto& place = entries_[std::size_t(fd)];
    place = std::make_unique<descriptor>();
    return *place;
  }

  std::vector<std::unique_ptr<descriptor>> entries_;
};

}  // namespace concur::inline CONCUR_ABI::detail
