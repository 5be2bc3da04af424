"""Ionhour incidents: what its checks raise; list, get, acknowledge."""

from contextlib import aclosing
from typing import Annotated, Literal, Self

import anyio.lowlevel
from pydantic import AliasChoices, AliasPath, BeforeValidator, Field, model_validator

from incident_mcp.errors import InputError
from incident_mcp.ionhour.filters import LIST, check_filter, project_filter
from incident_mcp.ionhour.pages import each_page, read_page
from incident_mcp.ionhour.records import IncidentId, IonhourRecord
from incident_mcp.records import words
from incident_mcp.records.html import start_to_text
from incident_mcp.records.record import (
    HtmlText,
    Instant,
    Json,
    Listed,
    Long,
    Name,
    Offset,
    Whole,
    cut_at,
    shorten,
)
from incident_mcp.records.spans import format_span
from incident_mcp.records.tokens import tokens
from incident_mcp.tooling.dependencies import AppSettings, DryRun, IonhourApi, WriterDep
from incident_mcp.tooling.tools import read_tool, write_tool
from incident_mcp.transport.api import Api, Repeat
from incident_mcp.transport.operation import Operation, Query
from incident_mcp.writing.intents import account_of
from incident_mcp.writing.perform import Writer
from incident_mcp.writing.plan import Since, WritePlan
from incident_mcp.writing.result import WriteResult

GET = Operation("GET", "/incidents/{incident_id}")
ACKNOWLEDGE = Operation("POST", "/incidents/{incident_id}/acknowledge")

MOST_LOOKED_AT = 1000
"""Incidents that are looked through for words, or for a state."""
MOST_OF_SUMMARY = 2_000
"""Characters of a summary that are read for a list row."""
LEAN_TOKENS = 60
"""What a row costs at most; `detail` shows the rest."""


class IonhourIncident(IonhourRecord, Long):
    """An incident; the check's token is left out on purpose: a ping to it fakes a recovery."""

    REST = ": ionhour_get_incident with offset={offset} shows the rest"
    id: int
    title: str | None = None
    state: str | None = None
    severity: str | None = None
    reason: str | None = None
    summary: str | None = None
    """As the service has it: HTML or plain text, converted only where it is shown or searched."""
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
    duration_since_success_ms: Whole | None = None
    """Milliseconds, when the answer was made."""
    public_id: str | None = None


class WholeIncident(IonhourIncident):
    """An incident with its summary as text."""

    summary: HtmlText | None = None


_PRIORITIES = {"P1": 1, "P2": 2, "P3": 3, "P4": 4, "CRITICAL": 1, "WARNING": 3}


def priority(severity: str | None) -> int | None:
    """Rank a severity, 1 the worst; the vendor's older guide and hosted tools still say CRITICAL and WARNING."""
    return _PRIORITIES.get((severity or "").strip().upper())


class IonhourIncidentRow(IonhourRecord):
    """An incident in a list; a row that would be long has its first nine fields alone, unless `detail` is set."""

    id: int
    title: Name | None = None
    state: str | None = None
    severity: str | None = None
    project: Name | None = None
    check: Name | None = None
    started_at: Instant | None = None
    resolved_at: Instant | None = None
    acknowledged_at: Instant | None = None
    reason: str | None = None
    dependency: Name | None = None
    since_success: str | None = None
    """Since the last success, when the answer was made."""
    acknowledged_by: int | None = None
    last_signal_type: str | None = None
    last_signal_at: Instant | None = None
    last_success_at: Instant | None = None
    public_id: str | None = None
    project_id: int | None = None
    check_id: int | None = None
    dependency_id: int | None = None
    acknowledged_by_email: str | None = None
    last_signal_source: Annotated[str, cut_at(120, "… [cut]")] | None = None
    recovered_at: Instant | None = None
    summary: Annotated[str, cut_at(300, "… [cut]")] | None = None


