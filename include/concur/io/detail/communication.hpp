// SPDX-License-Identifier: BSL-1.0
//
// A thread's talk with a child process: writes all of one text while it reads two, so that neither waits for the other.
#pragma once

#include <concur/core/abi.hpp>
#include <concur/core/blocking.hpp>
#include <concur/core/waiter.hpp>
#include <concur/io/buffer.hpp>
#include <concur/io/pipe.hpp>
#include <concur/io/wait_for_descriptor.hpp>

#include <array>
#include <cstddef>
#include <memory>
#include <poll.h>
#include <string>
#include <system_error>

namespace concur::inline CONCUR_ABI::detail {

inline constexpr std::size_t output_piece = 64 * 1024;
inline constexpr int most_pieces = 16;  // of one text before it is the others' turn

/// A child that does not read all is its own affair: asyncio and Python's subprocess bear that too.
inline bool nobody_reads(std::system_error const& error) noexcept { return error.code() == std::errc::broken_pipe; }

/// Ends that are closed take no part.
class communication {
 public:
  communication(pipe_writer& input, const_buffer text, pipe_reader& output, std::string& output_text,
                pipe_reader& error, std::string& error_text)
      : input_(input),
        rest_(text),
        sources_{{{output, output_text}, {error, error_text}}},
        space_(new char[output_piece]) {}

  /// Until all of it is closed. Returns false when the limit was reached, also beside a child that never stops talking.
  bool run(wait_limit const& limit) {
    for (;;) {
      write_what_fits();
      for (auto const& each : sources_) read_what_is_there(each);
      std::array<pollfd, 4> those{{{input_.fd(), POLLOUT, 0},
                                   {sources_[0].from.fd(), POLLIN, 0},
                                   {sources_[1].from.fd(), POLLIN, 0},
                                   {-1, 0, 0}}};
      if (those[0].fd < 0 && those[1].fd < 0 && those[2].fd < 0) return true;
      if (limit_reached(limit) || wait_for_descriptors(those, limit) != wake_reason::granted) return false;
    }
  }

 private:
  struct source {
    pipe_reader& from;
    std::string& text;
  };

  void write_what_fits() {
    if (!input_.is_open()) return;
    try {
      while (!rest_.empty()) {
        auto const count = input_.try_write_some(rest_);
        if (!count) return;
        rest_ = rest_.after(*count);
      }
    } catch (std::system_error const& error) {
      if (!nobody_reads(error)) throw;
    }
    input_.close();
  }

  void read_what_is_there(source const& each) {
    for (int piece = 0; piece < most_pieces && each.from.is_open(); ++piece) {
      auto const count = each.from.try_read_some({space_.get(), output_piece});
      if (!count) return;
      if (*count == 0) each.from.close();
      each.text.append(space_.get(), *count);
    }
  }

  pipe_writer& input_;
  const_buffer rest_;
  std::array<source, 2> sources_;
  std::unique_ptr<char[]> space_;
};

}  // namespace concur::inline CONCUR_ABI::detail
