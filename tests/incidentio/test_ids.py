"""Incident references: every form in which people paste one, and a refusal of anything that could mean another."""

import re
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from incident_mcp.catalogue import TOOLS
from incident_mcp.errors import InputError
from incident_mcp.incidentio.ids import path_id
from incident_mcp.sandbox import Sandbox
from incident_mcp.sandbox.seeds.incidentio_timeline import STREAM
from tests.account import INCIDENT
from tests.conftest import Connect
from tests.examples import EXAMPLES

ULID = "01FDAG4SAP5TYPT98WGR2N7W91"
UUID = "12345678-9abc-4def-8123-56789abcdef0"
LINK = "https://app.incident.io/acme/incidents/114"
# fmt: off
REFERENCES = [
    *("INC-114", "inc-114", "Inc-114", "inc 114", "#inc-114", "INC114", "#INC114", "inc_114", "#114", "114", "114.0"),
    *("114.000", "INC-0114", "0114", "INC - 114", "INC #114", "INC: 114", "incident 114", "Incident #114"),
    *("incident-114", "incident INC-114", "Incident: INC-114", " INC-114 ", "\tINC-114\r\n", "INC-114.", "INC-114,"),
    *("INC-114:", "INC-114;", "INC-114?", "INC-114!", "`INC-114`", "``114``", "'INC-114'", '"INC-114"'),
    *("\u201cINC-114\u201d", "\u2018114\u2019", "(INC-114)", "[INC-114]", "{114}", "<INC-114>", "*INC-114*"),
    *("**INC-114**", "_INC-114_", "__114__", "**`INC-114`**.", "> INC-114", "~INC-114~", "[`INC-114`]:"),
    *("INC-114 INC-114", "INC-114 (INC-114)", "INC-114 / inc 0114"),
    # What keyboards and word processors make of it
    *(f"INC{hyphen}114" for hyphen in "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d"),
    *("INC\u00ad114", "INC-\u00ad114", "INC\u00a0114", "INC\u202f114", "INC-\u200b114", "\ufeffINC-114"),
    *("\u200eINC-114\u200f", "\uff11\uff11\uff14", "\uff29\uff2e\uff23\uff0d\uff11\uff11\uff14"),
    *("\uff03\uff11\uff11\uff14", "\u3000114"),
    # Links
    *("https://app.incident.io/incidents/114", LINK, f"{LINK}-checkout-down?x=1#y", f"{LINK}/", f"{LINK}?a=INC-5"),
    *(f"{LINK}/updates", f"{LINK}#comments", "http://app.incident.io/incidents/0114", LINK.upper(), LINK[8:]),
    *(f"<{LINK}>", f"<{LINK}|INC-114>", f"<{LINK}|Checkout is down>", f"({LINK}).", f"`{LINK}`", f'"{LINK}"'),
    *(f"[INC-114]({LINK})", f"[Checkout is down]({LINK})", f"[INC-114: Checkout is down]({LINK})", f"INC-114 {LINK}"),
    *(f"see {LINK}", f"{LINK} {LINK}-checkout", f"INC-114 - {LINK}", f"{LINK}: 3 hosts down"),
    "[INC-114](https://tickets.example.com/x)",
    # With a title behind it
    *("INC-114: Checkout is down", "INC-114 Checkout is down", "INC-114 - Checkout is down", "INC-114 \u2013 Checkout"),
    *("#INC-114 Checkout", "inc-114, checkout", "[INC-114] Checkout is down", "**INC-114**: Checkout is down"),
    *("`INC-114` x", "INC-114: 3 hosts of db-12 are down", "INC-114 | v1.2", "INC-114. Checkout", "INC114 Checkout"),
    *("INC-114\nCheckout", "INC-114: 500s from https://x.y/d/12?a=1", "INC-114 (INC-114) Checkout"),
]
IDS = [ULID, ULID.lower(), UUID, UUID.upper(), "0" * 15 + "a", "a" * 63 + "1", "ab_cdef-0123456789"]
NOT_IDS = [
    *("a" * 26 + "uil", "a" * 16, "a" * 64 + "1", "a1" * 7, "1" * 19, "1" * 26, "1-" * 10, "abcdefghij.0123456789"),
    *("inc0000000000000000000000a", "\u212a" * 26),
]
REFUSED = [
    *("", " ", "\u200b", ".", "..", "../114", "114/..", "/114", "114/115", "%2e%2e", "INC-114/../users", "\\114", "?"),
    *("#", "0", "000", "INC-0", "#0", "-114", "\u2212114", "INC--114", "+114", "-0", "0.0", "114.5", "1.14", ".114"),
    *("1e3", "1,140", "1 14", "114 115", "0x72", "\u0661\u0661\u0664", "\u00b9\u00b9\u2074", "\u2460", "\ud800114"),
    *("INC-", "INC", "incident", "1" * 19, f"INC-{'1' * 19}", f"{LINK}{'1' * 16}", "INC-1234567890123456789-checkout"),
    *("INC-114abc", "xINC-114", "PINC-114", "INC-114-checkout-down", "#inc-2026-11-21-checkout-down", "INC-114-115"),
    *("INC-1.5", "inc 5 minutes ago", "114 people", "Checkout is down", "the incident", "see INC-114", "after INC-114"),
    *("ABC-114", "114a", "a114", "@114", "null", "latest", f"INC-114 {'x' * 1000}", "INC-114\x00", "INC\n-\n114x"),
    *("https://x.y/incidents/114", "https://x.y/browse/INC-114", "https://app.incident.io.x.y/incidents/114"),
    *("https://x.y/app.incident.io/incidents/114", "https://x@app.incident.io/incidents/114", f"{LINK[:-3]}0"),
    *("https://app.incident.io/114", "https://app.incident.io/acme/incidents", f"{LINK[:-3]}create", f"{LINK[:-3]}.."),
    "https://app.incident.io/a/b/c/d/e/incidents/114",
]
SEVERAL = [
    *("INC-1 and INC-2", "INC-1, INC-2", "INC-1/INC-2", "INC-1 INC-2", "INC-1 and 2", "INC-1, 2 and 3", "INC-1 to 5"),
    *("INC-1: 500", "INC-1: follows INC-2", "INC-1 caused by inc 2", "#1 #2 INC-1 INC-2", "INC-1 (incident 2)"),
    *(f"{LINK} INC-115", f"[INC-115]({LINK})", f"[115]({LINK})", f"<{LINK}|INC-115>", f"{LINK} {LINK[:-1]}5"),
    *(f"INC-115: after {LINK}", f"INC-114 {ULID}", f"{LINK} {ULID}"),
]
PIECES = [
    *("<a", "&", '"', "\u0301", "0", "1", "INC-1 ", "INC-", "inc", LINK, "https://app.incident.io/", "[", "-", " "),
    *("a1", "\ud800", "and ", "."),
]
# fmt: on
PLACES = ["{}", " {}\n", "`{}`", "<{}>", '"{}".', "**{}**", "https://app.incident.io/acme/incidents/{}?x=1"]


