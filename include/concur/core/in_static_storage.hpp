// SPDX-License-Identifier: BSL-1.0
//
// Whether an object lives as long as the program.
#pragma once

#include <concur/core/abi.hpp>

#include <cstddef>
#include <cstdint>
#include <link.h>

namespace concur::inline CONCUR_ABI {

/// Whether the object lies in the static storage of the program or of one of its shared libraries. Asks the dynamic
/// linker, which takes a lock: for reports, not for fast paths.
inline bool in_static_storage(void const* object) noexcept {
  std::uintptr_t sought = reinterpret_cast<std::uintptr_t>(object);
  auto const holds_it = [](dl_phdr_info* module, std::size_t, void* passed) noexcept {
    auto const address = *static_cast<std::uintptr_t const*>(passed);
    for (auto const* part = module->dlpi_phdr; part != module->dlpi_phdr + module->dlpi_phnum; ++part) {
      if (part->p_type == PT_LOAD && address - (module->dlpi_addr + part->p_vaddr) < part->p_memsz) return 1;
    }
    return 0;
  };
  return ::dl_iterate_phdr(holds_it, &sought) != 0;
}

}  // namespace concur::inline CONCUR_ABI
