// SPDX-License-Identifier: BSL-1.0
//
// With callbacks; the library's own threads make the calls that block.
#include "workload.hpp"

#include <uv.h>

namespace {

class with_callbacks {
 public:
  with_callbacks() { uv_loop_init(&loop_); }
  ~with_callbacks() { uv_loop_close(&loop_); }
  with_callbacks(with_callbacks const&) = delete;
  with_callbacks& operator=(with_callbacks const&) = delete;

  void write(std::string const& path, pieces& plan) { run(path, O_WRONLY, plan, &with_callbacks::write_next); }
  void read(std::string const& path, pieces& plan) { run(path, O_RDONLY, plan, &with_callbacks::read_next); }

 private:
  using step = void (with_callbacks::*)();

  void run(std::string const& path, int flags, pieces& plan, step next) {
    uv_fs_t opening;
    file_ = uv_fs_open(&loop_, &opening, path.c_str(), flags, 0, nullptr);
    uv_fs_req_cleanup(&opening);
    if (file_ < 0) throw std::runtime_error(uv_strerror(file_));
    plan_ = &plan;
    next_ = next;
    error_ = 0;
    request_.data = this;
    (this->*next)();
    uv_run(&loop_, UV_RUN_DEFAULT);
    uv_fs_t closing;
    uv_fs_close(&loop_, &closing, file_, nullptr);
    uv_fs_req_cleanup(&closing);
    if (error_ < 0) throw std::runtime_error(uv_strerror(error_));
  }

  // The rest of a piece, or the next.
  void write_next() {
    if (left_ == 0 && plan_->all_written()) return;
    if (left_ == 0) {
      bytes_ = plan_->next();
      left_ = pieces::size;
    }
    uv_buf_t const buffer = uv_buf_init(const_cast<char*>(bytes_), unsigned(left_));
    uv_fs_write(&loop_, &request_, file_, &buffer, 1, -1, on_done);
  }
  void read_next() {
    uv_buf_t const buffer = uv_buf_init(plan_->room(), unsigned(plan_->room_size()));
    uv_fs_read(&loop_, &request_, file_, &buffer, 1, -1, on_done);
  }

  static void on_done(uv_fs_t* request) {
    auto& self = *static_cast<with_callbacks*>(request->data);
    auto const result = request->result;
    bool const reads = request->fs_type == UV_FS_READ;
    uv_fs_req_cleanup(request);
    if (result < 0) self.error_ = int(result);
    if (result <= 0) return;
    if (reads) {
      self.plan_->add(std::size_t(result));
    } else {
      self.bytes_ += result;
      self.left_ -= std::size_t(result);
    }
    (self.*self.next_)();
  }

  uv_loop_t loop_;
  uv_fs_t request_;
  uv_file file_ = -1;
  pieces* plan_ = nullptr;
  step next_ = nullptr;
  char const* bytes_ = nullptr;
  std::size_t left_ = 0;
  int error_ = 0;
};

bench::cases const here = transfers_with<with_callbacks>("libuv");

}  // namespace
