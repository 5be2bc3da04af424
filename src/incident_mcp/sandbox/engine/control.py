"""Both services under one address, with control paths for a sandbox that runs as its own process."""

import json
from dataclasses import asdict, dataclass
from typing import cast

from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from .clock import Clock, rfc3339
from .faults import Fault, FaultBook
from .service import Received, Reply, Service, raw_path, to_response

KNOWN = (
    "/incidentio/v2/...",
    "/ionhour/api/...",
    "/_sandbox/faults",
    "/_sandbox/requests",
    "/_sandbox/state",
    "/_sandbox/advance",
)


@dataclass(frozen=True)
class Control:
    """The ASGI app of the server: `/incidentio/...`, `/ionhour/...` and `/_sandbox/...`."""

    services: dict[str, Service]
    faults: FaultBook
    requests: list[Received]
    clock: Clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        path = raw_path(scope)
        _, first, *rest = path.split("/")
        service = self.services.get(first)
        if service is not None:
            below = "/" + "/".join(rest)
            await service({**scope, "path": below, "raw_path": below.encode("latin-1")}, receive, send)
        else:
            reply = self._control(scope["method"], path, await Request(scope, receive).body())
            await to_response(reply, self.clock)(scope, receive, send)

    def _control(self, method: str, path: str, raw: bytes) -> Reply:
        match method, path:
            case "POST", "/_sandbox/faults":
                return self._install(raw)
            case "DELETE", "/_sandbox/faults":
                self.faults.clear()
                return Reply(200, {"installed": 0})
            case "GET", "/_sandbox/requests":
                return Reply(200, [asdict(received) for received in self.requests])
            case "GET", "/_sandbox/state":
                return Reply(200, {name: service.backend.state() for name, service in self.services.items()})
            case "POST", "/_sandbox/advance":
                return self._advance(raw)
            case _:
                return Reply(404, {"message": f"The sandbox has no {method} {path}", "known": KNOWN})

    def _install(self, raw: bytes) -> Reply:
        try:
            payload: object = json.loads(raw)
            records = cast("list[object]", payload) if isinstance(payload, list) else [payload]
            faults = [Fault.from_json(record) for record in records]
        except ValueError as error:
            return Reply(400, {"message": str(error)})
        for fault in faults:
            self.faults.add(fault)
        return Reply(200, {"installed": len(faults)})

    def _advance(self, raw: bytes) -> Reply:
        """Move the clock forward by the body's `seconds`, and answer the new time."""
        try:
            self.clock.advance(_read_seconds(json.loads(raw)))
        except (ValueError, OverflowError) as error:
            return Reply(400, {"message": str(error)})
        return Reply(200, {"now": rfc3339(self.clock.now)})


def _read_seconds(payload: object) -> float:
    body = cast("dict[str, object]", payload) if isinstance(payload, dict) else {}
    seconds = body.get("seconds")
    if set(body) != {"seconds"} or not isinstance(seconds, int | float) or isinstance(seconds, bool):
        raise ValueError('the body must be {"seconds": number}')
    return seconds
