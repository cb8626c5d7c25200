// SPDX-License-Identifier: BSL-1.0
//
// What an atomic or plain object carries besides its value: a mark that it is alive, who made it, and its index in
// the tables of the present execution. Histories lie in those tables, so that making an object costs a few stores.
#pragma once

#include <concur/testing/engine/site.hpp>
#include <concur/testing/engine/vector_clock.hpp>

#include <cstdint>
#include <type_traits>

namespace concur::testing::engine {

class machine;

/// The execution that runs on this operating-system thread, as far as constructors need it.
struct moment {
  std::uint32_t epoch = 0;  // number of the execution, unique in the process
  std::uint8_t thread = 0;  // who runs
  tick time = 0;            // that thread's own time
};

/// Null outside an execution: objects then act as plain variables.
inline constinit thread_local moment* present = nullptr;

class identity {
 public:
  static constexpr std::uint16_t unregistered = 0xffff;

  constexpr identity() noexcept {
    if (!std::is_constant_evaluated() && present != nullptr) {
      epoch = present->epoch;
      born_by = present->thread;
      born_at = static_cast<tick>(present->time + 1);  // with this thread's next step, which may publish it
    }
  }
  identity(identity const&) = delete;
  identity& operator=(identity const&) = delete;

  // volatile: a compiler drops ordinary stores to an object that is about to end.
  constexpr ~identity() {
    if (!std::is_constant_evaluated()) *const_cast<std::uint16_t volatile*>(&magic_) = 0;
  }

  bool alive() const noexcept { return *const_cast<std::uint16_t const volatile*>(&magic_) == alive_mark; }

  // Values: epoch of another execution (or 0): made before this one, visible to all. Present epoch with
  // `unregistered`: made in this execution, not used yet. Present epoch with an index: in the tables.
  std::uint32_t epoch = 0;
  std::uint16_t index = unregistered;
  tick born_at = 0;
  std::uint8_t born_by = 0;

 private:
  static constexpr std::uint16_t alive_mark = 0xa11e;
  std::uint16_t magic_ = alive_mark;
};

static_assert(sizeof(identity) == 12, "an explored atomic<uint32_t> is sixteen bytes");

}  // namespace concur::testing::engine
