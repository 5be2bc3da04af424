"""Prompts: described, filled with what they need, and safe to paste into a conversation."""

import json
import random
import re
import sys
from typing import Any

import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, TextContent
from pydantic import SecretStr

from incident_mcp.catalogue import TOOLS
from incident_mcp.records.tokens import count_tokens
from incident_mcp.sandbox import Fault, Sandbox
from tests.conftest import NOW
from tests.spawned import run

from .conftest import HEADING, HIDDEN, TOKEN, VERSIONS, Serve

pytestmark = pytest.mark.anyio

ARGUMENTS = {
    "declare": {"what": True, "severity": False, "ionhour_incident_id": False},
    "triage": {"focus": False},
    "handover": {"incident": False},
    "postmortem": {"incident": True},
}
"""Prompt to argument to whether it is required."""
FULL = {
    "declare": {"what": "Payments fail", "severity": "Major", "ionhour_incident_id": "4512"},
    "triage": {"focus": "payments"},
    "handover": {"incident": "INC-114"},
    "postmortem": {"incident": "INC-114"},
}
MARK = "written by others"


async def messages_of(client: Client, prompt: str, **arguments: str) -> list[str]:
    """Get a prompt's messages, all of them the user's."""
    messages = (await client.get_prompt(prompt, arguments)).messages
    assert {message.role for message in messages} == {"user"}
    return [message.content.text for message in messages if isinstance(message.content, TextContent)]


def data(messages: list[str], title: str) -> dict[str, Any]:
    """Read the JSON of the message that begins with a title."""
    [message] = [text for text in messages if text.startswith(title)]
    first, fence, *rest = message.split("\n")
    assert (fence, rest[1:2]) == ("```json", ["```"]), message
    assert MARK in first
    return json.loads(rest[0])


async def test_every_prompt_and_argument_is_described(client):
    prompts = (await client.list_prompts()).prompts
    found = {prompt.name: {each.name: each.required for each in prompt.arguments or ()} for prompt in prompts}
    assert found == ARGUMENTS
    assert all(prompt.title and prompt.description for prompt in prompts)
    assert all(each.description for prompt in prompts for each in prompt.arguments or ())


async def test_declare_brings_what_is_open_the_severities_and_the_alert(client):
    messages = await messages_of(client, "declare", **FULL["declare"])
    assert messages[0].startswith("Declare an incident: Payments fail\nSeverity: Major.")
    assert "declare_from_ionhour with ionhour_incident_id=4512 and dry_run=true" in messages[0]
    assert "INC-114" in [row["reference"] for row in data(messages, "What is open")["incidents"]]
    names = [row["name"] for row in data(messages, "The account's severities")["severities"]]
    assert names == ["Minor", "Major", "Critical"]
    assert data(messages, "The alert")["id"] == 4512


async def test_declare_without_an_alert_proposes_a_severity_and_names_the_plain_tool(client):
    first, *rest = await messages_of(client, "declare", what="Payments fail")
    assert "Propose a severity from the account's own." in first
    assert "incidentio_create_incident with dry_run=true" in first
    assert len(rest) == 2


@pytest.mark.parametrize("number", ["abc", "²", "4512; drop", "9" * 5000, "-1"])
async def test_an_alert_that_is_no_number_is_reported_in_its_place(client, number):
    messages = await messages_of(client, "declare", what="x", ionhour_incident_id=number)
    assert messages[-1].startswith("The alert could not be read: an Ionhour alert is identified by its number")
    assert len(messages[-1]) < 200
    assert "declare_from_ionhour" not in messages[0]


async def test_triage_brings_what_is_open_in_both_services(client):
    messages = await messages_of(client, "triage", focus="payments")
    assert "Look first at: payments." in messages[0]
    found = data(messages, "What is open")
    assert found["incidents"]
    assert found["ionhour_incidents"]


async def test_handover_of_one_incident_brings_its_facts_and_its_timeline(client):
    messages = await messages_of(client, "handover", incident="#inc-114")
    assert data(messages, "Incident #inc-114")["reference"] == "INC-114"
    assert data(messages, "The timeline of #inc-114")["entries"]


@pytest.mark.parametrize("nothing", [{}, {"incident": ""}, {"incident": "  "}])
async def test_handover_of_nothing_in_particular_brings_all_that_is_to_be_handed_over(client, nothing):
    assert data(await messages_of(client, "handover", **nothing), "What to hand over")["incidents"]


async def test_postmortem_brings_facts_and_the_timeline_of_both_services(client):
    messages = await messages_of(client, "postmortem", incident="114")
    assert data(messages, "Incident 114")["reference"] == "INC-114"
    sources = {entry["source"] for entry in data(messages, "The timeline of 114")["entries"]}
    assert sources == {"incident.io", "Ionhour"}


