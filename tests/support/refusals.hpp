// SPDX-License-Identifier: BSL-1.0
//
// How something ended, if not by itself, as a value.
#pragma once

#include <concur/core/errors.hpp>
#include <concur/future/future.hpp>

#include <system_error>

namespace support::inline CONCUR_ABI {

template <class Error, class Attempt>
bool throws(Attempt attempt) {
  try {
    attempt();
  } catch (Error const&) {
    return true;
  }
  return false;
}

template <class Attempt>
bool is_refused(Attempt attempt) {
  return throws<concur::misuse>(attempt);
}

/// The number of the system's error; 0 when there is none.
template <class Attempt>
int system_error_of(Attempt attempt) {
  try {
    attempt();
  } catch (std::system_error const& error) {
    return error.code().value();
  }
  return 0;
}

/// Whether a future is done, with that error. Takes its value.
template <class Error, class T>
bool ended_by(concur::future<T>& f) {
  return f.done() && throws<Error>([&] { static_cast<void>(f.get()); });
}
template <class T>
bool was_cancelled(concur::future<T>& f) {
  return ended_by<concur::cancelled>(f);
}

}  // namespace support::inline CONCUR_ABI
