// SPDX-License-Identifier: BSL-1.0
#include <concur/thread/cpu_count.hpp>

#include "../support/catch.hpp"

#include <concur/thread/this_thread.hpp>
#include <concur/thread/thread.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace {

using concur::detail::cgroup_processors;
using concur::detail::no_limit;

// /proc/self/cgroup and /sys/fs/cgroup as somebody else's machine has them.
class made_up_system {
 public:
  made_up_system() {
    std::string name = std::filesystem::temp_directory_path() / "concur-cgroup-XXXXXX";
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    top_ = name;
  }
  ~made_up_system() { std::filesystem::remove_all(top_); }
  made_up_system(made_up_system const&) = delete;
  made_up_system& operator=(made_up_system const&) = delete;

  made_up_system& member_of(std::string const& lines) { return write("cgroup", lines); }
  made_up_system& file(std::string const& path, std::string const& text) { return write("sys" + path, text); }

  double processors() const { return cgroup_processors(top_ / "cgroup", top_ / "sys"); }

 private:
  made_up_system& write(std::string const& path, std::string const& text) {
    auto const whole = top_ / path;
    std::filesystem::create_directories(whole.parent_path());
    std::ofstream(whole) << text;
    return *this;
  }

  std::filesystem::path top_;
};

}  // namespace

TEST_CASE("cpu_count: version 2, the least of all groups around the process counts", "[cpu_count]") {
  made_up_system s;
  s.member_of("0::/outer/inner\n");
  CHECK(s.processors() == no_limit);  // no files at all
  s.file("/outer/inner/cpu.max", "max 100000\n");
  CHECK(s.processors() == no_limit);
  s.file("/outer/cpu.max", "300000 100000\n");
  CHECK(s.processors() == 3);
  s.file("/outer/inner/cpu.max", "150000 100000\n");
  CHECK(s.processors() == 1.5);
  s.file("/outer/inner/cpu.max", "400000 100000\n");
  CHECK(s.processors() == 3);
  s.file("/cpu.max", "20000 100000\n");  // a container sees its own group there
  CHECK(s.processors() == 0.2);
  s.file("/other/cpu.max", "1000 100000\n");
  CHECK(s.processors() == 0.2);
}

TEST_CASE("cpu_count: version 2, at the root", "[cpu_count]") {
  made_up_system s;
  s.member_of("0::/\n");
  CHECK(s.processors() == no_limit);
  s.file("/cpu.max", "50000 100000\n");
  CHECK(s.processors() == 0.5);
}

TEST_CASE("cpu_count: version 1, where the controllers share a group", "[cpu_count]") {
  made_up_system s;
  s.member_of(
      "12:cpuset:/set\n"
      "4:cpu,cpuacct:/docker/4711\n"
      "1:name=systemd:/init.scope\n"
      "0::/init.scope\n");
  CHECK(s.processors() == no_limit);
  s.file("/cpu/docker/4711/cpu.cfs_quota_us", "-1\n").file("/cpu/docker/4711/cpu.cfs_period_us", "100000\n");
  CHECK(s.processors() == no_limit);
  s.file("/cpu/docker/4711/cpu.cfs_quota_us", "250000\n");
  CHECK(s.processors() == 2.5);
  s.file("/cpu/cpu.cfs_quota_us", "100000\n").file("/cpu/cpu.cfs_period_us", "50000\n");
  CHECK(s.processors() == 2);
  s.file("/cpu/cpu.cfs_quota_us", "-1\n");
  CHECK(s.processors() == 2.5);
}

TEST_CASE("cpu_count: version 1, the controllers in another order, alone, and with others' names", "[cpu_count]") {
  for (auto const* line : {"4:cpuacct,cpu:/a\n", "4:cpu:/a\n", "3:memory:/b\n4:cpu:/a\n"}) {
    made_up_system s;
    s.member_of(line).file("/cpu/a/cpu.cfs_quota_us", "100000\n").file("/cpu/a/cpu.cfs_period_us", "100000\n");
    CHECK(s.processors() == 1);
  }
  for (auto const* line : {"4:cpuacct,cpuset:/a\n", "4:mycpu:/a\n"}) {
    made_up_system s;
    s.member_of(line).file("/cpu/a/cpu.cfs_quota_us", "100000\n").file("/cpu/a/cpu.cfs_period_us", "100000\n");
    CHECK(s.processors() == no_limit);
  }
}

TEST_CASE("cpu_count: files that are missing, empty or nonsense set no limit", "[cpu_count]") {
  made_up_system s;
  CHECK(s.processors() == no_limit);
  s.member_of("");
  CHECK(s.processors() == no_limit);
  s.member_of("nonsense\n\n::\n0\n0:\n0::\n");
  CHECK(s.processors() == no_limit);
  s.member_of("0::/a\n");
  for (auto const* text :
       {"", "\n", "100000", "100000\n", "max\n", "100000 0\n", "0 100000\n", "-1 100000\n", "x y\n"}) {
    INFO(text);
    s.file("/a/cpu.max", text);
    CHECK(s.processors() == no_limit);
  }
  s.file("/a/cpu.max", "100000 100000");  // without a line end
  CHECK(s.processors() == 1);
  s.member_of("0::/a");
  CHECK(s.processors() == 1);
  // A quota without its period.
  made_up_system first;
  first.member_of("4:cpu:/a\n").file("/cpu/a/cpu.cfs_quota_us", "100000\n");
  CHECK(first.processors() == no_limit);
}

TEST_CASE("cpu_count: at least one, and not more than the thread may run on", "[cpu_count]") {
  auto const mine = concur::this_thread::affinity();
  CHECK(concur::cpu_count() >= 1);
  CHECK(std::size_t(concur::cpu_count()) <= mine.size());
  int pinned = 0;
  concur::thread([&] {
    concur::this_thread::set_affinity({mine.back()});
    pinned = concur::cpu_count();
  }).join();
  CHECK(pinned == 1);
  concur::thread(concur::thread_options().affinity({mine.front()}), [&pinned] { pinned = concur::cpu_count(); }).join();
  CHECK(pinned == 1);
}
