"""Every write, and how to count in the sandbox what it did: incidents, updates and notes, not requests."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from mcp_types import CallToolResult

from incident_mcp.sandbox import Sandbox
from tests.conftest import NOW, text_of

State = dict[str, Any]
_SEEDED = Sandbox(now=NOW).state()


@dataclass(frozen=True)
class WriteCase:
    tool: str
    arguments: dict[str, Any]
    method: str
    path: str
    """A regular expression of the request that has the effect."""
    count: Callable[[State], int]
    journalled: bool = False
    looks: bool = False
    """After a lost reply it looks whether it was done."""
    name: str = ""
    extra: dict[str, Any] = field(default_factory=dict[str, Any])

    def __str__(self) -> str:
        return self.name or self.tool


def _incidents(name: str) -> Callable[[State], int]:
    return lambda state: sum(row["name"] == name for row in state["incidentio"]["incidents"])


def _updates(reference: str) -> Callable[[State], int]:
    def of(state: State) -> int:
        incident = next(row for row in state["incidentio"]["incidents"] if row["reference"] == reference)
        number = int(reference.removeprefix("INC-"))
        seeded = next(row for row in _SEEDED["incidentio"]["incidents"] if row["reference"] == f"INC-{number}")
        before = sum(row["incident_id"] == seeded["id"] for row in _SEEDED["incidentio"]["updates"])
        return sum(row["incident_id"] == incident["id"] for row in state["incidentio"]["updates"]) - before

    return of


def _messages(message: str) -> Callable[[State], int]:
    return lambda state: sum(row.get("message") == message for row in state["incidentio"]["updates"])


def _notes(body: str) -> Callable[[State], int]:
    return lambda state: sum(row["body"] == body for row in state["ionhour"]["notes"])


def _deleted(note: int) -> Callable[[State], int]:
    return lambda state: sum(row["id"] == note and "deletedAt" in row for row in state["ionhour"]["notes"])


def _acknowledged(incident: int) -> Callable[[State], int]:
    return lambda state: sum(
        (row["incidentId"], row["type"]) == (incident, "ACKNOWLEDGED") for row in state["ionhour"]["events"]
    )


CREATE = WriteCase(
    "incidentio_create_incident",
    {"name": "Refunds fail", "severity": "Minor"},
    "POST",
    "/v2/incidents$",
    _incidents("Refunds fail"),
    journalled=True,
)
EDIT = WriteCase(
    "incidentio_edit_incident",
    {"incident": "INC-110", "severity": "Critical"},
    "POST",
    "/v2/incidents/110/actions/edit$",
    _updates("INC-110"),
    journalled=True,
    looks=True,
)
CLOSE = WriteCase(
    "incidentio_close_incident",
    {"incident": "INC-112"},
    "POST",
    "/v2/incidents/112/actions/edit$",
    _updates("INC-112"),
    journalled=True,
    looks=True,
)
CLOSE_WITH_MESSAGE = WriteCase(
    "incidentio_close_incident",
    {"incident": "INC-116", "message": "All is well again."},
    "POST",
    "/v2/incident_updates$",
    _messages("All is well again."),
    journalled=True,
    name="incidentio_close_incident with a message",
)
POST_UPDATE = WriteCase(
    "incidentio_post_update",
    {"incident": "INC-114", "message": "Rolling back."},
    "POST",
    "/v2/incident_updates$",
    _messages("Rolling back."),
    journalled=True,
)
DECLARE = WriteCase(
    "declare_from_ionhour",
    {"ionhour_incident_id": 4510, "note": False},
    "POST",
    "/v2/incidents$",
    _incidents("checkout-web is impacted by Stripe API"),
    journalled=True,
)
ACKNOWLEDGE = WriteCase(
    "ionhour_acknowledge_incident",
    {"incident_id": 4514},
    "POST",
    "/incidents/4514/acknowledge$",
    _acknowledged(4514),
    looks=True,
)
CREATE_NOTE = WriteCase(
    "ionhour_create_note",
    {"incident_id": 4514, "body": "Looking."},
    "POST",
    "/incident-notes/4514$",
    _notes("Looking."),
    journalled=True,
    looks=True,
)
UPDATE_NOTE = WriteCase(
    "ionhour_update_note",
    {"incident_id": 4512, "note_id": 704, "body": "Corrected."},
    "PATCH",
    "/incident-notes/4512/704$",
    _notes("Corrected."),
    looks=True,
)
DELETE_NOTE = WriteCase(
    "ionhour_delete_note",
    {"incident_id": 4507, "note_id": 702},
    "DELETE",
    "/incident-notes/4507/702$",
    _deleted(702),
)
WRITES = [
    CREATE,
    EDIT,
    CLOSE,
    CLOSE_WITH_MESSAGE,
    POST_UPDATE,
    DECLARE,
    ACKNOWLEDGE,
    CREATE_NOTE,
    UPDATE_NOTE,
    DELETE_NOTE,
]
JOURNALLED = [case for case in WRITES if case.journalled]

Word = Literal["done", "refused", "not sent", "unknown", "still unknown"]
_WORDS: dict[str, Word] = {
    "Outcome: not sent": "not sent",
    "Outcome: refused, nothing was changed": "refused",
    "Outcome: sent, outcome unknown: call again": "unknown",
    "Outcome: still unknown": "still unknown",
}


def word(result: CallToolResult) -> Word:
    """Give the outcome that an answer tells; every failure of a write tells exactly one."""
    text = text_of(result)
    told: list[Word] = [word for mark, word in _WORDS.items() if mark in text]
    if not result.is_error:
        assert not told, text
        return "done"
    assert len(told) == 1, text
    return told[0]


def rows(folder: Path) -> list[tuple[str, str]]:
    """Give (tool, state) of every row of a journal; none when there is no journal."""
    path = folder / "journal.sqlite3"
    if not path.exists():
        return []
    with closing(sqlite3.connect(path)) as db:
        return db.execute("SELECT tool, state FROM writes ORDER BY tool").fetchall()
