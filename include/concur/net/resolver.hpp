// SPDX-License-Identifier: BSL-1.0
//
// From names to endpoints and back. Python's getaddrinfo, of socket and of its event loop; Asio's resolver.
//
//     for (concur::endpoint const& each : concur::resolve("www.example.org", "https")) …       // a thread
//     auto const found = co_await concur::async_resolve("www.example.org", 443);               // a coroutine
//     auto const soon = concur::try_resolve_for("www.example.org", 443, 2s);                   // nothing if too late
//
//     concur::resolver mine(concur::resolver_options().lookup(from_table).limit(2));           // with rules of its own
//     auto const other = co_await mine.async_resolve("db", 5432);
#pragma once

#include <concur/core/deadline.hpp>
#include <concur/core/errors.hpp>
#include <concur/core/os.hpp>
#include <concur/core/process_lock.hpp>
#include <concur/core/process_object.hpp>
#include <concur/core/registry.hpp>
#include <concur/coro/shield.hpp>
#include <concur/coro/task.hpp>
#include <concur/coro/this_task.hpp>
#include <concur/future/future.hpp>
#include <concur/future/outcome.hpp>
#include <concur/net/detail/lookup_place.hpp>
#include <concur/net/endpoint.hpp>
#include <concur/net/resolve_query.hpp>
#include <concur/net/system_lookup.hpp>
#include <concur/pool/thread_pool.hpp>
#include <concur/pool/thread_pool_options.hpp>
#include <concur/sync/mutex.hpp>
#include <concur/sync/semaphore.hpp>

#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// Answers a question, or throws. Called on any thread, by several at the same time, and may block.
using lookup_function = std::function<resolve_results(resolve_query const&)>;

/// How a resolver is to be made. A value, made by chained calls.
class resolver_options {
 public:
  /// Who is asked instead of the system. Not asked for addresses and numbers, which every resolver answers by itself.
  resolver_options& lookup(lookup_function value) {
    lookup_ = std::move(value);
    return *this;
  }

  /// How many lookups may be under way at the same time, at least one. If not given: eight, or half of the workers of a
  /// given pool.
  resolver_options& limit(std::size_t value) noexcept {
    limit_ = value;
    return *this;
  }

  /// Whose workers do the lookups; it must outlive the resolver. If not given, the resolver has workers of its own, as
  /// many as its limit. That is better in general: a pool that has one worker for each processor has none to spare for
  /// a name server that does not answer.
  resolver_options& pool(thread_pool& value) noexcept {
    pool_ = &value;
    return *this;
  }

  lookup_function const& lookup() const noexcept { return lookup_; }
  std::size_t limit() const noexcept { return limit_; }
  thread_pool* pool() const noexcept { return pool_; }

 private:
  lookup_function lookup_;
  std::size_t limit_ = 0;
  thread_pool* pool_ = nullptr;
};

/// Resolves names on threads where they may block: at most so many at a time, the others in the order in which they
/// came. What is an address and a number already is answered at once, without any thread.
///
/// **Giving up.** A lookup under way cannot be interrupted, and it may take half a minute. So those who wait do not
/// wait for it: a cancel, a stop or a limit ends the wait at once. The lookup, which has only copies of what it needs,
/// goes on, keeps its place among those under way until it has ended, and nobody sees its result or error. (So do trio
/// and asyncio; awaiting a job of a pool otherwise waits until the job has ended.) A lookup that has not begun never
/// begins. One that had ended when the cancel came gives its result, as everywhere.
///
/// Errors are std::system_error with a resolve_errc or an errno, std::invalid_argument for names with a zero byte,
/// std::bad_alloc, and what a lookup function throws. A given pool refuses lookups with `closed` after a shutdown, and
/// one that cancels ends those that have not begun with `cancelled`.
///
/// Any thread may call any member. The destructor waits for all lookups under way, those that nobody waits for as well;
/// nobody may wait in the resolver then. The workers of its own are started for the first lookup that needs one. In a
/// child process made by fork only the plain blocking verbs and answers without a thread work; all others throw misuse.
class resolver {
 public:
  /// Throws std::bad_alloc, and misuse if a given pool is of a parent process.
  explicit resolver(resolver_options options = resolver_options());
  resolver(resolver const&) = delete;
  resolver& operator=(resolver const&) = delete;
  ~resolver();

