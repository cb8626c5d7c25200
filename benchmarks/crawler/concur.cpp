// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

#include <concur/coro/task.hpp>
#include <concur/coro/task_group.hpp>
#include <concur/http/client.hpp>
#include <concur/io/whole_file.hpp>
#include <concur/loop/run.hpp>
#include <concur/pool/thread_pool.hpp>
#include <concur/sync/semaphore.hpp>

namespace {

using crawler::file_of;
using crawler::image_links;
using crawler::job;
using crawler::list_page;

concur::client_options options() { return concur::client_options().without_proxy(); }

std::string fetch(concur::http_client& client, std::string const& url) {
  return client.get(url).ensure_success().body();
}

void serially(job const& what) {
  concur::http_client client(options());
  for (int page = 1; page <= what.pages; ++page) {
    for (auto const& link : image_links(fetch(client, what.url + list_page(page)))) {
      concur::write_file(file_of(what, link), fetch(client, what.url + link));
    }
  }
}

void by_a_pool(job const& what) {
  concur::http_client client(options());
  concur::thread_pool pool(crawler::concurrency);
  for (int page = 1; page <= what.pages; ++page) {
    pool.post([&, page] {
      for (auto const& link : image_links(fetch(client, what.url + list_page(page)))) {
        pool.post([&, link] { concur::write_file(file_of(what, link), fetch(client, what.url + link)); });
      }
    });
  }
  pool.wait_idle();
}

class crawl {
 public:
  explicit crawl(job const& what) : what_(what), client_(options()) {}

  concur::task<> run() {
    auto const all = [this](concur::task_group& group) -> concur::task<> {
      for (int page = 1; page <= what_.pages; ++page) group.spawn(follow(group, page));
      co_return;
    };
    co_await concur::with_group(all);
  }

 private:
  concur::task<> follow(concur::task_group& group, int page) {
    auto const text = co_await fetch(list_page(page));
    for (auto const& link : image_links(text)) group.spawn(save(link));
  }

  concur::task<> save(std::string link) {
    auto const image = co_await fetch(link);
    co_await concur::async_write_file(file_of(what_, link), image);
  }

  concur::task<std::string> fetch(std::string path) {
    co_await places_.async_acquire();
    auto answer = co_await client_.async_get(what_.url + path);
    places_.release();
    co_return std::move(answer).ensure_success().body();
  }

  job const& what_;
  concur::http_client client_;
  concur::semaphore places_{crawler::concurrency};
};

void by_coroutines(job const& what) {
  crawl all(what);
  concur::run(all.run());
}

bench::cases const here = {
    crawler::crawling(crawler::by_coroutines, "concur", crawler::list_pages, by_coroutines),
    crawler::crawling(crawler::by_coroutines, "concur_serial", 1, serially),
    crawler::crawling(crawler::by_threads, "concur", crawler::list_pages, by_a_pool),
};

}  // namespace
