"""Open and recent incidents that look like the one that is about to be declared."""

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
MOST_SHOWN = 5
_SHARE = 1 / 3
"""Of the call's time, what looking may take: the declaration needs the rest."""


class _Candidate(Record):
    """An incident with just what it is compared by."""

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
        """Whether somebody works on it."""
        return self.status_category in OPEN

    @property
    def path_id(self) -> str:
        """What the API's path takes for it: its number, or its id where the reference has none."""
        try:
            return path_id(self.reference)
        except InputError:
            return self.id

    @property
    def pasted(self) -> str:
        """What names it in an argument."""
        return self.id if self.path_id == self.id else _one_line(self.reference, 40)

    def describe(self) -> str:
        """Name it on one line."""
        state = _one_line(self.status or self.status_category or "status unknown", 60)
        return f'{self.pasted} "{_one_line(self.name or "", 100)}" ({state})'


class Similar(BaseModel):
    """What looks like a declaration."""

    identical: str | None = None
    """Id of an incident that an API key made in the last minutes of the very same fields."""
    similar: tuple[str, ...] = ()
    """Incidents that may be the same outage, to be named beside the new one."""
    note: str | None = None


async def look_alikes(api: Api, body: Json, despite: Sequence[str], *, window: float) -> Similar:
    """Look through open incidents and those of the last 30 minutes, in one request.

    Args:
        api: incident.io.
        body: The declaration.
        despite: Incidents that it is to be declared in spite of.
        window: Seconds for which an identical declaration counts as a repeat.

    Raises:
        InputError: One is the same outage; the text names it and says what to do instead.
    """
    # A key may declare without being able to read; in doubt the declaration goes through.
    try:
        with anyio.fail_after(api.service.limits.call * _SHARE):
            rows, complete = await _read(api)
    except ServiceError as failure:
        return Similar(note=f"Whether it is declared already could not be looked up: {failure.text}")
    except TimeoutError:
        late = f"{api.service.name} did not answer the list of incidents in time."
        return Similar(note=f"Whether it is declared already could not be looked up: {late}")
    now = datetime.fromtimestamp(api.now(), UTC)
    rows = [row for row in rows if row.is_open or _age(row, now) <= RECENT_SECONDS]
    allowed = {path_id(each) for each in despite}
    same: list[_Candidate] = []
    similar: list[str] = []
    alerts = set(alerts_in(body.get("summary")))
    for row in rows:
        if not allowed & {row.id, row.path_id}:
            alike = likeness(body["name"], row.name or "")
            if (alerts and alerts & set(alerts_in(row.summary))) or alike == "same":
                same.append(row)
            elif alike == "similar" and row.is_open:
                similar.append(row.describe())
    identical = next(
        (row for row in same if row.is_open and _is_identical(row, body) and _age(row, now) <= window), None
    )
    if identical is not None:
        return Similar(identical=identical.id)
    if same:
        raise InputError(_instead(same))
    note = None if complete else "Not all open incidents could be looked through for the same outage."
    return Similar(similar=tuple(similar[:MOST_SHOWN]), note=note)


async def identical_since(api: Api, body: Json, began: float) -> str | None:
    """Return the id of the incident that an API key made since of the very same fields.

    Args:
        api: incident.io.
        body: The declaration.
        began: Unix seconds by the service's clock.

    Raises:
        ServiceError: It could not be looked up.
    """
    since = datetime.fromtimestamp(began, UTC)
    query = [("mode[one_of]", body["mode"]), ("created_at[gte]", since.date().isoformat())]
    query += [("sort_by", "created_at_newest_first")]
    for row in await read_rows(api, LIST.request(query), _Candidate, limit=MAX_PAGE_SIZE):
        made = parse_instant(row.created_at)
        if made is not None and made.timestamp() >= began - 1 and _is_identical(row, body, partly=True):
            return row.id
    return None


async def _read(api: Api) -> tuple[list[_Candidate], bool]:
    """Read the newest open and recent incidents, and return whether those are all."""
    since = datetime.fromtimestamp(api.now(), UTC) - timedelta(seconds=RECENT_SECONDS)
    query = [("status_category[one_of]", category) for category in OPEN]
    query += [("created_at[gte]", since.date().isoformat()), ("filter_mode", "any")]
    query += [("sort_by", "created_at_newest_first")]
    rows = await read_rows(api, LIST.request(query), _Candidate, limit=MAX_PAGE_SIZE)
    return rows, rows.complete and not rows.unreadable


def _age(row: _Candidate, now: datetime) -> float:
    made = parse_instant(row.created_at)
    return float("inf") if made is None else (now - made).total_seconds()


def _is_identical(row: _Candidate, body: Json, *, partly: bool = False) -> bool:
    """Return whether an API key made this incident with all the fields of the declaration.

    Args:
        row: The incident.
        body: The declaration.
        partly: Whether fields that a list does not carry may be left uncompared.
    """
    read = {
        "name": row.name,
        "summary": row.summary,
        "severity_id": row.severity_id,
        "incident_type_id": row.incident_type_id,
        "mode": row.mode,
        "visibility": row.visibility,
    }
    compared = {name: value for name, value in body.items() if name in read}
    rest = set(body) - set(read)
    return (
        row.api_key is not None
        and (partly or not rest)
        and all(_plain(read[name]) == _plain(compared[name]) for name in compared)
    )


def _one_line(text: str, length: int) -> str:
    """Return another's text on one line, nothing in it hidden."""
    return shorten(one_line(text), length)


def _plain(value: object) -> str:
    return " ".join(str(value or "").split())


def _instead(same: Sequence[_Candidate]) -> str:
    which = "; ".join(f"{row.describe()} {_one_line(row.permalink or '', 200)}".strip() for row in same[:MOST_SHOWN])
    names = [row.pasted for row in same]
    despite = names[0] if len(names) == 1 else json.dumps(names)
    do = (
        "Post an update there with incidentio_post_update, or raise its severity. If this is another outage, declare it"
        f" with despite={despite}."
    )
    return f"This looks declared already: {which}. {do} Not sent."