  /// The endpoints of a host and a service, in the order in which they are to be tried; never none. On the calling
  /// thread, whatever the limit.
  [[nodiscard]] resolve_results resolve(std::string host, service_name service,
                                        resolve_options const& options = resolve_options()) const {
    return answer(resolve_query(std::move(host), std::move(service), options));
  }

  /// The same within a limit, or until a stop is requested: then nothing. On another thread; but in a job of the given
  /// pool it may run in place, and then it takes as long as it takes.
  template <class Rep, class Period>
  [[nodiscard]] std::optional<resolve_results> try_resolve_for(std::string host, service_name service,
                                                               std::chrono::duration<Rep, Period> const& limit,
                                                               resolve_options const& options = resolve_options()) {
    return try_resolve_until(std::move(host), std::move(service), deadline_after(limit), options);
  }
  template <class Clock, class Duration>
  [[nodiscard]] std::optional<resolve_results> try_resolve_until(std::string host, service_name service,
                                                                 std::chrono::time_point<Clock, Duration> const& limit,
                                                                 resolve_options const& options = resolve_options()) {
    return resolve_within(
        resolve_query(std::move(host), std::move(service), options), [&] { return places_.try_acquire_until(limit); },
        [&limit](auto const& running) { return running.wait_until(limit); });
  }
  [[nodiscard]] std::optional<resolve_results> resolve(std::string host, service_name service,
                                                       os::stop_token const& stop,
                                                       resolve_options const& options = resolve_options()) {
    return resolve_within(
        resolve_query(std::move(host), std::move(service), options), [&] { return places_.acquire(stop); },
        [&stop](auto const& running) { return running.wait(stop); });
  }

  /// `co_await r.async_resolve(host, service)`: the same without blocking the thread. Throws `cancelled`, also in place
  /// of an answer that needs no wait.
  [[nodiscard]] task<resolve_results> async_resolve(std::string host, service_name service,
                                                    resolve_options options = resolve_options());

  /// `co_await r.async_reverse_resolve(where)`: the names of an endpoint; see system_lookup.hpp, which has the blocking
  /// form. The system is asked, whatever the lookup function.
  [[nodiscard]] task<endpoint_name> async_reverse_resolve(endpoint where, reverse_options options = reverse_options());

  /// The lookups that may be under way at the same time, and how many more could begin at once when it was called.
  [[nodiscard]] std::size_t limit() const noexcept { return limit_; }
  [[nodiscard]] std::size_t idle() const noexcept { return places_.available(); }

 private:
  static std::size_t limit_of(resolver_options const& options) {
    if (options.limit() != 0) return options.limit();
    if (options.pool() == nullptr) return 8;
    return options.pool()->size() < 4 ? 1 : options.pool()->size() / 2;
  }

  resolve_results answer(resolve_query const& asked) const {
    if (auto known = numeric_lookup(asked)) return std::move(*known);
    return look_up(asked);
  }
  resolve_results look_up(resolve_query const& asked) const {
    return options_.lookup() ? options_.lookup()(asked) : system_lookup(asked);
  }

  thread_pool& workers();
  void require_own_process() const;

  /// Has `function()` called on a worker, in the place that the caller has taken.
  template <class Function>
  auto start(Function function);

  template <class Function>
  task<std::invoke_result_t<Function&>> on_worker(Function function);

  template <class Acquire, class Wait>
  std::optional<resolve_results> resolve_within(resolve_query asked, Acquire acquire, Wait wait);

  resolver_options const options_;
  std::size_t const limit_;
  unsigned const forks_ = process_wide::forks.load(std::memory_order_relaxed);
  semaphore places_;
  mutex making_;
  std::optional<thread_pool> own_;  // made under the lock, by the first who needs it
};

/// The resolver of the process, which asks the system; made on first use and never destroyed. A child process forked
/// from this one has one of its own. Any thread.
resolver& default_resolver();