_LEAN = ("id", "title", "state", "severity", "project", "check", "started_at", "resolved_at", "acknowledged_at")
_MORE = tuple(name for name in IonhourIncidentRow.model_fields if name not in _LEAN)


def to_row(incident: IonhourIncident, *, detail: bool) -> IonhourIncidentRow:
    """Return an incident as a list row: in full with `detail`, else as much as stays inside `LEAN_TOKENS`."""
    fields = incident.dump()
    raw = incident.summary or ""
    shown = detail or len(raw) <= MOST_OF_SUMMARY
    fields["summary"] = (start_to_text(raw, MOST_OF_SUMMARY) or None) if shown else None
    fields["dependency"] = fields.pop("dependency_name", None)
    ms = fields.pop("duration_since_success_ms", None)
    fields["since_success"] = None if ms is None else format_span(ms / 1000)
    row = IonhourIncidentRow.from_dump(fields)
    if detail:
        return row
    whole = row.dump()
    kept: Json = {name: whole[name] for name in _LEAN if name in whole}
    cost = tokens(kept)
    for name in _MORE:
        more = tokens({name: whole[name]}) if name in whole else LEAN_TOKENS
        if cost + more <= LEAN_TOKENS:
            kept[name] = whole[name]
            cost += more
    return IonhourIncidentRow.from_dump(kept)


class IonhourIncidents(Listed):
    """Incidents, and the next page if there is one."""

    MARK = "Texts that end in … were cut to fit: get the one incident, or pass a smaller limit."
    incidents: list[IonhourIncidentRow]
    page: int | None = None
    """The next page."""
    limit: int | None = None
    """To be passed with the next page where it is another than before."""
    total: int | None = None
    """Of all that match."""
    looked_at: int | None = None
    """With `name_contains` or MONITORING: how many incidents were looked at."""
    looked_at_all: bool | None = None
    """With `name_contains` or MONITORING: whether those were all that the other filters leave."""
    note: str | None = None
    detailed: bool = Field(default=False, exclude=True)
    """Whether every row has all of its fields."""

    def most_tokens(self, rows: int) -> float:
        """Return what the answer may cost: more where rows are shown in full."""
        return super().most_tokens(rows) * (4 if self.detailed else 1)


MOST_DETAILED = 50
"""Rows with all of their fields in one answer."""


def in_smaller_pages(page: int, limit: int) -> tuple[int, int]:
    """Return the page, and the rows a page, that begin where a page of more rows than an answer holds begins."""
    before = (page - 1) * limit
    smaller = next(rows for rows in range(MOST_DETAILED, 0, -1) if before % rows == 0)
    return before // smaller + 1, smaller


class Acknowledgement(IonhourRecord):
    """Who acknowledged an incident, and when."""

    id: int | None = None
    title: str | None = None
    state: str | None = None
    acknowledged_by: int | None = None
    acknowledged_at: Instant | None = None


class _Acknowledged(Acknowledgement):
    """The answer to an acknowledgement: one that does not say so is no proof."""

    @model_validator(mode="after")
    def _is_acknowledged(self) -> Self:
        if self.acknowledged_by is None and self.acknowledged_at is None:
            raise ValueError("does not say who acknowledged it, or when")
        return self


async def unresolved_incidents(api: Api, workspace_id: int | None) -> tuple[list[IonhourIncident], int]:
    """Read the unresolved incidents, whole, up to 500.

    Returns:
        The incidents and how many there are in all, with those that cannot be read; as far as that is known.
    """
    query = [*([("workspaceId", str(workspace_id))] if workspace_id else []), ("state", "ACTIVE")]
    rows: list[IonhourIncident] = []
    received = total = 0
    async for page in each_page(api, LIST.request(query), IonhourIncident, most=500):
        rows += page.items
        received += len(page.items) + (page.unreadable or 0)
        total = max(received, (page.total or received + 1) if page.has_more else received)
    return rows, total


def _upper(value: object) -> object:
    return value.strip().upper() if isinstance(value, str) else value


