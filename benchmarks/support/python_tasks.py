#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""The jobs of the coro_ workloads in Python: prints the CPU time of one operation, in nanoseconds.

Usage: python_tasks.py asyncio|uvloop await|spawn_join|yield MILLISECONDS
"""
import asyncio
import sys
import time

BATCH = 1000


async def trivial(number):
    return number


async def await_batch():
    total = 0
    for _ in range(BATCH):
        total += await trivial(1)
    return total


async def spawn_join_batch():
    total = 0
    for _ in range(BATCH):
        total += await asyncio.create_task(trivial(1))
    return total


async def yield_batch():
    for _ in range(BATCH):
        await asyncio.sleep(0)
    return BATCH


async def measure(batch, seconds):
    await batch()  # not counted
    done = 0
    begin = now = time.thread_time_ns()
    while now - begin < seconds * 1e9:
        done += await batch()
        now = time.thread_time_ns()
    return (now - begin) / done


def main():
    loop, job, milliseconds = sys.argv[1:]
    if loop == "uvloop":
        try:
            import uvloop
        except ModuleNotFoundError:
            print("skipped: no uvloop here: Debian calls it python3-uvloop")
            return
        uvloop.install()
    batch = {"await": await_batch, "spawn_join": spawn_join_batch, "yield": yield_batch}[job]
    print(asyncio.run(measure(batch, int(milliseconds) / 1000)))


main()
