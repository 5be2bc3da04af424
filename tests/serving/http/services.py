"""The sandbox as a process that also reports when each request reached each service, to the millisecond.

`GET /_sandbox/arrivals` answers `{"incidentio": [seconds, ...], "ionhour": [...]}`, of a clock that only goes forward.
"""

import contextlib
import json
import signal
import socket
import sys
import time
from collections import defaultdict
from collections.abc import Generator
from typing import Any

import uvicorn
from starlette.responses import JSONResponse

from incident_mcp.sandbox import INCIDENTIO_KEY, IONHOUR_KEY, Sandbox


class Counted:
    """The sandbox's app, with the arrivals."""

    def __init__(self, bulk: int) -> None:
        self._app = Sandbox(bulk=bulk).app
        self._arrivals: defaultdict[str, list[float]] = defaultdict(list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        service = scope["path"].split("/")[1]
        if scope["path"] == "/_sandbox/arrivals":
            await JSONResponse(self._arrivals)(scope, receive, send)
            return
        if service != "_sandbox":
            self._arrivals[service].append(round(time.monotonic(), 4))
        await self._app(scope, receive, send)


class _Server(uvicorn.Server):
    """Prints its addresses, and ends on SIGTERM without waiting for requests that hang."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        address = f"http://127.0.0.1:{self.servers[0].sockets[0].getsockname()[1]}"
        ready = {
            "incidentio_api_url": f"{address}/incidentio",
            "incidentio_api_key": INCIDENTIO_KEY,
            "ionhour_api_url": f"{address}/ionhour/api",
            "ionhour_api_key": IONHOUR_KEY,
            "control_url": f"{address}/_sandbox",
        }
        print(json.dumps(ready), flush=True)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        def stop(*_: object) -> None:
            self.should_exit = self.force_exit = True

        signal.signal(signal.SIGTERM, stop)
        yield


if __name__ == "__main__":
    _Server(
        uvicorn.Config(
            Counted(int(sys.argv[1])), port=0, lifespan="off", log_level="critical", date_header=False, backlog=4096
        )
    ).run()