State = Annotated[Literal["ACTIVE", "RESOLVED", "OPEN", "MONITORING"], BeforeValidator(_upper)]


async def ionhour_list_incidents(
    api: IonhourApi,
    settings: AppSettings,
    state: Annotated[
        State | None, Field(description="ACTIVE and OPEN: not resolved. MONITORING: recovered, being watched.")
    ] = None,
    project_id: Annotated[str | None, Field(description="Project, name or id.")] = None,
    check_id: Annotated[str | None, Field(description="Check, name or id.")] = None,
    workspace_id: Annotated[int | None, Field(ge=1, description="Left out: the key's.")] = None,
    name_contains: Annotated[
        str | None, Field(description="Words of the title or summary, in any order; looks through up to 1,000.")
    ] = None,
    detail: Annotated[bool, Field(description="All fields of each row.")] = False,
    page: Annotated[int, Field(ge=1, le=10_000, description="Page.")] = 1,
    limit: Annotated[int, Field(ge=1, le=100, description="Rows a page.")] = 20,
) -> IonhourIncidents:
    """List Ionhour incidents. No active incidents does not mean healthy: maintenance and paused checks raise none."""
    smaller = None
    if detail and limit > MOST_DETAILED:
        page, limit = in_smaller_pages(page, limit)
        smaller = limit
    workspace = workspace_id or settings.ionhour_workspace_id
    filters = {
        "workspaceId": workspace,
        "projectId": await project_filter(api, project_id, workspace),
        "checkId": await check_filter(api, check_id, workspace),
        # The API takes OPEN and MONITORING for ACTIVE, so the rows of MONITORING are picked here.
        "state": "RESOLVED" if state == "RESOLVED" else "ACTIVE" if state else None,
    }
    query = [(name, str(value)) for name, value in filters.items() if value is not None]
    if name_contains is not None or state == "MONITORING":
        monitoring = state == "MONITORING"
        found = await _search(api, query, name_contains, monitoring=monitoring, detail=detail, page=page, limit=limit)
        return found.model_copy(update={"limit": smaller if found.has_more else None})
    answer = await read_page(api, LIST.request(query), IonhourIncident, page=page, limit=limit)
    return IonhourIncidents(
        incidents=[to_row(row, detail=detail) for row in answer.items],
        detailed=detail,
        has_more=answer.has_more,
        page=page + 1 if answer.has_more else None,
        limit=smaller if answer.has_more else None,
        total=answer.total,
        unreadable=answer.unreadable,
    )


async def _search(
    api: Api, query: Query, text: str | None, *, monitoring: bool, detail: bool, page: int, limit: int
) -> IonhourIncidents:
    """Look through up to 1,000 incidents for words or a state, for the API has no filter for them."""
    wanted = words.parse(text) if text else []
    if text and not wanted:
        raise InputError("name_contains has no words to look for. Pass some, or leave it out.")
    found: list[IonhourIncident] = []
    partly: list[tuple[int, IonhourIncident]] = []
    looked_at, unreadable, more = 0, 0, True
    pages = each_page(api, LIST.request(query), IonhourIncident, most=MOST_LOOKED_AT)
    async with aclosing(pages):
        async for answer in pages:
            looked_at += len(answer.items)
            unreadable += answer.unreadable or 0
            more = answer.has_more
            for row in answer.items:
                if monitoring and (row.state or "").upper() != "MONITORING":
                    continue
                # Others get their turn, however long the texts are.
                await anyio.lowlevel.checkpoint()
                hits = words.matched(wanted, row.title, start_to_text(row.summary or "", words.MOST_TEXT))
                if hits == len(wanted):
                    found.append(row)
                elif hits:
                    partly.append((hits, row))
            if len(found) > page * limit:
                break
    shown = found or [row for _, row in sorted(partly, key=lambda each: -each[0])]
    further = len(shown) > page * limit
    return IonhourIncidents(
        incidents=[to_row(row, detail=detail) for row in shown[(page - 1) * limit : page * limit]],
        detailed=detail,
        has_more=further,
        page=page + 1 if further else None,
        looked_at=looked_at,
        looked_at_all=not more,
        unreadable=unreadable or None,
        note=_search_note(bool(found), bool(partly), words_asked=bool(wanted), rest=more and not further),
    )


