"""Serve the sandbox on a local port until SIGTERM, SIGINT or the end of a piped standard input."""

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
    """Says when it is ready, and leaves with 0 when told to stop."""

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
        """Stop on a signal without raising it again afterwards, as uvicorn would."""

        def leave(_number: int, _frame: FrameType | None) -> None:
            self.stop()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, leave)
        yield

    def stop(self) -> None:
        """End soon, without waiting for requests that hang."""
        self.should_exit = True
        self.force_exit = True


def _stop_at_end_of_input(server: _Server) -> None:
    """Stop when a piped standard input ends. Others, as the /dev/null of a background job, say nothing."""
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
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0, the default, takes a free one")
    parser.add_argument("--bulk", type=int, default=0, metavar="N", help="add N more plain incidents to each service")
    options = parser.parse_args()
    box = Sandbox(bulk=options.bulk)
    # A cut reply makes uvicorn log an error; here it is what was asked for. The sandbox's own clock makes Date.
    config = uvicorn.Config(box.app, port=options.port, lifespan="off", log_level="critical", date_header=False)
    server = _Server(config)
    threading.Thread(target=_stop_at_end_of_input, args=(server,), daemon=True).start()
    server.run()


if __name__ == "__main__":
    main()
