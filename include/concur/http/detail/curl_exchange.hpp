// SPDX-License-Identifier: BSL-1.0
//
// A transfer while its driver knows it; and the drivers that threads borrow, each for one call.
#pragma once

#include <concur/core/abi.hpp>
#include <concur/core/blocking.hpp>
#include <concur/coro/task.hpp>
#include <concur/http/client_options.hpp>
#include <concur/http/client_request.hpp>
#include <concur/http/client_response.hpp>
#include <concur/http/detail/curl_driver.hpp>
#include <concur/http/detail/curl_transfer.hpp>
#include <concur/sync/mutex.hpp>

#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace concur::inline CONCUR_ABI::detail {

/// The driver outlives it.
class curl_exchange {
 public:
  using what = curl_transfer::what;
  using body_to = curl_transfer::body_to;

  curl_exchange(curl_driver& driver, client_options const& options, client_request request, body_to where)
      : driver_(driver), transfer_(options, std::move(request), where) {
    driver_.add(transfer_);
  }
  curl_exchange(curl_exchange const&) = delete;
  curl_exchange& operator=(curl_exchange const&) = delete;
  ~curl_exchange() { driver_.remove(transfer_); }

  /// See curl_driver.
  bool wait(what wanted, wait_limit const& limit) { return driver_.wait(transfer_, wanted, limit); }
  task<> async_wait(what wanted) { return driver_.async_wait(transfer_, wanted); }

  /// What was wanted has come: the answer, with the body if that goes to memory. Throws what was the end of it.
  client_response response() {
    transfer_.throw_if_failed();
    return client_response(transfer_.head(), std::move(transfer_.received()));
  }
  /// The same without the body, which may still fail.
  client_response response_without_body() const {
    if (!transfer_.has_head()) transfer_.throw_if_failed();
    return client_response(transfer_.head());
  }
  /// What there is of the body. Nothing is the end, unless that throws.
  std::string take() {
    auto taken = std::exchange(transfer_.received(), {});
    if (taken.empty()) transfer_.throw_if_failed();
    driver_.resume(transfer_);
    return taken;
  }

 private:
  curl_driver& driver_;
  curl_transfer transfer_;
};

/// The one that was given back last is borrowed first: its connections are the warmest. Any thread.
class curl_drivers {
 public:
  class loan;

  /// Throws std::bad_alloc and std::system_error.
  inline loan borrow(client_options const& options);

 private:
  std::unique_ptr<curl_driver> take_idle() {
    std::lock_guard const held(lock_);
    if (idle_.empty()) return nullptr;
    auto taken = std::move(idle_.back());
    idle_.pop_back();
    return taken;
  }
  // If there is no memory to keep it, it goes.
  void give_back(std::unique_ptr<curl_driver> driver) noexcept {
    try {
      std::lock_guard const held(lock_);
      idle_.push_back(std::move(driver));
    } catch (...) {
    }
  }

  mutex lock_;
  std::vector<std::unique_ptr<curl_driver>> idle_;
};

class curl_drivers::loan {
 public:
  loan() noexcept = default;
  loan(curl_drivers& owner, std::unique_ptr<curl_driver> driver) noexcept
      : owner_(&owner), driver_(std::move(driver)) {}
  loan(loan&& other) noexcept = default;
  loan& operator=(loan&& other) noexcept {
    end();
    owner_ = other.owner_;
    driver_ = std::move(other.driver_);
    return *this;
  }
  ~loan() { end(); }

  explicit operator bool() const noexcept { return driver_ != nullptr; }
  curl_driver& operator*() const noexcept { return *driver_; }
  void end() noexcept {
    if (driver_) owner_->give_back(std::move(driver_));
  }

 private:
  curl_drivers* owner_ = nullptr;
  std::unique_ptr<curl_driver> driver_;
};

inline curl_drivers::loan curl_drivers::borrow(client_options const& options) {
  auto driver = take_idle();
  if (!driver) driver = std::make_unique<curl_driver>(options);
  return loan(*this, std::move(driver));
}

}  // namespace concur::inline CONCUR_ABI::detail
