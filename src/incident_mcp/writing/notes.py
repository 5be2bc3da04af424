"""Finding a note by its text, where the service has no idempotency key for notes.

The notes are read before one is sent: after a lost response, a new note with this text is the one that was sent.
"""

import unicodedata
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from incident_mcp.errors import NoAnswerError
from incident_mcp.records.html import decode_entities, html_to_text, start_to_text
from incident_mcp.records.instants import parse_instant
from incident_mcp.records.record import A
from incident_mcp.transport.api import Api
from incident_mcp.writing.journal.entry import fingerprint
from incident_mcp.writing.plan import Baseline, Existing


class Made(Protocol):
    """What was created at some time."""

    @property
    def made_at(self) -> str | None:
        """When it was created, with all digits."""
        ...


class NoteLike(Protocol):
    """A note as its service returns it."""

    @property
    def note_id(self) -> str | None:
        """Its id, if the service returns one."""
        ...

    @property
    def text(self) -> str | None:
        """Its text."""
        ...

    @property
    def made_at(self) -> str | None:
        """When it was created, with all digits."""
        ...


N = TypeVar("N", bound=NoteLike)


@dataclass(frozen=True)
class NoteFinder(Generic[N, A]):
    """Finds the note that a write adds."""

    api: Api
    text: str
    """The text that is sent."""
    read: Callable[[], Awaitable[tuple[Sequence[N], bool]]]
    """Returns the notes, and whether there are more that were not read."""
    to_response: Callable[[N], A]
    """Returns what the service answers when it adds this note."""
    kind: str = "note"
    """What it is, for error messages."""
    is_same: Callable[[N], bool] = lambda _: True
    """Whether a note with the text also has what else is sent."""

    async def read_existing(self, window: float) -> Existing[A]:
        """Return the IDs of the existing notes, and an identical note of the last `window` seconds."""
        notes, _ = await self.read()
        recent = (note for note in notes if self._is_sent(note) and is_made_since(note, self.api.now() - window))
        identical = next(recent, None)
        ids = tuple(key for key, _ in _with_keys(notes))
        return Existing(ids, None if identical is None else self.to_response(identical))

    async def find_created(self, baseline: Baseline) -> A | None:
        """Find the note that an earlier attempt created.

        Raises:
            NoAnswerError: It is unknown whether the attempt created it.
        """
        notes, has_more = await self.read()
        new = _new_notes(notes, baseline)
        if found := next((note for note in new if self._is_sent(note)), None):
            return self.to_response(found)
        if alike := next((note for note in new if letters(note.text) == letters(self.text)), None):
            raise NoAnswerError(
                f"There is a new {self.kind} with nearly the same text ({alike.note_id}). It is unknown whether it is"
                f" this one, because the service may change texts. Check the {self.kind}s before you add another one."
            )
        if has_more:
            raise NoAnswerError(
                f"{self.api.service.name} returned only a part of the {self.kind}s: it is unknown whether this one was"
                " added."
            )
        return None

    def _is_sent(self, note: N) -> bool:
        return has_text(note, self.text) and self.is_same(note)


def has_text(note: NoteLike, text: str) -> bool:
    """Return whether a note has exactly this text, except for line ends and the conversion of HTML."""
    sent = text.replace("\r\n", "\n").strip()
    held = (note.text or "").replace("\r\n", "\n").strip()
    return held in (sent, start_to_text(sent)) or decode_entities(held) == sent


def _new_notes(notes: Sequence[N], baseline: Baseline) -> list[N]:
    """Return the notes that were not there before a write."""
    if baseline.existing_ids is None:
        return [note for note in notes if is_made_since(note, baseline.started_at)]
    return [note for key, note in _with_keys(notes) if key not in baseline.existing_ids]


def letters(text: str | None) -> str:
    """Return the first letters and digits of a text, which a service that changes markup or spaces preserves."""
    plain = unicodedata.normalize("NFKC", html_to_text((text or "")[:_READ]))
    return "".join(letter for letter in plain if letter.isalnum()).casefold()[:_COMPARED]


_READ, _COMPARED = 2_000, 200
"""Characters that are read, and letters that are compared."""


def _with_keys(notes: Sequence[N]) -> list[tuple[str, N]]:
    """Return notes with keys: their IDs or, for a service that returns none, their texts, numbered."""
    seen: Counter[str | None] = Counter()
    keyed: list[tuple[str, N]] = []
    for note in notes:
        seen[note.text] += 1
        keyed.append((note.note_id or fingerprint(note.text, seen[note.text]), note))
    return keyed


def is_made_since(note: Made, began: float) -> bool:
    """Return whether something was created since a Unix time of the service's clock."""
    made = parse_instant(note.made_at)
    return made is not None and made.timestamp() >= began - _PRECISION


_PRECISION = 1.0
"""Seconds: the precision of the `Date` header, from which the service's clock is known."""
