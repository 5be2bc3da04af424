"""What is published on status pages: incidents that customers read, with their updates."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Self, cast

from pydantic import BaseModel, BeforeValidator, Field

from incident_mcp.incidentio.ids import resource_id
from incident_mcp.incidentio.names.finding import find
from incident_mcp.incidentio.pages import MAX_PAGE_SIZE, After, Limit, Rows, read_rows
from incident_mcp.incidentio.status_pages.pages import PAGES, component_names
from incident_mcp.incidentio.toolsets import STATUS_PAGES
from incident_mcp.records.fitting import FEW
from incident_mcp.records.instants import parse_instant
from incident_mcp.records.record import Instant, Json, Listed, Name, Record, parts
from incident_mcp.tooling.dependencies import IncidentioApi
from incident_mcp.tooling.tools import read_tool
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Operation
from incident_mcp.writing.intents import account_of

LIST = Operation("GET", "/v2/status_page_incidents")
SHOW = Operation("GET", "/v2/status_page_incidents/{incident}")
RESOLVED = "resolved"
MOST_UPDATES = 100
"""Updates that an incident can have."""

Page = Annotated[str, Field(min_length=1, description="Status page, name or ID.")]
PublicIncidentRef = Annotated[str, Field(min_length=1, description="ID from incidentio_list_published, or link.")]


def _statuses(value: object) -> dict[str, str]:
    """Return the statuses of components by id; an impact that has ended is left out."""
    return {
        row["component_id"]: row["component_status"]
        for row in parts({"rows": value}, "rows")
        if isinstance(row.get("component_id"), str)
        and isinstance(row.get("component_status"), str)
        and row.get("end_at") is None
    }


def _updates(value: object) -> list[Json] | None:
    """Return the updates that have an id; None if it is no list."""
    rows = parts({"rows": value}, "rows")
    return [row for row in rows if isinstance(row.get("id"), str)] if isinstance(value, list) else None


def _count_unreadable(value: object) -> int:
    rows = _updates(value)
    return 1 if rows is None else len(cast("list[object]", value)) - len(rows)


Statuses = Annotated[dict[str, str], BeforeValidator(_statuses)]


class PublicUpdate(Record):
    """An update as the service has it."""

    id: str
    incident: str | None = Field(default=None, validation_alias="status_page_incident_id")
    status: str | None = Field(default=None, validation_alias="incident_status")
    message: str | None = None
    components: Statuses = Field(default_factory=dict[str, str], validation_alias="component_statuses")
    made_at: str | None = Field(default=None, validation_alias="published_at")
    published_at: Instant | None = None

    @property
    def note_id(self) -> str:
        """Its id, as texts are looked up by it."""
        return self.id

    @property
    def text(self) -> str | None:
        """Its text."""
        return self.message

    @property
    def line(self) -> str:
        """When it was published, with which status, and its text."""
        return f"{self.published_at or 'time unknown'} {self.status or 'status unknown'}: {self.message or ''}"


class PublicIncident(Record):
    """A published incident as the service has it."""

    id: str
    page: str | None = Field(default=None, validation_alias="status_page_id")
    name: str | None = None
    status: str | None = Field(default=None, validation_alias="incident_status")
    components: Statuses = Field(default_factory=dict[str, str], validation_alias="component_impacts")
    """The components that are affected now."""
    updates: Annotated[list[PublicUpdate] | None, BeforeValidator(_updates)] = None
    """None if they could not be read."""
    unreadable_updates: Annotated[int, BeforeValidator(_count_unreadable)] = Field(
        default=0, validation_alias="updates"
    )
    made_at: str | None = Field(default=None, validation_alias="published_at")
    published_at: Instant | None = None

    @property
    def newest_first(self) -> list[PublicUpdate]:
        """Its updates by time, though the document promises no order."""
        return sorted(self.updates or (), key=lambda row: parse_instant(row.made_at) or _NEVER, reverse=True)


_NEVER = datetime.min.replace(tzinfo=UTC)


class PublicIncidentResponse(BaseModel):
    """The response envelope of one published incident."""

    status_page_incident: PublicIncident


class PublishedRow(Record):
    """A published incident in a list."""

    id: str
    name: Name | None = None
    status: str | None = None
    components: list[str] | None = None
    """The components that are affected now, with their statuses."""
    published_at: Instant | None = None
    updates: list[str] | None = None
    """The texts that customers read, newest first; only the newest in a list of more than a few."""
    earlier_updates: int | None = None
    """Number of updates that are not shown."""

    @classmethod
    def of(cls, incident: PublicIncident, names: Mapping[str, str], most_updates: int) -> Self:
        """Return the row of an incident."""
        lines = [update.line for update in incident.newest_first]
        return cls(
            id=incident.id,
            name=incident.name,
            status=incident.status,
            components=describe_components(incident.components, names) or None,
            published_at=incident.published_at,
            updates=lines[:most_updates] or None,
            earlier_updates=len(lines[most_updates:]) or None,
        )


class Published(Listed):
    """A list of published incidents."""

    MARK = f"Texts that end in … were cut to fit: a limit of {FEW} or less shows them in full, with all updates."
    status_page_incidents: list[PublishedRow]
    after: str | None = None
    note: str | None = None

    def first(self, rows: int) -> Self | None:
        """Return the result with only its first rows and the cursor that follows them."""
        shown = self.status_page_incidents[:rows]
        if not shown:
            return None
        return self.model_copy(update={"status_page_incidents": shown, "has_more": True, "after": shown[-1].id})

    def most_tokens(self, rows: int) -> float:
        """Return the result's token budget, which is larger for the texts that customers read."""
        return super().most_tokens(rows) * 6 // 5


