// SPDX-License-Identifier: BSL-1.0
//
// The queues whose elements stand under a lock. What they share with `queue` is explored in queue_explore.cpp.
#include <concur/queue/lifo_queue.hpp>
#include <concur/queue/priority_queue.hpp>
#include <concur/queue/queue.hpp>

#include "explored_elements.hpp"

namespace {

using explored::counted;
using explored::element;
using explored::lives;
using explored::twice;
using explored::testing::scenario;

template <class Queue, class Limit>
void closed_between(scenario& s, Limit limit) {
  auto& items = s.make<Queue>(limit);
  auto& put = s.make<counted>();
  auto& got = s.make<counted>();
  s.thread("producer", [&] {
    try {
      for (int i = 1; i <= 2; ++i) {
        items.put(i);
        put.add(i);
      }
    } catch (concur::closed const&) {
    }
  });
  s.thread("consumer", [&] {
    for (int& item : items) got.add(item);
    s.check(items.empty() && items.is_closed(), "the loop ended too early");
  });
  s.thread("closer", [&] { items.close(); });
  s.finally([&] { s.check(put.get() == got.get(), "an element was lost or made up"); });
}

twice const unbounded_queue(
    "locked queues", "unbounded: put beside get beside close",
    [](scenario& s) { closed_between<concur::queue<int>>(s, concur::unbounded); }, explored::schedules_of_three());

twice const lifo(
    "locked queues", "lifo: put beside get beside close",
    [](scenario& s) { closed_between<concur::lifo_queue<int>>(s, std::size_t{1}); }, explored::schedules_of_three());

twice const priority(
    "locked queues", "priority: put beside get beside close",
    [](scenario& s) { closed_between<concur::priority_queue<int>>(s, concur::unbounded); },
    explored::schedules_of_three());

twice const shown("locked queues", "what was done before a put and before a report is visible", [](scenario& s) {
  auto& items = s.make<concur::queue<counted*>>(concur::unbounded);
  auto& before = s.make<counted>();
  auto& done = s.make<counted>();
  s.thread("producer", [&] {
    before.add();
    items.put(&before);
    items.join();
    s.check(done.get() == 1, "join returned too early");
  });
  s.thread("consumer", [&] {
    items.get()->add();
    done.add();
    items.task_done();
  });
});

// Destroyed with elements in it, by the party that knows that all have gone.
twice const destroyed("locked queues", "destroyed with elements in it", [](scenario& s) {
  auto& alive = s.make<lives>();
  auto& items = s.make<explored::destructible<concur::lifo_queue<element>>>(std::size_t{4});
  s.thread("first", [&] { items->put(element(1, alive)); });
  s.thread("second", [&] {
    items->put(element(2, alive));
    static_cast<void>(items->try_get());
  });
  s.finally([&] {
    items.destroy();
    s.check(alive.made == alive.gone, "an element was not destroyed, or twice");
  });
});

}  // namespace

TEST_CASE("locked queues: every schedule") { explored::run("locked queues"); }
