// SPDX-License-Identifier: BSL-1.0
#include <concur/io/file.hpp>

#include "../support/catch.hpp"
#include "../support/denied_calls.hpp"
#include "../support/failing_new.hpp"
#include "../support/forked.hpp"
#include "../support/open_descriptors.hpp"
#include "../support/refusals.hpp"
#include "../support/temporary_directory.hpp"

#include <concur/coro/gather.hpp>
#include <concur/coro/sleep.hpp>
#include <concur/coro/spawn.hpp>
#include <concur/coro/task.hpp>
#include <concur/coro/with.hpp>
#include <concur/coro/yield.hpp>
#include <concur/io/buffered_reader.hpp>
#include <concur/io/buffered_writer.hpp>
#include <concur/io/byte_stream.hpp>
#include <concur/io/dripping_stream.hpp>
#include <concur/io/open_options.hpp>
#include <concur/loop/event_loop.hpp>
#include <concur/loop/run.hpp>
#include <concur/pool/thread_pool.hpp>
#include <concur/thread/thread_info.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <fcntl.h>
#include <filesystem>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using concur::file;
using concur::open_options;
using concur::task;
using support::open_descriptors;
using support::system_error_of;
using support::temporary_directory;

static_assert(concur::async_byte_stream<file>);
static_assert(std::is_nothrow_move_constructible_v<file> && !std::is_copy_constructible_v<file>);

std::string text_of(std::size_t size) {
  std::string text(size, ' ');
  for (std::size_t i = 0; i < size; ++i) text[i] = char('a' + i * 11 % 26);
  return text;
}

// The same verbs by a thread and by a coroutine.
struct by_thread {
  static file open(std::string path, open_options options = open_options()) { return file(std::move(path), options); }
  static std::size_t read_some(file& f, concur::mutable_buffer into) { return f.read_some(into); }
  static std::size_t read(file& f, concur::mutable_buffer into) { return f.read(into); }
  static std::size_t read_at(file& f, std::uint64_t at, concur::mutable_buffer into) { return f.read_at(at, into); }
  static void write(file& f, concur::const_buffer from) { f.write(from); }
  static void write_at(file& f, std::uint64_t at, concur::const_buffer from) { f.write_at(at, from); }
  static std::uint64_t size(file& f) { return f.size(); }
  static void truncate(file& f, std::uint64_t size) { f.truncate(size); }
  static void sync(file& f) {
    f.sync();
    f.data_sync();
  }
  static void close(file& f) { f.close(); }
};

struct by_coroutine {
  static file open(std::string path, open_options options = open_options()) {
    return concur::run(file::async_open(std::move(path), options));
  }
  static std::size_t read_some(file& f, concur::mutable_buffer into) { return concur::run(f.async_read_some(into)); }
  static std::size_t read(file& f, concur::mutable_buffer into) { return concur::run(f.async_read(into)); }
  static std::size_t read_at(file& f, std::uint64_t at, concur::mutable_buffer into) {
    return concur::run(f.async_read_at(at, into));
  }
  static void write(file& f, concur::const_buffer from) { concur::run(f.async_write(from)); }
  static void write_at(file& f, std::uint64_t at, concur::const_buffer from) {
    concur::run(f.async_write_at(at, from));
  }
  static std::uint64_t size(file& f) { return concur::run(f.async_size()); }
  static void truncate(file& f, std::uint64_t size) { concur::run(f.async_truncate(size)); }
  static void sync(file& f) {
    concur::run(f.async_sync());
    concur::run(f.async_data_sync());
  }
  static void close(file& f) { concur::run(f.async_close()); }
};

template <class By>
std::string content(std::string const& path) {
  auto f = By::open(path);
  std::string text(std::size_t(By::size(f)), ' ');
  CHECK(By::read(f, text) == text.size());
  std::array<char, 1> more{};
  CHECK(By::read_some(f, more) == 0);
  return text;
}

}  // namespace

