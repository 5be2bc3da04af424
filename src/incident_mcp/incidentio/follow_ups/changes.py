"""Updates that replace a whole record: what they leave is sent unchanged, and what somebody changed stays."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Generic, NoReturn, TypeVar

import anyio
from pydantic import AliasChoices, BaseModel, Field, ValidationError

from incident_mcp.errors import IncidentMcpError, InputError, NoAnswerError
from incident_mcp.incidentio.access import access_advice
from incident_mcp.incidentio.follow_ups.records import ActionResponse, FollowUpResponse, Work
from incident_mcp.incidentio.names.incidents import incident_name
from incident_mcp.records.instants import parse_instant, to_second
from incident_mcp.records.record import Json, quoted, read_body, without_none
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Operation
from incident_mcp.transport.retry import Repeat
from incident_mcp.transport.seen import record_key
from incident_mcp.writing.intents import account_of
from incident_mcp.writing.notes import letters
from incident_mcp.writing.outcome import Unknown, WriteError
from incident_mcp.writing.perform import Writer
from incident_mcp.writing.plan import Baseline, WritePlan
from incident_mcp.writing.result import WriteResult

Row = TypeVar("Row", bound=Work)
Response = TypeVar("Response", FollowUpResponse, ActionResponse)
Seen = Annotated[str | None, Field(description="`updated_at` from a refusal, to update anyway.")]
_TEXTS = ("title", "description")
_STATE = ("title", "status", "assignee", "description")
_REFERENCE_SECONDS = 5.0
"""For how long an update waits for the reference of its incident."""


@dataclass(frozen=True)
class Kept:
    """A field that an update sends unchanged: the document does not say that a PUT leaves what it omits."""

    record: str
    """Field of our record."""
    answer: str
    """Field of the service's answer."""


@dataclass(frozen=True)
class Kind(Generic[Response, Row]):
    """How one kind of work is updated."""

    noun: str
    name: str
    """Its name in paths and answers."""
    show: Operation
    update: Operation
    response: type[Response]
    record: type[Row]
    kept: Mapping[str, Kept]
    """By field of the request."""
    required: tuple[str, ...]
    """Fields that a request must have."""


class _Raw(BaseModel):
    work: Json = Field(validation_alias=AliasChoices("follow_up", "action"))


@dataclass(frozen=True)
class _Update(Generic[Response, Row]):
    """One update of one row."""

    api: Api
    kind: Kind[Response, Row]
    number: str
    changes: Json

    async def read(self) -> tuple[Row, Json]:
        """Return the row, and the answer that it was read from."""
        kind = self.kind
        request = kind.show.request(at={kind.name: self.number}, advice=access_advice(kind.show.scope))
        raw = (await self.api.get(request, _Raw)).work
        try:
            return read_body(raw, kind.record), raw
        except ValidationError:
            raise NoAnswerError(f"{self.api.service.name} returned the {kind.noun} without a readable ID.") from None

    def body(self, now: Row, raw: Json) -> Json:
        """Return the whole record with the changes.

        Raises:
            InputError: A field that must be sent could not be read, and is not among the changes.
        """
        body = without_none(**{name: getattr(now, kept.record) for name, kept in self.kind.kept.items()})
        kept = self.kind.kept.items()
        unread = [name for name, each in kept if _is_unread(raw.get(each.answer), body.get(name))]
        for name in dict.fromkeys((*unread, *(name for name in self.kind.required if name not in body))):
            if name not in self.changes:
                field = self.kind.kept[name].answer
                raise InputError(
                    f"The {field} of the {self.kind.noun} could not be read, and an update could remove it: pass it if"
                    " there is an argument for it, else update it in incident.io. Not sent."
                )
        return body | self.changes

    def is_done(self, row: Row) -> bool:
        """Return whether a row has the changes, word for word."""
        return all(_words(self._held(row, name)) == _words(value) for name, value in self.changes.items())

    def is_nearly_done(self, row: Row) -> bool:
        """Return whether a row has the changes, in texts regardless of markup: the service may rewrite it."""
        return all(
            letters(self._held(row, name)) == letters(value) if name in _TEXTS else self._held(row, name) == value
            for name, value in self.changes.items()
        )

    def _held(self, row: Row, name: str) -> str | None:
        return getattr(row, self.kind.kept[name].record)

    async def find_effect(self, before: Row) -> Row | None:
        """Return the row if a lost attempt changed it.

        Raises:
            NoAnswerError: It was changed, but not to what was sent: another attempt could overwrite somebody's change.
        """
        row, _ = await self.read()
        if self.is_done(row):
            return row
        if row.version == before.version:
            return None
        if self.is_nearly_done(row):
            return row
        raise NoAnswerError(f"The {self.kind.noun} was changed in the meantime. It is now: {_describe(row)}.")

    async def check_again(self, before: Row) -> None:
        """Check that the row is as it was read.

        Raises:
            InputError: It is not; nothing was sent.
        """
        row, _ = await self.read()
        if row.version != before.version:
            _reject_stale(row, "It was changed while the update was being confirmed")


