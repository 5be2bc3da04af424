"""What is written to a recording: nothing secret, privately, within bounds, and never at the cost of a call."""

import json
import logging
import re
from pathlib import Path
from typing import Any, Literal

import anyio
import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp import Client
from pydantic import SecretStr

from incident_mcp.sandbox import Sandbox
from incident_mcp.sandbox.engine.faults import Fault
from incident_mcp.serving.server import build_server
from incident_mcp.settings import Settings
from incident_mcp.transport.recording import file, recorder
from incident_mcp.transport.recording.lines import read_recording
from incident_mcp.transport.service import Limits
from tests.conftest import NOW, text_of

from .test_anonymizer import LETTERS, email, phone

pytestmark = pytest.mark.anyio

SECRET = st.text(alphabet=LETTERS, min_size=32, max_size=44).filter(
    lambda text: re.search("[0-9]", text) and re.search("[A-Za-z]", text)
)


async def called(path: Path, tool: str, arguments: dict[str, Any], network: Any, state: Path, **more: Any) -> str:
    """Call a tool while everything is recorded, and return the text of its answer."""
    own = Settings(sandbox=True, record=path, state_dir=state, toolsets=("all",), **more)
    async with Client(build_server(own, network=network, limits=Limits(backoff=0))) as client:
        return text_of(await client.call_tool(tool, arguments))


class Planted:
    """A network that answers with what was planted: in headers, in fields of any name, in chunks of any size."""

    def __init__(self, key: str, body: bytes, headers: dict[str, str], size: int) -> None:
        self._key, self._body, self._headers, self._size = key, body, headers, size

    def key(self, service: Literal["incidentio", "ionhour"]) -> str:
        return f"{self._key}-{service}"

    def transport(self, service: Literal["incidentio", "ionhour"]) -> httpx2.AsyncBaseTransport:
        del service
        return httpx2.MockTransport(self._answer)

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        async def chunks() -> Any:
            for start in range(0, len(self._body), self._size):
                yield self._body[start : start + self._size]

        return httpx2.Response(200, headers=self._headers, content=chunks(), request=request)


