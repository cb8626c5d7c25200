// SPDX-License-Identifier: BSL-1.0
//
// The semaphore of the C library, with the names of ours.
#pragma once

#include <semaphore.h>

#include <cerrno>

namespace bench {

class posix_semaphore {
 public:
  explicit posix_semaphore(unsigned initial) { sem_init(&semaphore_, 0, initial); }
  ~posix_semaphore() { sem_destroy(&semaphore_); }
  posix_semaphore(posix_semaphore const&) = delete;
  posix_semaphore& operator=(posix_semaphore const&) = delete;

  void acquire() {
    while (sem_wait(&semaphore_) != 0 && errno == EINTR) {
    }
  }
  void release() { sem_post(&semaphore_); }

 private:
  sem_t semaphore_;
};

}  // namespace bench
