#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""The echo servers in Python, on 127.0.0.1 and a free port, or that of the second argument.

Usage: echo_server.py asyncio_protocol|asyncio_streams|uvloop_protocol|gevent [PORT]

The first line of the output says `listening on PORT`, or in words why it does not.
"""
import asyncio
import socket
import sys

sys.dont_write_bytecode = True
from python_server import BACKLOG, main, ready  # noqa: E402

BUFFER = 1024  # as the servers in C++


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.write = transport.write

    def data_received(self, data):
        self.write(data)


async def serve_protocol(port):
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", port, backlog=BACKLOG)
    ready(server.sockets[0].getsockname()[1])
    await server.serve_forever()


async def echo_streams(reader, writer):
    try:
        while data := await reader.read(BUFFER):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    writer.close()


async def serve_streams(port):
    server = await asyncio.start_server(echo_streams, "127.0.0.1", port, backlog=BACKLOG)
    ready(server.sockets[0].getsockname()[1])
    await server.serve_forever()


def asyncio_protocol(port):
    asyncio.run(serve_protocol(port))


def asyncio_streams(port):
    asyncio.run(serve_streams(port))


def uvloop_protocol(port):
    import uvloop

    uvloop.install()
    asyncio.run(serve_protocol(port))


def gevent(port):
    from gevent.server import StreamServer

    def echo(stream, address):
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # asyncio and uvloop do that by themselves
        try:
            while data := stream.recv(BUFFER):
                stream.sendall(data)
        except ConnectionError:
            pass

    server = StreamServer(("127.0.0.1", port), echo, backlog=BACKLOG)
    server.start()
    ready(server.server_port)
    server.serve_forever()


servers = {each.__name__: each for each in (asyncio_protocol, asyncio_streams, uvloop_protocol, gevent)}
if len(sys.argv) not in (2, 3) or sys.argv[1] not in servers:
    sys.exit(__doc__)
main(servers[sys.argv[1]], int(sys.argv[2]) if len(sys.argv) == 3 else 0)
