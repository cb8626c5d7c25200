// SPDX-License-Identifier: BSL-1.0
//
// Everything that needs no other library. A folder is a layer, and includes only itself and the layers of its row:
//
//     core     errors, executors, waiters, cancellation, timers        -
//     sync     locks, semaphore, event, condition, latch, barrier      core
//     queue    ring, queue, lifo_queue, priority_queue, select          core sync
//     future   future, promise, wait, gather, as_completed              core sync
//     thread   thread, timer, thread_specific                          core sync future
//     pool     thread_pool, parallel_for, reduce, sort, invoke         core sync queue future thread
//     coro     task, spawn, gather, task_group, timeout, generators    core sync queue future
//     loop     event_loop, run, signals, readiness of descriptors      core sync queue future coro
//     io       streams, pipes, files, subprocesses                     core sync queue future thread pool coro loop
//     net      addresses, resolver, TCP, UDP, Unix, serve              core sync queue future thread pool coro loop io
//     http     headers; client and server                              … and net
//
//     concur::mutex m;
//     std::scoped_lock guard(m);
//
// Included by name are `concur/testing/` (the explorer, for tests), `concur/net/tls.hpp` (by OpenSSL),
// `concur/http/client.hpp` (by libcurl) and `concur/http/server.hpp` (by Boost).
#pragma once

#include <concur/core/abi.hpp>
#include <concur/core/assert.hpp>
#include <concur/core/await_link.hpp>
#include <concur/core/awaiter.hpp>
#include <concur/core/blocking.hpp>
#include <concur/core/bound_call.hpp>
#include <concur/core/cache_line.hpp>
#include <concur/core/cancellation.hpp>
#include <concur/core/child_handle.hpp>
#include <concur/core/deadline.hpp>
#include <concur/core/error_collector.hpp>
#include <concur/core/errors.hpp>
#include <concur/core/executor.hpp>
#include <concur/core/exit_status.hpp>
#include <concur/core/frame_recycler.hpp>
#include <concur/core/hop.hpp>
#include <concur/core/in_static_storage.hpp>
#include <concur/core/intrusive_list.hpp>
#include <concur/core/lock_owner.hpp>
#include <concur/core/move_only_function.hpp>
#include <concur/core/os.hpp>
#include <concur/core/process_lock.hpp>
#include <concur/core/process_object.hpp>
#include <concur/core/registry.hpp>
#include <concur/core/scope_inspection.hpp>
#include <concur/core/short_lock.hpp>
#include <concur/core/spin.hpp>
#include <concur/core/task_context.hpp>
#include <concur/core/task_origin.hpp>
#include <concur/core/task_report.hpp>
#include <concur/core/time_limit.hpp>
#include <concur/core/timer_heap.hpp>
#include <concur/core/unique_fd.hpp>
#include <concur/core/wait_list.hpp>
#include <concur/core/wait_operation.hpp>
#include <concur/core/waiter.hpp>

#include <concur/sync/barrier.hpp>
#include <concur/sync/condition.hpp>
#include <concur/sync/event.hpp>
#include <concur/sync/event_count.hpp>
#include <concur/sync/guarded.hpp>
#include <concur/sync/latch.hpp>
#include <concur/sync/mutex.hpp>
#include <concur/sync/recursive_mutex.hpp>
#include <concur/sync/semaphore.hpp>
#include <concur/sync/shared_mutex.hpp>

#include <concur/queue/basic_queue.hpp>
#include <concur/queue/lifo_queue.hpp>
#include <concur/queue/priority_queue.hpp>
#include <concur/queue/queue.hpp>
#include <concur/queue/ring.hpp>
#include <concur/queue/select.hpp>
#include <concur/queue/unbounded.hpp>

#include <concur/future/as_completed.hpp>
#include <concur/future/basic_future.hpp>
#include <concur/future/future.hpp>
#include <concur/future/future_state.hpp>
#include <concur/future/future_state_base.hpp>
#include <concur/future/gather.hpp>
#include <concur/future/outcome.hpp>
#include <concur/future/producer_stage.hpp>
#include <concur/future/promise.hpp>
#include <concur/future/shared_future.hpp>
#include <concur/future/wait.hpp>

