// SPDX-License-Identifier: BSL-1.0
//
// What nobody took: the errors that go to the hook, kept for a test to look at.
//
//     support::recorded_errors const hook;
//     concur::thread([] { throw 7; }).join();
//     CHECK(support::recorded_errors::all().size() == 1);
#pragma once

#include <concur/core/errors.hpp>

#include <exception>
#include <mutex>
#include <string>
#include <vector>

namespace support::inline CONCUR_ABI {

/// While it lives, keeps what goes to the hook for unhandled errors as text: "place | type: sentence".
class recorded_errors {
 public:
  recorded_errors() : before_(concur::set_unhandled_error_hook(&record)) { list().clear(); }
  ~recorded_errors() { concur::set_unhandled_error_hook(before_); }
  recorded_errors(recorded_errors const&) = delete;
  recorded_errors& operator=(recorded_errors const&) = delete;

  static std::vector<std::string> all() {
    std::lock_guard const held(guard());
    return list();
  }

 private:
  static void record(std::exception_ptr const& error, char const* where) {
    std::string text = where;
    text += " | ";
    concur::append_error(text, error);
    std::lock_guard const held(guard());
    list().push_back(text);
  }
  static std::mutex& guard() {
    static std::mutex only;
    return only;
  }
  static std::vector<std::string>& list() {
    static std::vector<std::string> only;
    return only;
  }

  concur::unhandled_error_hook const before_;
};

}  // namespace support::inline CONCUR_ABI
