// SPDX-License-Identifier: BSL-1.0
//
// What everything promises that can be awaited, whatever comes of it: that a cancel ends the wait if it comes before
// the wake, and that coroutines of other people's types may wait too. In all of them `make()` returns the operation.
//
//     support::awaited_contract::cancelled_before_it_is_in_the_list([&] { return f.async_wait(); });
#pragma once

#include "catch.hpp"
#include "test_executor.hpp"
#include "test_task.hpp"

#include <concur/core/executor.hpp>

namespace support::inline CONCUR_ABI {

class awaited_contract {
 public:
  /// One of the moments at which a task that waits once may be cancelled.
  class cancel_moment {
   public:
    enum moments { before, waiting, woken, ended };
    explicit cancel_moment(moments when) : when_(when) {}

    bool operator==(moments when) const { return when_ == when; }
    /// Whether it ends the wait. Otherwise the wait has succeeded.
    bool in_time() const { return when_ <= waiting; }

    /// Runs a task to its end that waits for what `wake()` does, and cancels it at this moment.
    template <class Make, class Wake>
    void strike(queue_executor& here, Make make, Wake wake) const {
      int passed = 0;
      root_task root(here, awaits(make, passed));
      if (when_ == before) root.cancel();
      root.start();
      here.run_ready();
      if (when_ == waiting) root.cancel();
      here.run_ready();
      CHECK(root.done() == in_time());
      wake();
      if (when_ == woken) root.cancel();
      here.run_until([&] { return root.done(); });
      if (when_ == ended) root.cancel();
      CHECK(root.was_cancelled() == in_time());
      CHECK(passed == (in_time() ? 0 : 1));
    }

   private:
    moments when_;
  };

  /// Calls `test(cancel_moment)` for each of them.
  template <class Test>
  static void at_every_cancel(Test test) {
    for (auto const when :
         {cancel_moment::before, cancel_moment::waiting, cancel_moment::woken, cancel_moment::ended}) {
      INFO("cancelled at moment " << int(when));
      test(cancel_moment(when));
    }
  }

  /// Requires: it has to wait.
  template <class Make>
  static void cancelled_before_it_is_in_the_list(Make make) {
    queue_executor here;
    auto const root = spawn(here, is_cancelled_first(make));
    here.run_ready();
    REQUIRE(root->done());
    CHECK(root->was_cancelled());
  }

  /// Requires: it has to wait, for what `wake()` does.
  template <class Make, class Wake>
  static void a_foreign_coroutine_waits(Make make, Wake wake) {
    queue_executor here;
    concur::executor_scope const on(here);
    int passed = 0;
    auto const waiting = awaits_as_foreign(make, passed);
    CHECK_FALSE(waiting.done());
    wake();
    CHECK(passed == 0);  // it goes on here, not where it was woken
    here.run_until([&] { return waiting.done(); });
    waiting.rethrow_error();
    CHECK(passed == 1);
  }

 private:
  template <class Make>
  static test_task<> awaits(Make& make, int& passed) {
    int const one = 1;
    co_await make();
    passed += one;
  }
  template <class Make>
  static foreign_coroutine awaits_as_foreign(Make& make, int& passed) {
    int const one = 1;
    co_await make();
    passed += one;
  }
  template <class Make>
  static test_task<> is_cancelled_first(Make& make) {
    int const once = 1;
    co_await cancel_before_publish(make);
    static_cast<void>(once);
  }
};

}  // namespace support::inline CONCUR_ABI
