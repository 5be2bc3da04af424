"""The activity log of an incident: everything that happened on it, in a few words an entry."""

import math
from collections.abc import Iterator
from itertools import islice
from typing import Any, Self, cast

from pydantic import Field

from incident_mcp.incidentio.access import access_advice
from incident_mcp.incidentio.actors import actor_name
from incident_mcp.incidentio.ids import IncidentRef
from incident_mcp.incidentio.incidents.records import value_text
from incident_mcp.incidentio.names.incidents import incident_name, incident_names
from incident_mcp.incidentio.pages import After, Limit, Rows, read_rows
from incident_mcp.incidentio.toolsets import TIMELINE
from incident_mcp.records.fitting import FEW
from incident_mcp.records.record import Instant, Json, Listed, Name, Record
from incident_mcp.tooling.dependencies import IncidentioApi
from incident_mcp.tooling.tools import read_tool
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Operation

LIST = Operation("GET", "/v2/incident_activity_log_entries", scope="incidents.view")
MOST_DETAILS = 10
"""Details of one entry."""
_MOST_LISTED = 5
"""Values of a list that a detail names."""
_ACTORS = ("actor", "updater", "creator", "merger", "acknowledger")
"""Who did it, in the words of each type."""
_UNUSED = (*_ACTORS, "id", "incident_update_id")


class ActivityEntry(Record):
    """An entry of the activity log."""

    id: str = Field(exclude=True)
    occurred_at: Instant | None = None
    type: str | None = None
    title: Name | None = None
    """As the dashboard shows it."""
    actor: str | None = Field(default=None, validation_alias="who did it")
    details: list[str] | None = Field(default=None, validation_alias="what the content says")
    """`status: Fixing (was Investigating)`: what the title may not say."""
    stream: str | None = Field(default=None, validation_alias="the stream that it is of")
    """The part of the incident that it happened on: its reference, or its id."""
    incident_id: str | None = Field(default=None, exclude=True)
    content: dict[str, Any] | None = Field(default=None, exclude=True)


class Activity(Listed):
    """Entries of the activity log."""

    MARK = f"Texts that end in … were cut to fit: a limit of {FEW} or less shows them in full."
    LONGEST = 500
    incident_activity_log_entries: list[ActivityEntry]
    after: str | None = None

    def first(self, rows: int) -> Self | None:
        """Return the result with only its first rows and the cursor that follows them."""
        shown = self.incident_activity_log_entries[:rows]
        if not shown:
            return None
        return self.model_copy(update={"incident_activity_log_entries": shown, "has_more": True, "after": shown[-1].id})


async def read_activity(api: Api, incident_id: str, *, limit: int, after: str | None = None) -> Rows[ActivityEntry]:
    """Read an incident's activity, oldest first, with the details of its content; the incident by its id."""
    request = LIST.request([("incident_id", incident_id)], advice=access_advice(LIST.scope))
    rows = await read_rows(api, request, ActivityEntry, limit=limit, after=after)
    others = {row.incident_id for row in rows if row.incident_id not in (None, incident_id)}
    names = await incident_names(api, sorted(filter(None, others)))
    for number, row in enumerate(rows):
        stream = row.incident_id if row.incident_id in others else None
        named = names.get(stream or "")
        rows[number] = _described(row, (named and named.reference) or stream)
    return rows


def _described(entry: ActivityEntry, stream: str | None) -> ActivityEntry:
    """Return an entry with what its content says: a type that is not known is described like any other."""
    content = entry.content or {}
    found = content.get(entry.type or "") or next(iter(content.values()), None)
    body = cast("Json", found) if isinstance(found, dict) else {}
    actor = next(filter(None, (_text(body.get(name)) for name in _ACTORS)), None)
    details = list(islice(_details(body), MOST_DETAILS)) or None
    return entry.model_copy(update={"actor": actor, "details": details, "stream": stream})


def _details(body: Json) -> Iterator[str]:
    """Describe the values of a content, each on a line of its own."""
    for name, value in body.items():
        subject = name.removeprefix("new_").removeprefix("previous_")
        if _is_unused(name) or (name.startswith("previous_") and f"new_{subject}" in body):
            continue
        now, before = _counted(value, body.get(f"{name}_count")), ""
        if name.startswith("previous_"):
            now, before = "", now
        elif name.startswith("new_"):
            before = _text(body.get(f"previous_{subject}"))
        if now or before:
            yield f"{subject.replace('_', ' ')[:40]}: {_change(now, before)}"


def _is_unused(name: str) -> bool:
    return name in _UNUSED or name.endswith("_count")


def _change(now: str, before: str) -> str:
    """Return a value with the one before it, which comes last, where it is the first to be cut."""
    if not (now and before):
        return now or f"was {before}"
    return f"{now} (was {before})"


def _counted(value: object, count: object) -> str:
    """Return a value as text; of a list that holds only some of `count` values, with how many there are."""
    text = _text(value)
    shown = len(cast("list[object]", value)) if isinstance(value, list) else 0
    more = isinstance(count, int) and not isinstance(count, bool) and count > shown > 0
    return f"{text} ({count} in all)" if more else text


def _text(value: object) -> str:
    """Return a value as text: a name where there is one; empty if it has nothing to show."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and not math.isfinite(value):
        return ""
    if isinstance(value, str | int | float):
        return str(value).strip()
    if isinstance(value, list):
        return _texts(cast("list[object]", value))
    return _name(cast("Json", value)) if isinstance(value, dict) else ""


def _texts(rows: list[object]) -> str:
    """Return the first values of a list as text, and how many there are besides."""
    if not rows:
        return "none"
    texts = [text for row in rows[:_MOST_LISTED] if not isinstance(row, list) and (text := _text(row))]
    more = f" and {len(rows) - _MOST_LISTED} more" if len(rows) > _MOST_LISTED else ""
    return ", ".join(texts) + more if texts else ""


def _name(value: Json) -> str:
    """Return the name of an object: a user, an actor, a severity, an incident, a custom field's value."""
    names = [value[key] for key in ("reference", "name", "title") if isinstance(value.get(key), str)]
    if names:
        return " ".join(names)
    if any(key.startswith("value_") for key in value):
        return value_text(value)
    found = actor_name(value)
    texts = (text for text in (found, value.get("email"), value.get("id")) if isinstance(text, str))
    return next(filter(None, texts), "")


async def incidentio_list_activity(
    api: IncidentioApi, incident: IncidentRef, limit: Limit = 25, after: After = None
) -> Activity:
    """List everything recorded on an incident, oldest first: changes, pages, actions, workflows, and who did them."""
    api.allow(limit)
    rows = await read_activity(api, (await incident_name(api, incident)).id, limit=limit, after=after)
    return Activity(incident_activity_log_entries=rows, whole=limit <= FEW, **rows.paging)


TOOLS = [
    read_tool(
        incidentio_list_activity,
        "List an incident's activity",
        toolset=TIMELINE,
        keywords="audit log history who changed renamed assigned escalated workflow everything",
    )
]
