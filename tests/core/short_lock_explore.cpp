// SPDX-License-Identifier: BSL-1.0
#include <concur/core/short_lock.hpp>

#include "support/bounded.hpp"

namespace {

using explored::counted;
using explored::destructible;
using explored::testing::scenario;
using explored::twice;

twice const three("short_lock", "three threads lock", [](scenario& s) {
  struct shared {
    concur::short_lock lock;
    counted inside;
  };
  auto& st = s.make<shared>();
  for (auto const* name : {"first", "second", "third"}) {
    s.thread(name, [&st] {
      st.lock.lock();
      st.inside.add();
      st.lock.unlock();
    });
  }
  s.finally(
      [&] { s.check(st.inside.get() == 3 && st.lock.try_lock(), "the lock did not exclude, or was left locked"); });
});

twice const mixed("short_lock", "try_lock beside lock", [](scenario& s) {
  struct shared {
    concur::short_lock lock;
    counted inside;
  };
  auto& st = s.make<shared>();
  s.thread("try", [&st] {
    if (!st.lock.try_lock()) return;
    st.inside.add();
    st.lock.unlock();
  });
  for (auto const* name : {"first", "second"}) {
    s.thread(name, [&st] {
      st.lock.lock();
      st.inside.add();
      st.lock.unlock();
    });
  }
});

twice const destroyed("short_lock", "destroyed by the last to unlock", [](scenario& s) {
  struct shared {
    destructible<concur::short_lock> lock;
    counted users;
  };
  auto& st = s.make<shared>();
  for (auto const* name : {"first", "second"}) {
    s.thread(name, [&st] {
      st.lock->lock();
      st.users.add();
      bool const last = st.users.get() == 2;
      st.lock->unlock();
      if (last) st.lock.destroy();
    });
  }
});

}  // namespace

TEST_CASE("short_lock: every schedule") { explored::run("short_lock"); }