def describe_components(statuses: Mapping[str, str], names: Mapping[str, str]) -> list[str]:
    """Return components by name, or by id where the name is unknown, with their statuses."""
    return [f"{names.get(number, number)}: {status}" for number, status in statuses.items()]


async def read_published(
    api: Api, page: str, *, limit: int = MAX_PAGE_SIZE, after: str | None = None
) -> Rows[PublicIncident]:
    """Read the incidents on a page, by its id."""
    return await read_rows(api, LIST.request([("status_page_id", page)]), PublicIncident, limit=limit, after=after)


async def read_public_incident(api: Api, incident: str) -> PublicIncident:
    """Read a published incident, by its id."""
    return (await api.get(SHOW.request(at={"incident": incident}), PublicIncidentResponse)).status_page_incident


def public_incident_id(text: str) -> str:
    """Return the id of a published incident.

    Raises:
        InputError: The text holds none.
    """
    return resource_id("public_incident", text, listed_by="incidentio_list_published")


def public_incident_keys(api: Api, incident: str) -> tuple[str, ...]:
    """Return a published incident's key in the journal."""
    return (f"{account_of(api)} status page incident {incident}",)


def unresolved(incidents: Sequence[PublicIncident]) -> list[PublicIncident]:
    """Return the incidents that are not resolved."""
    return [row for row in incidents if row.status != RESOLVED]


async def incidentio_list_published(
    api: IncidentioApi, page: Page, limit: Limit = 25, after: After = None
) -> Published:
    """List the incidents on a status page, with the updates that customers read."""
    api.allow(limit)
    found = await find(api, PAGES, page)
    rows = await read_published(api, found.id, limit=limit, after=after)
    names, problem = await component_names(api, found.id) if any(row.components for row in rows) else ({}, None)
    shown = [PublishedRow.of(row, names, MOST_UPDATES if limit <= FEW else 1) for row in rows]
    return Published(status_page_incidents=shown, note=problem, whole=limit <= FEW, **rows.paging)


TOOLS = [
    read_tool(
        incidentio_list_published,
        "List published incidents",
        toolset=STATUS_PAGES,
        keywords="status page public what do customers see read told statuspage",
    )
]