@pytest.mark.parametrize("text", REFERENCES, ids=ascii)
def test_a_reference_is_its_number(text: str) -> None:
    assert path_id(text) == "114"


@pytest.mark.parametrize("text", IDS)
@pytest.mark.parametrize("place", PLACES)
def test_an_id_stays_as_written(text: str, place: str) -> None:
    assert path_id(place.format(text)) == text


def test_underscores_around_a_ulid_are_markdown() -> None:
    assert path_id(f"__{ULID}__") == ULID
    assert path_id("_0123456789abcde") == "_0123456789abcde"


@pytest.mark.parametrize("text", [*REFUSED, *NOT_IDS], ids=ascii)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"INC-123, 123, the incident's ID or its link\. Not sent\.$") as refusal:
        path_id(text)
    assert repr(text[:60]) in str(refusal.value)


@pytest.mark.parametrize("text", SEVERAL)
def test_several_references_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="names several incidents: pass INC-123"):
        path_id(text)


@pytest.mark.parametrize("piece", PIECES, ids=ascii)
def test_a_megabyte_of_one_piece_is_refused_briefly(piece: str) -> None:
    with pytest.raises(InputError) as refusal:
        path_id(piece * (1_000_000 // len(piece)))
    assert len(str(refusal.value)) < 700


@settings(deadline=None, derandomize=True)
@given(st.integers(1, 10**18 - 1))
def test_every_number_of_up_to_18_digits_is_a_reference(number: int) -> None:
    assert path_id(f"INC-{number}") == path_id(f"{number}") == path_id(f"INC-{number}: 3 hosts down") == f"{number}"


def accepted(text: str) -> str | None:
    try:
        return path_id(text)
    except InputError:
        return None


@settings(max_examples=1000, deadline=None, derandomize=True)
@given(st.text() | st.lists(st.sampled_from([*PIECES, *REFUSED, *REFERENCES, *IDS]), max_size=4).map(" ".join))
@example(f"{ULID}\u212a")
def test_what_is_accepted_is_one_path_segment(text: str) -> None:
    segment = accepted(text)
    assert segment is None or re.fullmatch(r"[1-9][0-9]{0,17}|[0-9A-Za-z_-]{16,64}", segment)
    assert segment is None or path_id(segment) == segment


# As people paste them into a chat, and the path that each becomes.
PASTED = [
    "INC 114",
    "`INC-114`",
    "INC\u2011114",
    "inc\u2013114",
    "#114",
    "114.0",
    114.0,
    "INC-114: Webhooks delayed",
    LINK,
]
PASTED += [f"<{LINK}|INC-114>", f"[INC-114]({LINK})", "incident 114", "\u201cINC-114\u201d", [" INC-114 "]]
NOT_PASTED = [
    "Checkout is down",
    "INC-114 and INC-115",
    "ABC-114",
    "https://x.example/incidents/114",
    "114.5",
    "0",
    -114,
]
OF_INCIDENT: list[tuple[str, dict[str, Any]]] = [
    (spec.name, first | ({"dry_run": True} if "dry_run" in spec.definition.input_schema["properties"] else {}))
    for spec in TOOLS
    for first in EXAMPLES.get(spec.name, [])[:1]
    if "incident" in spec.definition.input_schema["properties"] and "text" not in first
]


@pytest.mark.anyio
@pytest.mark.parametrize("pasted", PASTED, ids=ascii)
async def test_every_tool_reads_a_reference_as_it_is_pasted(connect: Connect, pasted: object) -> None:
    async with connect() as call:
        for tool, arguments in OF_INCIDENT:
            assert await call.ok(tool, **arguments | {"incident": pasted})
    read = {request.path.split("/")[3] for request in call.box.requests if request.path.startswith("/v2/incidents/")}
    # The activity of INC-114 names its stream, whose name is read, too.
    assert read <= {"114", INCIDENT["INC-114"], STREAM}


@pytest.mark.anyio
@pytest.mark.parametrize("pasted", NOT_PASTED, ids=ascii)
async def test_every_tool_says_what_a_reference_looks_like(connect: Connect, box: Sandbox, pasted: object) -> None:
    async with connect() as call:
        for tool, arguments in OF_INCIDENT:
            error = await call.error(tool, **arguments | {"incident": pasted})
            assert "pass INC-123, 123, the incident's ID or its link. Not sent." in error, tool
    assert not [request for request in box.requests if request.path.startswith("/v2/incidents")]
