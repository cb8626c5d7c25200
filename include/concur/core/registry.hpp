// SPDX-License-Identifier: BSL-1.0
//
// The list of what lives in this process: threads, pools, loops. (Tasks are listed by their executor.) For a report
// when something hangs, and for enumerations.
//
//     class worker_entry final : public registry_entry {
//       worker_entry() : registry_entry(registry_kind::thread) { insert(); }
//       ~worker_entry() { remove(); }
//       void describe(std::string& out) const override { out += "\"spider\", waits for a queue"; }
//     };
//     std::fputs(dump_registry().c_str(), stderr);
#pragma once

#include <concur/core/abi.hpp>
#include <concur/core/os.hpp>
#include <concur/core/process_lock.hpp>

#include <string>
#include <string_view>

namespace concur {
// Outside the ABI tag: one list for the whole process, shared by plugins of whatever build. So nothing in here may
// depend on a switch, which is why the links are plain pointers and nothing is asserted.
namespace [[gnu::visibility("default")]] process_wide {

enum class registry_kind : unsigned char { thread, thread_pool, event_loop, process, process_pool, other };

/// What a report says of a kind, such as "thread pool".
constexpr char const* name_of(registry_kind kind) noexcept;

class thread_entry;

/// Something that is listed while it lives. Not copyable: the list points at it. insert() and remove() may be called
/// from any thread, before main and after static objects are destroyed; O(1), no allocation, under a lock of the
/// process. A child process forked from this one starts with an empty list, but for entries that survive.
class registry_entry {
 public:
  registry_entry(registry_entry const&) = delete;
  registry_entry& operator=(registry_entry const&) = delete;

  registry_kind kind() const noexcept { return kind_; }

  /// Appends name and state in words, without a line end at the end; further lines are indented by the caller. May
  /// run at any time between insert() and remove(), on any thread, under the registry's lock: it must not wait for
  /// anything, and not insert, remove or fork. May throw, as appending does.
  virtual void describe(std::string& out) const = 0;

  /// Appends the tasks that live there and may be seen from the calling thread (append_tasks of core/task_report.hpp),
  /// with the same duties, but each with a line end. It is the entry that does it, since what a task is depends on
  /// the build that it belongs to.
  virtual void describe_tasks(std::string&) const {}

  /// For a report on another thread than the one that may see them: has that one write them down for the next
  /// describe_tasks. To be called again until it returns true: it has done so, or nobody will. The same duties.
  virtual bool ask_for_tasks() const { return true; }

  /// What it is if it is a thread with a name and a number, for lists of threads; null otherwise.
  virtual thread_entry const* as_thread() const noexcept { return nullptr; }

  /// Called in a forked child, on the only thread there is, under the registry's lock: brings the entry up to date and
  /// says whether it stays in the list, which is true for the entry of that thread.
  virtual bool survive_fork() noexcept { return false; }

 protected:
  constexpr explicit registry_entry(registry_kind kind) noexcept : kind_(kind) {}

  /// The last resort: by now the derived part is gone, so remove() must have been called.
  ~registry_entry() { remove(); }

  /// Lists this entry: the last thing the constructor of the most derived class does. No effect when it is listed.
  void insert() noexcept;

  /// Takes it out, and returns when no report looks at it any more: the first thing the destructor of the most
  /// derived class does. No effect when it is not listed.
  void remove() noexcept;

 private:
  friend class registry;

  // All under the registry's lock.
  registry_entry* next_ = nullptr;
  registry_entry* previous_ = nullptr;
  bool listed_ = false;
  registry_kind const kind_;
};

/// The list itself; never destroyed.
class registry {
 public:
  constexpr registry() noexcept = default;

  /// Calls `function(registry_entry const&)` for every entry in the order of their insertion, under the lock, with
  /// the same duties as describe(). What it throws goes to the caller. Any thread.
  template <class Function>
  static void for_each(Function function);

