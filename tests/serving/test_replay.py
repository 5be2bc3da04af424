"""A recorded session, replayed: the same answers, byte for byte, without a key and without a network."""

import json
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client
from mcp_types import CallToolResult
from pydantic import SecretStr

from incident_mcp.catalogue import TOOLS
from incident_mcp.commands.cli import main
from incident_mcp.sandbox import Sandbox
from incident_mcp.sandbox.engine.faults import Fault
from incident_mcp.serving.replay import build_replay_server
from incident_mcp.serving.server import build_server
from incident_mcp.settings import Settings
from incident_mcp.transport.recording.lines import RecordingError, read_recording
from incident_mcp.transport.service import Limits
from tests.conftest import Caller, text_of
from tests.examples import calls
from tests.reliability.processes import server
from tests.spawned import SERVER, environment, run, sandbox_served

pytestmark = pytest.mark.anyio

EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
CODE = re.compile(r"\b[a-z2-7]{40}\b|redacted-code-[a-p]{12}")
READS = {spec.name for spec in TOOLS if not spec.writes}
CALLS = calls()


def masked(text: str) -> str:
    """Return a text without what a recording replaces."""
    return CODE.sub("CODE", EMAIL.sub("EMAIL", text))


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def recorded_calls(path: Path) -> list[tuple[str, dict[str, Any]]]:
    return [(line["tool"], line["arguments"]) for line in lines(path) if line["kind"] == "call"]


@asynccontextmanager
async def recording(path: Path, box: Sandbox, tmp_path: Path, **settings: Any) -> AsyncIterator[Caller]:
    chosen = {"toolsets": ("all",), "max_declares": 0, "max_writes": 0, "state_dir": tmp_path / "state", **settings}
    own = Settings(sandbox=True, record=path, **chosen)
    async with Client(build_server(own, network=box, limits=Limits(backoff=0))) as client:
        yield Caller(client, box)


async def replayed(path: Path, wanted: Sequence[tuple[str, dict[str, Any]]]) -> list[CallToolResult]:
    async with Client(build_replay_server(read_recording(path))) as client:
        return [await client.call_tool(tool, arguments) for tool, arguments in wanted]


