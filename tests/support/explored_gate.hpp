// SPDX-License-Identifier: BSL-1.0
//
// The smallest primitive there is, a word with one waiter, for scenarios about the wait itself.
//
//     explored::gate g;
//     co_await g.async_pass();      // one coroutine
//     g.open();                     // once
#pragma once

#include <concur/core/awaiter.hpp>
#include <concur/core/os.hpp>
#include <concur/core/wait_list.hpp>

namespace explored {

class gate {
 public:
  void open() {
    auto const bits = word_.lock_list();
    auto list = concur::wait_word::list_in(bits).split(1);
    word_.unlock_list(concur::wait_word::first_flag);
    list.wake_all(concur::wake_reason::granted);
  }

  class [[nodiscard]] pass_operation final : public concur::waiting_awaiter<pass_operation> {
   public:
    explicit pass_operation(gate& wanted) noexcept : gate_(wanted) {}
    ~pass_operation() { frame_.set(0); }
    void await_resume() const { throw_if_stopped(); }
    bool attempt() const noexcept { return false; }
    bool enqueue(concur::waiter& arriving) noexcept {
      return gate_.word_.enqueue(arriving, [](auto bits) { return (bits & concur::wait_word::first_flag) == 0; });
    }
    bool withdraw(concur::waiter& leaving) noexcept { return gate_.word_.withdraw(leaving); }
    bool is_whole() const { return frame_.get() == 1; }

   private:
    gate& gate_;
    concur::os::plain<int> frame_{1};  // stands for all that lies in the frame of the coroutine
  };
  pass_operation async_pass() noexcept { return pass_operation(*this); }

 private:
  concur::wait_word word_;
};

}  // namespace explored
