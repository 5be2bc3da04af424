"""Possible duplicates of a declaration among open and recent incidents."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import anyio
from pydantic import AliasPath, BaseModel, Field

from incident_mcp.errors import InputError, ServiceError
from incident_mcp.incidentio.access import LIST
from incident_mcp.incidentio.ids import path_id
from incident_mcp.incidentio.incidents.alert_links import alerts_in
from incident_mcp.incidentio.incidents.likeness import likeness
from incident_mcp.incidentio.pages import MAX_PAGE_SIZE, read_rows
from incident_mcp.records.instants import parse_instant
from incident_mcp.records.record import Json, Record, shorten
from incident_mcp.records.text import one_line
from incident_mcp.transport.api import Api

RECENT_SECONDS = 1_800
OPEN = ("live", "triage", "paused")
MAX_SHOWN = 5
_SHARE = 1 / 3
"""The share of the call's time that the check may take: the declaration needs the rest."""


class _Candidate(Record):
    """An incident with only the fields that are compared."""

    id: str
    reference: str
    name: str | None = None
    summary: str | None = None
    status: str | None = Field(default=None, validation_alias=AliasPath("incident_status", "name"))
    status_category: str | None = Field(default=None, validation_alias=AliasPath("incident_status", "category"))
    severity_id: str | None = Field(default=None, validation_alias=AliasPath("severity", "id"))
    incident_type_id: str | None = Field(default=None, validation_alias=AliasPath("incident_type", "id"))
    api_key: str | None = Field(default=None, validation_alias=AliasPath("creator", "api_key", "id"))
    mode: str | None = None
    visibility: str | None = None
    permalink: str | None = None
    created_at: str | None = None

    @property
    def is_open(self) -> bool:
        """True if responders are working on it."""
        return self.status_category in OPEN

    @property
    def path_id(self) -> str:
        """The path ID: its number, or its id if the reference has no number."""
        try:
            return path_id(self.reference)
        except InputError:
            return self.id

    @property
    def argument(self) -> str:
        """Its reference as an argument."""
        return self.id if self.path_id == self.id else _one_line(self.reference, 40)

    def describe(self) -> str:
        """Return its reference, name and status on one line."""
        state = _one_line(self.status or self.status_category or "status unknown", 60)
        return f'{self.argument} "{_one_line(self.name or "", 100)}" ({state})'


class Duplicates(BaseModel):
    """What is already declared, compared with a declaration."""

    identical: str | None = None
    """Id of an incident with identical fields that an API key declared within the repeat window."""
    similar: tuple[str, ...] = ()
    """Incidents that may be the same outage, to show with the new one."""
    note: str | None = None


async def find_duplicates(api: Api, body: Json, despite: Sequence[str], *, window: float) -> Duplicates:
    """Compare a declaration with open incidents and those of the last 30 minutes, in one request.

    Args:
        api: incident.io.
        body: The declaration.
        despite: Incidents to ignore as duplicates.
        window: Seconds within which an identical declaration counts as a repeat.

    Raises:
        InputError: An incident is the same outage; the message names it and suggests what to do.
    """
    # A key may be able to declare but not to read; then the declaration is not stopped.
    try:
        with anyio.fail_after(api.service.limits.call * _SHARE):
            rows, complete = await _read(api)
    except ServiceError as failure:
        return _not_checked(failure.text)
    except TimeoutError:
        return _not_checked(f"{api.service.name} did not return the list of incidents in time.")
    now = datetime.fromtimestamp(api.now(), UTC)
    same, similar = _compare(_relevant(rows, despite, now), body)
    if identical := _find_identical(same, body, now, window):
        return Duplicates(identical=identical)
    if same:
        raise InputError(_explain(same))
    note = None if complete else "Not all open incidents could be checked for the same outage."
    return Duplicates(similar=tuple(row.describe() for row in similar[:MAX_SHOWN]), note=note)


def _not_checked(reason: str) -> Duplicates:
    return Duplicates(note=f"Could not check whether it is already declared: {reason}")


