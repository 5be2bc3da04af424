"""What a subscription names: its URI in any spelling, resolved once with the caller's own keys."""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import anyio
from mcp import UriTemplate
from mcp.server.mcpserver import DEFAULT_RESOURCE_SECURITY
from pydantic import AliasPath, Field

from incident_mcp.errors import IncidentMcpError, InputError, ServiceError
from incident_mcp.incidentio.access import read_one
from incident_mcp.incidentio.ids import path_id
from incident_mcp.ionhour.incidents.access import read_incident as read_alert
from incident_mcp.ionhour.incidents.records import IonhourIncident
from incident_mcp.records.record import Record
from incident_mcp.response.resources import SITUATION
from incident_mcp.serving.subscriptions.events import stamp_of
from incident_mcp.tooling.caller import Caller
from incident_mcp.transport.api import Api
from incident_mcp.transport.service import Service

KNOWN_SECONDS = 30.0
"""How long a resolved incident is used for further subscriptions of the same account."""
MAX_KNOWN = 2_000
_PARALLEL = 8
_INCIDENT = UriTemplate.parse("incidentio://incidents/{incident}")
_ALERT = UriTemplate.parse("ionhour://incidents/{incident_id}")
_HIDDEN = (401, 403, 404, 410)
"""Statuses after which another attempt would have the same outcome."""


_Read = Callable[[Api, str], Awaitable[tuple[str, str]]]
"""Reads the key and the version of an incident."""


class IncidentRow(Record):
    """As much of an incident as shows whether it changed."""

    id: str
    updated_at: str | None = None
    status_id: str | None = Field(default=None, validation_alias=AliasPath("incident_status", "id"))

    @property
    def key(self) -> str:
        """Its key among everything that is watched."""
        return f"incidentio {self.id.upper()}"

    @property
    def stamp(self) -> str:
        """Differs between two versions."""
        return stamp_of(self.updated_at, self.status_id)


class _IncidentResponse(Record):
    incident: IncidentRow


def alert_key(alert: IonhourIncident) -> str:
    """Return an Ionhour incident's key among everything that is watched."""
    return f"ionhour {alert.id}"


def alert_stamp(alert: IonhourIncident) -> str:
    """Return a text that differs between two versions of an Ionhour incident."""
    facts = (alert.state, alert.severity, alert.acknowledged_at, alert.recovered_at, alert.resolved_at, alert.title)
    return " ".join(map(str, facts))


@dataclass(frozen=True)
class Watched:
    """One URI that a stream honours."""

    uri: str
    """As the client wrote it."""
    key: str
    """What it names: `SITUATION`, or an incident's service and ID."""
    stamp: str = ""
    """Its version when it was resolved."""


@dataclass
class Resolution:
    """The URIs of a stream, resolved."""

    watched: list[Watched] = field(default_factory=list[Watched])
    failure: str = ""
    """Why one could not be resolved that may exist."""


class Resolver:
    """Resolves URIs, each incident at most once in a while per account."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], tuple[float, str, str]] = {}

    async def resolve(self, caller: Caller, uris: Sequence[str]) -> Resolution:
        """Return those of the URIs that exist and that the caller may see, in their order."""
        found: dict[str, Watched] = {}
        resolution = Resolution()
        parallel = anyio.Semaphore(_PARALLEL)

        async def resolve_one(uri: str) -> None:
            async with parallel:
                try:
                    watched = await self._resolve(caller, uri)
                except InputError:
                    return
                except IncidentMcpError as failure:
                    if not (isinstance(failure, ServiceError) and failure.status in _HIDDEN):
                        resolution.failure = str(failure)
                    return
            if watched is not None:
                found[uri] = watched

        async with anyio.create_task_group() as tasks:
            for uri in dict.fromkeys(uris):
                tasks.start_soon(resolve_one, uri)
        resolution.watched = [found[uri] for uri in dict.fromkeys(uris) if uri in found]
        return resolution

    async def _resolve(self, caller: Caller, uri: str) -> Watched | None:
        if uri == SITUATION:
            return Watched(uri, SITUATION) if caller.incidentio or caller.ionhour else None
        if (name := _match(_INCIDENT, uri)) is not None and caller.incidentio is not None:
            return await self._look_up(caller, caller.incidentio, uri, path_id(name), _read_incident)
        if (name := _match(_ALERT, uri)) is not None and caller.ionhour is not None:
            return await self._look_up(caller, caller.ionhour, uri, _number(name), _read_alert)
        return None

    async def _look_up(self, caller: Caller, service: Service, uri: str, name: str, read: _Read) -> Watched:
        """Return what a URI names, from memory if it was read lately."""
        place = (service.account, name)
        at, key, stamp = self._known.get(place, (0.0, "", ""))
        if not key or anyio.current_time() - at > KNOWN_SECONDS:
            key, stamp = await read(Api(service, caller.seen).once(), name)
            self._remember(place, (anyio.current_time(), key, stamp))
        return Watched(uri, key, stamp)

    def _remember(self, place: tuple[str, str], found: tuple[float, str, str]) -> None:
        self._known.pop(place, None)
        while len(self._known) >= MAX_KNOWN:
            del self._known[next(iter(self._known))]
        self._known[place] = found


def _match(template: UriTemplate, uri: str) -> str | None:
    """Return the reference in a URI."""
    values = template.match(uri)
    if values is None or DEFAULT_RESOURCE_SECURITY.validate(values) is not None:
        return None
    [name] = values.values()
    return str(name)


def _number(name: str) -> str:
    if not re.fullmatch("[0-9]{1,18}", name):
        raise InputError("An Ionhour incident is identified by its number.")
    return name


async def _read_incident(api: Api, name: str) -> tuple[str, str]:
    row = (await read_one(api, name, _IncidentResponse)).incident
    return row.key, row.stamp


async def _read_alert(api: Api, name: str) -> tuple[str, str]:
    alert = await read_alert(api, int(name))
    return alert_key(alert), alert_stamp(alert)
