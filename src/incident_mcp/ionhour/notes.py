"""Notes on an Ionhour incident."""

import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any, Self

from pydantic import AliasChoices, AliasPath, Field, model_validator

from incident_mcp.errors import NoAnswerError
from incident_mcp.ionhour.incidents.incident import require_incident
from incident_mcp.ionhour.incidents.target import described, write_targets
from incident_mcp.ionhour.pages import Page
from incident_mcp.ionhour.records import IncidentId, IonhourRecord, NoteId
from incident_mcp.records.fitting import MOST_TOKENS, bound
from incident_mcp.records.html import decode_entities, html_to_text, start_to_text
from incident_mcp.records.instants import parse_instant
from incident_mcp.records.record import HtmlText, Instant, Json, Listed, Offset, Record, quoted
from incident_mcp.tooling.dependencies import DryRun, IonhourApi, WriterDep
from incident_mcp.tooling.tools import read_tool, write_tool
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Operation
from incident_mcp.transport.retry import Repeat
from incident_mcp.writing.journal.entry import fingerprint
from incident_mcp.writing.plan import UPDATE_SECONDS, Baseline, Existing, WritePlan
from incident_mcp.writing.result import WriteResult

LIST = Operation("GET", "/incident-notes/{incident_id}")
CREATE = Operation("POST", "/incident-notes/{incident_id}")
UPDATE = Operation("PATCH", "/incident-notes/{incident_id}/{note_id}")
DELETE = Operation("DELETE", "/incident-notes/{incident_id}/{note_id}")

Body = Annotated[str, Field(min_length=1, description="The note's text.")]


class Note(IonhourRecord):
    """A note; the document names only its body, and does not say that the answer to a write has an id."""

    REST = ": ionhour_list_notes with offset={offset} shows the rest"
    id: int | None = None
    body: HtmlText | None = None
    author: str | None = Field(
        default=None,
        validation_alias=AliasChoices(
            AliasPath("author", "email"), AliasPath("author", "name"), AliasPath("user", "email"), "authorId", "userId"
        ),
    )
    created_at: Instant | None = None
    updated_at: Instant | None = None
    deleted_at: Instant | None = Field(default=None, exclude=True)
    made_at: str | None = Field(default=None, validation_alias="createdAt", exclude=True)
    """`created_at` to the last digit."""


class _WrittenNote(Note):
    """The answer to a write: one that holds nothing of a note is no proof that it was written."""

    @model_validator(mode="after")
    def _is_a_note(self) -> Self:
        if self.id is None and self.body is None:
            raise ValueError("holds neither an id nor a body")
        return self


class Notes(Listed):
    """An incident's notes, their texts whole as far as an answer goes."""

    MARK = "incident_timeline with this ionhour_incident_id shows them all."
    notes: list[Note]
    offset: int = Field(default=0, validation_alias="characters that were read before", exclude=True)

    def most_tokens(self, rows: int) -> float:
        """Return what the answer may cost."""
        del rows
        return MOST_TOKENS

    def _fitted(self, dump: Json, most: float) -> Json:
        answer = bound(dump, most, Note.REST, self.offset, lists=False)
        return {**answer, "notes": answer.get("notes", [])}


class Deleted(Record):
    """What was deleted."""

    incident_id: int
    note_id: int
    deleted: bool = True


class _Anything(Record):
    """An answer of which nothing is read."""


_NOT_THERE = {404: "It may be deleted already, by an earlier call too: list the notes."}
_NOT_AUTHOR = {403: "Only a note's author, the owner of the key that wrote it, can edit or delete it."}


async def read_notes(api: Api, incident_id: int) -> Notes:
    """Read an incident's notes; whether deleted ones stay in the service's list is not documented."""
    answer = await api.get(LIST.request(at={"incident_id": incident_id}), Page[Note])
    if not answer.items:
        await require_incident(api, incident_id)
    notes = [note for note in answer.items if note.deleted_at is None]
    return Notes(notes=notes, has_more=answer.has_more, unreadable=answer.unreadable)


