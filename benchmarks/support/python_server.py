# SPDX-License-Identifier: BSL-1.0
"""What the servers in Python share: how they start, and what they say.

    python_server.main(serve, port)    # serve(port): listens on 127.0.0.1, calls ready(), serves

The first line of the output says `listening on PORT`, or in words why it does not.
"""
import os
import sys

BACKLOG = 4096  # as the servers in C++


def ready(port):
    print(f"listening on {port}", flush=True)


def main(serve, port):
    try:
        serve(port)
    except ModuleNotFoundError as error:
        print(f"skipped: no {error.name} here: Debian calls it python3-{error.name}", flush=True)
    except OSError as error:
        print(f"cannot listen on 127.0.0.1:{port}: {os.strerror(error.errno)}", flush=True)
    except KeyboardInterrupt:
        pass
    sys.exit(1)
