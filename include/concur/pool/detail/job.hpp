// SPDX-License-Identifier: BSL-1.0
//
// What pools run: a job with a future, in one block with the future's state, and one that nobody waits for.
#pragma once

#include <concur/core/blocking.hpp>
#include <concur/core/bound_call.hpp>
#include <concur/core/errors.hpp>
#include <concur/core/executor.hpp>
#include <concur/core/frame_recycler.hpp>
#include <concur/core/os.hpp>
#include <concur/core/registry.hpp>
#include <concur/future/future.hpp>
#include <concur/future/future_state.hpp>
#include <concur/pool/detail/pool_member.hpp>
#include <concur/pool/detail/pool_state.hpp>

#include <cstddef>
#include <exception>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace concur::inline CONCUR_ABI::detail {

/// The call of a job. It ends when the job has run or is cancelled, not only when nobody holds its future any more.
template <class Function, class... Arguments>
class job_call {
 public:
  using call = bound_call<Function, Arguments...>;

  template <class... Given>
  explicit job_call(Given&&... given) : call_(std::forward<Given>(given)...) {}
  job_call(job_call const&) = delete;
  job_call& operator=(job_call const&) = delete;
  ~job_call() { end(); }

  template <class GetToken>
  typename call::result_type operator()(GetToken get_token) {
    struct ending {
      ~ending() { mine.end(); }
      job_call& mine;
    } const at_return{*this};
    return std::move(call_)(get_token);
  }

  void end() noexcept {
    if (ended_.get()) return;
    ended_.set(true);
    std::destroy_at(&call_);
  }

 private:
  union {
    call call_;
  };
  os::plain<bool> ended_{false};  // by whoever has claimed the job, then by whoever destroys it
};

/// Two references to begin with: the future's, and that of the queue it is put into. It stays in the queue when it has
/// been cancelled or run elsewhere; the worker that comes across it lets go of it.
template <class Function, class... Arguments>
class job final : public future_state_with_room<typename bound_call<Function, Arguments...>::result_type>, public work {
  using call = bound_call<Function, Arguments...>;
  static_assert(call::callable,
                "a job needs a function that can be called with these arguments, or with a stop token before them; a "
                "member function takes the token after its object");
  struct nothing {};

 public:
  using result_type = typename call::result_type;

  template <class... Given>
  explicit job(pool_state& pool, Given&&... given)
      : work(&run_item), pool_(&pool), call_(std::forward<Given>(given)...) {}

 private:
  static void run_item(work& self) noexcept {
    auto& mine = static_cast<job&>(self);
    if (mine.pool_->discarding()) {
      mine.discard();
    } else {
      mine.run_here();
    }
    mine.drop_reference();
  }

  void run_here() noexcept {
    if (!this->begin()) return;
    this->complete_with([this]() -> result_type {
      return call_([&] {
        if constexpr (call::takes_token) return stop_.get_token();
      });
    });
  }

  // Not a cancel, which would also ask a job to stop that has been begun in place by one that waits for it.
  void discard() noexcept {
    if (!this->begin()) return;
    call_.end();
    this->store_error(std::make_exception_ptr(cancelled()));
    this->publish();
  }

  // A member of the pool that waits for one of its jobs runs it in place, or nobody might be left to run it: a worker
  // stands for itself, and for a guest there may be one that waits for a fork which the guest runs.
  void about_to_block(wait_limit const& limit) override {
    if (forks_ != process_wide::forks.load(std::memory_order_relaxed)) [[unlikely]]
      throw misuse("a job was waited for in a child process, where the threads of its pool do not exist");
    if (!pool_member::in(*pool_)) return;
    if (!limit_reached(limit)) run_here();
  }

  void request_cancel() noexcept override {
    if constexpr (call::takes_token) stop_.request_stop();
  }
  void never_begins() noexcept override { call_.end(); }

  pool_state* const pool_;  // dereferenced while it is queued, or on one of its workers
  unsigned const forks_ = process_wide::forks.load(std::memory_order_relaxed);
  [[no_unique_address]] std::conditional_t<call::takes_token, os::stop_source, nothing> stop_;
  job_call<Function, Arguments...> call_;
};

/// Has the pool make the call, and returns its future. Throws what making the job and `pool_state::add` throw; then
/// nothing was queued.
template <class Function, class... Arguments>
auto submit_job(pool_state& pool, lane where, Function&& function, Arguments&&... arguments) {
  using made_job = job<std::decay_t<Function>, std::decay_t<Arguments>...>;
  auto* const made = new made_job(pool, std::forward<Function>(function), std::forward<Arguments>(arguments)...);
  future<typename made_job::result_type> result(adopt_state, *made);
  try {
    pool.add(*made, where);
  } catch (...) {
    made->drop_reference();  // the queue's
    throw;
  }
  return result;
}

/// A job without a future. It goes with the queue's reference.
template <class Function, class... Arguments>
class posted_job final : public work {
  using call = bound_call<Function, Arguments...>;
  static_assert(call::callable && !call::takes_token,
                "post needs a function that can be called with these arguments; `submit` is for those that take a stop "
                "token");

 public:
  static void* operator new(std::size_t size) { return frame_recycler::allocate(size); }
  static void* operator new(std::size_t size, std::align_val_t alignment) { return ::operator new(size, alignment); }
  static void operator delete(void* block, std::size_t size) noexcept { frame_recycler::free(block, size); }
  static void operator delete(void* block, std::size_t, std::align_val_t alignment) noexcept {
    ::operator delete(block, alignment);
  }

  template <class... Given>
  explicit posted_job(pool_state& pool, Given&&... given)
      : work(&run_item), pool_(pool), call_(std::forward<Given>(given)...) {}

 private:
  static void run_item(work& self) noexcept {
    std::unique_ptr<posted_job> const mine(static_cast<posted_job*>(&self));
    if (mine->pool_.discarding()) return;
    try {
      std::move(mine->call_)([] {});
    } catch (...) {
      mine->pool_.report(std::current_exception());
    }
  }

  pool_state& pool_;
  call call_;
};

}  // namespace concur::inline CONCUR_ABI::detail
