"""What the caller has been shown of incidents, and whether somebody else changed one since.

A change counts if it is in a field that an edit could overwrite, or in the type, mode or visibility. Such a field is
compared by its content, so an `updated_at` that an alert, a timeline item or the service itself moved is no change. Of
an incident that was only listed, some fields are not known; there, a later `updated_at` counts as a change, unless an
own write may have moved it. The API has no conditional write, so a change between the check and the write is lost.
"""

import hashlib
import json
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Annotated, Generic, Protocol, cast

from pydantic import Field, ValidationError
from pydantic_core import from_json, to_json

from incident_mcp.errors import NoAnswerError, RefusedError, StaleError
from incident_mcp.incidentio.access import journal_keys, read_one
from incident_mcp.incidentio.incidents.matching import RawIncidentResponse, matches_edit
from incident_mcp.incidentio.incidents.records import Incident, IncidentResponse
from incident_mcp.records.clock import unix_now
from incident_mcp.records.instants import parse_instant, to_second
from incident_mcp.records.record import A, Json, parts, quoted, read_body, shorten
from incident_mcp.transport.api import Api
from incident_mcp.transport.seen import own_writes

Seen = Annotated[str | None, Field(description="From a refusal: send anyway.")]

_FORBIDDEN = 403
_PARTS = ("name", "severity", "status", "lead")
"""What lists show and an edit can change."""
_TEXTS = (*_PARTS, "summary", "incident_type", "mode", "visibility", "call_url")
_REQUIRED = ("name", "status", "incident_type", "mode", "visibility")
_MAPS = ("roles", "custom_fields", "timestamps")
_LONGEST = 120
"""Characters of a value that are kept; of a longer one, its start and a hash."""
_MOST_CHANGES = 12
_MOST_PENDING = 10
_CHANGED_BY = {
    "severity_id": ("severity",),
    "incident_status_id": ("status",),
    "incident_role_assignments": ("roles", "lead"),
    "custom_field_entries": ("custom_fields",),
    "incident_timestamp_values": ("timestamps",),
}
"""What a field of an edit's request body changes, if not the field of the same name."""
_OWN_SECONDS = 2.0
"""By how much `updated_at` may differ from the time of the own write that moved it: clocks are known to a second."""


@dataclass(frozen=True)
class Shown:
    """What the caller was shown of an incident, each field as it was shown last."""

    updated_at: str
    """As the service sent it; empty if it was not shown yet, and only updated."""
    fields: dict[str, str] = field(default_factory=dict[str, str])
    full_at: str | None = None
    """The `updated_at` with which all fields were shown; None if only some ever were."""
    own: dict[str, str] = field(default_factory=dict[str, str])
    """The status and severity that own updates set since, whose answers do not have the incident."""
    own_at: str | None = None
    """When the last of them was made."""
    known_at: float = field(default_factory=unix_now)
    """Unix seconds at which the last of it became known."""

    @property
    def moved(self) -> bool:
        """Whether an own update moved the status since, which may have set timestamps."""
        return "status" in self.own

    def is_of(self, version: str) -> bool:
        """Return whether an `updated_at` is the one with which the fields were shown."""
        return version == (self.full_at or self.updated_at)

    def dump(self) -> str:
        """Return it as text."""
        # A list shows many: `asdict` and `json.dumps` would cost more than the rest.
        try:
            return to_json(vars(self)).decode()
        except ValueError:
            # It holds half a character.
            return json.dumps(vars(self))

    @classmethod
    def from_text(cls, text: str) -> "Shown | None":
        """Read what `dump` returned; None if it cannot be read."""
        for read in (from_json, json.loads):
            with suppress(ValueError, TypeError):
                return cls(**read(text))
        return None

    def followed_by(self, newer: "Shown", *, overlapping: bool) -> "Shown":
        """Return what is known after another reading.

        Args:
            newer: The reading.
            overlapping: Whether its call began before this became known, so that it may be older.
        """
        if overlapping and _is_before(newer.updated_at, self.updated_at):
            return self
        merged = newer
        if newer.full_at is None:
            fields = self.fields | newer.fields
            merged = Shown(newer.updated_at, fields, self.full_at, self.own, self.own_at, newer.known_at)
        if overlapping and self.own_at is not None and _is_before(newer.updated_at, self.own_at):
            return replace(merged, fields=merged.fields | self.own, own=self.own, own_at=self.own_at)
        return merged

    def updated(self, changed: dict[str, str], at: str | None) -> "Shown":
        """Return what is known after an own update."""
        fields, own = self.fields | changed, self.own | changed
        return replace(self, fields=fields, own=own, own_at=at or self.own_at, known_at=unix_now())


def _is_before(one: str, other: str) -> bool:
    first, second = parse_instant(one), parse_instant(other)
    return first is not None and second is not None and first < second


class PartlyShown(Protocol):
    """An incident of which an answer shows some fields."""

    @property
    def id(self) -> str | None:
        """The ID."""
        ...

    @property
    def reference(self) -> str:
        """INC-123."""
        ...

    @property
    def changed_at(self) -> str | None:
        """`updated_at` unrounded."""
        ...

    # And of `_PARTS` those that the answer shows.