 private:
  friend class registry_entry;
  void append(registry_entry& entry) noexcept;
  void unlink(registry_entry& entry) noexcept;
  static void forget_the_dead() noexcept;

  registry_entry* first_ = nullptr;
  registry_entry* last_ = nullptr;
};

inline constinit process_lock registry_lock;
inline constinit registry living_things;

/// How many forks lie between this process and the first of its line that had a registry: what was made under another
/// number belongs to threads and objects of a parent.
// Written in a forked child while it has one thread. relaxed: whoever reads it came after that.
inline constinit os::machine_atomic<unsigned> forks{0};

}  // namespace process_wide
}  // namespace concur

namespace concur::inline CONCUR_ABI {

using process_wide::registry;
using process_wide::registry_entry;
using process_wide::registry_kind;

/// Everything in the registry as text, an entry to a line: `thread "spider", waits for a queue`. Any thread. Throws
/// std::bad_alloc.
std::string dump_registry();

/// Appends what it says of one entry.
void append_entry(std::string& text, registry_entry const& entry);

/// Appends lines, all but the first one indented.
void append_indented(std::string& text, std::string_view lines);

}  // namespace concur::inline CONCUR_ABI

namespace concur {
namespace process_wide {

constexpr char const* name_of(registry_kind kind) noexcept {
  switch (kind) {
    case registry_kind::thread: return "thread";
    case registry_kind::thread_pool: return "thread pool";
    case registry_kind::event_loop: return "event loop";
    case registry_kind::process: return "process";
    case registry_kind::process_pool: return "process pool";
    case registry_kind::other: break;
  }
  return "object";
}

inline void registry_entry::insert() noexcept {
  keep_over_fork<registry_lock>(&registry::forget_the_dead);
  process_lock::guard const held(registry_lock);
  if (!listed_) living_things.append(*this);
}

inline void registry_entry::remove() noexcept {
  process_lock::guard const held(registry_lock);
  if (listed_) living_things.unlink(*this);
}

template <class Function>
void registry::for_each(Function function) {
  process_lock::guard const held(registry_lock);
  for (registry_entry const* each = living_things.first_; each != nullptr; each = each->next_) function(*each);
}

inline void registry::append(registry_entry& entry) noexcept {
  entry.previous_ = last_;
  entry.next_ = nullptr;
  (last_ != nullptr ? last_->next_ : first_) = &entry;
  last_ = &entry;
  entry.listed_ = true;
}

inline void registry::unlink(registry_entry& entry) noexcept {
  (entry.previous_ != nullptr ? entry.previous_->next_ : first_) = entry.next_;
  (entry.next_ != nullptr ? entry.next_->previous_ : last_) = entry.previous_;
  entry.next_ = entry.previous_ = nullptr;
  entry.listed_ = false;
}

// In the child the memory of the other threads' entries is still there, but nothing keeps it: out with them now.
inline void registry::forget_the_dead() noexcept {
  forks.fetch_add(1, std::memory_order_relaxed);
  for (registry_entry* each = living_things.first_; each != nullptr;) {
    registry_entry* const next = each->next_;
    if (!each->survive_fork()) living_things.unlink(*each);
    each = next;
  }
}

}  // namespace process_wide
}  // namespace concur

namespace concur::inline CONCUR_ABI {

inline std::string dump_registry() {
  std::string text;
  registry::for_each([&text](registry_entry const& entry) { append_entry(text, entry); });
  return text;
}

inline void append_entry(std::string& text, registry_entry const& entry) {
  std::string lines;
  entry.describe(lines);
  text += name_of(entry.kind());
  text += ' ';
  append_indented(text, lines);
  text += '\n';
}

inline void append_indented(std::string& text, std::string_view lines) {
  for (;;) {
    auto const end = lines.find('\n');
    text += lines.substr(0, end);
    if (end == lines.npos) return;
    text += "\n  ";
    lines.remove_prefix(end + 1);
  }
}

}  // namespace concur::inline CONCUR_ABI