async def ionhour_list_notes(api: IonhourApi, incident_id: IncidentId, offset: Offset = None) -> Notes:
    """List the notes on an Ionhour incident, with the IDs that edit and delete need."""
    return (await read_notes(api, incident_id)).model_copy(update={"offset": offset or 0})


async def ionhour_create_note(
    api: IonhourApi, writer: WriterDep, incident_id: IncidentId, body: Body, dry_run: DryRun = False
) -> WriteResult[Note]:
    """Add a note to an Ionhour incident as the key's owner."""
    who = await described(api, writer, incident_id, dry_run=dry_run)
    return await writer.perform(api, plan_note("ionhour_create_note", api, incident_id, body, who), dry_run=dry_run)


def plan_note(tool: str, api: Api, incident_id: int, body: str, who: str | None = None) -> WritePlan[Note, Note]:
    """Write a note as the API wants it.

    It has no key, so the notes are read before it is sent: after a lost reply the one that was not there before, or
    was made since, is this one.
    """
    return WritePlan(
        tool=tool,
        request=CREATE.request(at={"incident_id": incident_id}, body={"body": body}),
        response_type=_WrittenNote,
        record_type=Note,
        to_record=lambda answer: answer,
        repeat=Repeat.NEVER,
        question=f"Put a note on Ionhour incident {who or incident_id}: {quoted(body)}.",
        remember_seconds=UPDATE_SECONDS,
        find_effect=lambda baseline: _find(api, incident_id, body, baseline),
        read_existing=lambda window: _read_existing(api, incident_id, body, window),
        targets=write_targets(api, incident_id),
    )


async def ionhour_update_note(
    api: IonhourApi, writer: WriterDep, incident_id: IncidentId, note_id: NoteId, body: Body, dry_run: DryRun = False
) -> WriteResult[Note]:
    """Replace a note's text (author only)."""
    who = await described(api, writer, incident_id, dry_run=dry_run) or incident_id
    edit: WritePlan[Note, Note] = WritePlan(
        tool="ionhour_update_note",
        request=UPDATE.request(at=_ids(incident_id, note_id), body={"body": body}, advice=_NOT_AUTHOR),
        response_type=_WrittenNote,
        record_type=Note,
        to_record=lambda answer: answer,
        repeat=Repeat.HARMLESS,
        question=f"Replace note {note_id} on Ionhour incident {who} by: {quoted(body)}.",
        find_effect=lambda _: _find_changed(api, incident_id, note_id, body),
        targets=write_targets(api, incident_id),
    )
    return await writer.perform(api, edit, dry_run=dry_run)


async def ionhour_delete_note(
    api: IonhourApi, writer: WriterDep, incident_id: IncidentId, note_id: NoteId, dry_run: DryRun = False
) -> WriteResult[Deleted]:
    """Delete a note (author only). Ionhour hides it from everyone but retains it for audit."""
    who = await described(api, writer, incident_id, dry_run=dry_run, destructive=True)
    delete = plan_deletion("ionhour_delete_note", api, incident_id, note_id, who)
    return await writer.perform(api, delete, dry_run=dry_run)


def plan_deletion(
    tool: str, api: Api, incident_id: int, note_id: int, who: str | None = None
) -> WritePlan[Any, Deleted]:
    """Write a deletion as the API wants it."""
    return WritePlan(
        tool=tool,
        request=DELETE.request(at=_ids(incident_id, note_id), advice=_NOT_AUTHOR | _NOT_THERE),
        response_type=_Anything,
        record_type=Deleted,
        to_record=lambda _: Deleted(incident_id=incident_id, note_id=note_id),
        repeat=Repeat.HARMLESS,
        question=f"Delete note {note_id} on Ionhour incident {who or incident_id}; it is hidden from everybody.",
        destructive=True,
        targets=write_targets(api, incident_id),
    )