TEMPLATE_TEST_CASE("file: what is written is read, in pieces of any size", "[file]", by_thread, by_coroutine) {
  using by = TestType;
  temporary_directory const here;
  auto const path = here / "text";
  auto const text = text_of(1'000'000);
  {
    auto out = by::open(path, open_options::for_writing());
    CHECK(out.path() == path);
    for (std::size_t at = 0, size = 1; at < text.size(); at += size, size = size * 3 + 1) {
      by::write(out, std::string_view(text).substr(at, size));
    }
    by::sync(out);
    by::close(out);
    CHECK_FALSE(out.is_open());
    by::close(out);
  }
  CHECK(content<by>(path) == text);
  auto in = by::open(path);
  std::string got;
  std::vector<char> space(1);
  while (auto const count = by::read_some(in, space)) {
    got.append(space.data(), count);
    space.resize(space.size() * 2 + 1);
  }
  CHECK(got == text);
}

TEMPLATE_TEST_CASE("file: the ways to open one", "[file]", by_thread, by_coroutine) {
  using by = TestType;
  temporary_directory const here;
  auto const path = here / "f";
  auto const error_of = [&](open_options const& options) {
    return system_error_of([&] { static_cast<void>(by::open(path, options)); });
  };
  auto const write = [&](open_options const& options, std::string_view text) {
    auto f = by::open(path, options);
    by::write(f, text);
  };
  CHECK(error_of(open_options()) == ENOENT);
  CHECK(error_of(open_options().write()) == ENOENT);
  write(open_options::for_writing(), "one");
  CHECK(content<by>(path) == "one");
  write(open_options::for_writing(), "2");
  CHECK(content<by>(path) == "2");
  write(open_options::for_appending(), "three");
  CHECK(content<by>(path) == "2three");
  write(open_options().write(), "T");
  CHECK(content<by>(path) == "Tthree");
  CHECK(error_of(open_options().write().create_new()) == EEXIST);
  auto both = by::open(path, open_options().read().write());
  std::array<char, 2> two{};
  CHECK(by::read(both, two) == 2);
  by::write(both, "R");
  CHECK(content<by>(path) == "TtRree");

  auto only_reads = by::open(path);
  CHECK(system_error_of([&] { by::write(only_reads, "x"); }) == EBADF);

  auto const secret = here / "secret";
  static_cast<void>(by::open(secret, open_options::for_writing().permissions(0600)));
  struct stat about{};
  REQUIRE(::stat(secret.c_str(), &about) == 0);
  CHECK((about.st_mode & 0777) == 0600);
  CHECK((::fcntl(only_reads.fd(), F_GETFD) & FD_CLOEXEC) != 0);
}

TEMPLATE_TEST_CASE("file: positions", "[file]", by_thread, by_coroutine) {
  using by = TestType;
  temporary_directory const here;
  auto f = by::open(here / "f", open_options::for_writing().read());
  by::write(f, "0123456789");
  CHECK(f.tell() == 10);
  CHECK(f.seek(3) == 3);
  std::array<char, 4> four{};
  CHECK(by::read(f, four) == 4);
  CHECK(std::string_view(four.data(), 4) == "3456");
  CHECK(f.seek_by(-2) == 5);
  CHECK(f.seek_to_end() == 10);
  CHECK(by::read_at(f, 8, four) == 2);
  CHECK(by::read_at(f, 100, four) == 0);
  by::write_at(f, 12, "xy");
  CHECK(f.tell() == 10);
  CHECK(by::size(f) == 14);
  by::truncate(f, 13);
  CHECK(by::read_at(f, 9, four) == 4);
  CHECK(std::string_view(four.data(), 4) == std::string_view("9\0\0x", 4));
  CHECK(system_error_of([&] { f.seek(~std::uint64_t{0}); }) == EINVAL);
  CHECK(system_error_of([&] { by::read_at(f, ~std::uint64_t{0}, four); }) == EINVAL);
  CHECK(f.tell() == 10);
}

TEMPLATE_TEST_CASE("file: an error names the path", "[file]", by_thread, by_coroutine) {
  using by = TestType;
  temporary_directory const here;
  auto const sentence_of = [](auto act) -> std::string {
    try {
      act();
    } catch (std::system_error const& error) {
      return error.what();
    }
    return {};
  };
  auto const missing = here / "missing";
  CHECK(sentence_of([&] { by::open(missing); }).starts_with("opening '" + missing + "'"));
  auto directory = by::open(here.path());
  std::array<char, 4> space{};
  CHECK(sentence_of([&] { by::read(directory, space); }).starts_with("reading '" + here.path() + "'"));
  CHECK(system_error_of([&] { by::read(directory, space); }) == EISDIR);
  file none;
  CHECK(system_error_of([&] { by::read(none, space); }) == EBADF);
  CHECK(system_error_of([&] { by::size(none); }) == EBADF);
  CHECK_THROWS_AS(by::open(std::string("a\0b", 3)), std::invalid_argument);
  auto full = by::open("/dev/full", open_options().write());
  CHECK(system_error_of([&] { by::write(full, "x"); }) == ENOSPC);
}

