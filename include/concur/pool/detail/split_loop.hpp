// SPDX-License-Identifier: BSL-1.0
//
// A loop whose parts run on several members of a pool: what parallel_for and parallel_reduce have in common.
//
// A `Job` says what the loop does. It is shared by all who take part:
//
//     struct job {
//       using result = …;                                // of a part; default-constructed where none has run yet
//       void run(result& so_far, std::uint64_t begin, std::uint64_t end);    // elements begin to end - 1, in order
//       void join(result& left, result& right);          // the results of neighbours, into the left one
//     };
#pragma once

#include <concur/core/os.hpp>
#include <concur/pool/detail/fork.hpp>
#include <concur/pool/detail/loop_pace.hpp>
#include <concur/pool/detail/part_errors.hpp>
#include <concur/pool/detail/participant.hpp>
#include <concur/pool/grain.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace concur::inline CONCUR_ABI::detail {

// A loop that takes less runs where it is. Waking a worker costs as much, and it comes later still.
inline constexpr loop_pace::duration alone_for = std::chrono::microseconds(8);
// About how often a member looks whether somebody has taken what it had offered, and looks at the clock.
inline constexpr loop_pace::duration chunk_time = std::chrono::microseconds(10);

// Whoever wants so few elements to run in parallel will have long ones: the first does not go alone.
inline constexpr std::uint64_t few_elements = 32;

/// Splits lazily: a member has at most one half of what is left to it on offer, and offers another half when that one
/// is gone. So a loop is divided about as often as somebody comes for a part, and no oftener.
///
/// Algorithm: A. Tzannes, G. Caragea, R. Barua and U. Vishkin, "Lazy binary-splitting" (2010); here with chunks whose
/// size follows from the time that the last one took.
template <class Job>
class split_loop {
 public:
  using result = typename Job::result;

  split_loop(pool_state& pool, Job& job, grain const& parts) noexcept : pool_(pool), job_(job), grain_(parts) {}

  /// Elements `begin` to `end` - 1. Throws what they threw, when nothing of the loop runs any more.
  [[gnu::noinline]] void run(result& into, loop_pace pace, std::uint64_t begin, std::uint64_t end) {
    {
      participant here(pool_);
      run_part(here, into, pace, begin, end);
    }
    errors_.rethrow_any();
  }

 private:
  class part;

  void run_part(participant& here, result& into, loop_pace& pace, std::uint64_t begin, std::uint64_t end) noexcept;
  void run_chunk(result& into, loop_pace& pace, std::uint64_t begin, std::uint64_t end) noexcept;
  void join(result& left, result& right) noexcept;
  bool worth_dividing(participant& here, std::uint64_t chunk, std::uint64_t left) const noexcept;

  pool_state& pool_;
  Job& job_;
  grain const grain_;
  part_errors errors_;
};

/// Elements that somebody may take over; on the stack of the member that divided the loop.
template <class Job>
class split_loop<Job>::part final : public fork {
 public:
  part(split_loop& loop, loop_pace const& pace, std::uint64_t begin, std::uint64_t end)
      : fork([](work& self) noexcept {
          auto& mine = static_cast<part&>(self);
          mine.run_stolen([&mine] {
            participant here(mine.loop_.pool_);
            mine.loop_.run_part(here, mine.result_, mine.pace_, mine.begin_, mine.end_);
          });
        }),
        loop_(loop),
        pace_(pace),
        begin_(begin),
        end_(end) {}

  /// Requires: done.
  result& get_result() noexcept { return result_; }

 private:
  split_loop& loop_;
  loop_pace pace_;
  std::uint64_t const begin_;
  std::uint64_t const end_;
  result result_{};  // the thief's, until it is done
};

// Halves what is left, offers the right half and goes on with the left one, before it comes back to the right one. So
// recursion is no deeper than the logarithm of the size, parts come back in the order reverse to that of the offers,
// and what this member does is in the order of the elements.
template <class Job>
void split_loop<Job>::run_part(participant& here, result& into, loop_pace& pace, std::uint64_t begin,
                               std::uint64_t end) noexcept {
  while (begin != end && !errors_.any()) {
    std::uint64_t const left = end - begin;
    std::uint64_t const chunk = grain_.is_automatic() ? pace.fitting(chunk_time) : left;
    if (!worth_dividing(here, chunk, left)) {
      std::uint64_t const next = begin + std::min(chunk, left);
      run_chunk(into, pace, begin, next);
      begin = next;
      continue;
    }
    std::uint64_t const middle = end - left / 2;
    part right(*this, pace, middle, end);
    bool const offered = here.offer(right);
    run_part(here, into, pace, begin, middle);
    if (offered && !here.take_back(right)) {
      here.await(right);
      return join(into, right.get_result());
    }
    begin = middle;
  }
}

template <class Job>
bool split_loop<Job>::worth_dividing(participant& here, std::uint64_t chunk, std::uint64_t left) const noexcept {
  if (!here) return false;
  if (!grain_.is_automatic()) return grain_.divides(left);
  // Where each element takes long, all are on offer one by one: others need not wait for the end of the next one.
  return left / 2 >= chunk && (chunk == 1 || here.hungry());
}

template <class Job>
void split_loop<Job>::run_chunk(result& into, loop_pace& pace, std::uint64_t begin, std::uint64_t end) noexcept {
  try {
    if (!grain_.is_automatic()) return job_.run(into, begin, end);
    auto const before = os::clock::now();
    job_.run(into, begin, end);
    pace.measured(end - begin, os::clock::now() - before);
  } catch (...) {
    errors_.add();
  }
}

template <class Job>
void split_loop<Job>::join(result& left, result& right) noexcept {
  if (errors_.any()) return;
  try {
    job_.join(left, right);
  } catch (...) {
    errors_.add();
  }
}

/// Begins alone, until so much time has passed or all is done; returns how many elements were done.
template <class Job>
std::uint64_t begin_loop(Job& job, typename Job::result& into, std::uint64_t size, loop_pace& pace) {
  auto const start = os::clock::now();
  auto before = start;
  for (std::uint64_t done = 0, chunk = 1;;) {
    job.run(into, done, done + chunk);
    done += chunk;
    if (done == size) return done;
    auto const now = os::clock::now();
    pace.measured(chunk, now - before);
    if (now - start >= alone_for) return done;
    before = now;
    // Half of a rest that is larger than all that is known: the others may be able to help with the other half.
    std::uint64_t const left = size - done;
    chunk = std::min(pace.fitting(alone_for / 2), left > done ? left / 2 : left);
  }
}

/// Runs the whole job. Throws what its elements threw.
template <class Job>
void run_loop(pool_state& pool, Job& job, typename Job::result& into, std::uint64_t size, grain const& parts) {
  if (size == 0) return;
  loop_pace pace;
  std::uint64_t done = 0;
  if (parts.is_automatic() && size <= few_elements) {
    pace.measured(1, chunk_time);  // for want of a better guess: as if each were worth a part of its own
  } else if (parts.is_automatic()) {
    done = begin_loop(job, into, size, pace);
  } else if (!parts.divides(size)) {
    job.run(into, 0, size);
    done = size;
  }
  if (done != size) split_loop<Job>(pool, job, parts).run(into, pace, done, size);
}

}  // namespace concur::inline CONCUR_ABI::detail
