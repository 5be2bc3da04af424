"""Processes killed with SIGKILL at any line between the first look and the answer: a repeat is one effect.

A few lines in CI; 200 a write with `INCIDENT_MCP_TRIALS=200 uv run pytest tests/reliability/test_kill.py -s`.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from mcp_types import CallToolResult

from tests.reliability.effects import word
from tests.reliability.processes import Served, served_sandbox
from tests.spawned import ROOT

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
TRIALS = int(os.environ.get("INCIDENT_MCP_TRIALS", "4"))
WRITES: dict[str, dict[str, Any]] = {
    "incidentio_create_incident": {"name": "{}", "severity": "Minor"},
    "incidentio_post_update": {"incident": "INC-114", "message": "{}"},
    "ionhour_create_note": {"incident_id": 4514, "body": "{}"},
    "incidentio_add_alert_note": {"alert": "01HR4B1YM0X4GKVR9ENZ6CE2M9", "content": "{}"},
    "incidentio_edit_incident": {"incident": "INC-110", "summary": "{}", "notify_incident_channel": True},
    "incidentio_page_people": {"title": "{}", "escalation_path": "Database"},
    "incidentio_create_override": {
        "schedule": "Payments primary",
        "user": "Ines Moreau",
        "start_at": "2099-01-01T08:00:00Z",
        "end_at": "{day}",
    },
}


def filled(arguments: dict[str, Any], text: str) -> dict[str, Any]:
    values = {"{}": text, "{day}": day(text)}
    return {name: values.get(value, value) for name, value in arguments.items()}


def day(text: str) -> str:
    """Return a day of its own for each trial: its number is the second word of its text."""
    return (datetime(2099, 1, 1, 10, tzinfo=UTC) + timedelta(days=int(text.split()[1]))).strftime("%Y-%m-%dT%H:%M:%SZ")


def effects(sandbox: Served, tool: str, text: str) -> int:  # noqa: PLR0911  # a table
    state = sandbox.state()
    match tool:
        case "incidentio_create_incident":
            return sum(row["name"] == text for row in state["incidentio"]["incidents"])
        case "incidentio_post_update":
            return sum(row.get("message") == text for row in state["incidentio"]["updates"])
        case "ionhour_create_note":
            return sum(row["body"] == text for row in state["ionhour"]["notes"])
        case "incidentio_add_alert_note":
            return sum(row["content"] == text for row in state["incidentio"]["alert_notes"])
        case "incidentio_page_people":
            return sum(row["title"] == text for row in state["incidentio"]["rings"])
        case "incidentio_create_override":
            rows = state["incidentio"]["schedule_overrides"] + state["incidentio"]["deleted_overrides"]
            return sum(row["end_at"].startswith(day(text)[:-1]) for row in rows)
        case _:
            requests = [row for row in sandbox.requests() if row["path"].endswith("/actions/edit")]
            bodies = [row["body"] for row in requests if row["body"]["incident"].get("summary") == text]
            incident = next(row for row in state["incidentio"]["incidents"] if row["reference"] == "INC-110")
            # What must not come twice is the message to the channel.
            assert sum(body["notify_incident_channel"] for body in bodies) <= 1
            return int(incident["summary"] == text)


Trial = Callable[[dict[str, Any]], dict[str, Any]]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Served]:
    with served_sandbox() as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def attempt() -> Iterator[Trial]:
    """Run a trial in processes that another one forks."""
    command = [sys.executable, "-m", "tests.reliability.killer"]
    killer = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)

    def attempt_(trial: dict[str, Any]) -> dict[str, Any]:
        killer.stdin.write(json.dumps(trial) + "\n")
        killer.stdin.flush()
        return json.loads(killer.stdout.readline())

    yield attempt_
    killer.kill()
    killer.communicate()


@pytest.mark.parametrize("tool", WRITES)
def test_killed_at_any_line_and_called_again_a_write_has_one_effect(
    tool: str, sandbox: Served, attempt: Trial, tmp_path: Path
) -> None:
    def trial(number: int, line: int) -> dict[str, Any]:
        arguments = filled(WRITES[tool], f"Trial {number} of {tool}")
        state = str(tmp_path / f"state {number}")
        return attempt({"tool": tool, "line": line, "state": state, "arguments": arguments, **sandbox.settings()})

    lines = trial(0, 0)["lines"]
    killed = 0
    counts: dict[tuple[str, int], int] = {}
    for number in range(1, TRIALS + 1):
        outcome = trial(number, max(1, lines * number // (TRIALS + 1)))
        killed += outcome["killed"]
        told = word(CallToolResult.model_validate(outcome["answer"]))
        count = effects(sandbox, tool, f"Trial {number} of {tool}")
        counts[told, count] = counts.get((told, count), 0) + 1
    print(f"{tool}: {killed} of {TRIALS} processes killed over {lines} lines; (outcome, effects): {counts}")
    assert killed >= TRIALS * 0.9
    assert set(counts) <= {("done", 1)}
