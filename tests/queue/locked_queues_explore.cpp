// SPDX-License-Identifier: BSL-1.0
//
// The queues whose elements stand under a lock. What they share with `queue` is explored in queue_explore.cpp.
#include <concur/queue/lifo_queue.hpp>
#include <concur/queue/priority_queue.hpp>
#include <concur/queue/queue.hpp>

#include "explored_elements.hpp"

namespace {

using concur::ring_outcome;
using explored::counted;
using explored::element;
using explored::history;
using explored::lives;
using explored::twice;
using explored::testing::scenario;

template <class Queue, class Limit>
void closed_between(scenario& s, Limit limit, history::next_out const& next) {
  auto& items = s.make<Queue>(limit);
  auto& log = s.make<history>(items.capacity(), next);
  s.thread("producer", [&] {
    for (int i = 1; i <= 2; ++i) {
      auto const at = log.begin();
      try {
        items.put(i);
        log.add_put(at, i);
      } catch (concur::closed const&) {
        return log.add_put(at, i, ring_outcome::closed);
      }
    }
  });
  s.thread("consumer", [&] {
    auto at = log.begin();
    for (int const& item : items) {
      log.add_get(at, item);
      at = log.begin();
    }
    log.add_get(at, ring_outcome::closed);
    s.check(items.empty() && items.is_closed(), "the loop ended too early");
  });
  s.thread("closer", [&] {
    auto const at = log.begin();
    items.close();
    log.add_close(at);
  });
  s.finally([&] { s.check(log.explained(), "no order of the calls explains their results"); });
}

// Two are in before the first get, so that their order shows.
template <class Queue>
void ordered(scenario& s, history::next_out const& next) {
  auto& items = s.make<Queue>(std::size_t{2});
  auto& log = s.make<history>(std::size_t{2}, next);
  auto const put = [&](int value) {
    auto const at = log.begin();
    items.put(value);
    log.add_put(at, value);
  };
  auto const get = [&] {
    auto const at = log.begin();
    log.add_get(at, items.get());
  };
  put(2);
  s.thread("producer", [=] { put(1), put(3); });
  s.thread("consumer", [=] { get(), get(); });
  s.finally([=, &s, &log] {
    get();
    s.check(log.explained(), "no order of the calls explains their results");
  });
}

twice const unbounded_queue(
    "locked queues", "unbounded: put beside get beside close",
    [](scenario& s) { closed_between<concur::queue<int>>(s, concur::unbounded, history::oldest); },
    explored::schedules_of_three());

twice const lifo(
    "locked queues", "lifo: put beside get beside close",
    [](scenario& s) { closed_between<concur::lifo_queue<int>>(s, std::size_t{1}, history::newest); },
    explored::schedules_of_three());

twice const priority(
    "locked queues", "priority: put beside get beside close",
    [](scenario& s) { closed_between<concur::priority_queue<int>>(s, concur::unbounded, history::greatest); },
    explored::schedules_of_three());

twice const lifo_order("locked queues", "lifo: two puts beside two gets",
                       [](scenario& s) { ordered<concur::lifo_queue<int>>(s, history::newest); });

twice const priority_order("locked queues", "priority: two puts beside two gets",
                           [](scenario& s) { ordered<concur::priority_queue<int>>(s, history::greatest); });

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
