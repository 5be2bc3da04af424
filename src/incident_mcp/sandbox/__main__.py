"""Serve the sandbox on a local port until SIGTERM, SIGINT or the end of a piped standard input.

The first line of the output is JSON: both services' addresses and keys, and the address of the control paths.
"""

import argparse
import contextlib
import json
import os
import signal
import socket
import stat
import sys
import threading
from collections.abc import Generator
from types import FrameType

import uvicorn

from . import INCIDENTIO_KEY, IONHOUR_KEY, Sandbox


class _Server(uvicorn.Server):
    """Prints the addresses when it is ready, and exits with 0 when it is stopped."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        port = self.servers[0].sockets[0].getsockname()[1]
        address = f"http://127.0.0.1:{port}"
        ready = {
            "incidentio_api_url": f"{address}/incidentio",
            "incidentio_api_key": INCIDENTIO_KEY,
            "ionhour_api_url": f"{address}/ionhour/api",
            "ionhour_api_key": IONHOUR_KEY,
            "control_url": f"{address}/_sandbox",
        }
        sys.stdout.write(json.dumps(ready) + "\n")
        sys.stdout.flush()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Stop on a signal. Unlike uvicorn, do not raise it again afterwards."""

        def on_signal(_number: int, _frame: FrameType | None) -> None:
            self.stop()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, on_signal)
        yield

    def stop(self) -> None:
        """Stop without waiting for requests that hang."""
        self.should_exit = True
        self.force_exit = True


def _stop_at_end_of_input(server: _Server) -> None:
    """Stop when a piped standard input ends. Ignore other inputs, such as the /dev/null of a background job."""
    with contextlib.suppress(OSError):
        mode = os.fstat(0).st_mode
        if not stat.S_ISFIFO(mode) and not stat.S_ISSOCK(mode):
            return
        while os.read(0, 4096):
            pass
        server.stop()


def main() -> None:
    """Run the server."""
    parser = argparse.ArgumentParser(prog="python -m incident_mcp.sandbox", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1 (default: a free one)")
    parser.add_argument("--bulk", type=int, default=0, metavar="N", help="add N plain incidents to each service")
    options = parser.parse_args()
    box = Sandbox(bulk=options.bulk)
    # A cut reply is intended here, but uvicorn logs it as an error. `Date` comes from the sandbox's own clock.
    config = uvicorn.Config(box.app, port=options.port, lifespan="off", log_level="critical", date_header=False)
    server = _Server(config)
    threading.Thread(target=_stop_at_end_of_input, args=(server,), daemon=True).start()
    server.run()


if __name__ == "__main__":
    main()
