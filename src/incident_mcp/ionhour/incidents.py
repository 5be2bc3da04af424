"""Ionhour incidents: what its checks raise; list, get, acknowledge."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, AliasChoices, AliasPath, BeforeValidator, Field

from incident_mcp.deps import AppSettings, DryRun, IonhourApi, WriterDep
from incident_mcp.http import Api, Repeat, Request, fill
from incident_mcp.ionhour.records import IncidentId, IonhourRecord, Listing
from incident_mcp.models import HtmlText, Instant, Listed, Name, Outcome, contains, shorten, some_words
from incident_mcp.toolset import read, write
from incident_mcp.writes import Write, Writer

MOST_LOOKED_AT = 1000
"""Incidents whose titles are looked through."""


class IonhourIncident(IonhourRecord):
    """An incident, whole; the check's token is left out on purpose: a ping to it fakes a recovery."""

    id: int
    title: str | None = None
    state: str | None = None
    severity: str | None = None
    reason: str | None = None
    summary: HtmlText | None = None
    project: str | None = Field(default=None, validation_alias=AliasPath("project", "name"))
    project_id: int | None = Field(default=None, validation_alias=AliasChoices(AliasPath("project", "id"), "projectId"))
    check: str | None = Field(default=None, validation_alias=AliasPath("check", "name"))
    check_id: int | None = Field(default=None, validation_alias=AliasChoices("checkId", AliasPath("check", "id")))
    dependency_name: str | None = Field(
        default=None, validation_alias=AliasChoices("dependencyName", AliasPath("dependency", "name"))
    )
    dependency_id: int | None = Field(
        default=None, validation_alias=AliasChoices("dependencyId", AliasPath("dependency", "id"))
    )
    started_at: Instant | None = None
    recovered_at: Instant | None = None
    resolved_at: Instant | None = None
    acknowledged_at: Instant | None = None
    acknowledged_by: int | None = None
    acknowledged_by_email: str | None = Field(default=None, validation_alias=AliasPath("acknowledgedByUser", "email"))
    last_signal_at: Instant | None = None
    last_signal_type: str | None = None
    last_signal_source: str | None = None
    last_success_at: Instant | None = None
    duration_since_success_ms: int | None = None
    """Milliseconds, when the answer was made."""
    public_id: str | None = None


_PRIORITIES = {"P1": 1, "P2": 2, "P3": 3, "P4": 4, "CRITICAL": 1, "WARNING": 3}


def priority(severity: str | None) -> int | None:
    """Rank a severity, 1 the worst; the vendor's older guide and hosted tools still say CRITICAL and WARNING."""
    return _PRIORITIES.get((severity or "").strip().upper())


class IonhourIncidentRow(IonhourRecord):
    """An incident in a list."""

    id: int
    title: Name | None = None
    state: str | None = None
    severity: str | None = None
    project: Name | None = Field(default=None, validation_alias=AliasPath("project", "name"))
    check: Name | None = Field(default=None, validation_alias=AliasPath("check", "name"))
    started_at: Instant | None = None
    resolved_at: Instant | None = None
    acknowledged_at: Instant | None = None


class _IncidentPage(Listing):
    items: list[IonhourIncidentRow]
    total: int | None = None


class IonhourIncidents(Listed):
    """Incidents, and the next page if there is one."""

    incidents: list[IonhourIncidentRow]
    page: int | None = None
    """The next page."""
    total: int | None = None
    """Of all that match."""
    looked_at: int | None = None
    """With `name_contains`: how many incidents were looked at."""
    looked_at_all: bool | None = None
    """With `name_contains`: whether those were all that the other filters leave."""


class Acknowledgement(IonhourRecord):
    """Who acknowledged an incident, and when."""

    id: int | None = None
    title: str | None = None
    state: str | None = None
    acknowledged_by: int | None = None
    acknowledged_at: Instant | None = None


class _NamedRow(IonhourIncidentRow):
    """An incident that is looked for by its title."""

    whole_title: str | None = Field(default=None, validation_alias="title", exclude=True)


class _NamedPage(Listing):
    items: list[_NamedRow]


class _WholePage(Listing):
    items: list[IonhourIncident]
    total: int | None = None


async def unresolved_incidents(api: Api, workspace_id: int | None) -> tuple[list[IonhourIncident], int]:
    """Read the unresolved incidents, whole, up to 500.

    Returns:
        The incidents and how many there are in all.
    """
    rows: dict[int, IonhourIncident] = {}
    total = 0
    workspace = [("workspaceId", str(workspace_id))] if workspace_id else []
    for page in range(1, 6):
        query = [*workspace, ("state", "ACTIVE"), ("page", str(page)), ("limit", "100")]
        answer = await api.get("/incidents", _WholePage, query)
        # Pages by number over a changing list can repeat a row.
        rows |= {row.id: row for row in answer.items}
        if not answer.items or not answer.has_more:
            return list(rows.values()), len(rows)
        total = answer.total or 0
    return list(rows.values()), max(len(rows), total)


def _upper(value: object) -> object:
    return value.strip().upper() if isinstance(value, str) else value


State = Annotated[Literal["ACTIVE", "RESOLVED", "OPEN", "MONITORING"], BeforeValidator(_upper)]


