// SPDX-License-Identifier: BSL-1.0
//
// What a crawl has saved so far, and what it had to leave out: shown while it works, on a terminal as a number that
// grows, elsewhere as a line for every ten files.
//
//     web::complaints complaints;
//     web::progress serial("serial", complaints);
//     serial.saved("2-1.jpg");
//     serial.left_out(host, "/2.jpg", error);      // left out: http://example.org/2.jpg: the answer is cut off
#pragma once

#include "tutorial.hpp"

#include <concur/concur.hpp>
#include <concur/http/client.hpp>

#include <cstddef>
#include <cstdio>
#include <exception>
#include <mutex>
#include <set>
#include <string>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace web {

/// One line for each thing that went wrong, however often it does. Any thread.
class complaints {
 public:
  void about(std::string const& line) {
    std::scoped_lock const guard(lock_);
    if (known_.insert(line).second) tutorial::say("left out: ", line);
  }

 private:
  concur::mutex lock_;
  std::set<std::string> known_;  // under the lock
};

/// Of one crawl. Any thread.
class progress {
 public:
  progress(std::string name, complaints& complaints) : name_(std::move(name)), complaints_(complaints) {}

  void saved(std::string file) {
    std::scoped_lock const guard(lock_);
    files_.insert(std::move(file));
    if (is_watched_) {
      std::fprintf(stderr, "\r%s: %zu images", name_.c_str(), files_.size());
    } else if (files_.size() % 10 == 0) {
      tutorial::say(name_, ": ", files_.size(), " images so far");
    }
  }

  /// What is wrong with a host is told of the host, not of each of its pages.
  void left_out(std::string const& host, std::string const& path, std::exception const& error) {
    {
      std::scoped_lock const guard(lock_);
      ++left_out_;
      if (is_watched_) std::fputs("\r\33[K", stderr);
    }
    auto const* const answer = dynamic_cast<concur::http_status_error const*>(&error);
    auto const* const system = dynamic_cast<std::system_error const*>(&error);
    if (answer != nullptr) {
      complaints_.about(error.what());
    } else if (system == nullptr || system->code().category() != concur::curl_category()) {
      complaints_.about(host + path + ": " + error.what());
    } else {
      bool const is_dead = system->code() == concur::make_curl_error(CURLE_COULDNT_CONNECT) ||
                           system->code() == concur::make_curl_error(CURLE_COULDNT_RESOLVE_HOST);
      complaints_.about((is_dead ? host : host + path) + ": " + system->code().message());
    }
  }

  /// When it has ended.
  void sum_up() const {
    if (is_watched_) std::fputs("\r\33[K", stderr);
    auto const rest = left_out_ == 0 ? std::string() : ", " + std::to_string(left_out_) + " left out";
    tutorial::say(name_, ": ", files_.size(), " images", rest);
  }
  std::set<std::string> const& files() const { return files_; }
  int left_out() const { return left_out_; }

 private:
  std::string const name_;
  complaints& complaints_;
  bool const is_watched_ = ::isatty(STDERR_FILENO) != 0;
  concur::mutex lock_;
  std::set<std::string> files_;  // under the lock, until it has ended
  int left_out_ = 0;             // so is this
};

}  // namespace web
