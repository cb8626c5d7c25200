#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""The 'hello' server with FastAPI on uvicorn, which takes uvloop and httptools if they are there, on 127.0.0.1 and a
free port, or that of the argument.

Usage: http_server.py [PORT]

The first line of the output says `listening on PORT`, or in words why it does not.
"""
import socket
import sys

sys.dont_write_bytecode = True
from python_server import BACKLOG, main, ready  # noqa: E402


def application():
    from fastapi import FastAPI
    from fastapi.responses import PlainTextResponse

    app = FastAPI()

    @app.get("/hello", response_class=PlainTextResponse)
    async def hello():
        return "hello"

    return app


def serve(port):
    import uvicorn

    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", port))
    listening.listen(BACKLOG)
    server = uvicorn.Server(uvicorn.Config(application(), log_level="warning", access_log=False, backlog=BACKLOG))
    ready(listening.getsockname()[1])  # who comes before the server runs waits a little
    server.run(sockets=[listening])


if len(sys.argv) > 2:
    sys.exit(__doc__)
main(serve, int(sys.argv[1]) if len(sys.argv) == 2 else 0)
