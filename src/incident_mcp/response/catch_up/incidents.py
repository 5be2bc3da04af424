"""Changes of incidents: new ones and other leads from the incidents, severity and status from their updates."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from pydantic import AliasPath, BeforeValidator, Field

from incident_mcp.incidentio.incidents.records import Lead
from incident_mcp.records.record import Json, Record, Whole, part, parts
from incident_mcp.response.catch_up.cursor import MAX_INCIDENTS, IncidentState
from incident_mcp.response.catch_up.events import MAX_NAME, MAX_TEXT, Change, Event, format_time, hash_of, one_line
from incident_mcp.response.reading import Timestamp

ENDED = frozenset({"learning", "closed", "declined", "canceled", "merged"})
"""Status categories of incidents that are no longer open."""
_WITH_DECLARATION = timedelta(minutes=1)
"""An incident's first update within this time, without a message, is part of its declaration."""
_MAX_RANK = 253
MODES = ("standard", "retrospective", "test", "tutorial")
_REHEARSALS = MODES[2:]


def _lead_ids(value: object) -> object:
    """Return the IDs of the leads, joined; an empty text if there is none, None if that cannot be read."""
    if not isinstance(value, list):
        return None
    leads = [entry for entry in parts({"rows": value}, "rows") if part(entry, "role").get("role_type") == "lead"]
    ids = [_person(part(entry, "assignee")) for entry in leads]
    return ",".join(sorted(filter(None, ids)))


def _person(assignee: Json) -> str | None:
    return next((str(assignee[key]) for key in ("id", "email", "name") if assignee.get(key)), None)


class Incident(Record):
    """An incident as it is now."""

    id: str
    reference: str | None = None
    name: str | None = None
    severity: str | None = Field(default=None, validation_alias=AliasPath("severity", "name"))
    rank: Whole | None = Field(default=None, validation_alias=AliasPath("severity", "rank"))
    category: str | None = Field(default=None, validation_alias=AliasPath("incident_status", "category"))
    mode: str | None = None
    lead: Lead = Field(default=None, validation_alias="incident_role_assignments")
    lead_ids: Annotated[str | None, BeforeValidator(_lead_ids)] = Field(
        default=None, validation_alias="incident_role_assignments"
    )
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None

    @property
    def is_rehearsal(self) -> bool:
        """Whether it is a test, of which nothing is reported."""
        return self.mode in _REHEARSALS

    @property
    def lead_hash(self) -> int:
        """A hash of its leads for the cursor; 0 if they are unknown."""
        return 0 if self.lead_ids is None else hash_of(self.lead_ids) % 0xFFFF + 1


class Update(Record):
    """An update of an incident."""

    id: str
    incident_id: str
    message: str | None = None
    status: str | None = Field(default=None, validation_alias=AliasPath("new_incident_status", "name"))
    category: str | None = Field(default=None, validation_alias=AliasPath("new_incident_status", "category"))
    severity: str | None = Field(default=None, validation_alias=AliasPath("new_severity", "name"))
    rank: Whole | None = Field(default=None, validation_alias=AliasPath("new_severity", "rank"))
    created_at: Timestamp | None = None


@dataclass(frozen=True)
class _Before:
    """What is known of an incident before an update."""

    status: str | None = None
    severity: str | None = None
    rank: int | None = None
    category: str | None = None

    @classmethod
    def of(cls, update: Update) -> "_Before":
        return cls(update.status, update.severity, update.rank, update.category)


def incident_events(rows: Iterable[Incident], states: Mapping[int, IncidentState]) -> list[Event]:
    """Return the new incidents, and those that have another lead than in the cursor."""
    events: list[Event] = []
    for row in rows:
        events.append(
            Event(
                f"new {row.id}",
                row.created_at,
                Change(
                    kind="new",
                    at=row.created_at and format_time(row.created_at),
                    severity=one_line(row.severity, MAX_NAME),
                    lead=one_line(row.lead, MAX_NAME),
                ),
                row.id,
                hidden=row.is_rehearsal,
                weight=row.rank or 0,
            )
        )
        if _has_other_lead(row, states.get(hash_of(row.id))):
            lead = one_line(row.lead, MAX_NAME)
            change = Change(kind="lead_changed", lead=lead, text=None if lead else "no lead")
            events.append(Event(f"lead {row.id}", None, change, row.id, by_state=True))
    return events


def _has_other_lead(row: Incident, state: IncidentState | None) -> bool:
    if state is None or row.category in ENDED or row.is_rehearsal:
        return False
    return 0 not in (state.lead, row.lead_hash) and state.lead != row.lead_hash


def update_events(
    updates: Sequence[Update], incidents: Mapping[str, Incident], states: Mapping[int, IncidentState]
) -> list[Event]:
    """Return the updates, classified by what they changed since the update before."""
    events = [
        Event(f"update {row.id}", None, Change(kind="update"), row.incident_id) for row in updates if not row.created_at
    ]
    before: dict[str, _Before] = {}
    for update in _oldest_first(updates):
        previous = before.get(update.incident_id)
        hidden = _is_not_reported(update, incidents.get(update.incident_id), is_first=previous is None)
        previous = previous or _from_state(states.get(hash_of(update.incident_id)))
        events.append(
            Event(
                f"update {update.id}",
                update.created_at,
                _change(update, previous),
                update.incident_id,
                hidden=hidden,
                weight=update.rank or 0 if _kind(update, previous) == "severity_up" else 0,
            )
        )
        before[update.incident_id] = _Before.of(update)
    return events


