// SPDX-License-Identifier: BSL-1.0
//
// Where thread_specific keeps its values: each thread has a table, in which each object has a place.
//
// A value stands in two lists, that of its thread and that of its object, whichever ends first. Both lists are guarded
// by one lock of the process, taken when values are made and destroyed; a thread looks into its own table without it.
#pragma once

#include <concur/core/errors.hpp>
#include <concur/core/intrusive_list.hpp>
#include <concur/core/os.hpp>
#include <concur/core/process_lock.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>
#include <vector>

namespace concur::inline CONCUR_ABI::detail {

struct in_thread;
struct in_object;

/// A value of any type.
class thread_value : public intrusive_list_node<in_thread>, public intrusive_list_node<in_object> {
 public:
  virtual ~thread_value() = default;

 private:
  friend class thread_value_table;
  std::uint32_t number_ = 0;  // of its place
};

inline constinit process_wide::process_lock thread_values_lock;

/// The place of an object in every table. Numbers are used again; `id` never is, so that a place that is left over
/// from an object of the past is not taken for one's own.
struct thread_value_place {
  std::uint32_t number;
  std::uint64_t id;
};

/// Gives out places. Never destroyed.
class thread_value_places {
 public:
  /// Throws std::bad_alloc.
  static thread_value_place take() {
    process_wide::keep_over_fork<thread_values_lock>();
    process_wide::process_lock::guard const held(thread_values_lock);
    auto& all = only();
    // Room for every number, so that giving one back cannot fail.
    if (all.unused_.capacity() <= all.numbers_) all.unused_.reserve(2 * std::size_t(all.numbers_) + 1);
    std::uint32_t number = all.numbers_;
    if (all.unused_.empty()) {
      ++all.numbers_;
    } else {
      number = all.unused_.back();
      all.unused_.pop_back();
    }
    return {number, ++all.last_id_};
  }
  /// Under the lock.
  static void give_back(thread_value_place place) noexcept { only().unused_.push_back(place.number); }

 private:
  static thread_value_places& only() {
    union eternal {
      eternal() : places() {}
      ~eternal() {}
      thread_value_places places;
    };
    static eternal all;
    return all.places;
  }

  std::vector<std::uint32_t> unused_;
  std::uint32_t numbers_ = 0;
  std::uint64_t last_id_ = 0;
};

/// The values of one thread. Made when the thread has its first, and gone when the thread ends.
class thread_value_table : public os::thread_end_call {
 public:
  /// The value of the calling thread in this place, or null.
  static thread_value* find(thread_value_place place) noexcept {
    thread_value_table const* const table = slot();
    if (table == nullptr || place.number >= table->entries_.size()) return nullptr;
    entry const& mine = table->entries_[place.number];
    return mine.id == place.id ? mine.value : nullptr;
  }

  /// Puts what `make()` returns there for the calling thread, which has none. Throws misuse when `make` asks for the
  /// same again, std::bad_alloc and what `make` throws; nothing has happened then.
  template <class Make>
  static thread_value& fill(thread_value_place place, intrusive_list<thread_value, in_object>& of_object, Make make) {
    thread_value_table& table = mine();
    if (place.number >= table.entries_.size()) table.entries_.resize(std::size_t(place.number) + 1);
    if (table.entries_[place.number].id == place.id) {
      throw misuse("the initial value of a thread_specific asked for the value itself");
    }
    struct claim {
      // The entries may move while the value is made.
      claim(thread_value_table& t, thread_value_place p) noexcept : of(t), at(p) { of.entries_[at.number] = {at.id}; }
      ~claim() {
        if (of.entries_[at.number].value == nullptr) of.entries_[at.number] = {};
      }
      thread_value_table& of;
      thread_value_place const at;
    } const claimed(table, place);
    std::unique_ptr<thread_value> made = make();
    thread_value& value = *made.release();
    value.number_ = place.number;
    table.entries_[place.number].value = &value;
    process_wide::process_lock::guard const held(thread_values_lock);
    table.values_.push_back(value);
    of_object.push_back(value);
    return value;
  }

  /// Takes the value of the calling thread out; null if there is none.
  static std::unique_ptr<thread_value> take(thread_value_place place) noexcept {
    std::unique_ptr<thread_value> value(find(place));
    if (value != nullptr) {
      slot()->entries_[place.number] = {};
      process_wide::process_lock::guard const held(thread_values_lock);
      leave_both(*value);
    }
    return value;
  }

  /// Under the lock.
  static void leave_both(thread_value& value) noexcept {
    value.intrusive_list_node<in_thread>::unlink();
    value.intrusive_list_node<in_object>::unlink();
  }

 private:
  struct entry {
    std::uint64_t id = 0;
    // Of the object with this id, and of no interest once that is gone; null while it is being made.
    thread_value* value = nullptr;
  };

  thread_value_table() noexcept { run = &end_of_thread; }

  static thread_value_table*& slot() noexcept { return os::thread_slot<thread_value_table, thread_value_table*>(); }
  static thread_value_table& mine() {
    if (slot() == nullptr) {
      std::unique_ptr<thread_value_table> made(new thread_value_table);
      if (!os::at_thread_end(*made)) throw std::bad_alloc();
      slot() = made.release();
    }
    return *slot();
  }

  // Last made, first destroyed. A destructor may make new values, which then come next.
  static void end_of_thread(os::thread_end_call& call) noexcept {
    std::unique_ptr<thread_value_table> const table(static_cast<thread_value_table*>(&call));
    while (auto const value = table->take_last()) table->entries_[value->number_] = {};
    slot() = nullptr;
  }
  std::unique_ptr<thread_value> take_last() noexcept {
    process_wide::process_lock::guard const held(thread_values_lock);
    if (values_.empty()) return nullptr;
    std::unique_ptr<thread_value> last(&values_.back());
    leave_both(*last);
    return last;
  }

  std::vector<entry> entries_;  // the thread's own
  intrusive_list<thread_value, in_thread> values_;  // under the lock
};

}  // namespace concur::inline CONCUR_ABI::detail
