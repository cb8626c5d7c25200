// SPDX-License-Identifier: BSL-1.0
//
// A file of 256 MiB is written, and read, from its beginning to its end in pieces of 64 KiB, one after the other, by
// one thread and whatever the library has behind it. It is all in the page cache, and is written over, so that no disk
// is in the way: what differs is how a library gets a piece to the kernel and learns that it is done. Counted are the
// time and the CPU time of a piece, opening and closing the file included.
#pragma once

#include "../support/cases.hpp"
#include "../support/jobs.hpp"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

/// What is to be written, and what has to be read. A piece knows its number.
class pieces {
 public:
  static constexpr std::size_t size = 64 * 1024;

  explicit pieces(std::size_t count) : count(count), bytes_(size) {}

  std::size_t const count;

  /// For the next piece to be written.
  char const* next() {
    put_number(done_++);
    return bytes_.data();
  }
  /// Where to read to, and what follows.
  char* room() { return bytes_.data() + filled_; }
  std::size_t room_size() const { return size - filled_; }
  void add(std::size_t got) {
    filled_ += got;
    if (filled_ < size) return;
    std::array<std::uint64_t, 2> found;
    std::memcpy(&found[0], bytes_.data(), 8);
    std::memcpy(&found[1], bytes_.data() + size - 8, 8);
    right_ = right_ && found[0] == done_ && found[1] == done_;
    filled_ = 0;
    ++done_;
  }

  bool all_written() const { return done_ == count; }
  bool all_right() const { return done_ == count && filled_ == 0 && right_; }

 private:
  void put_number(std::uint64_t number) {
    std::memcpy(bytes_.data(), &number, 8);
    std::memcpy(bytes_.data() + size - 8, &number, 8);
  }

  std::vector<char> bytes_;
  std::size_t done_ = 0;
  std::size_t filled_ = 0;
  bool right_ = true;
};

/// A file that has no name but one under /proc: nothing is left behind. Not in a tmpfs, which io_uring cannot read
/// without a thread of the kernel, unlike the file systems that files are usually in.
class nameless_file {
 public:
  nameless_file() {
    std::string name = std::filesystem::read_symlink("/proc/self/exe").parent_path();
    fd_ = open(name.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (fd_ >= 0) return;
    name += "/file_throughput.XXXXXX";
    fd_ = mkostemp(name.data(), O_CLOEXEC);
    if (fd_ < 0) throw std::system_error(errno, std::generic_category(), "no temporary file beside the program");
    unlink(name.c_str());
  }
  ~nameless_file() { close(fd_); }
  nameless_file(nameless_file const&) = delete;
  nameless_file& operator=(nameless_file const&) = delete;

  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }

  void fill(pieces plan) const {
    while (!plan.all_written()) {
      if (write(fd_, plan.next(), pieces::size) != ssize_t(pieces::size))
        throw std::runtime_error("no room for the file");
    }
    lseek(fd_, 0, SEEK_SET);
  }
  bool is_filled(pieces plan) const {
    lseek(fd_, 0, SEEK_SET);
    for (ssize_t got; (got = read(fd_, plan.room(), plan.room_size())) > 0;) plan.add(std::size_t(got));
    return plan.all_right();
  }
  void clear() const {
    std::vector<char> const zeros(pieces::size);
    struct stat now{};
    fstat(fd_, &now);
    for (off_t at = 0; at < now.st_size; at += off_t(zeros.size())) {
      if (pwrite(fd_, zeros.data(), zeros.size(), at) < 0) throw std::runtime_error("the file cannot be written");
    }
  }

 private:
  int fd_ = -1;
};

enum class direction { write, read };

inline double process_cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return double(now.tv_sec) + 1e-9 * double(now.tv_nsec);
}

/// `Library` has write(path, plan) and read(path, plan): opens the existing file, does all pieces, and closes it.
template <class Library>
void transfer(benchmark::State& state, direction way) {
  using namespace std::chrono;
  std::size_t const count = bench::slice() < 100ms ? 256 : 4096;
  bench::on_both_cpus const pinned;
  try {
    nameless_file file;
    file.fill(pieces(count));
    Library library;
    auto const transfer_once = [&] {
      pieces plan(count);
      way == direction::write ? library.write(file.path(), plan) : library.read(file.path(), plan);
      if (way == direction::read && !plan.all_right()) throw std::runtime_error("it has read something else");
    };
    if (way == direction::write) file.clear();
    transfer_once();  // not counted
    if (way == direction::write && !file.is_filled(pieces(count))) throw std::runtime_error("it has not written all");
    long times = 0;
    double const cpu = process_cpu_seconds();
    auto const begin = steady_clock::now();
    duration<double> elapsed{};
    for (; elapsed < bench::slice(); ++times) {
      transfer_once();
      elapsed = steady_clock::now() - begin;
    }
    auto const all = double(times) * double(count);
    bench::report(state, elapsed / all);
    state.counters["cpu"] = (process_cpu_seconds() - cpu) / all * 1e9;
  } catch (std::exception const& error) {
    state.SkipWithError(error.what());
  }
}

template <class Library>
bench::cases transfers_with(char const* library) {
  auto const with = [](direction way) { return [way](benchmark::State& state) { transfer<Library>(state, way); }; };
  return {
      {"file_throughput/write", library, with(direction::write), bench::timing::own},
      {"file_throughput/read", library, with(direction::read), bench::timing::own},
  };
}