def _oldest_first(updates: Iterable[Update]) -> list[Update]:
    """Return the updates with a time in their order; at equal times, a declaration's own comes first."""
    dated = (row for row in updates if row.created_at is not None)
    return sorted(dated, key=lambda row: (str(row.created_at), bool(row.message), row.id))


def _is_not_reported(update: Update, incident: Incident | None, *, is_first: bool) -> bool:
    """Return whether an update is of a rehearsal, or only records what `new` reports."""
    if incident is None or incident.is_rehearsal:
        return incident is not None
    return is_first and not update.message and _is_declaration(update, incident)


def _is_declaration(update: Update, incident: Incident) -> bool:
    if incident.created_at is None or update.created_at is None:
        return False
    return timedelta() <= update.created_at - incident.created_at <= _WITH_DECLARATION


def _from_state(state: IncidentState | None) -> _Before | None:
    """Return what the cursor knows of an incident: it was open, and had a severity."""
    return None if state is None else _Before(rank=state.rank - 1 if state.rank else None, category="live")


def _kind(update: Update, before: _Before | None) -> str:
    if before is None:
        return "update"
    if update.category in ENDED and before.category not in (None, *ENDED):
        return "resolved"
    if update.rank is not None and before.rank is not None and update.rank > before.rank:
        return "severity_up"
    return "update"


def _change(update: Update, before: _Before | None) -> Change:
    kind = _kind(update, before)
    status, severity = _changed(update, before)
    return Change(
        kind=kind,
        at=update.created_at and format_time(update.created_at),
        severity=one_line(update.severity if kind == "severity_up" else severity, MAX_NAME),
        status=one_line(update.status if kind == "resolved" else status, MAX_NAME),
        text=one_line(update.message, MAX_TEXT),
    )


def _changed(update: Update, before: _Before | None) -> tuple[str | None, str | None]:
    """Return the status and severity that an update set, as far as is known; both where it is not."""
    if before is None:
        return update.status, update.severity
    same_severity = update.rank == before.rank if before.severity is None else update.severity == before.severity
    return (None if update.status == before.status else update.status), (None if same_severity else update.severity)


def next_states(
    rows: Sequence[Incident],
    updates: Sequence[Update] | None,
    states: Mapping[int, IncidentState],
    left: Iterable[Event],
) -> dict[int, IncidentState]:
    """Return what the next cursor holds of open incidents.

    Args:
        rows: The incidents that were read.
        updates: The updates that were read; None if they could not be read.
        states: What the cursor held.
        left: Changes that are reported later: they are still differences then.
    """
    later = {(event.key.split(" ", 1)[0], hash_of(event.incident_id or "")) for event in left}
    found: dict[int, IncidentState] = {}
    for number, known in _known(rows, updates or (), states).items():
        has_updates = updates is None or ("update", number) in later
        state = known.state(has_lead=("lead", number) in later, has_updates=has_updates)
        if state and ("new", number) not in later:
            found[number] = state
    return dict(list(found.items())[:MAX_INCIDENTS])


def _known(
    rows: Iterable[Incident], updates: Iterable[Update], states: Mapping[int, IncidentState]
) -> dict[int, "_Known"]:
    """Return what is known of incidents by the hash of their ID, the most recently updated first."""
    latest = {hash_of(row.incident_id): row for row in _oldest_first(updates)}
    by_hash = {hash_of(row.id): row for row in sorted(rows, key=_last_moved, reverse=True)}
    numbers = dict.fromkeys([*by_hash, *states])
    return {number: _Known(by_hash.get(number), latest.get(number), states.get(number)) for number in numbers}


@dataclass(frozen=True)
class _Known:
    """What is known of an incident: its row, its latest update, and what the cursor holds."""

    row: Incident | None
    update: Update | None
    old: IncidentState | None

    def state(self, *, has_lead: bool, has_updates: bool) -> IncidentState | None:
        """Return what the next cursor holds, None if nothing.

        Args:
            has_lead: Its lead is reported later.
            has_updates: Updates of it are reported later, or could not be read.
        """
        if self._is_over and not (has_updates and self.old):
            return None
        old = self.old or IncidentState()
        return IncidentState(
            lead=(not has_lead and self._lead) or old.lead,
            rank=(not has_updates and self._rank) or old.rank,
        )

    @property
    def _is_over(self) -> bool:
        """Whether it is known to be over, or is none whose leads are compared."""
        latest = self.row or self.update
        return (latest is not None and latest.category in ENDED) or (self.row is not None and self.row.is_rehearsal)

    @property
    def _lead(self) -> int:
        """The hash of its lead; 0 if unknown."""
        return self.row.lead_hash if self.row else 0

    @property
    def _rank(self) -> int:
        """The rank of its latest severity plus one; 0 if unknown."""
        latest = self.update or (self.row if self.old is None else None)
        rank = latest.rank if latest else None
        return rank + 1 if rank is not None and 0 <= rank <= _MAX_RANK else 0


def _last_moved(row: Incident) -> str:
    return str(row.updated_at or row.created_at or "")
