// SPDX-License-Identifier: BSL-1.0
//
// A set of processors as the system wants it, of any size.
#pragma once

#include <concur/core/abi.hpp>

#include <cerrno>
#include <cstddef>
#include <sched.h>
#include <string>
#include <system_error>
#include <vector>

namespace concur::inline CONCUR_ABI::detail {

class processor_set {
 public:
  /// Throws std::system_error for a number that no processor can have, and std::bad_alloc.
  explicit processor_set(std::vector<int> const& processors) {
    for (int const each : processors) {
      if (each < 0 || each >= most) {
        throw std::system_error(EINVAL, std::generic_category(),
                                "an affinity names processor " + std::to_string(each) + ", which cannot exist");
      }
      auto const word = std::size_t(each) / bits;
      if (words_.size() <= word) words_.resize(word + 1);
      words_[word] |= 1ul << (std::size_t(each) % bits);
    }
  }

  /// The processors that the calling thread may run on. Throws std::bad_alloc; empty if the system does not say.
  static processor_set of_this_thread() {
    processor_set result;
    // The kernel refuses a set that is too small for all its processors.
    for (std::size_t words = 16; words <= std::size_t(most) / bits; words *= 2) {
      result.words_.assign(words, 0);
      if (sched_getaffinity(0, result.bytes(), result.get()) == 0) return result;
      if (errno != EINVAL) break;
    }
    result.words_.clear();
    return result;
  }

  cpu_set_t* get() noexcept { return reinterpret_cast<cpu_set_t*>(words_.data()); }
  std::size_t bytes() const noexcept { return words_.size() * sizeof(unsigned long); }

  std::vector<int> numbers() const {
    std::vector<int> result;
    for (std::size_t i = 0; i < words_.size() * bits; ++i) {
      if ((words_[i / bits] >> (i % bits) & 1) != 0) result.push_back(int(i));
    }
    return result;
  }

 private:
  processor_set() = default;

  static constexpr int most = 1 << 16;
  static constexpr std::size_t bits = 8 * sizeof(unsigned long);

  std::vector<unsigned long> words_;
};

}  // namespace concur::inline CONCUR_ABI::detail
