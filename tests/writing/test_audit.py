"""The audit log: one line a write, chained, mended after a crash, and checked by a command."""

import json
import os
import shutil
import stat
import sys
from pathlib import Path

import pytest

from incident_mcp.commands.cli import main
from incident_mcp.sandbox import Fault, Sandbox
from incident_mcp.writing.audit import NO_LINE, AuditLog, verify
from tests.conftest import Caller, Connect

pytestmark = pytest.mark.anyio


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


def lines(file: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in file.read_bytes().splitlines()]


async def filled(file: Path, count: int = 3) -> AuditLog:
    log = AuditLog(file)
    for number in range(count):
        await log.append({"tool": f"tool {number}", "outcome": "done"})
    return log


async def test_each_write_leaves_a_line_that_says_who_what_and_how_it_ended(
    connect: Connect, box: Sandbox, file: Path
) -> None:
    async with connect(mode="legacy", audit_log=file) as call:
        await call.ok("incidentio_post_update", incident="INC-114", message="Rolling back.")
        await call.ok("incidentio_post_update", incident="INC-114", message="Rolling back.")
        box.fail(Fault("status", status=422, method="POST"))
        await call.error("incidentio_create_incident", name="Refunds fail")
        await call.ok("incidentio_create_incident", name="Refunds fail", dry_run=True)
        await call.ok("incidentio_list_severities")
    first, repeated, refused = lines(file)
    assert (first["tool"], first["service"], first["outcome"]) == ("incidentio_post_update", "incident.io", "done")
    assert first["caller"]
    assert first["request"]["method"] == "POST"
    assert first["request"]["path"] == "/v2/incident_updates"
    assert first["request"]["body"]["message"] == "Rolling back."
    assert first["at"].endswith("+00:00")
    assert repeated["outcome"] == "repeated"
    assert (refused["outcome"], bool(refused["request_id"])) == ("refused", True)
    assert first["previous"] == NO_LINE
    assert verify(file).problem is None
    assert box.key("incidentio") not in file.read_text()


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX modes")
async def test_it_is_made_for_its_owner_alone(file: Path) -> None:
    await filled(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("text", ["ok\u202eko", "tags \U000e0041", "a line\u2028break", "\ud800 alone", "\x00\x1b[31m"])
async def test_odd_characters_stay_exact_and_harmless(file: Path, text: str) -> None:
    await AuditLog(file).append({"text": text})
    assert file.read_bytes().isascii()
    assert lines(file)[0]["text"] == text
    assert verify(file).problem is None


def change(file: Path, number: int, new: bytes | None) -> None:
    kept = file.read_bytes().splitlines(keepends=True)
    kept[number : number + 1] = [] if new is None else [new]
    file.write_bytes(b"".join(kept))


async def test_a_changed_line_shows_at_the_one_after_it(file: Path) -> None:
    await filled(file)
    change(file, 1, file.read_bytes().splitlines(keepends=True)[1].replace(b"tool 1", b"tool x"))
    assert verify(file).problem.startswith("line 3 does not follow")
    assert verify(file).lines == 2


@pytest.mark.parametrize("number", [0, 1])
async def test_a_missing_line_shows(file: Path, number: int) -> None:
    await filled(file)
    change(file, number, None)
    assert verify(file).problem.startswith(f"line {number + 1} does not follow")


@pytest.mark.parametrize("line", [b"no json\n", b"[]\n", b"\n", b"{}\n"])
async def test_a_line_of_something_else_shows(file: Path, line: bytes) -> None:
    await filled(file)
    change(file, 1, line)
    assert verify(file).problem.startswith("line 2 ")


@pytest.mark.parametrize("cut", [1, 20, 60])
@pytest.mark.parametrize("count", [1, 3])
async def test_a_line_cut_by_a_crash_is_mended_at_the_next_start_and_the_chain_holds(
    file: Path, connect: Connect, cut: int, count: int
) -> None:
    await filled(file, count)
    os.truncate(file, file.stat().st_size - cut)
    assert verify(file).problem.startswith(f"line {count} is cut")
    async with connect(audit_log=file) as call:
        assert verify(file).problem is None
        await call.ok("incidentio_post_update", incident="INC-114", message="After the crash.")
    assert verify(file).problem is None
    assert "a crash cut" in lines(file)[count - 1]["mended"]
    assert len(lines(file)) == count + 1


async def test_a_line_longer_than_what_is_read_at_once_is_followed(file: Path) -> None:
    log = AuditLog(file)
    for _ in range(3):
        await log.append({"text": "x" * 200_000})
    os.truncate(file, file.stat().st_size - 5)
    log.repair()
    await log.append({"text": "after"})
    assert verify(file).problem is None


async def test_a_log_that_cannot_be_written_is_told_of_and_loses_no_write(
    connect: Connect, box: Sandbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("no folder")
    async with connect(audit_log=tmp_path / "file" / "audit.jsonl") as call:
        for message in ("One.", "Two."):
            answer = await call.ok("incidentio_post_update", incident="INC-114", message=message)
            assert "audit log cannot be written" in answer["note"]
    assert len(box.writes()) == 2
    assert sum(record.name == "incident_mcp.writing.audit" for record in caplog.records) == 1


async def test_each_streak_of_failures_is_logged_once_and_over_with_the_next_line(
    connect: Connect, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "logs"
    message = 0

    async def note(call: Caller) -> str:
        nonlocal message
        message += 1
        answer = await call.ok("incidentio_post_update", incident="INC-114", message=f"Message {message}.")
        return answer.get("note", "")

    async with connect(audit_log=folder / "audit.jsonl") as call:
        for streak in range(3):
            folder.write_text("a file where the folder should be")
            assert ["audit log cannot be written" in await note(call) for _ in range(2)] == [True, True]
            folder.unlink()
            folder.mkdir()
            assert [await note(call) for _ in range(2)] == ["", ""]
            assert sum(record.name == "incident_mcp.writing.audit" for record in caplog.records) == streak + 1
            shutil.rmtree(folder)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX modes")
async def test_a_linked_log_keeps_the_mode_of_its_file(file: Path) -> None:
    file.write_bytes(b"")
    file.chmod(0o640)
    link = file.with_name("link.jsonl")
    link.symlink_to(file)
    await filled(link)
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert verify(file).lines == 3


async def test_the_command_says_intact_and_how_many_lines(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    await filled(file)
    assert main(["audit", "verify", str(file)]) == 0
    assert capsys.readouterr().out == f"{file}: intact, 3 lines.\n"


async def test_the_command_names_the_first_bad_line(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    await filled(file)
    change(file, 1, None)
    assert main(["audit", "verify", str(file)]) == 1
    assert "line 2 does not follow" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["audit"], ["audit", "verify"], ["audit", "check", "x"]])
def test_the_commands_usage_is_told_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage" in capsys.readouterr().err


def test_a_file_that_is_not_there_is_told_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "verify", str(tmp_path / "none")]) == 2
    assert "No such file" in capsys.readouterr().err
