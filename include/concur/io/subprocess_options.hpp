// SPDX-License-Identifier: BSL-1.0
//
// How a program is to be started.
//
//     concur::subprocess child({"sort", "-n"}, concur::subprocess_options()
//                                                  .standard_input(concur::stdio::pipe())
//                                                  .standard_output(concur::stdio::pipe())
//                                                  .directory("/tmp")
//                                                  .variable("LC_ALL", "C"));
#pragma once

#include <concur/core/abi.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace concur::inline CONCUR_ABI {

/// Where a standard stream of a child process goes to, or comes from.
class stdio {
 public:
  enum class kind : std::uint8_t { inherit, null, pipe, descriptor, output };

  /// The same as here.
  static constexpr stdio inherit() noexcept { return {kind::inherit, -1}; }
  /// /dev/null.
  static constexpr stdio null() noexcept { return {kind::null, -1}; }
  /// A new pipe, whose other end the subprocess has.
  static constexpr stdio pipe() noexcept { return {kind::pipe, -1}; }
  /// A descriptor of the caller's, which stays that; it has to be open until the child was started.
  static constexpr stdio descriptor(int fd) noexcept { return {kind::descriptor, fd}; }
  /// Of standard error: where standard output goes.
  static constexpr stdio to_output() noexcept { return {kind::output, -1}; }

  constexpr kind what() const noexcept { return kind_; }
  constexpr int fd() const noexcept { return fd_; }

 private:
  constexpr stdio(kind what, int fd) noexcept : kind_(what), fd_(fd) {}

  kind kind_;
  int fd_;
};

/// A value, made by chained calls.
class subprocess_options {
 public:
  subprocess_options() = default;

  /// Inherited if not given.
  subprocess_options& standard_input(stdio from) noexcept {
    input_ = from;
    return *this;
  }
  subprocess_options& standard_output(stdio to) noexcept {
    output_ = to;
    return *this;
  }
  subprocess_options& standard_error(stdio to) noexcept {
    error_ = to;
    return *this;
  }
  /// All three by pipes, as for `communicate`.
  subprocess_options& pipes() noexcept {
    return standard_input(stdio::pipe()).standard_output(stdio::pipe()).standard_error(stdio::pipe());
  }

  /// Where it runs. The name of a program that has a slash and begins with none is looked up from there.
  subprocess_options& directory(std::string path) {
    directory_ = std::move(path);
    return *this;
  }

  /// All that its environment has, each as "NAME=value", instead of that of this process.
  subprocess_options& environment(std::vector<std::string> all) {
    environment_ = std::move(all);
    return *this;
  }
  /// One more variable, or another value for one.
  subprocess_options& variable(std::string name, std::string value) {
    variables_.emplace_back(std::move(name), std::move(value));
    return *this;
  }
  /// A variable that it is not to have.
  subprocess_options& without_variable(std::string name) {
    variables_.emplace_back(std::move(name), std::nullopt);
    return *this;
  }

  /// In a session, and thus a process group, of its own: signals from the terminal do not reach it.
  subprocess_options& new_session(bool value = true) noexcept {
    new_session_ = value;
    return *this;
  }

  /// Whether it gets, besides the three, what else is open here and not marked as to be closed (O_CLOEXEC). If not
  /// given: nothing.
  subprocess_options& inherit_descriptors(bool value = true) noexcept {
    inherit_descriptors_ = value;
    return *this;
  }

  stdio standard_input() const noexcept { return input_; }
  stdio standard_output() const noexcept { return output_; }
  stdio standard_error() const noexcept { return error_; }
  std::string const& directory() const noexcept { return directory_; }
  std::optional<std::vector<std::string>> const& environment() const noexcept { return environment_; }
  std::vector<std::pair<std::string, std::optional<std::string>>> const& variables() const noexcept {
    return variables_;
  }
  bool new_session() const noexcept { return new_session_; }
  bool inherit_descriptors() const noexcept { return inherit_descriptors_; }

 private:
  stdio input_ = stdio::inherit();
  stdio output_ = stdio::inherit();
  stdio error_ = stdio::inherit();
  std::string directory_;
  std::optional<std::vector<std::string>> environment_;
  std::vector<std::pair<std::string, std::optional<std::string>>> variables_;
  bool new_session_ = false;
  bool inherit_descriptors_ = false;
};

}  // namespace concur::inline CONCUR_ABI