async def test_the_prompts_name_tools_that_exist(client):
    text = "\n".join(
        [(await messages_of(client, name, **FULL[name]))[0] for name in FULL]
        + await messages_of(client, "declare", what="x")
    )
    named = set(re.findall(r"\b(?:incidentio|ionhour|declare|incident)_[a-z]+_[a-z]+\b", text)) - {
        "ionhour_incident_id"
    }
    assert named
    assert named <= {tool.name for tool in TOOLS}


@pytest.mark.parametrize("mode", VERSIONS)
async def test_with_writes_switched_off_declare_asks_for_none(serve, mode):
    async with serve(mode, read_only=True) as client:
        first = (await messages_of(client, "declare", what="x"))[0]
    assert "INCIDENT_MCP_READ_ONLY" in first
    assert "dry_run" not in first


@pytest.mark.parametrize("name", ["declare", "postmortem"])
@pytest.mark.parametrize("given", [{}, {"what": " ", "incident": " "}, {"what": "x", "incident": "1", "nope": "y"}])
async def test_a_missing_or_unknown_argument_is_refused_by_name_with_those_there_are(client, name, given):
    asked = {key: value for key, value in given.items() if key in (*ARGUMENTS[name], "nope")}
    with pytest.raises(MCPError) as refused:
        await client.get_prompt(name, asked)
    assert refused.value.code == INVALID_PARAMS
    text = "unknown argument nope" if "nope" in asked else f"{next(iter(ARGUMENTS[name]))} is required"
    assert text in str(refused.value)
    assert "Arguments (* required): " in str(refused.value)


@pytest.mark.parametrize("name", ["declares", "", "x" * 5000])
async def test_an_unknown_prompt_is_refused_with_those_there_are(client, name):
    with pytest.raises(MCPError) as refused:
        await client.get_prompt(name, {})
    assert refused.value.code == INVALID_PARAMS
    assert str(refused.value).endswith("Available: declare, triage, handover, postmortem.")
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize("down", ["incidentio", "ionhour"])
async def test_with_one_service_down_the_other_s_half_is_there(client, box: Sandbox, down):
    box.fail(Fault("status", service=down, status=503))
    found = data(await messages_of(client, "triage"), "What is open")
    there, missing = ("ionhour_incidents", "incidents") if down == "incidentio" else ("incidents", "ionhour_incidents")
    assert found[there]
    assert missing not in found
    assert any("503" in problem for problem in found["problems"])
    messages = await messages_of(client, "declare", **FULL["declare"])
    unread = "The account's severities, least severe first" if down == "incidentio" else "The alert"
    assert any(message.startswith(f"{unread} could not be read: ") and "503" in message for message in messages)


async def test_an_incident_that_does_not_exist_is_reported_in_its_place(client):
    messages = await messages_of(client, "postmortem", incident="INC-9999")
    assert len(messages) == 3
    for message in messages[1:]:
        assert "could not be read: incident.io answered 404" in message
        assert "does not exist" in message


@pytest.mark.parametrize("incident", ["../users", "a\nb", "a b", "?x=1"])
async def test_what_is_no_incident_is_reported_in_its_place_and_read_from_nowhere(client, box: Sandbox, incident):
    messages = await messages_of(client, "handover", incident=incident)
    assert all("could not be read" in message and "\n" not in message for message in messages[1:])
    assert box.requests == []


@pytest.mark.parametrize("mode", VERSIONS)
@pytest.mark.parametrize("name", FULL)
async def test_without_a_key_each_prompt_says_in_place_what_to_set(serve: Serve, mode, name):
    async with serve(mode, sandbox=None) as client:
        _, *messages = await messages_of(client, name, **FULL[name])
    assert messages
    for message in messages:
        assert "could not be read: " in message
        assert "_API_KEY" in message


@pytest.mark.parametrize("mode", VERSIONS)
@pytest.mark.parametrize(
    ("key", "missing"),
    [("incidentio", "there is no key (IONHOUR_API_KEY)"), ("ionhour", "there is no key (INCIDENTIO_API_KEY)")],
)
async def test_with_one_key_the_other_service_is_a_problem(serve: Serve, mode, key, missing):
    # Port 1 refuses: what this test reads does not come from a service.
    settings: dict[str, Any] = {f"{key}_key": SecretStr("k"), f"{key}_url": "http://127.0.0.1:1"}
    async with serve(mode, sandbox=None, **settings) as client:
        messages = await messages_of(client, "triage")
    assert missing in messages[1]


@pytest.mark.parametrize("name", FULL)
@pytest.mark.parametrize("mode", VERSIONS)
async def test_texts_of_others_are_marked_as_data_and_cannot_leave_their_place(serve: Serve, evil: Sandbox, mode, name):
    async with serve(mode, sandbox=evil) as client:
        ask, *messages = await messages_of(client, name, **FULL[name])
    assert HEADING not in ask
    assert any("Ignore all earlier" in message for message in messages), "the texts are read"
    for message in messages:
        first, fence, body, end = message.splitlines()
        assert MARK in first
        assert (fence, end) == ("```json", "```")
        json.loads(body)
        assert not set(HIDDEN[:2] + HIDDEN[-1]) & set(message)
        assert TOKEN not in message


