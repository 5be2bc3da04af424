"""Notes on an Ionhour incident."""

from typing import Annotated, Any, Self

from pydantic import AliasChoices, AliasPath, Field, model_validator

from incident_mcp.ionhour.incidents.access import require_incident
from incident_mcp.ionhour.incidents.target import confirmation_label, write_targets
from incident_mcp.ionhour.pages import Page
from incident_mcp.ionhour.records import IncidentId, IonhourRecord, NoteId
from incident_mcp.records.fitting import MAX_TOKENS, bound
from incident_mcp.records.record import HtmlText, Instant, Json, Listed, Offset, Record, quoted
from incident_mcp.tooling.dependencies import DryRun, IonhourApi, WriterDep
from incident_mcp.tooling.tools import read_tool, write_tool
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Operation
from incident_mcp.transport.retry import Repeat
from incident_mcp.writing.notes import NoteFinder, has_text
from incident_mcp.writing.plan import UPDATE_SECONDS, WritePlan
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

    @property
    def note_id(self) -> str | None:
        """Its id as text."""
        return None if self.id is None else str(self.id)

    @property
    def text(self) -> str | None:
        """Its text, as all services' notes have it."""
        return self.body


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
    """Plan a new note; the API accepts no idempotency key for it."""

    async def read() -> tuple[list[Note], bool]:
        notes = await read_notes(api, incident_id)
        return notes.notes, notes.has_more

    finder = NoteFinder[Note, Note](api, body, read, lambda note: note)
    return WritePlan(
        tool=tool,
        request=CREATE.request(at={"incident_id": incident_id}, body={"body": body}),
        response_type=_WrittenNote,
        record_type=Note,
        to_record=lambda answer: answer,
        repeat=Repeat.NEVER,
        question=f"Add a note to Ionhour incident {label or incident_id}: {quoted(body)}.",
        remember_seconds=UPDATE_SECONDS,
        find_effect=finder.find_created,
        read_existing=finder.read_existing,
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
    return [note for note in notes.notes if has_text(note, body)], notes.has_more


async def _find_updated(api: Api, incident_id: int, note_id: int, body: str) -> Note | None:
    """Return a note if it has the new text."""
    found, _ = await identical_notes(api, incident_id, body)
    return next((note for note in found if note.id == note_id), None)


TOOLS = [
    read_tool(ionhour_list_notes, "List an Ionhour incident's notes"),
    write_tool(ionhour_create_note, "Add a note to an Ionhour incident"),
    write_tool(ionhour_update_note, "Edit a note", idempotent=True),
    write_tool(ionhour_delete_note, "Delete a note", destructive=True, idempotent=True),
]