def _search_note(found: bool, partly: bool, *, words_asked: bool, rest: bool) -> str | None:
    narrow = "narrow the filters" if rest else None
    if words_asked:
        return words.describe_result(found, partly, narrow)
    return f"Not all was looked at: {narrow}." if narrow else None


async def read_incident(api: Api, incident_id: int) -> IonhourIncident:
    """Read an incident, its summary unread."""
    return await api.get(GET.request(at={"incident_id": incident_id}), IonhourIncident)


async def read_whole(api: Api, incident_id: int) -> WholeIncident:
    """Read an incident, its summary as text."""
    return await api.get(GET.request(at={"incident_id": incident_id}), WholeIncident)


async def require_incident(api: Api, incident_id: int) -> None:
    """Make sure that there is such an incident: an empty list of its notes or events is no proof.

    Raises:
        RefusedError: There is none, or this key may not see it.
    """
    await read_incident(api, incident_id)


def things(api: Api, incident_id: int) -> tuple[str, ...]:
    """Return what stands for an incident in the journal."""
    return (f"{account_of(api)} incident {incident_id}",)


async def ionhour_get_incident(api: IonhourApi, incident_id: IncidentId, offset: Offset = None) -> WholeIncident:
    """Get one Ionhour incident in full: check, project, dependency, last signals, who acknowledged it."""
    return (await read_whole(api, incident_id)).model_copy(update={"offset": offset or 0})


async def ionhour_acknowledge_incident(
    api: IonhourApi, writer: WriterDep, incident_id: IncidentId, dry_run: DryRun = False
) -> WriteResult[Acknowledgement]:
    """Acknowledge an incident as the key's owner, which stops it from paging more people."""
    who = await described(api, writer, incident_id, dry_run=dry_run)
    acknowledge = plan_acknowledgement("ionhour_acknowledge_incident", api, incident_id, who)
    return await writer.perform(api, acknowledge, dry_run=dry_run)


async def described(
    api: Api, writer: Writer, incident_id: int, *, dry_run: bool, destructive: bool = False
) -> str | None:
    """Return an incident's number and title, if a write to it needs confirmation."""
    if dry_run or not writer.asks(destructive=destructive):
        return None
    return f'{incident_id} "{shorten((await read_incident(api, incident_id)).title or "", 100)}"'


def plan_acknowledgement(
    tool: str, api: Api, incident_id: int, who: str | None = None
) -> WritePlan[Acknowledgement, Acknowledgement]:
    """Write an acknowledgement as the API wants it."""
    resolved = f"Incident {incident_id} is resolved already: there is nothing left to acknowledge."

    async def look(_: Since) -> Acknowledgement | None:
        found = await read_incident(api, incident_id)
        return Acknowledgement.from_dump(found.dump()) if found.acknowledged_at else None

    return WritePlan(
        tool=tool,
        request=ACKNOWLEDGE.request(at={"incident_id": incident_id}, advice={409: resolved}),
        answer=_Acknowledged,
        record=Acknowledgement,
        to_record=lambda answer: answer.model_copy(update={"id": incident_id}),
        repeat=Repeat.HARMLESS,
        question=f"Acknowledge Ionhour incident {who or incident_id}; it pages nobody further.",
        look=look,
        things=things(api, incident_id),
    )


TOOLS = [
    read_tool(ionhour_list_incidents, "List Ionhour incidents"),
    read_tool(ionhour_get_incident, "Get an Ionhour incident"),
    write_tool(ionhour_acknowledge_incident, "Acknowledge an Ionhour incident", idempotent=True),
]