def _is_unread(answered: object, read: object) -> bool:
    """Return whether a field has a value that was not read, or not all of it."""
    return answered != read if isinstance(read, list) else read is None and answered not in (None, "", [], {})


def _words(text: str | None) -> str:
    return " ".join((text or "").split())


async def create_work(api: Api, writer: Writer, plan: WritePlan[Response, Row], *, dry_run: bool) -> WriteResult[Row]:
    """Create a row, and remember it as shown."""
    result = await writer.perform(api, plan, dry_run=dry_run)
    await remember(api, [result.record] if result.record else [])
    return result


def work_key(api: Api, kind: Kind[Response, Row], number: str) -> str:
    """Return a row's key in the journal."""
    return f"{account_of(api)} {kind.noun} {number}"


async def update_work(
    api: Api,
    writer: Writer,
    kind: Kind[Response, Row],
    number: str,
    changes: Json,
    *,
    seen: str | None,
    dry_run: bool,
) -> WriteResult[Row]:
    """Update a row, unless somebody changed it since it was shown to the caller.

    Raises:
        InputError: Somebody did, or a field could not be read; nothing was sent.
        WriteError: The write failed.
    """
    update = _Update(api, kind, number, changes)
    key = work_key(api, kind, number)
    async with writer.update_lock(api, key):
        now, raw = await update.read()
        if update.is_done(now) and not dry_run:
            result = WriteResult(now, note=f"The {kind.noun} is like this already: nothing was sent.")
        else:
            body = update.body(now, raw)
            await check_unchanged(api, now, seen)
            result = await _perform(api, writer, _plan(update, now, body, key), now, dry_run=dry_run)
        await remember(api, [result.record] if result.record else [])
    return replace(result, record=result.record and await _with_reference(api, result.record))


def _plan(update: _Update[Response, Row], now: Row, body: Json, key: str) -> WritePlan[Response, Row]:
    kind = update.kind
    described = ", ".join(f"{name} to {quoted(str(value), 100)}" for name, value in update.changes.items())
    titles = (getattr(now, name, None) for name in _TEXTS)
    title = next(filter(None, titles), update.number)

    async def find_effect(_: Baseline) -> Response | None:
        row = await update.find_effect(now)
        return None if row is None else kind.response.model_validate({kind.name: row})

    return WritePlan(
        tool=f"incidentio_update_{kind.name}",
        request=kind.update.request(at={kind.name: update.number}, body=body, advice=access_advice(kind.update.scope)),
        response_type=kind.response,
        record_type=kind.record,
        to_record=lambda response: getattr(response, kind.name),
        repeat=Repeat.CHECKED,
        question=f"Update {kind.noun} {quoted(title, 100)}: {described}.",
        find_effect=find_effect,
        targets=(key,),
        check_again=lambda: update.check_again(now),
    )


async def _perform(
    api: Api, writer: Writer, plan: WritePlan[Response, Row], now: Row, *, dry_run: bool
) -> WriteResult[Row]:
    try:
        return await writer.perform(api, plan, dry_run=dry_run)
    except WriteError as error:
        if isinstance(error.outcome, Unknown):
            # It may have taken effect: the caller's own change must not count as somebody else's.
            await api.seen.remember({_key(api, now): ""})
        raise


async def _with_reference(api: Api, row: Row) -> Row:
    """Return a row with its incident's reference, if that can be read soon: the update is done."""
    try:
        with anyio.move_on_after(_REFERENCE_SECONDS):
            named = await incident_name(api, row.incident_id or "")
            return row.model_copy(update={"reference": named.reference})
    except IncidentMcpError:
        pass
    return row


async def remember(api: Api, rows: Iterable[Work]) -> None:
    """Remember the state in which rows are shown."""
    await api.seen.remember({_key(api, row): row.version or "" for row in rows})


async def check_unchanged(api: Api, now: Work, seen: str | None) -> None:
    """Check that nobody changed a row since it was shown to the caller; who was not shown it may write to it.

    The service has no precondition for updates, so a change in the moment between this reading and the update is lost.

    Raises:
        InputError: It was changed; nothing was sent.
    """
    current = parse_instant(now.version)
    if current is None:
        return
    if seen is not None:
        given = parse_instant(seen)
        if given == current or ("." not in seen and given and to_second(given) == to_second(current)):
            return
        _reject_stale(now, f"seen={quoted(seen, 40)} is not its last change")
    shown = parse_instant(await api.seen.find(_key(api, now)))
    if shown is not None and shown != current:
        _reject_stale(now, "It was changed since you read it")


def _reject_stale(now: Work, why: str) -> NoReturn:
    raise InputError(
        f"{why}. It is now: {_describe(now)}. If your change still applies, call again with seen={now.version}."
        " Not sent."
    )


def _describe(row: Work) -> str:
    state = {name: value for name, value in row.dump().items() if name in _STATE}
    return ", ".join(f"{name} {quoted(str(value), 100)}" for name, value in state.items())


def _key(api: Api, row: Work) -> str:
    # IDs are unique over follow-ups and actions.
    return record_key(api.service, "work", row.id)
