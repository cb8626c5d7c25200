// SPDX-License-Identifier: BSL-1.0
//
// The threads of this process: those that the library has started, and the main thread.
//
//     for (auto const& each : concur::threads()) std::printf("%s %d\n", each.name.c_str(), each.native_id);
#pragma once

#include <concur/core/abi.hpp>
#include <concur/core/os.hpp>
#include <concur/core/process_lock.hpp>
#include <concur/core/registry.hpp>

#include <cstddef>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

namespace concur {
// Outside the ABI tag, as the registry: the entries of all builds stand in one list.
namespace [[gnu::visibility("default")]] process_wide {

/// A thread in the registry.
class thread_entry : public registry_entry {
 public:
  /// The entry of the calling thread; null for the main thread and for those that the library has not started.
  [[gnu::noinline]] static thread_entry* current() noexcept { return slot(); }

  /// The entry of the main thread, listed from the first call on and never destroyed.
  static thread_entry& of_main() noexcept;

  /// Any thread. Throws std::bad_alloc.
  std::string name() const {
    process_lock::guard const held(registry_lock);
    return name_;
  }
  void rename(std::string name) noexcept {
    process_lock::guard const held(registry_lock);
    name_.swap(name);
  }

  /// The kernel's number; 0 while the thread has not begun to run. Any thread.
  int native_id() const noexcept { return native_id_.load(std::memory_order_relaxed); }
  bool daemon() const noexcept { return daemon_; }

  /// For who holds the registry's lock.
  std::string const& listed_name() const noexcept { return name_; }

  thread_entry const* as_thread() const noexcept override { return this; }
  void describe(std::string& out) const override {
    out += '"' + name_ + "\", native id " + std::to_string(native_id());
    if (daemon_) out += ", daemon";
  }
  // The thread that forked is the main thread of the child. If it was not one of ours, the main entry is its own.
  bool survive_fork() noexcept override {
    if (slot() != own_slot_value()) return false;
    native_id_.store(::getpid(), std::memory_order_relaxed);
    return true;
  }

 protected:
  thread_entry(std::string name, bool daemon) noexcept
      : registry_entry(registry_kind::thread), name_(std::move(name)), daemon_(daemon) {}
  ~thread_entry() = default;

  /// On the thread itself, when it begins to run and before it ends.
  [[gnu::noinline]] void begin(int native_id) noexcept {
    native_id_.store(native_id, std::memory_order_relaxed);
    slot() = this;
  }
  [[gnu::noinline]] static void end() noexcept { slot() = nullptr; }

 private:
  class of_main_thread;

  static thread_entry*& slot() noexcept { return thread_slot<thread_entry, thread_entry*>(); }
  virtual thread_entry* own_slot_value() noexcept { return this; }

  std::string name_;  // under the registry's lock
  // Written once by the thread itself. relaxed: a number for people.
  os::machine_atomic<int> native_id_{0};
  bool const daemon_;
};

}  // namespace process_wide
}  // namespace concur

namespace concur::inline CONCUR_ABI {

/// What a list of threads tells of one.
struct thread_info {
  std::string name;
  int native_id = 0;  ///< the kernel's number; 0 while it has not begun to run
  bool daemon = false;
  bool main = false;  ///< the main thread; in a forked child, the thread that forked
};

/// The threads that are alive: the main thread first, then those that the library has started, in that order. A thread
/// is listed from the moment its `thread` object is made until just before a join of it returns. Any thread. Throws
/// std::bad_alloc. O(all that is registered).
std::vector<thread_info> threads();

/// How many `threads()` would list. Any thread.
std::size_t thread_count();

/// Any thread. Throws std::bad_alloc.
thread_info main_thread();

}  // namespace concur::inline CONCUR_ABI

namespace concur {
namespace process_wide {

class thread_entry::of_main_thread final : public thread_entry {
 public:
  of_main_thread() : thread_entry("main", false) { begin_as_main(); }

 private:
  void begin_as_main() noexcept {
    native_id_.store(::getpid(), std::memory_order_relaxed);
    insert();
  }
  thread_entry* own_slot_value() noexcept override { return nullptr; }
};

inline thread_entry& thread_entry::of_main() noexcept {
  union eternal {
    eternal() : entry() {}
    ~eternal() {}
    of_main_thread entry;
  };
  static eternal only;
  return only.entry;
}

}  // namespace process_wide
}  // namespace concur

namespace concur::inline CONCUR_ABI {

inline std::vector<thread_info> threads() {
  process_wide::thread_entry::of_main();
  std::vector<thread_info> list;
  int const main_id = ::getpid();
  registry::for_each([&](registry_entry const& entry) {
    auto const* const each = entry.as_thread();
    if (each == nullptr) return;
    int const id = each->native_id();
    bool const main = id == main_id;
    list.insert(main ? list.begin() : list.end(), {each->listed_name(), id, each->daemon(), main});
  });
  return list;
}

inline std::size_t thread_count() {
  process_wide::thread_entry::of_main();
  std::size_t count = 0;
  registry::for_each([&](registry_entry const& entry) { count += entry.as_thread() != nullptr; });
  return count;
}

inline thread_info main_thread() {
  auto list = threads();
  return list.empty() ? thread_info{.name = "main", .native_id = ::getpid(), .main = true} : std::move(list.front());
}

}  // namespace concur::inline CONCUR_ABI