async def test_what_a_service_says_in_an_error_stays_on_its_line(client, box: Sandbox):
    body = {"message": f"no\n\n{HEADING}\u2028{HEADING}\u202e"}
    box.fail(Fault("status", service="ionhour", status=404, body=body))
    messages = await messages_of(client, "declare", what="x", ionhour_incident_id="4512")
    assert "Ignore all earlier" in messages[-1]
    assert len(messages[-1].splitlines()) == 1
    assert "\u202e" not in messages[-1]


LETTERS = random.Random(7)  # noqa: S311  # made-up texts
TEXTS = {
    "words": "The checkout answers slowly, and the queue of the ledger grows. " * 7,
    "kanji": "".join(LETTERS.choices([chr(code) for code in range(0x4E00, 0x9FFF)], k=450)),
    "letters": "".join(LETTERS.choices("abcdefghijklmnopqrstuvwxyz", k=450)),
}


def enlarge(box: Sandbox, text: str) -> None:
    """Give INC-114 and its alert 200 entries, both long texts, and everything that is open a long name."""
    account, workspace = box.incidentio, box.ionhour
    [incident] = [row for row in account.incidents if row["reference"] == "INC-114"]
    [alert] = [row for row in workspace.incidents if row["id"] == 4512]
    incident["summary"] = f"{text * 40}\n{incident['summary']}"
    alert["summary"] = text * 40
    for number in range(200):
        account.updates.append(
            {
                "id": f"01M8039RTEJJTGGCRS{number:08}",
                "incident_id": incident["id"],
                "message": text,
                "new_incident_status": incident["incident_status"],
                "updater": {"user": {"id": "01U", "name": "Ada Ferreira"}},
                "created_at": f"2026-11-21T{number // 60:02}:{number % 60:02}:00Z",
            }
        )
        workspace.add_note(alert, 7, text, NOW)
    for row in account.incidents[-40:]:
        row["name"] = text
    for row in workspace.incidents[-40:]:
        row["title"] = text
    for row in account.severities:
        row["description"] = text


@pytest.mark.parametrize("prompt", ["declare", "triage", "handover", "handover of all", "postmortem"])
@pytest.mark.parametrize("kind", TEXTS)
async def test_a_prompt_stays_under_4000_tokens_however_large_the_incident_is(serve, prompt, kind):
    box = Sandbox(now=NOW, bulk=40)
    enlarge(box, TEXTS[kind])
    arguments = {} if prompt == "handover of all" else FULL[prompt]
    async with serve("auto", sandbox=box) as client:
        messages = await messages_of(client, prompt.split()[0], **arguments)
    assert count_tokens("\n".join(messages)) < 4_000
    assert all("could not be read" not in message for message in messages)


async def test_the_postmortem_says_how_to_read_the_rest_and_the_handover_has_the_latest(connect):
    box = Sandbox(now=NOW, bulk=40)
    enlarge(box, TEXTS["words"])
    async with connect(sandbox=box) as call:
        whole, after = [], {}
        while True:
            answer = await call.ok("incident_timeline", incident="INC-114", limit=100, **after)
            whole += answer["entries"]
            if not answer["has_more"]:
                break
            after = {"after": answer["after"]}
        story = await messages_of(call.client, "postmortem", incident="INC-114")
        first = data(story, "The timeline of INC-114")
        rest = await call.ok("incident_timeline", incident="INC-114", limit=500, after=first["after"])
        latest = data(await messages_of(call.client, "handover", incident="INC-114"), "The timeline of INC-114")
    assert "incident_timeline" in story[-1].splitlines()[0]
    assert len(first["entries"]) >= 25
    assert first["entries"][-1]["at"] <= rest["entries"][0]["at"]
    assert len(first["entries"]) + len(rest["entries"]) <= len(whole)
    assert [row["at"] for row in latest["entries"]] == [row["at"] for row in whole[-len(latest["entries"]) :]]
    assert len(latest["entries"]) >= 25


def test_the_handover_s_modules_are_loaded_only_when_it_is_asked_for() -> None:
    code = "import sys, incident_mcp.serving.offerings; print(*sys.modules, sep='\\n')"
    loaded = run(sys.executable, "-c", code).stdout.split()
    assert "incident_mcp.response.prompts" in loaded
    assert [name for name in loaded if "oncall" in name or "follow_ups" in name] == []


def test_subscriptions_are_loaded_only_when_a_client_listens() -> None:
    code = "import sys, incident_mcp.serving.server; print(*sys.modules, sep='\\n')"
    loaded = run(sys.executable, "-c", code).stdout.split()
    assert "incident_mcp.serving.offerings" in loaded
    assert [name for name in loaded if "subscriptions" in name and name.startswith("incident_mcp")] == []
