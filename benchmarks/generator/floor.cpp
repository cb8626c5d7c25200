// SPDX-License-Identifier: BSL-1.0
//
// The floor: the least that a generator can be. It resumes one coroutine, which leaves the address of its number; there
// is no delegation, no error, and the frame comes from malloc.
#include "workload.hpp"

#include <coroutine>
#include <exception>

namespace {

class bare_generator {
 public:
  struct promise_type {
    std::uint64_t const* number = nullptr;

    bare_generator get_return_object() noexcept {
      return bare_generator(std::coroutine_handle<promise_type>::from_promise(*this));
    }
    std::suspend_always initial_suspend() const noexcept { return {}; }
    std::suspend_always final_suspend() const noexcept { return {}; }
    std::suspend_always yield_value(std::uint64_t const& yielded) noexcept {
      number = &yielded;
      return {};
    }
    void return_void() const noexcept {}
    void unhandled_exception() const noexcept { std::terminate(); }
  };

  explicit bare_generator(std::coroutine_handle<promise_type> body) noexcept : body_(body) {}
  bare_generator(bare_generator const&) = delete;
  bare_generator& operator=(bare_generator const&) = delete;
  ~bare_generator() { body_.destroy(); }

  bool next() {
    body_.resume();
    return !body_.done();
  }
  std::uint64_t number() const noexcept { return *body_.promise().number; }

 private:
  std::coroutine_handle<promise_type> const body_;
};

bare_generator sequence(std::uint64_t end) {
  for (std::uint64_t number = 0; number != end; ++number) co_yield number;
}

bare_generator random_numbers(std::uint64_t count) {
  std::uint64_t number = 1;
  for (; count != 0; --count) {
    number = step(number);
    co_yield number;
  }
}

std::uint64_t sum_of(bare_generator numbers) {
  std::uint64_t sum = 0;
  while (numbers.next()) sum += numbers.number();
  return sum;
}

}  // namespace

bench::cases const here = {
    {"generator/sequence", "floor",
     [](benchmark::State& state) { sum_of_sequence(state, [](std::uint64_t n) { return sum_of(sequence(n)); }); }},
    {"generator/random", "floor",
     [](benchmark::State& state) { sum_of_random(state, [](std::uint64_t n) { return sum_of(random_numbers(n)); }); }},
};