async def remember_incident(api: Api, incident: Incident | None) -> None:
    """Remember an incident that is shown in full, unless it is a record from the journal."""
    if incident is not None and incident.changed_at is not None and parse_instant(incident.changed_at):
        shown = Shown(incident.changed_at, _fields_of(incident), full_at=incident.changed_at)
        await _remember(api, incident.id, incident.reference, shown)


async def remember_rows(api: Api, rows: Iterable[PartlyShown]) -> None:
    """Remember incidents that are shown in part."""
    for row in rows:
        if row.changed_at is not None and parse_instant(row.changed_at):
            fields: dict[str, str] = {}
            for name in _PARTS:
                text = cast("str | None", getattr(row, name, None))
                if text is not None and not text.endswith("[cut]"):
                    fields[name] = _kept(text)
            await _remember(api, row.id, row.reference, Shown(row.changed_at, fields))


async def _remember(api: Api, number: str | None, reference: str | None, shown: Shown) -> None:
    """Remember an incident by its ID; by its reference, which may be all that a call names, refer to that."""
    keys = journal_keys(api, number, reference)
    if not keys:
        return
    before = await _find(api, keys[0])
    if before is not None:
        shown = before.followed_by(shown, overlapping=before.known_at >= api.began)
    value = shown.dump()
    await api.seen.remember({keys[0]: value, **dict.fromkeys(keys[1:], f"={keys[0]}")})


async def _main_key(api: Api, incident: str) -> str:
    """Return the key under which an incident is remembered."""
    (key,) = journal_keys(api, incident)
    found = await api.seen.find(key)
    return found[1:] if found and found.startswith("=") else key


async def _find(api: Api, key: str) -> Shown | None:
    found = await api.seen.find(key)
    return Shown.from_text(found) if found else None


async def remember_update(api: Api, incident: str, changed: dict[str, str], at: str | None) -> None:
    """Remember the status and severity that an own update set: its answer does not have the incident."""
    key = await _main_key(api, incident)
    # An older reading may still arrive, also of an incident that was not shown before.
    shown = await _find(api, key) or Shown("")
    await api.seen.remember({key: shown.updated(changed, at).dump()})


def _fields_of(incident: Incident) -> dict[str, str]:
    """Return the fields that are compared; an item of a role, custom field or timestamp is a field of its own."""
    texts = ((name, cast("str | None", getattr(incident, name))) for name in _TEXTS)
    fields = {name: _kept(text) for name, text in texts if text is not None}
    for kind in _MAPS:
        for name, value in cast("Json", getattr(incident, kind) or {}).items():
            fields[f"{kind}.{name}"] = _kept(value if isinstance(value, str) else ", ".join(sorted(value)))
    return fields


def _kept(text: str) -> str:
    """Return a text, or the start of a long one and a hash of all of it."""
    if len(text) <= _LONGEST:
        return text
    digest = hashlib.sha256(text.encode(errors="replace")).hexdigest()[:8]
    return f"{shorten(text, _LONGEST)} [{digest}]"


