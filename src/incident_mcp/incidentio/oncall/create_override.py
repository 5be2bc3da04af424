"""Creating an override: somebody is on call instead of whom a schedule has."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated

from pydantic import Field

from incident_mcp.errors import IncidentMcpError, InputError
from incident_mcp.incidentio.named_rows import NamedRow
from incident_mcp.incidentio.names.finding import candidates, find, matching
from incident_mcp.incidentio.names.people import Person, reference
from incident_mcp.incidentio.oncall.entries import LIST as ENTRIES
from incident_mcp.incidentio.oncall.entries import Entries, describe_window, overlaps, read_entries
from incident_mcp.incidentio.oncall.overrides import LIST, Override, OverrideResponse, OverrideRow
from incident_mcp.incidentio.oncall.paged import users_on
from incident_mcp.incidentio.oncall.reachability import reachability_of, why_unread
from incident_mcp.incidentio.oncall.schedules import SCHEDULES, Rotation, Schedule, Shift
from incident_mcp.incidentio.pages import Rows, read_rows
from incident_mcp.incidentio.toolsets import ONCALL
from incident_mcp.incidentio.users import User, name_of_user, read_users
from incident_mcp.records.instants import instant_with_zone, to_second
from incident_mcp.records.record import Instant, Json, quoted, shorten
from incident_mcp.tooling.dependencies import AppSettings, IncidentioApi, WriterDep
from incident_mcp.tooling.tools import write_tool
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Operation
from incident_mcp.transport.retry import Repeat
from incident_mcp.writing.codes import ConfirmCode
from incident_mcp.writing.intents import account_of
from incident_mcp.writing.plan import Baseline, Existing, WritePlan
from incident_mcp.writing.result import Preview, WriteResult

CREATE = Operation("POST", "/v2/schedule_overrides", scope="schedule_overrides.create")
OVERRIDE_SECONDS = 600
"""For how long an identical override returns the earlier one."""
_MOST = 500
_MOST_NAMED = 10

At = Annotated[str, Field(min_length=1, description="RFC 3339 with time zone.")]


class OverridePreview(Preview):
    """What an override would change."""

    schedule: str
    timezone: str | None = None
    rotation: str
    layer: str | None = None
    user: str
    start_at: Instant
    end_at: Instant
    displaces: list[str] | None = None
    """Who is on call in that rotation then, and would not be any more."""
    replaces: list[str] | None = None
    """Overrides of the same layer in that window, which end or are cut."""
    warning: str | None = None


class _Named(NamedRow):
    """A rotation or a layer."""


def _choose(kind: str, rows: Sequence[_Named], value: str | None, schedule: str) -> _Named:
    """Return the row that a value names, or the only one.

    Raises:
        InputError: There are several, or none.
    """
    rows = list({row.id: row for row in rows}.values())
    found = rows if value is None else matching(rows, value)
    if len(found) == 1:
        return found[0]
    if not rows:
        raise InputError(f"The {kind}s of {schedule} are not known here: another service keeps it. Not sent.")
    if value is not None and not found:
        raise InputError(
            f"Unknown {kind} {shorten(value, 80)!r} of {schedule}. Pass one of: {candidates(rows)}. Not sent."
        )
    raise InputError(f"{schedule} has several {kind}s: pass {kind}, one of {candidates(rows)}. Not sent.")


def _named(rows: Sequence[Rotation]) -> list[_Named]:
    return [_Named(id=row.id, name=row.name or row.id) for row in rows]


@dataclass(frozen=True)
class _Cover:
    """An override to create."""

    schedule: Schedule
    rotation: _Named
    layer: _Named
    person: Json
    start: str
    end: str

    @property
    def body(self) -> Json:
        """The request's body."""
        return {
            **self.layer_of,
            "start_at": self.start,
            "end_at": self.end,
            "user": self.person,
        }

    @property
    def layer_of(self) -> Json:
        """The layer that it is on."""
        return {"schedule_id": self.schedule.id, "rotation_id": self.rotation.id, "layer_id": self.layer.id}

    def is_done_by(self, row: OverrideRow) -> bool:
        """Return whether an override is this one."""
        same_window = (row.start_at, row.end_at) == (self.start, self.end)
        user = {} if row.user is None else row.user.model_dump()
        return same_window and all(
            str(user.get(kind) or "").casefold() == str(value).casefold() for kind, value in self.person.items()
        )

    def displaced(self, entries: Entries) -> list[str]:
        """Describe who is on call in its rotation in its window."""
        return describe_window(entries, self.rotation.id, self.start, self.end)

    def users_of(self, entries: Entries) -> list[User]:
        """Return who is on call in its rotation in its window."""
        return users_on(
            shift
            for shift in entries
            if shift.rotation_id in (None, self.rotation.id) and overlaps(shift, self.start, self.end)
        )

    async def read_overrides(self, api: Api) -> Rows[OverrideRow]:
        """Read the overrides of its layer."""
        query = [(name, str(value)) for name, value in self.layer_of.items()]
        return await read_rows(api, LIST.request(query), OverrideRow, limit=_MOST)

    async def read_existing(self, api: Api, _: float) -> Existing[OverrideResponse]:
        """Return the ids of the layer's overrides, and the one that is the same."""
        rows = await self.read_overrides(api)
        same = next((row for row in rows if self.is_done_by(row)), None)
        return Existing(tuple(row.id for row in rows), same and OverrideResponse(override=same))

    async def find(self, api: Api, _: Baseline) -> OverrideResponse | None:
        """Find the override that an earlier attempt created."""
        return (await self.read_existing(api, 0)).identical


