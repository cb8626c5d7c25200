// SPDX-License-Identifier: BSL-1.0
//
// What must hold of a job whose calls of the system fail one at a time: it ends, with the error of that call or without
// any; it leaves no descriptor open and closes none twice; and nothing that has gone wrong stays so.
//
//     TEST_CASE("tcp: every call may fail") { CHECK(support::failures_borne([] { run(everything()); }) > 100); }
#pragma once

#include "catch.hpp"
#include "failing_calls.hpp"
#include "open_descriptors.hpp"
#include "recorded_errors.hpp"

#include <concur/core/cancellation.hpp>
#include <concur/core/errors.hpp>

#include <cerrno>
#include <cstddef>
#include <exception>
#include <string>
#include <system_error>

namespace support {

/// Whether the error is the one of the call, or what the other end of a connection sees of it.
inline bool tells_of(call_failure const& which, std::exception_ptr const& error) {
  try {
    std::rethrow_exception(error);
  } catch (std::system_error const& told) {
    int const number = told.code().value();
    return number == which.error || number == ECONNRESET || number == EPIPE;
  } catch (concur::multiple_errors const& several) {
    for (auto const& each : several.errors()) {
      if (!tells_of(which, each)) return false;
    }
    return true;
  } catch (...) {
    return false;
  }
}

/// Runs `job()` for each call of each kind that it makes, and each error of that. It throws what it likes, which must
/// be the error of the call. Returns how many have failed.
template <class Job>
long failures_borne(Job job) {
  recorded_errors const hook;
  job();
  auto const open = open_descriptors();
  auto const wrong = wrong_closes();
  return for_every_failing_call([&](call_failure const& which) {
    std::exception_ptr thrown;
    {
      failing_call const now(which);
      try {
        job();
      } catch (...) {
        thrown = std::current_exception();
      }
    }
    bool const plain = thrown == nullptr || tells_of(which, thrown);
    bool const left = open_descriptors() != open;
    bool const twice = wrong_closes() != wrong;
    if (plain && !left && !twice) return;
    std::string text = which.text();
    if (!plain) concur::append_error(text += ", and the job with ", thrown);
    if (left) text += ", descriptors are left open";
    if (twice) text += ", a descriptor was closed twice";
    FAIL(text);
  });
}

}  // namespace support
