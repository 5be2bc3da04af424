"""Notes on an Ionhour incident."""

import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any, Self

from pydantic import AliasChoices, AliasPath, Field, model_validator

from incident_mcp.errors import NoAnswerError
from incident_mcp.ionhour.incidents.access import require_incident
from incident_mcp.ionhour.incidents.target import confirmation_label, write_targets
from incident_mcp.ionhour.pages import Page
from incident_mcp.ionhour.records import IncidentId, IonhourRecord, NoteId
from incident_mcp.records.fitting import MAX_TOKENS, bound
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
    """A note; the API documents only its body, so the response to a write may have no id."""

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
    """`created_at` with all its digits."""


class _WrittenNote(Note):
    """The response to a write: it must contain a note."""

    @model_validator(mode="after")
    def _is_a_note(self) -> Self:
        if self.id is None and self.body is None:
            raise ValueError("holds neither an id nor a body")
        return self


class Notes(Listed):
    """An incident's notes, with their texts in full up to the result limit."""

    MARK = "incident_timeline with this ionhour_incident_id shows all notes."
    notes: list[Note]
    offset: int = Field(default=0, validation_alias="characters that were read before", exclude=True)

    def most_tokens(self, rows: int) -> float:
        """Return the token budget of the result."""
        del rows
        return MAX_TOKENS

    def _fitted(self, dump: Json, most: float) -> Json:
        answer = bound(dump, most, Note.REST, self.offset, lists=False)
        return {**answer, "notes": answer.get("notes", [])}


class Deleted(Record):
    """A deleted note."""

    incident_id: int
    note_id: int
    deleted: bool = True


class _Anything(Record):
    """A response whose content does not matter."""


_NOT_FOUND = {404: "It may be already deleted, also by an earlier call: list the notes."}
_NOT_AUTHOR = {403: "Only a note's author, the owner of the key that wrote it, can edit or delete it."}


async def read_notes(api: Api, incident_id: int) -> Notes:
    """Read an incident's notes; the API does not document whether its list includes deleted ones."""
    page = await api.get(LIST.request(at={"incident_id": incident_id}), Page[Note])
    if not page.rows:
        await require_incident(api, incident_id)
    notes = [note for note in page.rows if note.deleted_at is None]
    return Notes(notes=notes, has_more=page.has_more, unreadable=page.unreadable)


async def ionhour_list_notes(api: IonhourApi, incident_id: IncidentId, offset: Offset = None) -> Notes:
    """List the notes on an Ionhour incident, with the IDs that edit and delete need."""
    return (await read_notes(api, incident_id)).model_copy(update={"offset": offset or 0})


async def ionhour_create_note(
    api: IonhourApi, writer: WriterDep, incident_id: IncidentId, body: Body, dry_run: DryRun = False
) -> WriteResult[Note]:
    """Add a note to an Ionhour incident as the key's owner."""
    label = await confirmation_label(api, writer, incident_id, dry_run=dry_run)
    return await writer.perform(api, plan_note("ionhour_create_note", api, incident_id, body, label), dry_run=dry_run)


def plan_note(tool: str, api: Api, incident_id: int, body: str, label: str | None = None) -> WritePlan[Note, Note]:
    """Plan a new note.

    The API accepts no idempotency key for it, so the notes are read before it is sent: after a lost response, a new
    note with this text is the one that was sent.
    """
    return WritePlan(
        tool=tool,
        request=CREATE.request(at={"incident_id": incident_id}, body={"body": body}),
        response_type=_WrittenNote,
        record_type=Note,
        to_record=lambda answer: answer,
        repeat=Repeat.NEVER,
        question=f"Add a note to Ionhour incident {label or incident_id}: {quoted(body)}.",
        remember_seconds=UPDATE_SECONDS,
        find_effect=lambda baseline: _find_created(api, incident_id, body, baseline),
        read_existing=lambda window: _read_existing(api, incident_id, body, window),
        targets=write_targets(api, incident_id),
    )


async def ionhour_update_note(
    api: IonhourApi, writer: WriterDep, incident_id: IncidentId, note_id: NoteId, body: Body, dry_run: DryRun = False
) -> WriteResult[Note]:
    """Replace a note's text (author only)."""
    label = await confirmation_label(api, writer, incident_id, dry_run=dry_run)
    edit: WritePlan[Note, Note] = WritePlan(
        tool="ionhour_update_note",
        request=UPDATE.request(at=_path(incident_id, note_id), body={"body": body}, advice=_NOT_AUTHOR),
        response_type=_WrittenNote,
        record_type=Note,
        to_record=lambda answer: answer,
        repeat=Repeat.HARMLESS,
        question=f"Replace the text of note {note_id} on Ionhour incident {label} with: {quoted(body)}.",
        find_effect=lambda _: _find_updated(api, incident_id, note_id, body),
        targets=write_targets(api, incident_id),
    )
    return await writer.perform(api, edit, dry_run=dry_run)


