// SPDX-License-Identifier: BSL-1.0
//
// A directory for the files of one test, which goes with all that is in it.
//
//     support::temporary_directory const here;
//     auto const path = here / "server.sock";
#pragma once

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

namespace support {

class temporary_directory {
 public:
  temporary_directory() : path_((std::filesystem::temp_directory_path() / "concur-XXXXXX").string()) {
    if (::mkdtemp(path_.data()) == nullptr) throw std::system_error(errno, std::generic_category(), path_);
  }
  temporary_directory(temporary_directory const&) = delete;
  temporary_directory& operator=(temporary_directory const&) = delete;
  ~temporary_directory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  std::string const& path() const noexcept { return path_; }
  std::string operator/(std::string const& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace support
