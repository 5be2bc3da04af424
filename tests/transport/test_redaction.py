"""A key that a service repeats, in any spelling and in either service's answer, reaches neither answer nor error."""

import json
from collections.abc import Callable
from html import unescape
from pathlib import Path
from urllib.parse import unquote

import httpx2
import pytest
from mcp import Client
from pydantic import SecretStr

from incident_mcp.serving.server import build_server
from incident_mcp.settings import Settings
from incident_mcp.transport.redaction import Redactor
from tests.account import Scripted
from tests.conftest import text_of

pytestmark = pytest.mark.anyio

KEYS = ["key-of-incidentio", "key-of-ionhour"]  # of `Scripted`
SPELLINGS: dict[str, Callable[[str], str]] = {
    "literal": lambda key: key,
    "inside": lambda key: f"Bearer {key}, https://x.example/?k={key}&",
    "percent": lambda key: "".join(f"%{ord(sign):02x}" for sign in key),
    "percent in capitals": lambda key: "".join(f"%{ord(sign):02X}" for sign in key),
    "percent in part": lambda key: key.replace("-", "%2D"),
    "percent twice": lambda key: "".join(f"%25{ord(sign):02x}" for sign in key),
    "entities": lambda key: "<p>" + "".join(f"&#{ord(sign)};" for sign in key) + "</p>",
    "entities in base 16": lambda key: "<p>" + "".join(f"&#X{ord(sign):04x};" for sign in key) + "</p>",
}
WRITINGS: dict[str, Callable[[object], bytes]] = {
    "plain": lambda body: json.dumps(body).encode(),
    "escaped": lambda body: _escaped(json.dumps(body), every=1),
    "escaped in part": lambda body: _escaped(json.dumps(body), every=3),
}


def _escaped(text: str, every: int) -> bytes:
    """Write letters, digits and signs inside of JSON texts as escapes: every first, or every third."""
    written, inside = [], False
    for place, sign in enumerate(text):
        inside ^= sign == '"'
        written.append(f"\\u{ord(sign):04X}" if inside and sign not in '"\\' and place % every == 0 else sign)
    return "".join(written).encode()


def spelled_out(text: str) -> str:
    """Undo JSON escapes and percent-encoding."""
    for _ in range(3):
        text = unescape(unquote(text))
    return text


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("writing", WRITINGS)
@pytest.mark.parametrize("key", KEYS)
async def test_no_spelling_of_either_key_gets_through(writing: str, spelling: str, key: str, tmp_path: Path) -> None:
    shown = SPELLINGS[spelling](key)
    incident = {"id": "01JAAAAAAAAAAAAAAAAAAAAAAA", "reference": "INC-1", "name": shown, "summary": f"a {shown} b"}
    field = {"custom_field": {"id": "f", "name": shown}, "values": [{"value_text": shown}]}
    answers = {
        ("GET", "/v2/incidents/1"): (200, {"incident": {**incident, "custom_field_entries": [field]}}),
        ("GET", "/v2/incidents/2"): (404, {"type": shown, "errors": [{"message": f"no {shown}"}], "request_id": shown}),
        ("GET", "/api/incidents/1"): (200, {"id": 1, "title": shown, "summary": shown}),
        ("GET", "/api/incidents/2"): (400, {"message": [f"no {shown}"], "error": shown}),
    }
    network = Scripted(
        {at: httpx2.Response(code, content=WRITINGS[writing](body)) for at, (code, body) in answers.items()}
    )
    texts: list[str] = []
    async with Client(build_server(Settings(sandbox=True, state_dir=tmp_path), network=network)) as client:
        for tool, name in (("incidentio_get_incident", "incident"), ("ionhour_get_incident", "incident_id")):
            for number in (1, 2):
                result = await client.call_tool(tool, {name: number})
                assert result.is_error is (number == 2), text_of(result)
                texts.append(text_of(result) + json.dumps(result.structured_content, ensure_ascii=False))
    assert [text for text in texts if key in spelled_out(text)] == []
    assert all("[key]" in text for text in texts)


@pytest.mark.parametrize("content", [b"", b"<p>%6b</p>", b"\xff%6b", b'"%6b', b"[" * 5000 + b'"%6b"' + b"]" * 5000])
def test_what_holds_no_key_or_is_no_json_is_no_failure(content: bytes) -> None:
    redacted = Redactor([SecretStr(key) for key in KEYS])(content)
    assert redacted in (content, b"?")


def test_an_answer_without_a_key_is_unchanged_to_the_byte() -> None:
    content = json.dumps({"a": "100 % \u00e9 \\u006b", "url": "https://x.example/%20?key=1"}).encode()
    assert Redactor([SecretStr(key) for key in KEYS])(content.replace(b"%20", b"%3f")) == content.replace(
        b"%20", b"%3f"
    )


def test_a_word_that_is_too_short_to_be_a_key_stays_in_the_answers() -> None:
    assert Redactor([SecretStr("test"), SecretStr("")])(b'{"name": "A test"}') == b'{"name": "A test"}'
