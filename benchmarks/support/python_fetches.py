# SPDX-License-Identifier: BSL-1.0
"""Nine fetches in Python: by requests, serially or by a pool of nine threads, and by aiohttp.

    work, do = prepare("serial" | "pool" | "asyncio", url)
    work.is_right(do(work))
"""
import asyncio
import re
from concurrent.futures import ThreadPoolExecutor

HEADERS = {"X-Session": "nine"}
FETCHES, LINKS = 9, 20
LINK_TEXT = re.compile('">(.*?)</a>')


class Fetches:
    def __init__(self, url):
        self.urls = [f"{url}/{page}" for page in range(1, FETCHES + 1)]

    def is_right(self, results):
        return results == [(200, f"article {page}, part 1", LINKS) for page in range(1, FETCHES + 1)]


def found(status, text):
    texts = LINK_TEXT.findall(text)
    return status, texts[0] if texts else "", len(texts)


def by_requests(do_all):
    import requests  # not in the standard library, like aiohttp

    def do(work):
        with requests.Session() as session:
            session.trust_env = False  # no proxy to 127.0.0.1, and no look for passwords
            session.headers.update(HEADERS)

            def fetch(url):
                answer = session.get(url)
                return found(answer.status_code, answer.text)

            return do_all(fetch, work.urls)

    return do


def serially(fetch, urls):
    return [fetch(url) for url in urls]


def by_a_pool(fetch, urls):
    with ThreadPoolExecutor(FETCHES) as executor:
        return list(executor.map(fetch, urls))


def by_aiohttp():
    import aiohttp

    async def fetch(session, url):
        async with session.get(url) as answer:
            return found(answer.status, await answer.text())

    async def main(urls):
        async with aiohttp.ClientSession(headers=HEADERS) as session:
            return list(await asyncio.gather(*[fetch(session, url) for url in urls]))

    return lambda work: asyncio.run(main(work.urls))


def prepare(way, url):
    do = {"serial": lambda: by_requests(serially), "pool": lambda: by_requests(by_a_pool), "asyncio": by_aiohttp}[way]()
    return Fetches(url), do
