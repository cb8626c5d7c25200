// SPDX-License-Identifier: BSL-1.0
//
// Every decision of an execution passes through `choices`: which thread goes on, which store a load sees, whom a
// wake wakes. The decisions taken are the trail; the same trail gives the same execution. Depth-first search counts
// the trail up like the digits of a number; the other searches take decisions by chance and record them as well.
#pragma once

#include <concur/testing/engine/options.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace concur::testing::engine {

/// splitmix64 (Steele, Lea, Flood): enough for schedules, and one word of state.
class random_source {
 public:
  void seed(std::uint64_t value) noexcept { state_ = value * 0x9e3779b97f4a7c15u + 1; }
  std::uint64_t next() noexcept {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  int below(int bound) noexcept { return static_cast<int>(next() % static_cast<std::uint64_t>(bound)); }

 private:
  std::uint64_t state_ = 1;
};

class choices {
 public:
  void begin(options const& o) {
    search_ = o.strategy;
    seed_ = o.seed;
    trail_.clear();
    fits_ = true;
    if (!o.replay.empty()) read(o.replay);
  }

  /// Before execution number `run` (from 0).
  void rewind(std::uint64_t run) noexcept {
    position_ = 0;
    random_.seed(seed_ + run);
    // Random runs differ in how readily they switch: 1/2, 1/4, 1/8 or 1/16 of the points.
    reluctance_ = 2 << (run % 4);
    if (search_ != search::exhaustive && !replaying_) trail_.clear();
  }

  /// 0 … count-1. Chance decides evenly; exhaustive search begins with 0.
  int pick(int count) {
    if (position_ < trail_.size()) return repeat(count);
    return record(search_ == search::exhaustive ? 0 : random_.below(count), count);
  }

  /// Something rare happens (true), or not.
  bool pick_rare() {
    if (position_ < trail_.size()) return repeat(2) != 0;
    return record(search_ != search::exhaustive && random_.below(8) == 0 ? 1 : 0, 2) != 0;
  }

  /// Like pick(), where chance has decided already.
  int pick(int count, int preferred) {
    if (position_ < trail_.size()) return repeat(count);
    return record(search_ == search::exhaustive ? 0 : preferred, count);
  }

  /// The next trail of the depth-first search; false when there is none.
  bool advance() noexcept {
    while (!trail_.empty() && trail_.back().taken + 1 >= trail_.back().count) trail_.pop_back();
    if (trail_.empty()) return false;
    ++trail_.back().taken;
    return true;
  }

  /// From now on the recorded trail is run again, not extended by chance.
  void keep_trail() noexcept { replaying_ = true; }
  void forget_trail() noexcept { replaying_ = false; }

  bool replaying() const noexcept { return replaying_; }
  search strategy() const noexcept { return search_; }
  random_source& chance() noexcept { return random_; }
  int reluctance() const noexcept { return reluctance_; }

  /// False when a trail asked for a decision that was not on offer: the scenario has changed or is not deterministic.
  bool fits() const noexcept { return fits_; }

  /// The trail as text: a letter for the search; then decisions 1 to 35 as 1-9a-z, runs of 1 to 26 zeros as A-Z.
  std::string text() const;

 private:
  struct decision {
    std::uint8_t taken;
    std::uint8_t count;
  };

  int repeat(int count) {
    decision& d = trail_[position_++];
    if (d.count == 0) d.count = static_cast<std::uint8_t>(count);  // read from text
    if (d.count != count || d.taken >= count) {
      fits_ = false;
      return 0;
    }
    return d.taken;
  }

  int record(int taken, int count) {
    if (replaying_) taken = 0;  // a text drops its last zeros
    trail_.push_back({static_cast<std::uint8_t>(taken), static_cast<std::uint8_t>(count)});
    ++position_;
    return taken;
  }

  void read(std::string const& text);

  std::vector<decision> trail_;
  std::size_t position_ = 0;
  std::uint64_t seed_ = 1;
  int reluctance_ = 2;
  search search_ = search::exhaustive;
  bool replaying_ = false;
  bool fits_ = true;
  random_source random_;
};

inline std::string choices::text() const {
  std::size_t end = trail_.size();
  while (end != 0 && trail_[end - 1].taken == 0) --end;
  std::string out(1, search_ == search::exhaustive ? 'x' : search_ == search::random ? 'r' : 'p');
  int zeros = 0;
  auto flush = [&] {
    for (; zeros > 0; zeros -= 26) out += static_cast<char>('A' + (zeros > 26 ? 26 : zeros) - 1);
    zeros = 0;
  };
  for (std::size_t i = 0; i < end; ++i) {
    int const taken = trail_[i].taken;
    if (taken == 0) {
      ++zeros;
      continue;
    }
    flush();
    out += static_cast<char>(taken < 10 ? '0' + taken : 'a' + taken - 10);
  }
  return out;
}

inline void choices::read(std::string const& text) {
  replaying_ = true;
  if (!text.empty()) search_ = text[0] == 'r' ? search::random : text[0] == 'p' ? search::pct : search::exhaustive;
  for (std::size_t i = 1; i < text.size(); ++i) {
    char const c = text[i];
    if (c >= 'A' && c <= 'Z') {
      trail_.insert(trail_.end(), static_cast<std::size_t>(c - 'A' + 1), decision{0, 0});
    } else {
      trail_.push_back({static_cast<std::uint8_t>(c <= '9' ? c - '0' : c - 'a' + 10), 0});
    }
  }
}

}  // namespace concur::testing::engine
