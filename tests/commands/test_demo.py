"""`incident-mcp demo`: it shows every step, and a step whose check fails ends it."""

import io
import os
import re
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout

import pytest

from incident_mcp.sandbox import demo
from incident_mcp.sandbox.demo.outage import OUTAGE
from incident_mcp.sandbox.demo.steps import NAME, STEPS
from tests.spawned import OURS, SERVER, run

SERVE = """\
import os
import anyio
from mcp import stdio_server
from incident_mcp.sandbox import Fault, Sandbox
from incident_mcp.serving.server import build_server
from incident_mcp.settings import Settings

box = Sandbox()
{change}


async def serve():
    server = build_server(Settings.from_env(os.environ, sandbox=True), network=box)
    async with stdio_server() as streams:
        await server.run(*streams, server.create_initialization_options())


anyio.run(serve)
"""
"""Serves a sandbox that lacks something the demo needs."""


def plain(**settings: str) -> dict[str, str]:
    """Return an environment in which rich takes width and colours from the output alone."""
    rich = {"COLUMNS", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"}
    kept = {k: v for k, v in os.environ.items() if k not in rich and not k.startswith(OURS)}
    return {**kept, "PYTHONIOENCODING": "utf-8", **settings}


@pytest.fixture(scope="module")
def piped() -> subprocess.CompletedProcess[str]:
    """The demo in a pipe, within 15 s, for a caller whose own settings would break it."""
    conflicting = plain(INCIDENT_MCP_READ_ONLY="1", INCIDENTIO_API_URL="no address", IONHOUR_API_KEY="planted-key")
    return run(*SERVER, "demo", timeout=15, env=conflicting, encoding="utf-8")


def walk(*server: str, full: bool = False) -> subprocess.CompletedProcess[str]:
    """Run the demo in this process against a server of its own."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        for name in os.environ.keys() - plain().keys():
            patch.delenv(name)
        code = demo.run(server, full=full)
    return subprocess.CompletedProcess(server, code, out.getvalue(), err.getvalue())


def test_it_runs_every_step_in_order_and_exits_with_0(piped: subprocess.CompletedProcess[str]) -> None:
    assert (piped.returncode, piped.stderr) == (0, "")
    headings = re.findall(r"^(\d+)\. (.*?) ─", piped.stdout, re.MULTILINE)
    titles = ["Start the server", *(step.title for step in STEPS)]
    assert headings == [(str(number), title) for number, title in enumerate(titles, 1)]


def test_a_pipe_gets_80_columns_without_control_codes(piped: subprocess.CompletedProcess[str]) -> None:
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", piped.stdout)
    assert max(len(line) for line in piped.stdout.splitlines()) <= 80


def test_the_summary_counts_one_incident_and_every_call(piped: subprocess.CompletedProcess[str]) -> None:
    calls = len(re.findall(r"^  call ", piped.stdout, re.MULTILINE))
    summary = piped.stdout[piped.stdout.index("─ Done ─") :]
    assert "1 declared: INC-118" in summary
    assert f"{calls}: {calls - 1} answered, 1 rejected on purpose" in summary


def section(shown: str, title: str) -> str:
    """Return the output of a step, up to the next heading or the summary."""
    return re.split(r"^\d+\. |^╭─ Done", shown.partition(f". {title} ─")[2], maxsplit=1, flags=re.MULTILINE)[0]


def test_it_starts_from_the_situation_over_both_services(piped: subprocess.CompletedProcess[str]) -> None:
    first = section(piped.stdout, STEPS[0].title)
    assert re.findall(r"^  call +(.*?) *$", first, re.MULTILINE) == ["situation"]
    assert "Linked            INC-114 and 4512" in first
    assert re.search(r"Not declared +4514\b", first)
    now = section(piped.stdout, "What is on fire now?")
    assert "INC-118 and 4514" in now
    assert re.search(r"Not declared +4510\b", now)


def test_declaring_twice_shows_one_incident_and_one_note(piped: subprocess.CompletedProcess[str]) -> None:
    declared = section(piped.stdout, "Declare from the alert")
    assert len(re.findall(r"^ +(?:declare|note|acknowledge) +done *$", declared, re.MULTILINE)) == 3
    again = section(piped.stdout, "Declare again, by mistake")
    assert len(re.findall(r"^ +(?:declare|note|acknowledge) +done before", again, re.MULTILINE)) == 3
    counted = section(piped.stdout, "Check for duplicates")
    assert counted.count("Declared in incident.io as INC-118") == 1
    assert set(re.findall(r"INC-\d+", counted)) == {"INC-118"}


def test_it_ends_with_the_timeline_of_both_services(piped: subprocess.CompletedProcess[str]) -> None:
    last = section(piped.stdout, STEPS[-1].title)
    assert re.findall(r"^  call +(.*?) *$", last, re.MULTILINE) == ['incident_timeline incident="INC-118"']
    entries = re.findall(r"^ +(?:\d+ ms +)?\d\d:\d\d  (Ionhour|incident\.io) +(\w+)", last, re.MULTILINE)
    assert entries[0] == ("Ionhour", "Incident")
    assert entries[-1] == ("incident.io", "Closed")


@pytest.fixture(scope="module")
def full() -> subprocess.CompletedProcess[str]:
    """The full demo in a pipe."""
    return run(*SERVER, "demo", "--full", timeout=15, env=plain(), encoding="utf-8")


def test_the_full_demo_walks_an_outage_up_to_its_post_mortem(full: subprocess.CompletedProcess[str]) -> None:
    assert (full.returncode, full.stderr) == (0, "")
    headings = re.findall(r"^\d+\. (.*?) ─", full.stdout, re.MULTILINE)
    assert headings == ["Start the server", *(step.title for step in OUTAGE)]
    assert max(len(line) for line in full.stdout.splitlines()) <= 80


def test_the_full_demo_takes_at_most_20_calls_and_15000_tokens(full: subprocess.CompletedProcess[str]) -> None:
    shown = " ".join(full.stdout.split())
    calls = len(re.findall(r"^  call ", full.stdout, re.MULTILINE))
    assert f"Tool calls {calls}: {calls} answered" in shown
    assert calls <= 20
    tokens, of_list = re.search(r"Tokens ([\d,]+) in calls and answers, ([\d,]+) in the list", shown).groups()
    assert int(tokens.replace(",", "")) <= 15_000
    assert int(of_list.replace(",", "")) <= 13_000


def test_the_full_demo_pages_once_with_the_code_of_the_preview(full: subprocess.CompletedProcess[str]) -> None:
    assert section(full.stdout, "Page").count("call     incidentio_page_people") == 1
    assert re.search(r"status +acked *\n +outcome +acked at ", section(full.stdout, "Acknowledge"))


def test_the_plain_demo_pages_nobody_and_names_the_full_one(piped: subprocess.CompletedProcess[str]) -> None:
    assert "incidentio_page_people" not in piped.stdout
    assert "incident-mcp demo --full" in " ".join(piped.stdout.split())


FULL_BROKEN = {
    "Page": 'box.incidentio.remove_scope("escalations.create")',
    "Acknowledge": 'box.incidentio.remove_scope("escalations.respond")',
    "Tell customers": 'box.incidentio.remove_scope("status_pages.publish_updates")',
    "Note what is left": 'box.incidentio.remove_scope("follow_ups.create")',
    "Store it": 'box.incidentio.remove_scope("in_app_postmortems.import")',
}
"""The step of the full demo that fails, and the change of the sandbox that causes it."""


@pytest.mark.parametrize(("step", "change"), FULL_BROKEN.items(), ids=FULL_BROKEN)
def test_a_failed_step_of_the_full_demo_is_named(step: str, change: str) -> None:
    ended = walk(sys.executable, "-c", SERVE.format(change=change), full=True)
    number = [row.title for row in OUTAGE].index(step) + 2
    assert ended.returncode == 1
    assert f"Step {number} failed: {step}" in ended.stdout
    assert "Done" not in ended.stdout


def test_the_callers_keys_are_not_shown(piped: subprocess.CompletedProcess[str]) -> None:
    assert "planted-key" not in piped.stdout + piped.stderr


def test_an_ascii_terminal_is_enough() -> None:
    ended = run(*SERVER, "demo", env=plain(PYTHONIOENCODING="ascii"), encoding="ascii")
    assert (ended.returncode, ended.stderr) == (0, "")


BROKEN = {
    "What is on fire?": 'box.fail(Fault("status", service="incidentio", status=401))',
    "Declare from the alert: dry run": "box.incidentio.severities.clear()",
    "Declare from the alert": 'box.fail(Fault("status", service="ionhour", method="POST", status=403))',
    "Post an update": 'box.incidentio.statuses[:] = [s for s in box.incidentio.statuses if s["name"] != "Fixing"]',
    "Close": 'box.add_closed_status("Resolved")',
    "Check for duplicates": 'box.incidentio.incidents[0]["name"] = ' + repr(NAME),
}
"""The step that fails, and the change of the sandbox that causes it."""
NOTHING_TO_DO = {
    "no alert": "box.ionhour.incidents.clear()",
    "half of the picture": 'box.fail(Fault("status", service="ionhour", status=401))',
    "no outage in both": 'for row in box.incidentio.incidents: row["summary"] = ""',
}
"""Changes that leave the first step without an alert or a link."""


@pytest.mark.parametrize(("step", "change"), BROKEN.items(), ids=BROKEN)
def test_a_failed_step_is_named_and_the_demo_exits_with_1(step: str, change: str) -> None:
    ended = walk(sys.executable, "-c", SERVE.format(change=change))
    number = [row.title for row in STEPS].index(step) + 2
    assert ended.returncode == 1
    assert f"Step {number} failed: {step}" in ended.stdout
    assert "Done" not in ended.stdout
    assert "Traceback" not in ended.stdout + ended.stderr


@pytest.mark.parametrize("change", NOTHING_TO_DO.values(), ids=NOTHING_TO_DO)
def test_without_an_outage_the_first_call_fails(change: str) -> None:
    ended = walk(sys.executable, "-c", SERVE.format(change=change))
    assert ended.returncode == 1
    assert "Step 2 failed: What is on fire?" in ended.stdout


@pytest.mark.parametrize(
    "server",
    [(sys.executable, "-c", "raise SystemExit(3)"), ("no-such-program",)],
    ids=["ends at once", "is not there"],
)
def test_a_server_that_does_not_start_fails_the_first_step(server: tuple[str, ...]) -> None:
    ended = walk(*server)
    assert ended.returncode == 1
    assert "Step 1 failed: Start the server" in ended.stdout
    assert "Traceback" not in ended.stdout + ended.stderr


def test_a_server_that_dies_fails_the_current_step() -> None:
    dying = "box.incidentio_app.__class__.__call__ = lambda *_: os._exit(9)"
    ended = walk(sys.executable, "-c", SERVE.format(change=dying))
    assert ended.returncode == 1
    assert "Step 2 failed: What is on fire?" in ended.stdout
    assert "Traceback" not in ended.stdout + ended.stderr