@dataclass(frozen=True)
class IncidentGuard(Generic[A]):
    """Keeps a write to an incident from overwriting what somebody else changed since the caller saw it."""

    api: Api
    incident: str
    """Its ID or number."""
    fields: Json
    """What the write sets, as in the body of an edit."""
    seen: str | None
    """The `updated_at` for which the caller wants to send it regardless."""
    learn: Callable[[A], Awaitable[None]]
    """Remembers what the response of the write shows."""

    async def check(self) -> str | None:
        """Return a remark if the incident could not be read; it is read only if it was shown, or `seen` was passed.

        Raises:
            StaleError: Somebody else changed it.
            ServiceError: It could not be read at all.
        """
        key = await _main_key(self.api, self.incident)
        shown = await self._shown(key)
        if shown is None and self.seen is None:
            return None
        try:
            raw = (await read_one(self.api, self.incident, RawIncidentResponse)).incident
        except RefusedError as failure:
            if failure.status != _FORBIDDEN:
                raise
            return "Whether somebody else changed the incident since could not be read (scope incidents.view missing)."
        current = _parsed(self.api, raw)
        if self.seen is None or not _is_same(self.seen, _version(current)):
            await self._compare(key, shown, raw, current)
        elif shown is not None:
            # What changed was named to the caller.
            await remember_incident(self.api, current)
        return None

    async def _shown(self, key: str) -> Shown | None:
        known = await _find(self.api, key)
        return known if known and known.updated_at else None

    async def _compare(self, key: str, shown: Shown | None, raw: Json, current: Incident) -> None:
        """Compare an incident with what was shown of it.

        Raises:
            StaleError: Somebody else changed it.
        """
        if shown is None:
            raise StaleError(_describe(current, None, {}, self.seen))
        if shown.is_of(_version(current)):
            return
        own, moved = await self._own(key, raw)
        changes = _changes(shown, _fields_of(current), own, moved=moved or shown.moved)
        if changes or not (shown.full_at or own or await self._is_own(shown, current)):
            raise StaleError(_describe(current, shown, changes, self.seen))

    async def _own(self, key: str, raw: Json) -> tuple[set[str], bool]:
        """Return what own writes with unknown outcomes changed, and whether one moved the status."""
        found = {
            name
            for fields in await self._pending(key)
            for name, value in fields.items()
            if matches_edit(raw, {name: value})
        }
        own = {changed for name in found for changed in _CHANGED_BY.get(name, (name,))}
        return own, "incident_status_id" in found

    async def _is_own(self, shown: Shown, current: Incident) -> bool:
        """Return whether `updated_at` cannot be read, or is as it was shown, or an own write may have moved it."""
        if current.changed_at in (None, shown.updated_at):
            return True
        instant = parse_instant(current.changed_at)
        if instant is None:
            return False
        at = instant.timestamp()
        keys = journal_keys(self.api, current.id, current.reference)
        writes = [write for key in keys for write in await own_writes(self.api.seen, key)]
        return any(start - _OWN_SECONDS <= at <= end + _OWN_SECONDS for start, end in writes)

    async def begin(self) -> None:
        """Remember what the write is about to change: its outcome may never be known."""
        key = await _main_key(self.api, self.incident)
        pending = [*await self._pending(key), self.fields][-_MOST_PENDING:]
        await self.api.seen.remember({_pending_key(key): json.dumps(pending)})

    async def undo(self) -> None:
        """Forget it: the write did not take effect."""
        key = await _main_key(self.api, self.incident)
        pending = [fields for fields in await self._pending(key) if fields != self.fields]
        await self.api.seen.remember({_pending_key(key): json.dumps(pending)})

    async def done(self, response: A) -> None:
        """Remember what the response shows."""
        await self.undo()
        await self.learn(response)

    async def _pending(self, key: str) -> list[Json]:
        try:
            return parts({"pending": json.loads(await self.api.seen.find(_pending_key(key)) or "[]")}, "pending")
        except ValueError:
            return []


def _pending_key(key: str) -> str:
    return f"{key} pending"


def _parsed(api: Api, raw: Json) -> Incident:
    """Read an incident.

    Raises:
        NoAnswerError: It has no readable ID.
    """
    try:
        return read_body({"incident": raw}, IncidentResponse).incident
    except ValidationError:
        raise NoAnswerError(f"{api.service.name} returned the incident without a readable ID.") from None


def _version(incident: Incident) -> str:
    """Return what `seen` takes for an incident as it is."""
    return incident.changed_at if incident.changed_at and parse_instant(incident.changed_at) else "unknown"


def _is_same(seen: str, version: str) -> bool:
    """Return whether `seen` is an incident's version; answers show `updated_at` to the second."""
    wanted, now = parse_instant(seen), parse_instant(version)
    if wanted is None or now is None:
        return seen.strip() == version
    return wanted == now or (not wanted.microsecond and to_second(wanted) == to_second(now))


Changes = dict[str, tuple[str | None, str | None]]
"""Old and new value by field."""


def _changes(shown: Shown, current: dict[str, str], own: set[str], *, moved: bool) -> Changes:
    names = dict.fromkeys([*shown.fields, *(current if shown.full_at else ())])
    changes = {name: (shown.fields.get(name), current.get(name)) for name in names}
    return {
        name: (old, new)
        for name, (old, new) in changes.items()
        if old != new
        and not _is_unread(name, old, new)
        and name.partition(".")[0] not in own
        and not (moved and _is_set_by_move(name, old))
    }


def _is_unread(name: str, old: str | None, new: str | None) -> bool:
    """Return whether a field that every incident has could not be read in one of two answers."""
    return name in _REQUIRED and None in (old, new)


def _is_set_by_move(name: str, old: str | None) -> bool:
    return name.startswith("timestamps.") and old is None


def _describe(current: Incident, shown: Shown | None, changes: Changes, seen: str | None) -> str:
    which, now = shorten(current.reference or current.id, 60), _version(current)
    if shown is None:
        what = f"{which} was updated at {now}, not at {quoted(seen or '', 60)}"
    else:
        described = _listed(changes) or "something that a list does not show"
        what = (
            f"Somebody else changed {which} since you read it (updated_at {shown.updated_at}, now {now}): {described}"
        )
    return f"{what}. Not sent. To send it anyway, pass seen={now}."


def _listed(changes: Changes) -> str:
    roles = any(name.startswith("roles.") for name in changes)
    listed = [
        f"{shorten(' '.join(name.split()), 80)} from {_value(old)} to {_value(new)}"
        for name, (old, new) in changes.items()
        if not (roles and name == "lead")
    ]
    more = [f"{len(listed) - _MOST_CHANGES} more"] if len(listed) > _MOST_CHANGES else []
    return "; ".join(listed[:_MOST_CHANGES] + more)


def _value(text: str | None) -> str:
    return "nothing" if text is None else quoted(text, 100)