async def incidentio_create_override(
    api: IncidentioApi,
    settings: AppSettings,
    writer: WriterDep,
    schedule: Annotated[str, Field(min_length=1, description="Name or ID.")],
    user: Person,
    start_at: At,
    end_at: At,
    rotation: Annotated[str | None, Field(description="If the schedule has several.")] = None,
    layer: Annotated[str | None, Field(description="If the rotation has several.")] = None,
    confirm: ConfirmCode = None,
) -> WriteResult[Override]:
    """Put someone on call for a while, in place of the person on the schedule.

    Two calls: the first shows whom it displaces and returns a code for `confirm`.
    """
    cover = await _read_cover(api, schedule, rotation, layer, await reference(api, "user", user, settings.me))
    start, end = _read_window(api, start_at, end_at)
    cover = replace(cover, start=start, end=end)
    plan = WritePlan(
        tool="incidentio_create_override",
        request=CREATE.request(body=cover.body),
        response_type=OverrideResponse,
        record_type=Override,
        to_record=lambda response: response.override.record(),
        repeat=Repeat.NEVER,
        destructive=True,
        remember_seconds=OVERRIDE_SECONDS,
        again="delete that override first",
        find_effect=partial(cover.find, api),
        read_existing=partial(cover.read_existing, api),
        targets=(f"{account_of(api)} schedule {cover.schedule.id}",),
        created_at=lambda response: response.override.created_at,
    )
    result = await writer.perform_previewed(
        api, plan, confirm=confirm, preview=partial(_preview_cover, api, cover), question=_question
    )
    return await _with_outcome(api, result, cover)


def _question(preview: OverridePreview) -> str:
    displaced = f", instead of {quoted(preview.displaces)}" if preview.displaces else ""
    window = f"{preview.start_at} to {preview.end_at}"
    return f"Put {quoted(preview.user)} on call for {quoted(preview.schedule)}, {window}{displaced}."


async def _read_cover(api: Api, schedule: str, rotation: str | None, layer: str | None, person: Json) -> _Cover:
    found = await find(api, SCHEDULES, schedule)
    chosen = _choose("rotation", _named(found.rotations), rotation, found.name)
    layers = [
        _Named(id=each.id, name=each.name or each.id)
        for row in found.rotations
        if row.id == chosen.id
        for each in row.layers
        if each.id
    ]
    return _Cover(found, chosen, _choose("layer", layers, layer, chosen.name), person, "", "")


def _read_window(api: Api, start_at: str, end_at: str) -> tuple[str, str]:
    """Return a window in UTC.

    Raises:
        InputError: It is not a window, or over already.
    """
    start, end = instant_with_zone(start_at), instant_with_zone(end_at)
    if start is None or end is None:
        raise InputError("start_at and end_at take timestamps with a time zone, like 2026-11-21T09:00:00Z. Not sent.")
    if end <= start or end.timestamp() <= api.now():
        raise InputError(f"end_at {to_second(end)} must be later than start_at and than now. Not sent.")
    return to_second(start), to_second(end)


async def _preview_cover(api: Api, cover: _Cover) -> OverridePreview:
    """Return what an override would change; what cannot be read is told."""
    warnings: list[str] = []
    is_read = False
    displaced: list[str] = []
    replaced: list[OverrideRow] = []
    try:
        entries = await read_entries(api, cover.schedule.id, cover.start, cover.end)
        displaced, is_read = cover.displaced(entries), entries.certain
        replaced = [row for row in await cover.read_overrides(api) if _in_window(row, cover)]
    except IncidentMcpError as failure:
        is_read = False
        warnings.append(f"Whom it displaces could not be read: {failure}")
    person = await _describe_person(api, cover.person, warnings)
    ended = [row.words for row in replaced][:_MOST_NAMED]
    return OverridePreview(
        shown="\n".join((*displaced, "", *ended, "", *warnings)) if is_read else None,
        schedule=cover.schedule.name,
        timezone=cover.schedule.timezone,
        rotation=cover.rotation.name,
        layer=cover.layer.name,
        user=person,
        start_at=cover.start,
        end_at=cover.end,
        displaces=displaced or None,
        replaces=ended or None,
        warning=" ".join(warnings) or None,
    )


def _in_window(row: OverrideRow, cover: _Cover) -> bool:
    shift = Shift(start_at=row.start_at or "", end_at=row.end_at or "") if row.start_at and row.end_at else None
    return shift is not None and overlaps(shift, cover.start, cover.end)


async def _describe_person(api: Api, person: Json, warnings: list[str]) -> str:
    """Return a person's name, and add why the person cannot be reached."""
    [(kind, value)] = person.items()
    users = await read_users(api) or []
    found = next((user for user in users if str(getattr(user, kind) or "").casefold() == str(value).casefold()), None)
    if found is None:
        return str(value)
    warnings += [
        f"{each.user} {each.problem}: pages would reach nobody."
        for each in await reachability_of(api, [found])
        if each.problem
    ]
    return name_of_user(found)


async def _with_outcome(api: Api, result: WriteResult[Override], cover: _Cover) -> WriteResult[Override]:
    """Return the result with who is on call then, as it was read back."""
    if result.record is None:
        return result
    try:
        shifts = await read_entries(api, cover.schedule.id, cover.start, cover.end)
    except IncidentMcpError as failure:
        outcome = f"not seen yet ({why_unread(failure, ENTRIES.scope)})"
    else:
        seen = result.record.user in [name_of_user(user) for user in cover.users_of(shifts)]
        outcome = f"{result.record.user} is on call then" if seen else "not seen yet: read the schedule in a moment"
    return replace(result, record=result.record.model_copy(update={"outcome": outcome}))


TOOLS = [
    write_tool(
        incidentio_create_override,
        "Create an override",
        destructive=True,
        toolset=ONCALL,
        preview=OverridePreview,
        keywords="cover shift swap take over for duty instead hand over tomorrow tonight hours",
    )
]
