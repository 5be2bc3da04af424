"""`/health` and `/ready`: whether the server lives, and whether its calls can succeed."""

from dataclasses import dataclass, field

import anyio
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from incident_mcp.errors import RefusedError, ServiceError
from incident_mcp.incidentio import identity
from incident_mcp.ionhour.incidents import access
from incident_mcp.serving.http.files import WatchedFile
from incident_mcp.serving.http.shared import SharedState
from incident_mcp.serving.http.sign_in import SignIn
from incident_mcp.serving.http.team import Team
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Request as ApiRequest
from incident_mcp.transport.service import Service

KEYS_SECONDS = 30.0
"""For how long the answer about a key is reused."""
STORE_SECONDS = 1.0
"""For how long the answer about what replicas share is reused."""
UNAUTHORIZED = 401
OK = "ok"


class _Anything(BaseModel):
    """Any answer will do."""


@dataclass
class Readiness:
    """What calls need: keys that are accepted, a store that can be reached, sign-in that can be checked."""

    team: Team
    redis: SharedState | None = None
    sign_in: SignIn | None = None
    files: list[WatchedFile[object]] = field(default_factory=list[WatchedFile[object]])
    _keys: dict[str, str] = field(default_factory=dict[str, str])
    _keys_until: float = 0.0
    _checked: tuple[str, ...] = ()
    """The keys that the answer is about."""
    _store: str = OK
    _store_until: float = 0.0
    _turn: anyio.Lock = field(default_factory=anyio.Lock)

    async def check(self) -> dict[str, str]:
        """Return the state of each part in fixed words: anybody may ask."""
        async with self._turn:
            for file in self.files:
                await file.refresh()
            now = anyio.current_time()
            found = dict(await self._keys_at(now))
            if self.redis is not None:
                found["redis"] = await self._check_store(self.redis, now)
        if self.sign_in is not None:
            found["sign_in"] = OK if await self.sign_in.ready() is None else "in trouble"
        if any(file.trouble for file in self.files):
            found["files"] = "a changed file cannot be used"
        return found

    async def _keys_at(self, now: float) -> dict[str, str]:
        keys = tuple(service.key.get_secret_value() for service in self.team.services if service)
        if now >= self._keys_until or keys != self._checked:
            self._keys, self._keys_until = await self._check_keys(), now + KEYS_SECONDS
            self._checked = keys
        return self._keys

    async def _check_store(self, redis: SharedState, now: float) -> str:
        if now >= self._store_until:
            if await redis.trouble():
                self._store = "writes are not sent"
            else:
                self._store = "rows may be deleted" if await redis.eviction() else OK
            self._store_until = anyio.current_time() + STORE_SECONDS
        return self._store

    async def _check_keys(self) -> dict[str, str]:
        incidentio, ionhour = self.team.services
        if not self.team.has_keys:
            return {"keys": "none is set"}
        asked = {"incidentio": (incidentio, identity.SHOW.request()), "ionhour": (ionhour, _one_alert())}
        found: dict[str, str] = {}

        async def ask(slug: str, service: Service, request: ApiRequest) -> None:
            found[slug] = await _check_key(service, request)

        async with anyio.create_task_group() as tasks:
            for slug, (service, request) in asked.items():
                if service is not None:
                    tasks.start_soon(ask, slug, service, request)
        return {slug: found[slug] for slug in asked if slug in found}


def _one_alert() -> ApiRequest:
    return access.LIST.request([("page", "1"), ("limit", "1")])


async def _check_key(service: Service, request: ApiRequest) -> str:
    try:
        with anyio.fail_after(5):
            await Api(service).once().get(request, _Anything)
    except RefusedError as error:
        return "the key is rejected" if error.status == UNAUTHORIZED else OK
    except (ServiceError, TimeoutError):
        # The service is down or slow: that is no reason to take the server away.
        return "no answer"
    return OK


def health_routes(readiness: Readiness) -> list[Route]:
    """Return the routes. `/ready?for=reads` does not need what only writes need.

    Args:
        readiness: Checks what calls need.
    """

    async def health(_: Request) -> Response:
        return JSONResponse({"status": OK})

    async def ready(request: Request) -> Response:
        parts = await readiness.check()
        needed = ["keys", "incidentio", "ionhour", *(["redis"] if request.query_params.get("for") != "reads" else [])]
        broken = [name for name in needed if parts.get(name, OK) not in (OK, "no answer")]
        return JSONResponse({"ready": not broken, **parts}, 503 if broken else 200, {"Cache-Control": "no-store"})

    return [Route("/health", health, methods=["GET"]), Route("/ready", ready, methods=["GET"])]
