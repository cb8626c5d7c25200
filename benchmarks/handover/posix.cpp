// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

#include "../support/posix_semaphore.hpp"

ping_pong_of<semaphore_channel<bench::posix_semaphore>> const by_semaphore("semaphore", "posix");