async def test_every_example_of_every_tool_is_replayed_byte_for_byte(box: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "recording.jsonl"
    told: list[str] = []
    async with recording(path, box, tmp_path) as call:
        for tool, arguments in CALLS:
            told.append(text_of(await call.result(tool, **arguments)))
            if tool not in READS and '"confirm":"' in told[-1]:
                confirm = json.loads(told[-1])["confirm"]
                told.append(text_of(await call.result(tool, **arguments, confirm=confirm)))
    again = await replayed(path, recorded_calls(path))
    for result, text in zip(again, told, strict=True):
        assert masked(text_of(result)) == masked(text)
    unchanged = [text for text in told if masked(text) == text]
    assert len(unchanged) > len(told) * 0.8
    assert set(unchanged) <= {text_of(result) for result in again}
    recorded = [line for line in lines(path) if line["kind"] == "result"]
    assert len(recorded) == len(told)
    # More than refusals: the writes took effect.
    assert len(box.writes()) >= 15
    done = {tool for (tool, _), line in zip(recorded_calls(path), recorded, strict=True) if "answer" in line}
    assert len(done - READS) >= 15
    assert done >= READS & {tool for tool, _ in CALLS}
    # And exactly as recorded, whatever was replaced.
    for line, result in zip(recorded, again, strict=True):
        if "answer" in line:
            assert json.loads(text_of(result)) == line["answer"]
            assert not result.is_error
        else:
            assert (text_of(result), result.is_error) == (line["error"], True)


async def test_a_call_in_the_middle_is_answered_after_those_before_it(box: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "recording.jsonl"
    note = {"incident_id": 4512, "body": "Failing over now."}
    async with recording(path, box, tmp_path) as call:
        first = text_of(await call.result("ionhour_create_note", **note))
        second = text_of(await call.result("ionhour_create_note", **note))
    assert "repeated" not in first
    assert "repeated" in second
    (last,) = await replayed(path, [("ionhour_create_note", note)])
    assert text_of(last) == first
    answers = await replayed(path, [("ionhour_create_note", note)] * 3)
    assert [text_of(each) for each in answers] == [first, second, second]


async def test_the_same_read_is_answered_in_the_recorded_order(box: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "recording.jsonl"
    read = ("ionhour_list_notes", {"incident_id": 4512})
    async with recording(path, box, tmp_path) as call:
        before = text_of(await call.result(read[0], **read[1]))
        await call.ok("ionhour_create_note", incident_id=4512, body="Only later.")
        after = text_of(await call.result(read[0], **read[1]))
    assert "Only later." not in before
    assert [text_of(each) for each in await replayed(path, [read, read])] == [before, after]


async def test_a_read_that_no_call_made_is_answered_from_the_requests_of_others(box: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "recording.jsonl"
    async with recording(path, box, tmp_path) as call:
        await call.ok("incidentio_list_incidents", severity=["Critical"])
    async with recording(tmp_path / "other.jsonl", box, tmp_path) as call:
        expected = text_of(await call.result("incidentio_list_severities"))
    (again,) = await replayed(path, [("incidentio_list_severities", {})])
    assert text_of(again) == expected


async def test_a_request_that_was_not_recorded_is_named(box: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "recording.jsonl"
    async with recording(path, box, tmp_path) as call:
        await call.ok("incidentio_list_severities")
    (result,) = await replayed(path, [("ionhour_get_incident", {"incident_id": 4512})])
    assert result.is_error
    assert "GET /incidents/4512 was not recorded" in text_of(result)


@pytest.mark.parametrize(
    "fault",
    [
        Fault("cut_after", method="GET"),
        Fault("refuse"),
        Fault("status", status=503, times=2),
        Fault("status", status=422),
        Fault("status", status=401),
        Fault("garbage"),
        Fault("html"),
        Fault("truncated"),
        Fault("replace", status=200, body=""),
        Fault("replace", status=200, body=b'{"incident": {"id": NaN}}'),
        Fault("replace", status=200, body=b"\xff\xfe{"),
        Fault("replace", status=200, body=b"[" * 50_000),
    ],
    ids=lambda fault: f"{fault.kind} {fault.status} {str(fault.body)[:20]}",
)
async def test_a_failure_is_replayed_as_it_was(fault: Fault, box: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "recording.jsonl"
    box.fail(fault)
    asked: list[tuple[str, dict[str, Any]]] = [
        ("incidentio_get_incident", {"incident": "INC-114"}),
        ("situation", {}),
        ("ionhour_create_note", {"incident_id": 4512, "body": "Failing over now."}),
    ]
    async with recording(path, box, tmp_path) as call:
        told = [text_of(await call.result(tool, **arguments)) for tool, arguments in asked]
    assert [text_of(each) for each in await replayed(path, asked)] == told


async def test_people_are_found_by_the_placeholder_of_their_address(box: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "recording.jsonl"
    address = box.incidentio.users[0]["email"]
    arguments = {"name": "Carts stay full", "severity": "Major", "roles": {"Incident Lead": address}}
    async with recording(path, box, tmp_path, me=address) as call:
        told = text_of(await call.result("incidentio_create_incident", **arguments))
        mine = text_of(await call.result("incidentio_create_incident", **{**arguments, "roles": {"Lead": "me"}}))
    assert address not in path.read_text("utf-8")
    placeholder = recorded_calls(path)[0][1]["roles"]["Incident Lead"]
    assert re.fullmatch(r"p\d+-[a-z]{4,}@redacted\.invalid", placeholder)
    again = await replayed(path, recorded_calls(path))
    assert [masked(text_of(each)) for each in again] == [masked(told), masked(mine)]


async def test_ages_are_those_of_the_recording_and_not_of_today(box: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "recording.jsonl"
    async with recording(path, box, tmp_path) as call:
        told = text_of(await call.result("situation"))
    aged = [line | {"at": line["at"] - 40 * 86_400} for line in lines(path)]
    path.write_text("".join(json.dumps(line, separators=(",", ":")) + "\n" for line in aged), "utf-8")
    (again,) = await replayed(path, [("situation", {})])
    assert text_of(again) != told
    assert text_of(again) == text_of((await replayed(path, [("situation", {})]))[0])


async def test_a_recording_without_one_service_replays_without_it(tmp_path: Path) -> None:
    path = tmp_path / "recording.jsonl"
    with sandbox_served() as ready:
        own = Settings(
            incidentio_key=SecretStr(ready["incidentio_api_key"]),
            incidentio_url=ready["incidentio_api_url"],
            state_dir=tmp_path / "state",
            record=path,
        )
        async with Client(build_server(own)) as client:
            told = text_of(await client.call_tool("situation", {}))
    (again,) = await replayed(path, [("situation", {})])
    assert text_of(again) == told
    (missing,) = await replayed(path, [("ionhour_get_incident", {"incident_id": 4512})])
    assert "IONHOUR_API_KEY" in text_of(missing)


async def test_the_command_serves_a_recording_on_stdio_and_checks_it(box: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "recording.jsonl"
    async with recording(path, box, tmp_path) as call:
        told = text_of(await call.result("incidentio_get_incident", incident="INC-114"))
    command = [*SERVER, "replay", str(path)]
    with server(tmp_path / "other", {}, command=command) as running:
        assert text_of(running.call("incidentio_get_incident", incident="INC-114")) == told
    assert run(*command, "--check", env=environment(tmp_path)).stdout == (
        "1 incidentio_get_incident: same\n1 calls, 0 answered differently.\n"
    )


def test_an_answer_that_differs_is_shown_from_where_it_does(
    box: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "recording.jsonl"

    async def record() -> None:
        async with recording(path, box, tmp_path) as call:
            await call.ok("incidentio_list_severities")

    anyio.run(record)
    content = path.read_text("utf-8")
    path.write_text(content.replace('"name":"Minor"', '"name":"Tiny"', 1), "utf-8")
    assert main(["replay", str(path), "--check"]) == 1
    told = capsys.readouterr().out
    assert "1 incidentio_list_severities: different" in told
    assert 'recorded: se,"severities":' in told
    assert '"name":"Minor"' in told
    assert '"name":"Tiny"' in told


def test_two_commands_append_two_sessions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "recording.jsonl"
    page = ["call", "--sandbox", "incidentio_page_people", "users=Yuki Tanaka", "title=Help"]
    for name, value in environment(tmp_path, INCIDENT_MCP_RECORD=str(path)).items():
        monkeypatch.setenv(name, value)
    assert main(page) == 0
    code = json.loads(capsys.readouterr().out)["confirm"]
    assert main([*page, f"confirm={code}"]) == 0
    assert json.loads(capsys.readouterr().out)["outcome"].endswith("notified Yuki Tanaka")
    assert code not in path.read_text("utf-8")
    assert main(["replay", str(path), "--check"]) == 0
    assert capsys.readouterr().out.count(": same") == 2


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is empty"),
        (b"{}\n", "line 1 is not the start of a recording"),
        (b"export PATH=1\n", "line 1 is not the start of a recording"),
        (None, "No such file"),
    ],
    ids=["empty", "other JSON", "no JSON", "none"],
)
def test_a_file_that_is_no_recording_is_rejected(
    content: bytes | None, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        (tmp_path / "file").write_bytes(content)
    assert main(["replay", str(tmp_path / "file")]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err


async def test_what_a_hostile_recording_says_is_rejected_with_its_line(box: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "recording.jsonl"
    async with recording(path, box, tmp_path) as call:
        await call.ok("incidentio_list_severities")
    good = path.read_bytes().splitlines()
    bad: list[tuple[bytes, str]] = [
        (b"not JSON", "line 2 is not valid JSON"),
        (b"[]", "line 2"),
        (b"[" * 100_000, "line 2 is not valid JSON"),
        (b'{"kind":"other"}', "line 2 is not of a recording"),
        (good[1].replace(b'"call":1', b'"call":-1'), "line 2 is not of a recording"),
        (good[1].replace(b'"at":1', b'"at":1e400,"x":1'), "line 2 is not of a recording"),
        (good[2].replace(b'"call":1', b'"call":7'), "line 2 is of a session or call"),
        (good[2].replace(b'"session":"', b'"session":"zz'), "line 2 is of a session or call"),
        (b"\x00\xff", "line 2 is not valid JSON"),
        (b" " * 17_000_000, "line 2 is longer than 16 MB"),
    ]
    for line, said in bad:
        path.write_bytes(b"\n".join([good[0], line, *good[1:], b""]))
        with pytest.raises(RecordingError, match=said):
            read_recording(path)


async def test_a_line_that_a_crash_cut_off_costs_only_itself(box: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "recording.jsonl"
    async with recording(path, box, tmp_path) as call:
        told = text_of(await call.result("incidentio_list_severities"))
        await call.ok("incidentio_list_types")
    path.write_bytes(path.read_bytes()[:-40])
    (again,) = await replayed(path, [("incidentio_list_severities", {})])
    assert text_of(again) == told
    async with recording(path, box, tmp_path) as call:
        types = text_of(await call.result("incidentio_list_types"))
    assert read_recording(path).notes == [f"Line {len(path.read_bytes().splitlines()) - 4} was cut off by a crash."]
    again = await replayed(path, recorded_calls_of_cut(path))
    assert [text_of(each) for each in again] == [told, types, types]


def recorded_calls_of_cut(path: Path) -> list[tuple[str, dict[str, Any]]]:
    return [(call.called.tool, call.called.arguments) for call in read_recording(path).calls]


async def test_prompts_and_resources_are_replayed_too(box: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "recording.jsonl"
    async with recording(path, box, tmp_path) as call:
        told = await call.client.read_resource("incidentio://severities")
    async with Client(build_replay_server(read_recording(path))) as client:
        again = await client.read_resource("incidentio://severities")
    assert again.contents == told.contents