#include <concur/thread/cpu_count.hpp>
#include <concur/thread/this_thread.hpp>
#include <concur/thread/thread.hpp>
#include <concur/thread/thread_info.hpp>
#include <concur/thread/thread_options.hpp>
#include <concur/thread/thread_specific.hpp>
#include <concur/thread/timer.hpp>

#include <concur/pool/grain.hpp>
#include <concur/pool/mapped.hpp>
#include <concur/pool/parallel_for.hpp>
#include <concur/pool/parallel_invoke.hpp>
#include <concur/pool/parallel_reduce.hpp>
#include <concur/pool/parallel_sort.hpp>
#include <concur/pool/thread_pool.hpp>
#include <concur/pool/thread_pool_options.hpp>

#include <concur/coro/async_generator.hpp>
#include <concur/coro/cancel_scope.hpp>
#include <concur/coro/dump_tasks.hpp>
#include <concur/coro/foreign_await.hpp>
#include <concur/coro/gather.hpp>
#include <concur/coro/generator.hpp>
#include <concur/coro/main_task.hpp>
#include <concur/coro/owned_coroutine.hpp>
#include <concur/coro/shield.hpp>
#include <concur/coro/sleep.hpp>
#include <concur/coro/spawn.hpp>
#include <concur/coro/task.hpp>
#include <concur/coro/task_function.hpp>
#include <concur/coro/task_group.hpp>
#include <concur/coro/this_task.hpp>
#include <concur/coro/timeout.hpp>
#include <concur/coro/with.hpp>
#include <concur/coro/yield.hpp>

#include <concur/loop/byte_transfer.hpp>
#include <concur/loop/callback_handle.hpp>
#include <concur/loop/dump_tasks_on_signal.hpp>
#include <concur/loop/event_loop.hpp>
#include <concur/loop/event_loop_options.hpp>
#include <concur/loop/file_call.hpp>
#include <concur/loop/io_call.hpp>
#include <concur/loop/loop_reference.hpp>
#include <concur/loop/readiness.hpp>
#include <concur/loop/run.hpp>
#include <concur/loop/signals.hpp>

#include <concur/http/headers.hpp>
#include <concur/http/percent_encoding.hpp>
#include <concur/io/buffer.hpp>
#include <concur/io/buffered_reader.hpp>
#include <concur/io/buffered_writer.hpp>
#include <concur/io/byte_store.hpp>
#include <concur/io/byte_stream.hpp>
#include <concur/io/descriptor.hpp>
#include <concur/io/directory.hpp>
#include <concur/io/dripping_stream.hpp>
#include <concur/io/file.hpp>
#include <concur/io/memory_stream.hpp>
#include <concur/io/memory_stream_options.hpp>
#include <concur/io/move_all.hpp>
#include <concur/io/open_options.hpp>
#include <concur/io/pipe.hpp>
#include <concur/io/standard_streams.hpp>
#include <concur/io/stream_errors.hpp>
#include <concur/io/subprocess.hpp>
#include <concur/io/subprocess_options.hpp>
#include <concur/io/wait_for_descriptor.hpp>
#include <concur/io/whole_file.hpp>

#include <concur/net/bind_options.hpp>
#include <concur/net/connect_options.hpp>
#include <concur/net/datagram_socket.hpp>
#include <concur/net/endpoint.hpp>
#include <concur/net/ip_address.hpp>
#include <concur/net/listen_options.hpp>
#include <concur/net/received_datagram.hpp>
#include <concur/net/resolve_error.hpp>
#include <concur/net/resolve_query.hpp>
#include <concur/net/resolver.hpp>
#include <concur/net/serve.hpp>
#include <concur/net/serve_options.hpp>
#include <concur/net/socket.hpp>
#include <concur/net/socket_listener.hpp>
#include <concur/net/socket_stream.hpp>
#include <concur/net/system_lookup.hpp>
#include <concur/net/tcp_listener.hpp>
#include <concur/net/tcp_stream.hpp>
#include <concur/net/udp_socket.hpp>
#include <concur/net/unix_datagram.hpp>
#include <concur/net/unix_listener.hpp>
#include <concur/net/unix_stream.hpp>