/// The same verbs of the resolver of the process.
[[nodiscard]] inline resolve_results resolve(std::string host, service_name service,
                                             resolve_options const& options = resolve_options()) {
  return default_resolver().resolve(std::move(host), std::move(service), options);
}
[[nodiscard]] inline std::optional<resolve_results> resolve(std::string host, service_name service,
                                                            os::stop_token const& stop,
                                                            resolve_options const& options = resolve_options()) {
  return default_resolver().resolve(std::move(host), std::move(service), stop, options);
}
template <class Rep, class Period>
[[nodiscard]] std::optional<resolve_results> try_resolve_for(std::string host, service_name service,
                                                             std::chrono::duration<Rep, Period> const& limit,
                                                             resolve_options const& options = resolve_options()) {
  return default_resolver().try_resolve_for(std::move(host), std::move(service), limit, options);
}
template <class Clock, class Duration>
[[nodiscard]] std::optional<resolve_results> try_resolve_until(std::string host, service_name service,
                                                               std::chrono::time_point<Clock, Duration> const& limit,
                                                               resolve_options const& options = resolve_options()) {
  return default_resolver().try_resolve_until(std::move(host), std::move(service), limit, options);
}
[[nodiscard]] inline task<resolve_results> async_resolve(std::string host, service_name service,
                                                         resolve_options options = resolve_options()) {
  return default_resolver().async_resolve(std::move(host), std::move(service), options);
}
[[nodiscard]] inline task<endpoint_name> async_reverse_resolve(endpoint where,
                                                               reverse_options options = reverse_options()) {
  return default_resolver().async_reverse_resolve(where, options);
}

/// The names of an endpoint, on the calling thread.
[[nodiscard]] inline endpoint_name reverse_resolve(endpoint const& where, reverse_options options = reverse_options()) {
  return system_reverse_lookup(where, options);
}

inline resolver::resolver(resolver_options options)
    : options_(std::move(options)), limit_(limit_of(options_)), places_(limit_, limit_) {}

inline resolver::~resolver() {
  if (forks_ != process_wide::forks.load(std::memory_order_relaxed)) return;  // no thread of it is here to wait for
  // With all places nothing is under way any more; and who gives one back touches nothing of the resolver after it.
  for (std::size_t i = 0; i < limit_; ++i) places_.acquire();
}

inline void resolver::require_own_process() const {
  if (forks_ != process_wide::forks.load(std::memory_order_relaxed)) [[unlikely]]
    throw misuse("a resolver of a parent process was used, whose threads do not exist here");
}

inline thread_pool& resolver::workers() {
  if (options_.pool() != nullptr) return *options_.pool();
  std::lock_guard const held(making_);
  if (!own_) own_.emplace(limit_, thread_pool_options().name("resolver").threads(thread_options().daemon()));
  return *own_;
}

// The outcome is a value of the job: an error in a future that nobody reads any more would go to the hook.
template <class Function>
auto resolver::start(Function function) {
  using result = outcome<std::invoke_result_t<Function&>>;
  detail::lookup_place place(places_);
  auto& pool = workers();
  return pool.submit([place = std::move(place), function = std::move(function)]() mutable {
    try {
      return result(std::in_place, function());
    } catch (...) {
      return result(std::current_exception());
    }
  });
}

template <class Function>
task<std::invoke_result_t<Function&>> resolver::on_worker(Function function) {
  require_own_process();
  co_await places_.async_acquire();
  auto running = start(std::move(function));
  detail::given_up const at_end(running);
  auto how = co_await shield(running);
  co_return std::move(how).value();
}

inline task<resolve_results> resolver::async_resolve(std::string host, service_name service, resolve_options options) {
  if (this_task::cancelled()) throw cancelled();
  resolve_query asked(std::move(host), std::move(service), options);
  if (auto known = numeric_lookup(asked)) co_return std::move(*known);
  auto function = [this, asked = std::move(asked)] { return look_up(asked); };
  co_return co_await on_worker(std::move(function));
}

inline task<endpoint_name> resolver::async_reverse_resolve(endpoint where, reverse_options options) {
  auto function = [where, options] { return system_reverse_lookup(where, options); };
  co_return co_await on_worker(std::move(function));
}

template <class Acquire, class Wait>
std::optional<resolve_results> resolver::resolve_within(resolve_query asked, Acquire acquire, Wait wait) {
  if (auto known = numeric_lookup(asked)) return known;
  require_own_process();
  if (!acquire()) return std::nullopt;
  auto running = start([this, asked = std::move(asked)] { return look_up(asked); });
  detail::given_up const at_end(running);
  if (!wait(running)) return std::nullopt;
  return running.get().value();
}

namespace detail {

[[gnu::visibility("default")]] inline constinit process_wide::process_lock default_resolver_lock;
[[gnu::visibility("default")]] inline constinit process_object<resolver> the_default_resolver;

}  // namespace detail

inline resolver& default_resolver() {
  return object_of_process<detail::default_resolver_lock>(detail::the_default_resolver,
                                                          [] { return std::make_unique<resolver>(); });
}

}  // namespace concur::inline CONCUR_ABI
