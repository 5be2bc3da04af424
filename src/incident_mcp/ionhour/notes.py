"""Notes on an Ionhour incident."""

from typing import Annotated, Any

from pydantic import AliasChoices, AliasPath, Field

from incident_mcp.deps import DryRun, IonhourApi, WriterDep
from incident_mcp.errors import InputError, NoAnswer
from incident_mcp.http import Api, Repeat, Request, fill
from incident_mcp.ionhour.incidents import said
from incident_mcp.ionhour.records import IncidentId, IonhourRecord, Listing, NoteId
from incident_mcp.models import HtmlText, Instant, Listed, Outcome, Record, html_to_text, shorten
from incident_mcp.toolset import read, write
from incident_mcp.writes import UPDATE_SECONDS, Write

Body = Annotated[str, Field(description="The note's text.")]


class Note(IonhourRecord):
    """A note; the document names only its body, and does not say that the answer to a write has an id."""

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


class _NoteList(Listing):
    items: list[Note]


class Notes(Listed):
    """An incident's notes."""

    notes: list[Note]


class Deleted(Record):
    """What was deleted."""

    incident_id: int
    note_id: int
    deleted: bool = True


class _Anything(Record):
    """An answer of which nothing is read."""


_NOT_AUTHOR = {403: "Only a note's author, the owner of the key that wrote it, can edit or delete it."}


def _body(body: str) -> str:
    if not body.strip():
        raise InputError("body is empty: a note needs text. Not sent.")
    return body


async def read_notes(api: Api, incident_id: int) -> Notes:
    """Read an incident's notes."""
    answer = await api.get(fill("/incident-notes/{incident_id}", incident_id=incident_id), _NoteList)
    return Notes(notes=answer.items, has_more=answer.has_more)


async def ionhour_list_notes(api: IonhourApi, incident_id: IncidentId) -> Notes:
    """List the notes on an Ionhour incident, with the ids that edit and delete take."""
    return await read_notes(api, incident_id)


async def ionhour_create_note(
    api: IonhourApi, writer: WriterDep, incident_id: IncidentId, body: Body, dry_run: DryRun = False
) -> Outcome[Note]:
    """Put a note on an Ionhour incident, in the name of the key's owner."""
    who = await said(api, writer, incident_id, dry_run=dry_run)
    return await writer.perform(api, note_write("ionhour_create_note", api, incident_id, body, who), dry_run=dry_run)


def note_write(tool: str, api: Api, incident_id: int, body: str, who: str | None = None) -> Write[Note, Note]:
    """Write a note as the API wants it; it has no key, so after a lost reply the notes are looked through."""
    path = fill("/incident-notes/{incident_id}", incident_id=incident_id)
    return Write(
        tool=tool,
        request=Request("POST", path, body={"body": _body(body)}),
        answer=Note,
        record=Note,
        tell=lambda answer: answer,
        repeat=Repeat.NEVER,
        question=f'Put a note on Ionhour incident {who or incident_id}: "{shorten(body, 200)}".',
        remembered=UPDATE_SECONDS,
        verify=lambda: _find(api, incident_id, body),
    )


async def ionhour_update_note(
    api: IonhourApi, writer: WriterDep, incident_id: IncidentId, note_id: NoteId, body: Body, dry_run: DryRun = False
) -> Outcome[Note]:
    """Replace a note's text; only its author may."""
    who = await said(api, writer, incident_id, dry_run=dry_run) or incident_id
    edit = Write(
        tool="ionhour_update_note",
        request=Request("PATCH", _note_path(incident_id, note_id), body={"body": _body(body)}),
        answer=Note,
        record=Note,
        tell=lambda answer: answer,
        repeat=Repeat.HARMLESS,
        question=f'Replace note {note_id} on Ionhour incident {who} by: "{shorten(body, 200)}".',
        advice=_NOT_AUTHOR,
    )
    return await writer.perform(api, edit, dry_run=dry_run)


async def ionhour_delete_note(
    api: IonhourApi, writer: WriterDep, incident_id: IncidentId, note_id: NoteId, dry_run: DryRun = False
) -> Outcome[Deleted]:
    """Delete a note: hidden from everybody, retained by Ionhour for audit; only its author may."""
    who = await said(api, writer, incident_id, dry_run=dry_run, destructive=True)
    delete = delete_write("ionhour_delete_note", incident_id, note_id, who)
    return await writer.perform(api, delete, dry_run=dry_run)


def delete_write(tool: str, incident_id: int, note_id: int, who: str | None = None) -> Write[Any, Deleted]:
    """Write a deletion as the API wants it."""
    return Write(
        tool=tool,
        request=Request("DELETE", _note_path(incident_id, note_id)),
        answer=_Anything,
        record=Deleted,
        tell=lambda _: Deleted(incident_id=incident_id, note_id=note_id),
        repeat=Repeat.HARMLESS,
        question=f"Delete note {note_id} on Ionhour incident {who or incident_id}; it is hidden from everybody.",
        destructive=True,
        advice=_NOT_AUTHOR | {404: "If an earlier delete of it had an unknown outcome, that one did it."},
    )


async def equal_notes(api: Api, incident_id: int, body: str) -> tuple[list[Note], bool]:
    """Read the notes with a text, and say whether there are further pages that were not read."""
    told = await read_notes(api, incident_id)
    return [note for note in told.notes if _plain(note.body) == _plain(body)], told.has_more


async def _find(api: Api, incident_id: int, body: str) -> Note | None:
    """Find a note by its text, since the API has no key that would make a repeat safe."""
    found, more = await equal_notes(api, incident_id, body)
    if not found and more:
        raise NoAnswer(f"{api.service.name} told one page of the notes of several: whether this one stands is open.")
    return found[0] if found else None


def _plain(body: str | None) -> str:
    return " ".join(str(html_to_text(body or "")).split())


def _note_path(incident_id: int, note_id: int) -> str:
    return fill("/incident-notes/{incident_id}/{note_id}", incident_id=incident_id, note_id=note_id)


TOOLS = [
    read(ionhour_list_notes, "List an Ionhour incident's notes"),
    write(ionhour_create_note, "Put a note on an Ionhour incident"),
    write(ionhour_update_note, "Edit a note", idempotent=True),
    write(ionhour_delete_note, "Delete a note", destructive=True, idempotent=True),
]
