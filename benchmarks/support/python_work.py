#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""The work of waiting_work, computing_work and nine_fetches in Python: prints how long all of it took, in nanoseconds.

Usage: python_work.py twenty_waits|two_spiders|twenty_sums|three_sums serial|threads|pool|asyncio MILLISECONDS
       python_work.py nine_fetches serial|pool|asyncio URL MILLISECONDS

Elapsed time, from nothing to the last result; once at least, and until so many milliseconds are over.
"""
import asyncio
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Thread


class Waits:
    def __init__(self, lengths, threads):
        self.arguments, self.threads = lengths, threads

    def do(self, length):
        time.sleep(length)
        return 1

    async def do_async(self, length):
        await asyncio.sleep(length)
        return 1

    def is_right(self, results):
        return results == [1] * len(self.arguments)


class Sums:
    def __init__(self, times, numbers, threads):
        self.arguments, self.threads, self.right = [numbers] * times, threads, numbers * (numbers - 1) // 2

    def do(self, numbers):
        total = 0
        for each in range(numbers):
            total += each
        return total

    async def do_async(self, numbers):
        return self.do(numbers)

    def is_right(self, results):
        return results == [self.right] * len(self.arguments)


def serial(work):
    return [work.do(each) for each in work.arguments]


def threads(work):
    results = [None] * len(work.arguments)

    def one(place, argument):
        results[place] = work.do(argument)

    crew = [Thread(target=one, args=each) for each in enumerate(work.arguments)]
    for thread in crew:
        thread.start()
    for thread in crew:
        thread.join()
    return results


def pool(work):
    with ThreadPoolExecutor(work.threads) as executor:
        return list(executor.map(work.do, work.arguments))


def by_asyncio(work):
    async def main():
        return list(await asyncio.gather(*[work.do_async(each) for each in work.arguments]))

    return asyncio.run(main())


WORKS = {
    "twenty_waits": lambda: Waits([0.020] * 20, threads=10),
    "two_spiders": lambda: Waits([0.3, 0.5], threads=2),
    "twenty_sums": lambda: Sums(20, 300_000, threads=2),
    "three_sums": lambda: Sums(3, 12_000_000, threads=3),
}
WAYS = {"serial": serial, "threads": threads, "pool": pool, "asyncio": by_asyncio}


def main():
    if len(sys.argv) < 4 or sys.argv[2] not in WAYS:
        return __doc__
    name, way, *url, milliseconds = sys.argv[1:]
    if name == "nine_fetches":
        import python_fetches

        try:
            work, do = python_fetches.prepare(way, *url)
        except ModuleNotFoundError as error:
            print(f"skipped: no {error.name} here: Debian calls it python3-{error.name}")
            return 0
    elif name in WORKS:
        work, do = WORKS[name](), WAYS[way]
    else:
        return __doc__
    elapsed, runs = 0, 0
    while runs == 0 or elapsed < int(milliseconds) * 1e6:
        begin = time.perf_counter_ns()
        results = do(work)
        elapsed += time.perf_counter_ns() - begin
        runs += 1
        if not work.is_right(results):
            return "the result is wrong"
    print(elapsed / runs)
    return 0


sys.dont_write_bytecode = True
sys.exit(main())