async def ionhour_delete_note(
    api: IonhourApi, writer: WriterDep, incident_id: IncidentId, note_id: NoteId, dry_run: DryRun = False
) -> WriteResult[Deleted]:
    """Delete a note (author only). Ionhour hides it from everyone but retains it for audit."""
    label = await confirmation_label(api, writer, incident_id, dry_run=dry_run, destructive=True)
    delete = plan_deletion("ionhour_delete_note", api, incident_id, note_id, label)
    return await writer.perform(api, delete, dry_run=dry_run)


def plan_deletion(
    tool: str, api: Api, incident_id: int, note_id: int, label: str | None = None
) -> WritePlan[Any, Deleted]:
    """Plan the deletion of a note."""
    return WritePlan(
        tool=tool,
        request=DELETE.request(at=_path(incident_id, note_id), advice=_NOT_AUTHOR | _NOT_FOUND),
        response_type=_Anything,
        record_type=Deleted,
        to_record=lambda _: Deleted(incident_id=incident_id, note_id=note_id),
        repeat=Repeat.HARMLESS,
        question=f"Delete note {note_id} on Ionhour incident {label or incident_id}, which hides it from everyone.",
        destructive=True,
        targets=write_targets(api, incident_id),
    )


def _path(incident_id: int, note_id: int) -> dict[str, int]:
    return {"incident_id": incident_id, "note_id": note_id}


async def identical_notes(api: Api, incident_id: int, body: str) -> tuple[list[Note], bool]:
    """Return the notes with a text, and whether there are more notes that were not read."""
    notes = await read_notes(api, incident_id)
    return [note for note in notes.notes if _has_text(note, body)], notes.has_more


async def _read_existing(api: Api, incident_id: int, body: str, window: float) -> Existing[Note]:
    """Return the IDs of the existing notes, and an identical note of the last `window` seconds."""
    notes = (await read_notes(api, incident_id)).notes
    ids = tuple(key for key, _ in _with_keys(notes))
    recent = (note for note in notes if _has_text(note, body) and _is_made_since(note, api.now() - window))
    return Existing(ids, next(recent, None))


async def _find_created(api: Api, incident_id: int, body: str, baseline: Baseline) -> Note | None:
    """Find the note that an earlier attempt created, by its text.

    Raises:
        NoAnswerError: It is unknown whether the attempt created it.
    """
    notes = await read_notes(api, incident_id)
    new = _new_notes(notes.notes, baseline)
    if found := next((note for note in new if _has_text(note, body)), None):
        return found
    if alike := next((note for note in new if _letters(note.body) == _letters(body)), None):
        raise NoAnswerError(
            f"There is a new note with nearly the same text ({alike.id}). It is unknown whether it is this one, because"
            " the service may change texts. Check the notes before you add another one."
        )
    if notes.has_more:
        raise NoAnswerError(
            f"{api.service.name} returned only one page of the notes: it is unknown whether this one was added."
        )
    return None


def _new_notes(notes: Sequence[Note], baseline: Baseline) -> list[Note]:
    """Return the notes that were not there before a write."""
    if baseline.existing_ids is None:
        return [note for note in notes if _is_made_since(note, baseline.started_at)]
    return [note for key, note in _with_keys(notes) if key not in baseline.existing_ids]


def _letters(text: str | None) -> str:
    """Return the first letters and digits of a text, which a service that changes markup or spaces preserves."""
    plain = unicodedata.normalize("NFKC", html_to_text((text or "")[:_READ]))
    return "".join(letter for letter in plain if letter.isalnum()).casefold()[:_COMPARED]


_READ, _COMPARED = 2_000, 200
"""Characters that are read, and letters that are compared."""


def _with_keys(notes: Sequence[Note]) -> list[tuple[str, Note]]:
    """Return notes with keys: their IDs or, since the API does not document IDs in lists, their texts, numbered."""
    seen: Counter[str | None] = Counter()
    keyed: list[tuple[str, Note]] = []
    for note in notes:
        seen[note.body] += 1
        keyed.append((fingerprint(note.body, seen[note.body]) if note.id is None else str(note.id), note))
    return keyed


def _is_made_since(note: Note, began: float) -> bool:
    made = parse_instant(note.made_at or note.created_at)
    return made is not None and made.timestamp() >= began - _PRECISION


_PRECISION = 1.0
"""Seconds: the precision of the `Date` header, from which the service's clock is known."""


async def _find_updated(api: Api, incident_id: int, note_id: int, body: str) -> Note | None:
    """Return a note if it has the new text."""
    found, _ = await identical_notes(api, incident_id, body)
    return next((note for note in found if note.id == note_id), None)


def _has_text(note: Note, body: str) -> bool:
    """Return whether a note has exactly this text, except for line ends and the conversion of HTML."""
    sent = body.replace("\r\n", "\n").strip()
    held = (note.body or "").replace("\r\n", "\n").strip()
    return held in (sent, start_to_text(sent)) or decode_entities(held) == sent


TOOLS = [
    read_tool(ionhour_list_notes, "List an Ionhour incident's notes"),
    write_tool(ionhour_create_note, "Add a note to an Ionhour incident"),
    write_tool(ionhour_update_note, "Edit a note", idempotent=True),
    write_tool(ionhour_delete_note, "Delete a note", destructive=True, idempotent=True),
]
