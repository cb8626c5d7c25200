#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""The crawler workload in Python: requests, serially or by a pool of threads, or aiohttp.

Usage: python_crawler.py serial|pool|asyncio URL PAGES CONCURRENCY FOLDER

Prints how many nanoseconds the crawl took, or `skipped: …` if a library is not installed.
"""
import asyncio
import concurrent.futures
import re
import sys
import time

IMAGE = re.compile('<img src="([^"]+)"')


def list_page(number):
    return f"/index_{number}.html"


def save(folder, link, image):
    page, number = link.split("/")[-2:]
    with open(f"{folder}/{page}-{number}", "wb") as file:
        file.write(image)


def with_requests(url, pages, folder, run_all):
    import requests  # not in the standard library, like aiohttp

    with requests.Session() as session:
        session.trust_env = False  # no proxy to 127.0.0.1, and no look for passwords
        # Else a pool keeps fewer connections than it has threads.
        session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=100))

        def fetch(path):
            answer = session.get(url + path)
            answer.raise_for_status()
            return answer

        def links_of(number):
            return IMAGE.findall(fetch(list_page(number)).text)

        def fetch_and_save(link):
            save(folder, link, fetch(link).content)

        run_all(range(1, pages + 1), links_of, fetch_and_save)


def serially(numbers, links_of, fetch_and_save):
    for number in numbers:
        for link in links_of(number):
            fetch_and_save(link)


def by_a_pool(concurrency):
    def run_all(numbers, links_of, fetch_and_save):
        with concurrent.futures.ThreadPoolExecutor(concurrency) as executor:
            lists = [executor.submit(links_of, number) for number in numbers]
            images = [
                executor.submit(fetch_and_save, link)
                for each in concurrent.futures.as_completed(lists)
                for link in each.result()
            ]
            for image in images:
                image.result()

    return run_all


async def with_aiohttp(url, pages, folder, concurrency):
    import aiohttp

    loop = asyncio.get_running_loop()
    places = asyncio.Semaphore(concurrency)

    async with aiohttp.ClientSession(raise_for_status=True) as session:

        async def fetch(path):
            async with places, session.get(url + path) as answer:
                return await answer.read()

        async def fetch_and_save(link):
            image = await fetch(link)
            await loop.run_in_executor(None, save, folder, link, image)

        async def follow(number):
            text = (await fetch(list_page(number))).decode()
            await asyncio.gather(*[fetch_and_save(link) for link in IMAGE.findall(text)])

        await asyncio.gather(*[follow(number) for number in range(1, pages + 1)])


def main():
    way, url, pages, concurrency, folder = sys.argv[1:]
    pages, concurrency = int(pages), int(concurrency)
    try:
        if way == "asyncio":
            import aiohttp
        else:
            import requests
    except ImportError as error:
        print(f"skipped: {error}")
        return
    begin = time.perf_counter_ns()
    if way == "asyncio":
        asyncio.run(with_aiohttp(url, pages, folder, concurrency))
    else:
        with_requests(url, pages, folder, serially if way == "serial" else by_a_pool(concurrency))
    print(time.perf_counter_ns() - begin)


main()