TEST_CASE("file: an error of closing is not lost", "[file]") {
  if (!support::calls_can_be_denied()) return;
  temporary_directory const here;
  int error = 0;
  int again = -1;
  bool open = true;
  support::on_own_thread([&] {
    file f(here / "f", open_options::for_writing());
    int const number = f.fd();
    support::deny({SYS_close, EIO, 0, std::uint32_t(number)});
    error = system_error_of([&] { f.close(); });
    again = system_error_of([&] { f.close(); });
    open = f.is_open();
  });
  CHECK(error == EIO);
  CHECK(again == 0);
  CHECK_FALSE(open);
}

TEST_CASE("file: where nothing can be tried at once, threads do all of it", "[file]") {
  if (!support::calls_can_be_denied()) return;
  temporary_directory const here;
  auto const text = text_of(300'000);
  std::string got(text.size(), ' ');
  std::size_t count = 0;
  for (int const error : {EOPNOTSUPP, ENOSYS, EAGAIN}) {
    support::on_own_thread([&] {
      support::deny({SYS_preadv2, error});
      support::deny({SYS_pwritev2, error});
      auto const copy = [&]() -> task<> {
        auto f = co_await file::async_open(here / "f", open_options::for_writing().read());
        co_await f.async_write(std::string_view(text).substr(0, 100));
        co_await f.async_write(std::string_view(text).substr(100));
        f.seek(0);
        count = co_await f.async_read(got);
      };
      concur::run(copy());
    });
    CHECK(count == text.size());
    CHECK(got == text);
  }
}

TEST_CASE("file: several positioned operations at the same time", "[file]") {
  temporary_directory const here;
  auto const use = [&]() -> task<bool> {
    auto f = co_await file::async_open(here / "f", open_options::for_writing().read());
    std::array<std::string, 8> texts;
    std::vector<task<>> writes;
    for (std::size_t i = 0; i < texts.size(); ++i) {
      texts[i] = std::string(500'000, char('a' + i));
      writes.push_back(f.async_write_at(i * 500'000, texts[i]));
    }
    co_await concur::gather(std::move(writes));
    bool right = true;
    for (std::size_t i = 0; i < texts.size(); ++i) {
      std::string got(500'000, ' ');
      auto const count = co_await f.async_read_at(i * 500'000, got);
      right = right && count == got.size() && got == texts[i];
    }
    co_return right;
  };
  CHECK(concur::run(use()));
}

TEST_CASE("file: is a stream for buffers, also byte by byte", "[file]") {
  temporary_directory const here;
  auto const path = here / "lines";
  auto const use = [&]() -> task<std::string> {
    concur::buffered_writer out(concur::dripping_stream(co_await file::async_open(path, open_options::for_writing())));
    for (int i = 0; i < 100; ++i) co_await out.async_write("line " + std::to_string(i) + "\n");
    co_await out.async_close();
    auto in = co_await file::async_open(path);
    concur::buffered_reader reader{concur::dripping_stream<file&>(in)};
    std::string last;
    auto lines = reader.async_lines();
    while (auto line = co_await lines.next()) last = *line;
    co_return last;
  };
  CHECK(concur::run(use()) == "line 99");
}

TEST_CASE("file: may be used on a pool as well", "[file]") {
  temporary_directory const here;
  concur::thread_pool pool(2);
  auto const use = [&](int number) -> task<bool> {
    auto const path = here / std::to_string(number);
    auto f = co_await file::async_open(path, open_options::for_writing().read());
    auto const text = text_of(50'000);
    co_await f.async_write(text);
    std::string got(text.size(), ' ');
    auto const count = co_await f.async_read_at(0, got);
    co_await f.async_close();
    co_return count == text.size() && got == text;
  };
  std::vector<concur::future<bool>> all;
  for (int i = 0; i < 20; ++i) all.push_back(concur::spawn(pool, use(i)));
  for (auto& each : all) CHECK(each.get());
}

TEST_CASE("file: a busy one starves nobody", "[file]") {
  temporary_directory const here;
  int meanwhile = 0;
  auto const compete = [&]() -> task<> {
    file f(here / "f", open_options::for_writing().read());
    f.write("x");
    bool over = false;
    auto other = concur::spawn([&]() -> task<> {
      while (true) {
        if (over) co_return;
        ++meanwhile;
        co_await concur::yield();
      }
    });
    std::array<char, 1> one{};
    for (int i = 0; i < 1000; ++i) co_await f.async_read_at(0, one);
    over = true;
    co_await std::move(other);
  };
  concur::run(compete());
  CHECK(meanwhile >= 10);
}

TEST_CASE("file: cancelled at any moment, an operation has happened whole or not at all", "[file]") {
  temporary_directory const here;
  std::string const piece(600'000, 'x');  // too large to be tried at once
  for (int steps = 0; steps < 30; ++steps) {
    auto const path = here / "f";
    std::size_t written = 0;
    bool was_cancelled = false;
    auto const cancel_after = [&]() -> task<> {
      auto f = co_await file::async_open(path, open_options::for_writing());
      auto const write_on = [&]() -> task<> {
        for (int i = 0; i < 4; ++i) {
          co_await f.async_write(piece);
          ++written;
        }
      };
      auto writing = concur::spawn(write_on());
      for (int i = 0; i < steps; ++i) co_await concur::yield();
      writing.cancel();
      try {
        co_await std::move(writing);
      } catch (concur::cancelled const&) {
        was_cancelled = true;
      }
    };
    concur::run(cancel_after());
    CHECK(std::filesystem::file_size(path) == written * piece.size());
    CHECK((was_cancelled || written == 4));
  }
}

// Where half of it is in memory, that half is read at once, and the rest by a thread.
TEST_CASE("file: cancelled when a part of it was read at once, it is read whole", "[file]") {
  temporary_directory const here;
  auto const text = text_of(256 * 1024);
  std::string half(text.size() / 2, ' ');
  for (int steps = 0; steps < 6; ++steps) {
    file f(here / "f", open_options::for_writing().read());
    f.write(text);
    f.sync();
    f.seek(0);
    ::posix_fadvise(f.fd(), 0, 0, POSIX_FADV_DONTNEED);
    ::posix_fadvise(f.fd(), 0, 0, POSIX_FADV_RANDOM);  // not ahead of what is asked for
    f.read_at(0, half);
    std::string got(text.size(), ' ');
    std::size_t count = 0;
    auto const cancel_after = [&]() -> task<> {
      auto reading = concur::spawn([&]() -> task<> { count = co_await f.async_read(got); });
      for (int i = 0; i < steps; ++i) co_await concur::yield();
      reading.cancel();
      try {
        co_await std::move(reading);
      } catch (concur::cancelled const&) {
      }
    };
    concur::run(cancel_after());
    CHECK((count == 0 || count == text.size()));
    CHECK(f.tell() == count);
    if (count != 0) CHECK(got == text);
  }
}

// With a ring the loop has the system do it, and needs no threads of ours.
TEST_CASE("file: by io_uring no thread reads or syncs it", "[file]") {
  if (std::string_view(concur::event_loop().backend()) != "io_uring") return;
  temporary_directory const here;
  auto const path = here / "f";
  CHECK(support::right_in_child([&] {
    auto const text = text_of(600'000);  // too large to be tried at once
    std::string got(text.size(), ' ');
    file f(path, open_options::for_writing().read());
    auto const copy = [&]() -> task<> {
      f.write(text);
      co_await f.async_sync();
      co_await f.async_data_sync();
      co_await f.async_read_at(0, got);
    };
    concur::run(copy());
    auto const all = concur::threads();
    return got == text && std::ranges::none_of(all, [](auto const& each) { return each.name.starts_with("files"); });
  }));
}

TEST_CASE("file: an operation goes on when its loop ceases to run in between", "[file]") {
  temporary_directory const here;
  auto const text = text_of(5'000'000);
  for (int steps = 0; steps < 8; ++steps) {
    std::string got(text.size(), ' ');
    std::size_t count = 0;
    concur::event_loop loop;
    auto const copy = [&]() -> task<> {
      file f(here / "f", open_options::for_writing().read());
      co_await f.async_write(text);
      co_await f.async_sync();
      count = co_await f.async_read_at(0, got);
    };
    auto copying = loop.spawn(copy());
    for (int turns = 0; !copying.done(); ++turns) {
      auto const stop_soon = [&]() -> task<> {
        for (int i = 0; i < steps && turns < 100; ++i) co_await concur::yield();
        if (turns >= 100) co_await concur::sleep_for(1ms);
        loop.stop();
      };
      auto stopping = loop.spawn(stop_soon());
      loop.run_forever();
    }
    CHECK(count == text.size());
    CHECK(got == text);
  }
}

TEST_CASE("file: cancelled while many are under way, each is waited for", "[file]") {
  temporary_directory const here;
  auto const text = text_of(400'000);
  std::string got(text.size(), ' ');
  file f(here / "f", open_options::for_writing().read());
  auto const begin_and_cancel = [&]() -> task<> {
    std::vector<concur::future<void>> all;
    for (std::size_t i = 0; i < 50; ++i) all.push_back(concur::spawn(f.async_write_at(i * text.size(), text)));
    co_await concur::yield();
    for (auto& each : all) each.cancel();
  };
  concur::run(begin_and_cancel());
  // What was begun has happened whole; the rest not at all.
  for (std::size_t i = 0; i < 50; ++i) {
    auto const count = f.read_at(i * text.size(), got);
    bool const whole = count == text.size() && got == text;
    bool const none = count == 0 || got.find_first_not_of('\0') == got.npos;
    CHECK((whole || none));
  }
}

TEST_CASE("file: in a cancelled task nothing is begun", "[file]") {
  temporary_directory const here;
  auto const path = here / "f";
  int refused = 0;
  auto const refuse = [&]() -> task<> {
    file f(here / "other", open_options::for_writing().read());
    f.write("abc");
    auto running = concur::spawn([&]() -> task<> {
      try {
        co_await concur::yield();
      } catch (concur::cancelled const&) {
      }
      auto const try_it = [&](auto operation) -> task<> {
        try {
          co_await std::move(operation);
        } catch (concur::cancelled const&) {
          ++refused;
        }
      };
      std::array<char, 3> space{};
      co_await try_it(file::async_open(path, open_options::for_writing()));
      co_await try_it(f.async_read_at(0, space));
      co_await try_it(f.async_write("x"));
      co_await try_it(f.async_size());
    });
    running.cancel();
    co_await concur::yield();
    try {
      co_await std::move(running);
    } catch (concur::cancelled const&) {
    }
    CHECK(f.size() == 3);
  };
  concur::run(refuse());
  CHECK((refused == 4 || refused == 0));  // 0: it never began
  CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("file: `with` closes it on every way out", "[file]") {
  temporary_directory const here;
  auto const use = [&]() -> task<> {
    auto const path = here / "f";
    co_await concur::with(file::async_open(path, open_options::for_writing()), [&](file& f) -> task<> {
      co_await f.async_write("abc");
      throw concur::timed_out();
    });
  };
  CHECK_THROWS_AS(concur::run(use()), concur::timed_out);
  auto const before = open_descriptors();
  CHECK_THROWS_AS(concur::run(use()), concur::timed_out);
  CHECK(open_descriptors() == before);
  CHECK(std::filesystem::file_size(here / "f") == 3);
}

TEST_CASE("file: each allocation may fail, and no descriptor is left", "[file]") {
  if (!support::failing_new::available()) return;
  temporary_directory const here;
  auto const path = here / "f";
  concur::event_loop loop;
  auto const use = [&]() -> task<> {
    auto f = co_await file::async_open(path, open_options::for_writing().read());
    co_await f.async_write("abc");
    co_await f.async_sync();
    std::array<char, 3> space{};
    co_await f.async_read_at(0, space);
    co_await f.async_close();
  };
  loop.run(use());
  auto const before = open_descriptors();
  for (int k = 1;; ++k) {
    bool happened = false;
    {
      support::failing_new const shortage(k);
      try {
        loop.run(use());
      } catch (std::bad_alloc const&) {
      }
      happened = shortage.happened();
    }
    CHECK(open_descriptors() == before);
    if (!happened) break;
  }
}
