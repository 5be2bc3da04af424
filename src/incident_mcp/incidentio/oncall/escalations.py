"""Escalations, which are pages: whom they notified, and who answered."""

from collections.abc import Iterable, Sequence
from typing import Annotated, Literal

from pydantic import AliasPath, BaseModel, BeforeValidator, Field

from incident_mcp.errors import InputError
from incident_mcp.incidentio.actors import Actor
from incident_mcp.incidentio.alerts.access import alert_id
from incident_mcp.incidentio.dates import Day, is_reversed
from incident_mcp.incidentio.ids import resource_id
from incident_mcp.incidentio.names.finding import find
from incident_mcp.incidentio.names.incidents import incident_name
from incident_mcp.incidentio.names.people import user_id
from incident_mcp.incidentio.oncall.paths import PATHS
from incident_mcp.incidentio.pages import After, Limit, Rows, each_page, read_rows
from incident_mcp.incidentio.toolsets import ONCALL
from incident_mcp.incidentio.users import short_name
from incident_mcp.records.record import Instant, Json, Listed, Name, Record, parts, without_none
from incident_mcp.tooling.dependencies import AppSettings, IncidentioApi
from incident_mcp.tooling.tools import read_tool
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Operation, Query

LIST = Operation("GET", "/v2/escalations", scope="escalations.view", page_size=50)
SHOW = Operation("GET", "/v2/escalations/{escalation}", scope="escalations.view")

Status = Literal["pending", "triggered", "acked", "resolved", "expired", "cancelled"]
"""What the filter accepts; an escalation may also be snoozed, delayed or pending_repeat."""
EscalationRef = Annotated[str, Field(min_length=1, description="Escalation ID or link.")]
MOST_LOOKED_AT = 500
"""Escalations that are searched for a user: the API has no such filter."""


class Event(Record):
    """One event of an escalation."""

    event: str
    at: Instant | None = Field(default=None, validation_alias="occurred_at")
    urgency: str | None = None
    users: list[str] | None = None
    channels: list[str] | None = None
    user_ids: list[str] | None = Field(default=None, exclude=True)


def _read_events(value: object) -> object:
    """Return events with the names of their users and the ids of their channels."""
    if not isinstance(value, list):
        return None
    events: list[Json] = []
    for row in parts({"events": value}, "events"):
        users = parts(row, "users")
        channels = parts(row, "channels")
        events.append(
            row
            | {
                "users": _texts(users, "name", "email", "id") or None,
                "user_ids": _texts(users, "id") or None,
                "channels": _texts(channels, "slack_channel_id", "microsoft_teams_channel_id") or None,
            }
        )
    return [event for event in events if isinstance(event.get("event"), str)]


def _texts(rows: Iterable[Json], *names: str) -> list[str]:
    """Return the first field of each row that holds a text."""
    found = (next((row[name] for name in names if isinstance(row.get(name), str)), None) for row in rows)
    return [text for text in found if text]


def _references(value: object) -> object:
    return _texts(parts({"rows": value}, "rows"), "reference", "id") or None


def _ids(value: object) -> object:
    return _texts(parts({"rows": value}, "rows"), "id") or None


def _titles(value: object) -> object:
    rows = parts({"rows": value}, "rows")
    return [" ".join(_texts([row], "id") + _texts([row], "title")) for row in rows] or None


class Escalation(Record):
    """An escalation in full."""

    REST = ": the dashboard shows the rest"
    id: str
    title: str | None = None
    description: str | None = None
    status: str | None = None
    priority: str | None = Field(default=None, validation_alias=AliasPath("priority", "name"))
    creator: Actor = None
    escalation_path_id: str | None = None
    incidents: Annotated[list[str] | None, BeforeValidator(_references)] = Field(
        default=None, validation_alias="related_incidents"
    )
    alerts: Annotated[list[str] | None, BeforeValidator(_titles)] = Field(
        default=None, validation_alias="related_alerts"
    )
    created_at: Instant | None = None
    updated_at: Instant | None = None
    events: Annotated[list[Event] | None, BeforeValidator(_read_events)] = None
    """Oldest first: whom it notified and when, who acknowledged it."""
    made_at: str | None = Field(default=None, validation_alias="created_at", exclude=True)
    """`created_at` unrounded."""
    incident_ids: Annotated[list[str] | None, BeforeValidator(_ids)] = Field(
        default=None, validation_alias="related_incidents", exclude=True
    )

    def last(self, kind: str) -> Event | None:
        """Return the newest event of a kind."""
        found = [event for event in self.events or () if event.event == kind]
        return max(found, key=lambda event: event.at or "", default=None)

    @property
    def rung(self) -> set[str]:
        """The ids of the people that it notified."""
        return {user for event in self.events or () if event.event == "notified_users" for user in event.user_ids or ()}

    @property
    def notified(self) -> list[str]:
        """The names of the people that it notified."""
        found = [name for event in self.events or () if event.event == "notified_users" for name in event.users or ()]
        return list(dict.fromkeys(map(short_name, found)))


