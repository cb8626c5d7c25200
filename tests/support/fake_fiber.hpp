// SPDX-License-Identifier: BSL-1.0
//
// A fiber without a scheduler: what others do while it is suspended happens inside its park. So a test can place a wake
// exactly where it wants it, such as between a time limit that has passed and the withdrawal from the list.
//
//     support::fake_fiber fiber([&] { event.set(); }, support::fake_fiber::limit_passes);
//     bool const seen = fiber.run([&] { return event.wait_for(1s); });   // woken, although its limit passed first
#pragma once

#include <concur/core/waiter.hpp>

#include <functional>
#include <utility>

namespace support::inline CONCUR_ABI {

class fake_fiber final : public concur::party {
 public:
  enum ending {
    woken,  ///< park returns why it was woken
    limit_passes,  ///< the first park reports that the limit has passed, whatever happened meanwhile
  };

  /// `meanwhile` runs in each park that finds the fiber not woken, on the thread but not as the fiber. If nobody has
  /// woken it then, the limit has passed.
  explicit fake_fiber(std::function<void()> meanwhile, ending how = woken)
      : meanwhile_(std::move(meanwhile)), ending_(how) {}

  /// Calls `body` as this fiber.
  template <class Body>
  auto run(Body body) {
    scope const running(this);
    return body();
  }

  int parks() const noexcept { return parks_; }
  int wakes() const noexcept { return wakes_; }
  concur::wake_reason last_reason() const noexcept { return reason_; }
  concur::time_point last_deadline() const noexcept { return deadline_; }

  void wake(concur::waiter&, concur::wake_reason reason) noexcept override {
    reason_ = reason;
    ++wakes_;
  }

  concur::wake_reason park(concur::waiter&, concur::time_point deadline) noexcept override {
    bool const first = parks_++ == 0;
    deadline_ = deadline;
    if (wakes_ == wakes_seen_) {
      scope const suspended(nullptr);
      meanwhile_();
    }
    if (wakes_ == wakes_seen_ || (first && ending_ == limit_passes)) return concur::wake_reason::none;
    wakes_seen_ = wakes_;
    return reason_;
  }

 private:
  class scope {
   public:
    explicit scope(concur::party* now) noexcept : before_(std::exchange(concur::running_fiber(), now)) {}
    ~scope() { concur::running_fiber() = before_; }
    scope(scope const&) = delete;
    scope& operator=(scope const&) = delete;

   private:
    concur::party* before_;
  };

  std::function<void()> meanwhile_;
  ending ending_;
  int parks_ = 0;
  int wakes_ = 0;
  int wakes_seen_ = 0;
  concur::wake_reason reason_ = concur::wake_reason::none;
  concur::time_point deadline_{};
};

}  // namespace support::inline CONCUR_ABI
