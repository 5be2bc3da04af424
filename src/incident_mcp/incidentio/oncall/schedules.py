"""On-call schedules: who is on shift now, and who is next."""

from datetime import datetime
from typing import Annotated

from pydantic import AliasPath, BaseModel, BeforeValidator, Field

from incident_mcp.incidentio.named_rows import CachedList, NamedRow
from incident_mcp.incidentio.names.finding import NameContains, contains
from incident_mcp.incidentio.pages import Rows, read_rows
from incident_mcp.incidentio.toolsets import ONCALL
from incident_mcp.incidentio.users import User
from incident_mcp.records.instants import parse_instant
from incident_mcp.records.record import Instant, Json, Listed, Name, Record, Texts, parts
from incident_mcp.tooling.dependencies import IncidentioApi
from incident_mcp.tooling.tools import read_tool
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Operation

LIST = Operation("GET", "/v2/schedules", scope="schedules.view", page_size=10_000)
SHOW = Operation("GET", "/v2/schedules/{schedule}", scope="schedules.view")
MOST_SCHEDULES = 1_000


class Shift(Record):
    """A stretch of time in which one user is on call; without a user nobody is."""

    start_at: Instant
    end_at: Instant
    user: User | None = None
    rotation_id: str | None = None
    layer_id: str | None = None

    @property
    def begins(self) -> datetime:
        """Its start."""
        return datetime.fromisoformat(self.start_at)

    @property
    def ends(self) -> datetime:
        """Its end."""
        return datetime.fromisoformat(self.end_at)


def _readable(value: object) -> object:
    """Return the shifts that can be read; None if there are shifts and none can, so that nobody takes it for a gap."""
    if not isinstance(value, list):
        return None
    rows = [row for row in parts({"rows": value}, "rows") if is_readable(row)]
    return rows if rows or not value else None


def is_readable(row: Json) -> bool:
    """Return whether the window of a shift can be read."""
    return bool(parse_instant(row.get("start_at")) and parse_instant(row.get("end_at")))


Shifts = Annotated[list[Shift], BeforeValidator(_readable)]


class Layer(Record):
    """A layer of a rotation: each has one person on call."""

    id: str | None = None
    name: str | None = None


class Rotation(Record):
    """A rotation of a schedule. Later versions of one rotation have the same id."""

    id: str
    name: str | None = None
    effective_from: Instant | None = None
    """From when this version of the rotation applies; None for its first version."""
    layers: list[Layer] = Field(default_factory=list[Layer])
    users: list[User] = Field(default_factory=list[User])


class Schedule(NamedRow):
    """A schedule."""

    timezone: str | None = None
    permalink: str | None = None
    team_ids: Texts = Field(default_factory=list[str])
    current_shifts: Shifts | None = None
    """None if the service did not return them."""
    next_shifts: Shifts = Field(default_factory=list[Shift])
    rotations: list[Rotation] = Field(default_factory=list[Rotation], validation_alias=AliasPath("config", "rotations"))

    def rotations_at(self, now: datetime) -> list[Rotation]:
        """Return the version of each rotation that applies now."""
        found: dict[str, Rotation] = {}
        for row in sorted(self.rotations, key=lambda row: row.effective_from or ""):
            begins = parse_instant(row.effective_from)
            if begins is None or begins <= now:
                found[row.id] = row
        return list(found.values())


class _Response(BaseModel):
    schedule: Schedule


async def _load(api: Api) -> Rows[Schedule]:
    return await read_rows(api, LIST.request(), Schedule, limit=MOST_SCHEDULES)


SCHEDULES = CachedList("schedule", _load)


async def read_schedule(api: Api, schedule: str) -> Schedule:
    """Read a schedule by its id, with its next shifts."""
    return (await api.get(SHOW.request(at={"schedule": schedule}), _Response)).schedule


def names_on(shifts: list[Shift]) -> list[str]:
    """Return the names of the users on some shifts."""
    return list(dict.fromkeys(shift.user.name or shift.user.id for shift in shifts if shift.user))


class ScheduleRow(Record):
    """A schedule in a list."""

    id: str
    name: Name
    timezone: str | None = None
    on_call: list[str] | None = None
    rotations: list[str] | None = None


class Schedules(Listed):
    """A list of schedules."""

    schedules: list[ScheduleRow]


async def incidentio_list_schedules(api: IncidentioApi, name_contains: NameContains = None) -> Schedules:
    """List on-call schedules with time zones and rotations. incidentio_list_on_call: until when, and who is next."""
    rows = await _load(api)
    found = [
        ScheduleRow(
            id=row.id,
            name=row.name,
            timezone=row.timezone,
            on_call=names_on(row.current_shifts or []) or None,
            rotations=list(dict.fromkeys(each.name for each in row.rotations if each.name)) or None,
        )
        for row in rows
        if contains(row.name, name_contains)
    ]
    return Schedules(schedules=found, has_more=not rows.complete, unreadable=rows.unreadable)


TOOLS = [read_tool(incidentio_list_schedules, "List schedules", toolset=ONCALL, keywords="rotas rosters rotations")]