class EscalationRow(Record):
    """An escalation in a list."""

    id: str
    title: Name | None = None
    status: str | None = None
    incidents: list[str] | None = None
    notified: list[str] | None = None
    acked_by: list[str] | None = None
    acked_at: str | None = None
    created_at: str | None = None

    @classmethod
    def of(cls, escalation: Escalation) -> "EscalationRow":
        """Return the row of an escalation."""
        acked = escalation.last("acked")
        return cls(
            id=escalation.id,
            title=escalation.title,
            status=escalation.status,
            incidents=escalation.incidents,
            notified=escalation.notified[:MOST_NAMED] or None,
            acked_by=acked and acked.users,
            acked_at=acked and acked.at,
            created_at=escalation.created_at,
        )


MOST_NAMED = 10
"""Notified people in a row."""


class Escalations(Listed):
    """A list of escalations."""

    MARK = "incidentio_get_escalation shows one in full."
    escalations: list[EscalationRow]
    after: str | None = None
    looked_at: int | None = None
    """Number of escalations that were searched for the user."""


class EscalationResponse(BaseModel):
    """The response envelope of one escalation."""

    escalation: Escalation


def escalation_id(escalation: str) -> str:
    """Return the id of an escalation, which is passed as an ID or link."""
    return resource_id("escalation", escalation, listed_by="incidentio_list_escalations")


async def read_escalation(api: Api, escalation: str) -> Escalation:
    """Read an escalation by its id."""
    return (await api.get(SHOW.request(at={"escalation": escalation}), EscalationResponse)).escalation


async def find_escalations(api: Api, query: Query, limit: int = 50) -> Rows[Escalation]:
    """Return the newest escalations that match a query."""
    return await read_rows(api, LIST.request(query), Escalation, limit=limit)


async def incidentio_list_escalations(
    api: IncidentioApi,
    settings: AppSettings,
    incident: Annotated[str | None, Field(description="INC-123, ID or link.")] = None,
    alert: Annotated[str | None, Field(description="ID, link, deduplication key or title.")] = None,
    escalation_path: Annotated[str | None, Field(description="Name or ID.")] = None,
    status: Annotated[list[Status] | None, Field(description="Any of these.")] = None,
    user: Annotated[str | None, Field(description="Paged or acknowledged: email, name, ID, `me`.")] = None,
    created_at_gte: Day = None,
    created_at_lte: Day = None,
    limit: Limit = 25,
    after: After = None,
) -> Escalations:
    """List pages (escalations): whom each notified, who acknowledged it. For one user, only the newest are searched."""
    if is_reversed(created_at_gte, created_at_lte):
        raise InputError("created_at_gte is later than created_at_lte, so nothing can match. Not sent.")
    api.allow(limit)
    path = None if escalation_path is None else (await find(api, PATHS, escalation_path)).id
    filters = without_none(
        incident=None if incident is None else (await incident_name(api, incident)).id,
        alert=None if alert is None else await alert_id(api, alert),
        escalation_path=path,
    )
    query = [(f"{name}[one_of]", value) for name, value in filters.items()]
    query += [("status[one_of]", each) for each in status or ()]
    dates = without_none(gte=created_at_gte, lte=created_at_lte)
    query += [(f"created_at[{operator}]", value) for operator, value in dates.items()]
    if user is not None:
        person = await user_id(api, "user", user, settings.me)
        return await _list_of_user(api, query, person, limit=limit, after=after)
    rows = await read_rows(api, LIST.request(query), Escalation, limit=limit, after=after)
    return Escalations(escalations=[EscalationRow.of(row) for row in rows], **rows.paging)


async def _list_of_user(api: Api, query: Query, person: str, *, limit: int, after: str | None) -> Escalations:
    """Return the escalations that notified a user or were acknowledged by the user, among the newest."""
    found: list[Escalation] = []
    looked_at, cursor = 0, after
    async for page in each_page(api, LIST.request(query), Escalation, limit=MOST_LOOKED_AT, after=after):
        looked, of_user = _first_of(page.rows, person, limit - len(found))
        found += of_user
        looked_at += looked
        cursor = page.rows[looked - 1].id if looked < len(page.rows) else page.after
        if len(found) == limit:
            break
    rows = [EscalationRow.of(row) for row in found]
    return Escalations(escalations=rows, has_more=cursor is not None, after=cursor, looked_at=looked_at)


def _first_of(rows: Sequence[Escalation], person: str, most: int) -> tuple[int, list[Escalation]]:
    """Return how many rows were looked at until `most` of a user were found, and those."""
    found: list[Escalation] = []
    for number, row in enumerate(rows, 1):
        if any(person in (event.user_ids or ()) for event in row.events or ()):
            found.append(row)
        if len(found) == most:
            return number, found
    return len(rows), found


async def incidentio_get_escalation(api: IncidentioApi, escalation: EscalationRef) -> Escalation:
    """Get a page (escalation) with its events: who was notified and when, who acknowledged it."""
    return await read_escalation(api, escalation_id(escalation))


TOOLS = [
    read_tool(
        incidentio_list_escalations,
        "List escalations",
        toolset=ONCALL,
        keywords="open still unanswered paged pages last night history was I got",
    ),
    read_tool(
        incidentio_get_escalation,
        "Get an escalation",
        toolset=ONCALL,
        keywords="anybody pick up picked seen answered page state",
    ),
]
