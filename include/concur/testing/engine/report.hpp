// SPDX-License-Identifier: BSL-1.0
//
// Names of objects and the trace of the failing execution. Nothing here runs unless an execution is traced.
#pragma once

#include <concur/testing/engine/machine.hpp>

#include <cstdio>
#include <string>

namespace concur::testing::engine {

/// The scenario's name for the object (with the offset into it), else one by order of first use.
inline std::string machine::object_name(void const* object, char const* kind, int index) const {
  auto const* const address = static_cast<char const*>(object);
  given_name const* best = nullptr;
  for (given_name const& n : names_) {
    bool const inside = address >= n.begin && address < n.begin + n.size;
    if (inside && (best == nullptr || n.size < best->size)) best = &n;
  }
  if (best != nullptr) {
    std::ptrdiff_t const offset = address - best->begin;
    return offset == 0 ? std::string(best->text) : std::string(best->text) + "+" + std::to_string(offset);
  }
  return std::string(kind) + "#" + std::to_string(index);
}

/// Addresses differ from run to run: pointers are numbered as they appear.
inline std::string machine::value_text(std::uint64_t value, value_kind kind) {
  auto const negative = static_cast<std::int64_t>(value);
  switch (kind) {
    case value_kind::boolean: return value != 0 ? "true" : "false";
    case value_kind::number:
      if (negative < 0 && negative > -(std::int64_t{1} << 32)) return std::to_string(negative);
      break;
    case value_kind::pointer:
      if (value == 0) return "null";
      break;
    case value_kind::opaque: break;
    case value_kind::unsigned_number: break;
  }
  if (kind != value_kind::pointer && value < (std::uint64_t{1} << 40)) return std::to_string(value);
  std::uint64_t const base = value & ~std::uint64_t{7};
  std::string const low = base == value ? "" : "+" + std::to_string(value - base);
  std::string const named = object_name(reinterpret_cast<void const*>(base), "", 0);
  if (named[0] != '#') return "&" + named + low;
  std::size_t i = 0;
  while (i < pointers_.size() && pointers_[i] != base) ++i;
  if (i == pointers_.size()) pointers_.push_back(base);
  return "pointer#" + std::to_string(i) + low;
}

/// One line of the trace: step, thread, what, where.
inline void machine::say(std::string line, site at) {
  if (!tracing_) return;
  char head[64];
  std::snprintf(head, sizeof head, "%5d  %-12.20s ", step_, threads_[thread].name);
  if (line.size() < 64) line.resize(64, ' ');
  trace_ += head + line + "  " + to_string(at) + "\n";
}

inline void machine::say_access(access const& a, std::memory_order const* order, std::string const& what,
                                store_record const* saw, int newer) {
  std::string line = object_name(&a.id, "atomic", a.id.index) + "." + a.verb;
  if (order != nullptr) line += "(" + std::string(name_of(*order)) + ")";
  line += " " + what;
  if (saw != nullptr) {
    line += saw->step == 0 ? ", initial" : ", of step " + std::to_string(saw->step);
    if (newer != 0) line += ", a newer one exists";
  }
  say(line, a.at);
}

}  // namespace concur::testing::engine
