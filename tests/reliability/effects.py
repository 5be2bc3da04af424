"""Every write, and how to count in the sandbox what it did: incidents, updates and notes, not requests."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from mcp_types import CallToolResult

from tests.conftest import PREVIEWED, text_of
from tests.examples import EFFECTS, EXAMPLES, Effect

State = dict[str, Any]
Word = Literal["done", "refused", "not sent", "unknown", "still unknown"]


@dataclass(frozen=True)
class WriteCase:
    """A call of a tool that writes, and how often it took effect."""

    tool: str
    arguments: dict[str, Any]
    effect: Effect
    name: str

    def __str__(self) -> str:
        return self.name

    @property
    def method(self) -> str:
        return self.effect.request.partition(" ")[0]

    @property
    def path(self) -> str:
        """A regular expression of the request that has the effect."""
        return self.effect.path

    @property
    def word_when_gone(self) -> Word:
        """What a repeated deletion reports: a preview finds nothing, without it the service refuses."""
        return "not sent" if self.tool in PREVIEWED else "refused"

    def check_deleted_by_one_of(self, told: list[Word]) -> None:
        """Check what identical deletions at once report: after both were previewed, a second one succeeds, too."""
        if self.tool in PREVIEWED:
            assert "done" in told
            assert set(told) <= {"done", self.word_when_gone}
        else:
            assert sorted(told) == ["done", *[self.word_when_gone] * (len(told) - 1)]

    def count(self, state: State) -> int:
        return self.effect.count(state)


def _cases() -> Iterator[WriteCase]:
    for tool, effects in EFFECTS.items():
        first, *_ = EXAMPLES[tool]
        for arguments, effect in zip(EXAMPLES[tool], effects, strict=False):
            more = " and ".join(sorted(arguments.keys() - first.keys()))
            yield WriteCase(tool, arguments, effect, f"{tool} with {more}" if more else tool)


WRITES = list(_cases())


def write(name: str) -> WriteCase:
    """Return the write of this name."""
    return next(case for case in WRITES if case.name == name)


CREATE = write("incidentio_create_incident")
EDIT = write("incidentio_edit_incident")
CLOSE_WITH_MESSAGE = write("incidentio_close_incident with message")
POST_UPDATE = write("incidentio_post_update")
DECLARE = write("declare_from_ionhour")
CREATE_NOTE = write("ionhour_create_note")
JOURNALLED = [case for case in WRITES if case.effect.journalled]

_WORDS: dict[str, Word] = {
    "Outcome: not sent": "not sent",
    "Outcome: refused, nothing was changed": "refused",
    "Outcome: sent, outcome unknown: call again": "unknown",
    "Outcome: still unknown": "still unknown",
}


def word(result: CallToolResult) -> Word:
    """Return the outcome that a result reports; every failed write reports exactly one."""
    text = text_of(result)
    told: list[Word] = [word for mark, word in _WORDS.items() if mark in text]
    if not result.is_error:
        assert not told, text
        return "done"
    assert len(told) == 1, text
    return told[0]


def rows(folder: Path) -> list[tuple[str, str]]:
    """Return (tool, state) of every row of a journal; none when there is no journal."""
    path = folder / "journal.sqlite3"
    if not path.exists():
        return []
    with closing(sqlite3.connect(path)) as db:
        return db.execute("SELECT tool, state FROM writes ORDER BY tool").fetchall()
