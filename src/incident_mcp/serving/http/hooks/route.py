"""The route that incident.io sends webhooks to.

A webhook is answered with 2xx once it is published, with 503 if it could not be: the sender then sends it again. The
body is read within bounds, and nothing of it is parsed, stored or logged before its signature is checked.
"""

import json
import logging
import time
from collections.abc import Callable
from typing import cast

import anyio
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from incident_mcp.records.clock import unix_now
from incident_mcp.records.record import Json
from incident_mcp.serving.http.hooks.reading import read_webhook
from incident_mcp.serving.http.hooks.replays import Claim, EventsAwayError, LocalReplays, Replays
from incident_mcp.serving.http.hooks.signature import RejectedError, Signatures, Stamp
from incident_mcp.serving.subscriptions.events import Events
from incident_mcp.tooling.feed import Feed

PATH = "/hooks/incidentio"
MAX_BYTES = 1_000_000
READ_SECONDS = 5.0
"""For the whole body."""
_LOG_SECONDS = 60.0
_log = logging.getLogger(__name__)


def hook_route(
    signatures: Callable[[], Signatures], events: Events, feed: Feed | None = None, replays: Replays | None = None
) -> Route:
    """Return the route of the receiver.

    Args:
        signatures: Returns what checks who sent it; the secrets may be replaced.
        events: Brings what it says to all listeners.
        feed: Keeps what no list shows.
        replays: Remembers what was received; None: in this process.
    """
    return Route(PATH, _Receiver(signatures, events, feed, replays or LocalReplays()).receive, methods=["POST"])


class _Refusal(Exception):
    """A response that ends the reading of a webhook."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.response = PlainTextResponse(text + "\n", status, {"Cache-Control": "no-store"})


class _Receiver:
    def __init__(
        self, signatures: Callable[[], Signatures], events: Events, feed: Feed | None, replays: Replays
    ) -> None:
        self._signatures = signatures
        self._events = events
        self._feed = feed
        self._replays = replays
        self._logged_at = -_LOG_SECONDS

    async def receive(self, request: Request) -> Response:
        """Receive one webhook."""
        try:
            stamp = Stamp.of(request.headers)
            self._signatures().check_time(stamp, unix_now())
            body = await _read(request)
            self._signatures().check(stamp, body)
            return await self._take(stamp, body)
        except RejectedError as rejected:
            self._log_rejection(rejected)
            return _Refusal(401, f"Rejected: {rejected}.").response
        except _Refusal as refusal:
            return refusal.response
        except EventsAwayError:
            return _Refusal(503, "Could not be stored. Send it again.").response
        except ClientDisconnect:
            return Response(status_code=400)

    async def _take(self, stamp: Stamp, body: bytes) -> Response:
        """Read and publish a webhook, unless that was done before."""
        claim = await self._replays.claim(stamp.id)
        if claim is Claim.DONE:
            return PlainTextResponse("duplicate\n")
        if claim is Claim.IN_WORK:
            raise _Refusal(503, "It is being read. Send it again.")
        done = False
        try:
            await self._publish(stamp, body)
            done = True
            await self._replays.finish(stamp.id)
        finally:
            if not done:
                await self._replays.release(stamp.id)
        return Response(status_code=204)

    async def _publish(self, stamp: Stamp, body: bytes) -> None:
        webhook = read_webhook(_parse(body), stamp.id, stamp.at)
        if webhook is None:
            return
        if webhook.entry is not None and self._feed is not None:
            await self._feed.append(webhook.entry)
        await self._events.publish(webhook.event)

    def _log_rejection(self, rejected: RejectedError) -> None:
        """Log a rejection, at most one a minute: anybody can cause them."""
        now = time.monotonic()
        if now - self._logged_at >= _LOG_SECONDS:
            self._logged_at = now
            _log.warning("A webhook was rejected: %s.", rejected)


async def _read(request: Request) -> bytes:
    """Read the body within its bounds."""
    length = request.headers.get("content-length", "0")
    if length.isascii() and length.isdigit() and int(length[:20]) > MAX_BYTES:
        raise _Refusal(413, f"A webhook has at most {MAX_BYTES} bytes.")
    body = bytearray()
    try:
        with anyio.fail_after(READ_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_BYTES:
                    raise _Refusal(413, f"A webhook has at most {MAX_BYTES} bytes.")
    except TimeoutError:
        raise _Refusal(408, "The body did not arrive in time.") from None
    return bytes(body)


def _parse(body: bytes) -> Json:
    try:
        payload: object = json.loads(body)
    except (ValueError, RecursionError):
        raise _Refusal(400, "The body is not JSON.") from None
    if not isinstance(payload, dict):
        raise _Refusal(400, "The body is not a JSON object.")
    return cast("Json", payload)
