// SPDX-License-Identifier: BSL-1.0
//
// The machine that runs explored code: its threads, its memory, its clock, and the decisions it takes.
//
// One machine per operating-system thread, reused by all explorations there. The bodies lie beside this file by idea:
// schedule.hpp (who runs next), memory.hpp (what loads see), blocking.hpp (futex, spinning, time, barriers),
// report.hpp (names and traces), run.hpp (executions and explorations).
#pragma once

#include <concur/testing/engine/arena.hpp>
#include <concur/testing/engine/choices.hpp>
#include <concur/testing/engine/fiber.hpp>
#include <concur/testing/engine/history.hpp>
#include <concur/testing/engine/identity.hpp>
#include <concur/testing/engine/mutant.hpp>
#include <concur/testing/engine/options.hpp>

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace concur::testing::engine {

/// A callable without its type; the callable must outlive it.
struct invocation {
  void (*call)(void*) = nullptr;
  void* object = nullptr;
};

/// How a value is printed.
enum class value_kind : std::uint8_t { number, unsigned_number, boolean, pointer, opaque };

/// One access to an atomic object: all that does not depend on its type.
struct access {
  identity& id;
  std::uint64_t initial;  // the object's value, should this execution meet it for the first time
  char const* verb;
  value_kind kind;
  site at;
};

/// The plain object's side table: who accessed it last.
struct plain_history {
  std::int8_t writer = -1;
  tick written_at = 0;
  site write_site;
  tick read_at[max_threads]{};
  site read_site[max_threads]{};
};

/// What blocks a thread.
enum class standing : std::uint8_t { runnable, sleeping, pausing, joining, ended };

struct thread_state {
  view now;               // what this thread knows
  view released;          // what its last release fence handed to its later stores
  view pending;           // what its relaxed loads have read, for its next acquire fence
  bool has_released = false;
  bool has_pending = false;
  visibility at_light;    // what it could not miss at its last light barrier

  standing state = standing::ended;
  bool fresh = false;     // has not reached a scheduling point since it was started or woken
  bool timed_out = false;
  bool restless = false;  // its next spin round can differ although nobody wrote
  bool asked_time = false;
  std::uint8_t pauses = 0;
  std::uint16_t round = 1;           // of its spinning
  std::uint64_t own_changes = 0;
  std::uint64_t others_changes = 0;   // at the end of its last pause
  void const* address = nullptr;     // sleeps on
  std::int64_t deadline = 0;         // sleeps until; nanoseconds
  int joins = 0;                     // the thread it waits for; everybody: max_threads
  int priority = 0;                  // PCT

  char const* name = "";
  site at;                           // of its last or present operation
  invocation body;
  bool in_body = false;
  std::vector<invocation> exits;     // destructors of its thread slots
};

class machine : public moment {
 public:
  static constexpr std::int64_t no_deadline = INT64_MAX;
  static constexpr std::int64_t hour = 3'600'000'000'000;

  static machine& mine();

  // ---- run.hpp
  result explore(invocation scenario, options const& o, mutator* mutations = nullptr);
  int start(invocation body, char const* name);
  void join(int other, site at);
  void add_thread(invocation body, char const* name) { waiting_.push_back({body, name}); }
  void add_finally(invocation f) { finals_.push_back(f); }
  arena& objects() noexcept { return arena_; }

  // ---- schedule.hpp
  /// Before each shared access: another thread may run first.
  void point(site at);
  /// A nondeterministic choice of the scenario: 0 … count-1.
  int choose(int count, site at);
  /// The execution has failed; never returns, unwinds nothing.
  [[noreturn]] void fail(std::string sentence, site at = {});

  // ---- memory.hpp
  std::uint64_t load(access const& a, std::memory_order order);
  void store(access const& a, std::uint64_t value, std::memory_order order);
  template <class F>
  std::uint64_t update(access const& a, F next, std::memory_order order);
  bool compare_exchange(access const& a, std::uint64_t& expected, std::uint64_t desired, std::memory_order order,
                        std::memory_order failure, bool weak);
  void fence(std::memory_order order, site at);
  void read_plain(identity& id, site at);
  void write_plain(identity& id, char const* verb, site at);
  void acquire_from(view const& released) { threads_[thread].now.join(released); }
  void release_to(view& target) const { target.join(threads_[thread].now); }

  // ---- blocking.hpp
  bool sleep(access const& word, std::uint64_t expected, std::int64_t deadline);
  void wake(void const* address, int count, site at);
  bool drop_wake(site at) { return drops(at, operation::waiter_wake); }
  void pause(char const* verb, site at);
  std::int64_t time_now(site at);
  void light_barrier(site at);
  void heavy_barrier(site at);
  /// Blocks until `wake` with this address; for the engine's own objects.
  void wait_for_wake(void const* address, site at);

  // ---- report.hpp
  void name(void const* object, std::size_t size, char const* text) {
    if (tracing_) names_.push_back({static_cast<char const*>(object), size, text});
  }
  void say(std::string line, site at);
  bool tracing() const noexcept { return tracing_; }

  void at_thread_exit(invocation f) { threads_[thread].exits.push_back(f); }

 private:
  enum class wakeup : std::uint8_t { run, time_out, spurious };
  struct candidate {
    std::uint8_t thread;
    wakeup how;
  };
  struct planned_thread {
    invocation body;
    char const* name;
  };
  struct given_name {
    char const* begin;
    std::size_t size;
    char const* text;
  };

  static constexpr std::uint32_t bit(int t) noexcept { return std::uint32_t{1} << t; }

  // schedule.hpp
  void decide(bool may_stay);
  int list_candidates(candidate* list, bool may_stay) const;
  int prefer(candidate const* list, int count, bool may_stay);
  int prefer_by_priority(candidate const* list, int count);
  int rotated(int position) const noexcept { return (thread + position) % threads_made_; }
  void make_runnable(int t, bool timed_out);
  void go_to(int next);
  void enter(int next) noexcept;
  void advance_step(site at);
  void count_time() noexcept;
  void stir();
  bool let_time_pass();
  [[noreturn]] void stuck();

  // memory.hpp
  location& arrive(access const& a);
  location& locate(identity& id, std::uint64_t initial);
  void check_alive(identity const& id, site at);
  void check_born(location const& l, site at);
  store_record& choose_store(location& l, bool sc);
  void take(store_record& r, std::memory_order order);
  void put(location& l, std::uint64_t value, std::memory_order order, store_record const* replaced);
  plain_history& plain_of(identity& id, site at);
  [[noreturn]] void race(char const* what, identity const& id, char const* mine, site at, int other, site there);
  std::memory_order mutated(site at, operation kind, std::memory_order order) {
    return mutations_ != nullptr && explored() ? mutations_->order(at, kind, order) : order;
  }
  bool drops(site at, operation kind) { return mutations_ != nullptr && explored() && mutations_->dropped(at, kind); }
  /// False in the scenario function and the final checks, where nothing runs beside.
  bool explored() const noexcept { return thread != 0 || live_ > 1; }

  // blocking.hpp
  void block(standing why, site at);
  bool wake_one(void const* address, bool& left_early);

  // report.hpp
  std::string object_name(void const* object, char const* kind, int index) const;
  std::string value_text(std::uint64_t value, value_kind kind);
  void say_access(access const& a, std::memory_order const* order, std::string const& what, store_record const* saw,
                  int newer);

  // run.hpp
  static void fiber_entry();
  void run_body();
  void scenario_body();
  void join_all();
  void ended();
  void begin_execution();
  void run_execution();
  void clean_up_failure();
  void explain(result& r);
  bool within_limits(result& r, double started) const;

  options options_;
  choices choices_;
  mutator* mutations_ = nullptr;
  invocation scenario_;
  arena arena_;

  // The present execution.
  int threads_made_ = 0;
  int live_ = 0;                 // threads that have not ended, without one that waits for all others
  std::uint32_t runnable_ = 0;   // sets of threads, one bit each
  std::uint32_t sleeping_ = 0;
  std::uint32_t timed_ = 0;      // those of the sleeping that have a deadline
  std::uint32_t pausing_ = 0;
  std::uint32_t tired_ = 0;      // spun often: runs when nobody else can
  int step_ = 0;
  int max_steps_ = 0;
  int preemptions_ = 0, timeouts_ = 0, spurious_ = 0, weak_failures_ = 0, clock_jumps_ = 0;  // left
  std::uint64_t changes_made_ = 0;  // stores that changed a value, threads that went to sleep
  std::int64_t nanoseconds_ = 0;
  visibility sc_;                // what the sequentially consistent fences have made visible
  visibility heavy_;             // what the heavy barriers have
  std::vector<location> locations_;
  std::vector<plain_history> plains_;
  int locations_used_ = 0;
  int plains_used_ = 0;
  std::vector<planned_thread> waiting_;
  std::vector<invocation> finals_;
  bool failed_ = false;
  std::string failure_;

  // PCT.
  int longest_ = 0;
  int lowest_ = 0;
  std::vector<int> changes_;

  // Reports.
  bool tracing_ = false;
  std::string trace_;
  std::vector<given_name> names_;
  std::vector<std::uint64_t> pointers_;

  thread_state threads_[max_threads];
  context contexts_[max_threads];
  context home_;
};

/// The machine whose execution runs here, or null.
inline machine* running() noexcept { return static_cast<machine*>(present); }

}  // namespace concur::testing::engine