def _relevant(rows: Sequence[_Candidate], despite: Sequence[str], now: datetime) -> list[_Candidate]:
    """Return the incidents that are open or recent, without those to ignore."""
    ignored = {path_id(each) for each in despite}
    current = [row for row in rows if row.is_open or _age(row, now) <= RECENT_SECONDS]
    return [row for row in current if not ignored & {row.id, row.path_id}]


def _compare(rows: Sequence[_Candidate], body: Json) -> tuple[list[_Candidate], list[_Candidate]]:
    """Return the incidents that are the same outage, and open ones that may be."""
    alerts = set(alerts_in(body.get("summary")))
    same: list[_Candidate] = []
    similar: list[_Candidate] = []
    for row in rows:
        alike = likeness(body["name"], row.name or "")
        if alike == "same" or (alerts and alerts & set(alerts_in(row.summary))):
            same.append(row)
        elif alike == "similar" and row.is_open:
            similar.append(row)
    return same, similar


def _find_identical(rows: Sequence[_Candidate], body: Json, now: datetime, window: float) -> str | None:
    for row in rows:
        if row.is_open and _is_identical(row, body) and _age(row, now) <= window:
            return row.id
    return None


async def identical_since(api: Api, body: Json, began: float) -> str | None:
    """Return the id of an incident with identical fields that an API key declared since a time.

    Args:
        api: incident.io.
        body: The declaration.
        began: Unix seconds by the service's clock.

    Raises:
        ServiceError: The incidents could not be read.
    """
    since = datetime.fromtimestamp(began, UTC)
    query = [("mode[one_of]", body["mode"]), ("created_at[gte]", since.date().isoformat())]
    query += [("sort_by", "created_at_newest_first")]
    for row in await read_rows(api, LIST.request(query), _Candidate, limit=MAX_PAGE_SIZE):
        created = parse_instant(row.created_at)
        if created is not None and created.timestamp() >= began - 1 and _is_identical(row, body, partly=True):
            return row.id
    return None


async def _read(api: Api) -> tuple[list[_Candidate], bool]:
    """Return the newest open and recent incidents, and whether the list is complete."""
    since = datetime.fromtimestamp(api.now(), UTC) - timedelta(seconds=RECENT_SECONDS)
    query = [("status_category[one_of]", category) for category in OPEN]
    query += [("created_at[gte]", since.date().isoformat()), ("filter_mode", "any")]
    query += [("sort_by", "created_at_newest_first")]
    rows = await read_rows(api, LIST.request(query), _Candidate, limit=MAX_PAGE_SIZE)
    return rows, rows.complete and not rows.unreadable


def _age(row: _Candidate, now: datetime) -> float:
    created = parse_instant(row.created_at)
    return float("inf") if created is None else (now - created).total_seconds()


def _is_identical(row: _Candidate, body: Json, *, partly: bool = False) -> bool:
    """Return whether an API key declared this incident with all the fields of the declaration.

    Args:
        row: The incident.
        body: The declaration.
        partly: Ignore fields that a list does not contain.
    """
    current = {
        "name": row.name,
        "summary": row.summary,
        "severity_id": row.severity_id,
        "incident_type_id": row.incident_type_id,
        "mode": row.mode,
        "visibility": row.visibility,
    }
    if row.api_key is None or not (partly or body.keys() <= current.keys()):
        return False
    return all(_plain(current[name]) == _plain(value) for name, value in body.items() if name in current)


def _one_line(text: str, length: int) -> str:
    """Return foreign text on one line, with hidden characters shown."""
    return shorten(one_line(text), length)


def _plain(value: object) -> str:
    return " ".join(str(value or "").split())


def _explain(same: Sequence[_Candidate]) -> str:
    which = "; ".join(f"{row.describe()} {_one_line(row.permalink or '', 200)}".strip() for row in same[:MAX_SHOWN])
    names = [row.argument for row in same]
    despite = names[0] if len(names) == 1 else json.dumps(names)
    advice = (
        "Post an update there with incidentio_post_update, or raise its severity. If this is another outage, declare it"
        f" with despite={despite}."
    )
    return f"This looks already declared: {which}. {advice} Not sent."