async def equal_notes(api: Api, incident_id: int, body: str) -> tuple[list[Note], bool]:
    """Read the notes with a text, and return whether there are further pages that were not read."""
    read = await read_notes(api, incident_id)
    return [note for note in read.notes if _has_text(note, body)], read.has_more


async def _read_existing(api: Api, incident_id: int, body: str, window: float) -> Existing[Note]:
    """Read which notes there are, and whether one of the last seconds has this text."""
    read = await read_notes(api, incident_id)
    ids = tuple(name for name, _ in _identified(read.notes))
    recent = [note for note in read.notes if _has_text(note, body) and _made_since(note, api.now() - window)]
    return Existing(ids, recent[0] if recent else None)


async def _find(api: Api, incident_id: int, body: str, baseline: Baseline) -> Note | None:
    """Find a note that was made since by its text, since the API has no key that would make a repeat safe.

    Raises:
        NoAnswerError: It may stand on a page that was not read.
    """
    read = await read_notes(api, incident_id)
    if baseline.existing_ids is not None:
        new = [note for name, note in _identified(read.notes) if name not in baseline.existing_ids]
    else:
        new = [note for note in read.notes if _made_since(note, baseline.started_at)]
    found = [note for note in new if _has_text(note, body)]
    if not found and (alike := next((note for note in new if _letters(note.body) == _letters(body)), None)):
        raise NoAnswerError(
            f"A note of nearly the same text is there since ({alike.id}), and whether it is this one is open: the"
            " service may change texts. Look at the notes before you write another one."
        )
    if not found and read.has_more:
        raise NoAnswerError(
            f"{api.service.name} answered one page of several of the notes: whether this one is there is open."
        )
    return found[0] if found else None


def _letters(text: str | None) -> str:
    """Return the start of what is left of a text whatever a service does to its markup, spaces and signs."""
    plain = unicodedata.normalize("NFKC", html_to_text((text or "")[:_COMPARED]))
    return "".join(letter for letter in plain if letter.isalnum()).casefold()[:_LETTERS]


_COMPARED, _LETTERS = 2_000, 200
"""Characters that are read for it, and that are compared."""


def _identified(notes: Sequence[Note]) -> list[tuple[str, Note]]:
    """Return notes with their ids; that a list carries ids is not documented, so that else their texts are counted."""
    seen: Counter[str | None] = Counter()
    named: list[tuple[str, Note]] = []
    for note in notes:
        seen[note.body] += 1
        named.append((fingerprint(note.body, seen[note.body]) if note.id is None else str(note.id), note))
    return named


def _made_since(note: Note, began: float) -> bool:
    made = parse_instant(note.made_at or note.created_at)
    return made is not None and made.timestamp() >= began - _SECOND


_SECOND = 1.0
"""How exactly the service's clock is known from its `Date`."""


async def _find_changed(api: Api, incident_id: int, note_id: int, body: str) -> Note | None:
    """Return a note if it has the text that it was to get."""
    found, _ = await equal_notes(api, incident_id, body)
    return next((note for note in found if note.id == note_id), None)


def _has_text(note: Note, body: str) -> bool:
    """Return whether a note has a text, character for character, but for line ends and what HTML does to it."""
    sent = body.replace("\r\n", "\n").strip()
    held = (note.body or "").replace("\r\n", "\n").strip()
    return held in (sent, start_to_text(sent)) or decode_entities(held) == sent


def _ids(incident_id: int, note_id: int) -> dict[str, int]:
    return {"incident_id": incident_id, "note_id": note_id}


TOOLS = [
    read_tool(ionhour_list_notes, "List an Ionhour incident's notes"),
    write_tool(ionhour_create_note, "Add a note to an Ionhour incident"),
    write_tool(ionhour_update_note, "Edit a note", idempotent=True),
    write_tool(ionhour_delete_note, "Delete a note", destructive=True, idempotent=True),
]
