// SPDX-License-Identifier: BSL-1.0
//
// The explorer: runs a small concurrent scenario under every schedule within bounds and under the C++ memory model,
// and shows the first schedule that fails, step by step.
//
//     auto result = concur::testing::explore([](concur::testing::scenario& s) {
//       struct state { concur::mutex m; concur::os::plain<int> count{0}; };
//       auto& st = s.make<state>();
//       auto increment = [&st] { st.m.lock(); st.count.set(st.count.get() + 1); st.m.unlock(); };
//       s.thread("first", increment);
//       s.thread("second", increment);
//       s.finally([&st, &s] { s.check(st.count.get() == 2, "an increment was lost"); });
//     });
//     REQUIRE(result.passed);
//
// Needs CONCUR_EXPLORE=1 for the whole program: the library then takes atomics, futex, clock and plain shared fields
// from the explorer.
#pragma once

#include <concur/core/abi.hpp>

#if !CONCUR_EXPLORE
#error \
    "concur/testing/explorer.hpp: compile the whole program with -DCONCUR_EXPLORE=1; without it the library uses real atomics, which the explorer cannot see"
#endif

#include <concur/testing/engine/engine.hpp>

#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

namespace concur::testing::inline CONCUR_ABI {

using engine::options;
using engine::result;
using engine::search;
using engine::choose;

/// Ends the execution as a failure with this sentence. Callable from every explored function, `noexcept` ones too.
[[noreturn]] inline void fail(char const* sentence, engine::site at = engine::site::here()) {
  if (engine::machine* const m = engine::running()) m->fail(sentence, at);
  throw std::logic_error(sentence);
}

/// Fails the execution unless `fine`.
inline void check(bool fine, char const* sentence, engine::site at = engine::site::here()) {
  if (!fine) fail(sentence, at);
}

/// One execution under construction: what a scenario function fills in. Names are literals, or live as long as `make`.
class scenario {
 public:
  explicit scenario(engine::machine& m) noexcept : machine_(m) {}
  scenario(scenario const&) = delete;
  scenario& operator=(scenario const&) = delete;

  /// An object for the threads to share. Destroyed when the execution has ended well, in reverse order.
  template <class T, class... Args>
  T& make(Args&&... args) {
    return machine_.objects().make<T>(std::forward<Args>(args)...);
  }

  /// A thread that starts when the scenario function has returned.
  template <class F>
  void thread(char const* name, F f) {
    machine_.add_thread(keep(std::move(f)), name);
  }

  /// Runs when all threads have ended, with everything they did visible. Several run in the order given.
  template <class F>
  void finally(F f) {
    machine_.add_finally(keep(std::move(f)));
  }

  /// The object's name in the trace; parts of it are named with their offset.
  template <class T>
  void name(T const& object, char const* text) {
    machine_.name(std::addressof(object), sizeof(T), text);
  }

  void check(bool fine, char const* sentence, engine::site at = engine::site::here()) {
    testing::check(fine, sentence, at);
  }
  [[noreturn]] void fail(char const* sentence, engine::site at = engine::site::here()) { testing::fail(sentence, at); }
  /// Any of 0 … count-1 (at most 35 of them): each is explored.
  int choose(int count, engine::site at = engine::site::here()) { return testing::choose(count, at); }

 private:
  template <class F>
  engine::invocation keep(F f) {
    F& kept = machine_.objects().make<F>(std::move(f));
    return {[](void* p) { (*static_cast<F*>(p))(); }, std::addressof(kept)};
  }

  engine::machine& machine_;
};

/// Runs the scenario under one schedule after another, on this thread, until a limit, the end or a failure. The failing
/// execution is run once more to trace it; `options::replay` runs that schedule only.
///
/// What varies: which thread goes on at every atomic operation, futex call and barrier; which of the stores that the
/// C++20 memory model permits a load sees; time-outs, spurious wakes, weak failures and jumps of the clock.
///
/// What fails an execution: a check; an exception that leaves a thread; a deadlock or livelock; a data race on
/// `os::plain`; an atomic or plain object used after its destruction, or where its construction is not visible; misuse
/// that the library reports, unless the program's own handler throws.
///
/// Requires:
/// - What the threads share is made of the library's types (or `os::atomic`, `os::plain`), in the scenario function.
///   Other variables are neither scheduled nor checked.
/// - Nothing but `choose` varies: no wall clock, no random numbers, no decision that depends on an address.
/// - Static and thread-local variables are not reset. A function-local static whose initialisation reaches an atomic
///   operation has been initialised before: its guard knows nothing of explored threads.
///
/// After a failure nothing is unwound: that execution's stacks and objects are abandoned, their memory is lost.
///
/// Limits: 15 threads, 30,000 steps. A load sees the 8 newest stores at most, and `options::stale_reads` old values.
/// A store never takes effect after a later load or store of its thread otherwise than by being seen late: load
/// buffering and 2+2W do not appear. What was read before a spin pause is read at its newest after it, and a thread
/// that has paused three times yields to all that have not. Only one operating-system thread may explore at a time if
/// the scenarios share static objects.
template <class F>
  requires std::is_invocable_v<F&, scenario&>
result explore(F&& f, options const& o = {}, engine::mutator* mutations = nullptr) {
  struct {
    std::remove_reference_t<F>& function;
    engine::machine& machine;
  } bound{f, engine::machine::mine()};
  auto const run = [](void* p) {
    auto& b = *static_cast<decltype(bound)*>(p);
    // Among the execution's objects: closures may refer to it until the end.
    b.function(b.machine.objects().template make<scenario>(b.machine));
  };
  return bound.machine.explore({run, &bound}, o, mutations);
}

}  // namespace concur::testing::inline CONCUR_ABI