@given(
    key=SECRET,
    tokens=st.lists(SECRET, min_size=4, max_size=4, unique=True),
    address=email,
    number=phone,
    size=st.sampled_from([1, 7, 64, 10_000]),
    escaped=st.booleans(),
)
def test_nothing_that_is_planted_anywhere_is_in_the_file(
    key: str,
    tokens: list[str],
    address: str,
    number: str,
    size: int,
    escaped: bool,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("planted")
    secrets = [f"{key}-incidentio", f"{key}-ionhour", *tokens, address, number]
    row = {
        "id": "01HR4B1YM0EWRS7ZXGHC8AF6Y1",
        "name": f"Ask {address} or {number}; {key}-incidentio",
        "rank": 1,
        "description": f"Authorization: Bearer {tokens[0]}",
        "check": {"token": tokens[1], "deep": [{"headers": [{"name": "Cookie", "value": tokens[2]}]}]},
        address: {"phone_number": number, "x": [f"https://hooks.example.com/{tokens[3]}", f"{key}-ionhour"]},
    }
    body = json.dumps({"severities": [row]})
    if escaped:
        body = re.sub("[a-z@+](?=[^\\n]{0,3}[0-9@])", lambda found: f"\\\\u{ord(found[0]):04x}"[1:], body)
        assert json.loads(body)
    headers = {"set-cookie": f"session={tokens[2]}", "x-request-id": tokens[0], "authorization": f"Bearer {tokens[1]}"}
    network = Planted(key, body.encode(), headers, size)
    path = folder / "recording.jsonl"
    arguments = {"name": f"{address} {number} {tokens[0]}", "idempotency_key": address}
    for tool, sent in (("incidentio_list_severities", {}), ("incidentio_create_incident", arguments)):
        anyio.run(called, path, tool, sent, network, folder / "state")
    content = path.read_text("utf-8")
    assert [secret for secret in secrets if secret in content] == []
    assert [
        secret for secret in secrets if secret in json.dumps([json.loads(line) for line in content.splitlines()])
    ] == []
    assert len(read_recording(path).calls) == 2


async def test_the_keys_of_the_settings_are_not_in_the_file(box: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "recording.jsonl"
    secret = "planted" * 6
    told = await called(
        path,
        "incidentio_list_severities",
        {},
        box,
        tmp_path / "state",
        signing_key=SecretStr(secret),
        me="me@x.example",
    )
    assert "Minor" in told
    content = path.read_text("utf-8")
    for hidden in (secret, box.key("incidentio"), box.key("ionhour"), "me@x.example", "sandbox-token"):
        assert hidden not in content


async def test_the_file_is_private_and_appended_to(box: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "recording.jsonl"
    await called(path, "incidentio_list_severities", {}, box, tmp_path / "state")
    assert path.stat().st_mode & 0o777 == 0o600
    before = path.read_bytes()
    path.chmod(0o644)
    await called(path, "incidentio_list_types", {}, box, tmp_path / "state")
    assert path.read_bytes().startswith(before)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [call.called.tool for call in read_recording(path).calls] == [
        "incidentio_list_severities",
        "incidentio_list_types",
    ]


@pytest.mark.parametrize("place", ["folder", "missing/file", "notes.txt"])
async def test_a_file_that_cannot_be_written_is_told_at_the_start_and_fails_no_call(
    place: str, box: Sandbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "notes.txt").write_text("export PATH\n")
    with caplog.at_level(logging.WARNING):
        told = await called(tmp_path / place, "incidentio_list_severities", {}, box, tmp_path / "state")
    assert "Minor" in told
    assert [record.message for record in caplog.records if "nothing is recorded" in record.message]
    assert (tmp_path / "notes.txt").read_text() == "export PATH\n"


async def test_at_its_largest_size_the_recording_ends_and_says_so(
    box: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "recording.jsonl"
    monkeypatch.setattr(recorder, "MAX_BYTES", 4_000)
    own = Settings(sandbox=True, record=path, state_dir=tmp_path / "state")
    async with Client(build_server(own, network=box)) as client:
        for _ in range(4):
            assert not (await client.call_tool("incidentio_list_incidents", {"limit": 1})).is_error
    assert path.stat().st_size <= 4_000
    assert read_recording(path).notes == ["It reached its largest size: what came after was not recorded."]
    assert len([record for record in caplog.records if "nothing more is recorded" in record.message]) == 1


async def test_a_body_that_is_too_long_for_a_line_is_left_out_and_its_size_is_told(
    box: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "recording.jsonl"
    monkeypatch.setattr(recorder, "MAX_LINE", 600)
    await called(path, "incidentio_list_severities", {}, box, tmp_path / "state")
    (exchange,) = read_recording(path).exchanges
    assert (exchange.too_large or 0) > 600
    assert exchange.content is None


async def test_a_disk_that_becomes_full_ends_the_recording_and_no_call(
    box: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "recording.jsonl"
    written = file.os.write
    lines: list[bytes] = []

    def write(descriptor: int, data: bytes) -> int:
        if data.startswith(b'{"kind"') or lines:
            lines.append(data)
            raise OSError(28, "No space left on device")
        return written(descriptor, data)

    monkeypatch.setattr(file.os, "write", write)
    assert "Minor" in await called(path, "incidentio_list_severities", {}, box, tmp_path / "state")
    assert len(lines) == 1
    assert [record for record in caplog.records if "No space left" in record.message]


async def test_a_call_that_fails_without_a_response_is_recorded(tmp_path: Path) -> None:
    path, box = tmp_path / "recording.jsonl", Sandbox(now=NOW)
    box.fail(Fault("refuse"))
    told = await called(path, "incidentio_list_severities", {}, box, tmp_path / "state")
    assert "could not be reached" in told
    found = read_recording(path)
    assert {exchange.failure.kind for exchange in found.exchanges if exchange.failure} == {"NotSentError"}
    assert found.calls[0].result
    assert found.calls[0].result.error == told
