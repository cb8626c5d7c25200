#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""The 'hello' server with FastAPI on uvicorn, which takes uvloop and httptools if they are there, on 127.0.0.1 and a
free port, or that of the argument.

Usage: http_server.py [PORT]

The first line of the output says `listening on PORT`, or in words why it does not.
"""
import os
import socket
import sys

BACKLOG = 4096


def application():
    from fastapi import FastAPI
    from fastapi.responses import PlainTextResponse

    app = FastAPI()

    @app.get("/hello", response_class=PlainTextResponse)
    async def hello():
        return "hello"

    return app


def main():
    if len(sys.argv) > 2:
        sys.exit(__doc__)
    port = int(sys.argv[1]) if len(sys.argv) == 2 else 0
    try:
        import uvicorn

        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", port))
        listening.listen(BACKLOG)
        server = uvicorn.Server(uvicorn.Config(application(), log_level="warning", access_log=False, backlog=BACKLOG))
        # It listens already: who comes before the server runs waits a little.
        print(f"listening on {listening.getsockname()[1]}", flush=True)
        server.run(sockets=[listening])
    except ModuleNotFoundError as error:
        print(f"no {error.name} here: Debian calls it python3-{error.name}", flush=True)
    except OSError as error:
        print(f"cannot listen on 127.0.0.1:{port}: {os.strerror(error.errno)}", flush=True)
    except KeyboardInterrupt:
        pass
    return 1


sys.exit(main())