async def ionhour_list_incidents(
    api: IonhourApi,
    settings: AppSettings,
    state: Annotated[
        State | None, Field(description="ACTIVE and OPEN: not resolved. MONITORING: recovered, being watched.")
    ] = None,
    project_id: Annotated[int | None, Field(ge=1, description="Only this project.")] = None,
    check_id: Annotated[int | None, Field(ge=1, description="Only this check.")] = None,
    workspace_id: Annotated[int | None, Field(ge=1, description="Left out: the key's.")] = None,
    name_contains: Annotated[
        str | None,
        AfterValidator(some_words),
        Field(min_length=1, description="Part of the title; looks through up to 1,000, says how many."),
    ] = None,
    page: Annotated[int, Field(ge=1, description="Page to read.")] = 1,
    limit: Annotated[int, Field(ge=1, le=100, description="Rows a page.")] = 20,
) -> IonhourIncidents:
    """List Ionhour incidents. No active ones does not mean healthy: maintenance and paused checks raise none."""
    filters = {
        "workspaceId": workspace_id or settings.ionhour_workspace_id,
        "projectId": project_id,
        "checkId": check_id,
        # The API takes OPEN and MONITORING for ACTIVE, so the rows of MONITORING are picked here.
        "state": "RESOLVED" if state == "RESOLVED" else "ACTIVE" if state else None,
        "page": page,
        "limit": limit,
    }
    query = [(name, str(value)) for name, value in filters.items() if value is not None]
    if name_contains is not None:
        return await _search(api, query, name_contains, monitoring=state == "MONITORING", page=page, limit=limit)
    answer = await api.get("/incidents", _IncidentPage, query)
    rows = [row for row in answer.items if state != "MONITORING" or row.state == "MONITORING"]
    more = bool(answer.items) and answer.has_more
    return IonhourIncidents(
        incidents=rows,
        has_more=more,
        page=page + 1 if more else None,
        total=None if state == "MONITORING" else answer.total,
    )


async def _search(
    api: Api, query: Sequence[tuple[str, str]], words: str, *, monitoring: bool, page: int, limit: int
) -> IonhourIncidents:
    """Look through the titles of up to 1,000 incidents, for the API has no filter for that."""
    filters = [pair for pair in query if pair[0] not in ("page", "limit")]
    found: dict[int, IonhourIncidentRow] = {}
    looked_at, more = 0, True
    for number in range(1, MOST_LOOKED_AT // 100 + 1):
        answer = await api.get("/incidents", _NamedPage, [*filters, ("page", str(number)), ("limit", "100")])
        looked_at += len(answer.items)
        for row in answer.items:
            if contains(row.whole_title or "", words) and (not monitoring or row.state == "MONITORING"):
                found.setdefault(row.id, row)
        more = bool(answer.items) and answer.has_more
        if not more or len(found) > page * limit:
            break
    further = len(found) > page * limit
    return IonhourIncidents(
        incidents=[*found.values()][(page - 1) * limit : page * limit],
        has_more=further,
        page=page + 1 if further else None,
        looked_at=looked_at,
        looked_at_all=not more,
    )


async def read_incident(api: Api, incident_id: int) -> IonhourIncident:
    """Read an incident."""
    return await api.get(fill("/incidents/{incident_id}", incident_id=incident_id), IonhourIncident)


async def ionhour_get_incident(api: IonhourApi, incident_id: IncidentId) -> IonhourIncident:
    """Get one Ionhour incident whole: check, project, dependency, last signals, who acknowledged."""
    return await read_incident(api, incident_id)


async def ionhour_acknowledge_incident(
    api: IonhourApi, writer: WriterDep, incident_id: IncidentId, dry_run: DryRun = False
) -> Outcome[Acknowledgement]:
    """Acknowledge an incident as the key's owner, which stops it from paging further people."""
    who = await said(api, writer, incident_id, dry_run=dry_run)
    acknowledge = acknowledge_write("ionhour_acknowledge_incident", incident_id, who)
    return await writer.perform(api, acknowledge, dry_run=dry_run)


async def said(api: Api, writer: Writer, incident_id: int, *, dry_run: bool, destructive: bool = False) -> str | None:
    """Name an incident as a person knows it, if one is to be asked about a write to it."""
    if dry_run or not writer.asks(destructive=destructive):
        return None
    return f'{incident_id} "{shorten((await read_incident(api, incident_id)).title or "", 100)}"'


def acknowledge_write(tool: str, incident_id: int, who: str | None = None) -> Write[Acknowledgement, Acknowledgement]:
    """Write an acknowledgement as the API wants it."""
    return Write(
        tool=tool,
        request=Request("POST", fill("/incidents/{incident_id}/acknowledge", incident_id=incident_id)),
        answer=Acknowledgement,
        record=Acknowledgement,
        tell=lambda answer: answer.model_copy(update={"id": incident_id}),
        repeat=Repeat.HARMLESS,
        question=f"Acknowledge Ionhour incident {who or incident_id}; it pages nobody further.",
        advice={409: f"Incident {incident_id} is resolved already: there is nothing left to acknowledge."},
    )


TOOLS = [
    read(ionhour_list_incidents, "List Ionhour incidents"),
    read(ionhour_get_incident, "Get an Ionhour incident"),
    write(ionhour_acknowledge_incident, "Acknowledge an Ionhour incident", idempotent=True),
]
