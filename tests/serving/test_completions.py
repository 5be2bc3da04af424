"""Completions: what an argument may become, the likeliest first, while somebody types."""

import anyio
import pytest
from mcp import Client
from mcp_types import Completion, PromptReference, ResourceTemplateReference

from incident_mcp.sandbox import Fault, Sandbox
from tests.conftest import NOW

from .conftest import VERSIONS, Serve

pytestmark = pytest.mark.anyio

SEVERITIES = ["Critical", "Major", "Minor"]
INCIDENT = ResourceTemplateReference(type="ref/resource", uri="incidentio://incidents/{incident}")
ALERT = ResourceTemplateReference(type="ref/resource", uri="ionhour://incidents/{incident_id}")
REFERENCES = [
    (INCIDENT, "incident"),
    (PromptReference(name="handover"), "incident"),
    (PromptReference(name="postmortem"), "incident"),
]
ALERTS = [(ALERT, "incident_id"), (PromptReference(name="declare"), "ionhour_incident_id")]
NAMES = [(PromptReference(name="declare"), "severity"), (PromptReference(name="triage"), "focus")]
UNRESOLVED = {"4509", "4510", "4512", "4513", "4514"}
Ref = PromptReference | ResourceTemplateReference


async def completion(client: Client, ref: Ref, argument: str, typed: str = "") -> Completion:
    return (await client.complete(ref, {"name": argument, "value": typed})).completion


async def values(client: Client, ref: Ref, argument: str, typed: str = "") -> list[str]:
    return (await completion(client, ref, argument, typed)).values


async def test_every_argument_but_free_text_is_completed(client):
    """Whoever adds an argument decides here what completes it."""
    completed = {
        (getattr(ref, "name", None) or getattr(ref, "uri", None), name) for ref, name in REFERENCES + ALERTS + NAMES
    }
    there = {
        (prompt.name, each.name) for prompt in (await client.list_prompts()).prompts for each in prompt.arguments or ()
    }
    there |= {
        (row.uri_template, row.uri_template.partition("{")[2].strip("}"))
        for row in (await client.list_resource_templates()).resource_templates
    }
    assert there - completed == {("declare", "what")}
    assert await values(client, PromptReference(name="declare"), "what") == []


@pytest.mark.parametrize(("ref", "argument"), REFERENCES)
async def test_references_come_with_the_live_ones_first(client, box: Sandbox, ref, argument):
    category = {row["reference"]: row["incident_status"]["category"] for row in box.incidentio.incidents}
    found = await values(client, ref, argument)
    is_open = [category[reference] in ("live", "triage") for reference in found]
    assert set(found) >= {"INC-114", "INC-117", "INC-101"}
    assert is_open == sorted(is_open, reverse=True)


@pytest.mark.parametrize("typed", ["INC-11", "inc-11", "#inc-11", "#INC-11", "11", "#11", " inc-11 "])
async def test_a_reference_is_found_however_it_is_begun(client, typed):
    found = await values(client, INCIDENT, "incident", typed)
    assert "INC-114" in found
    assert all(each.startswith("INC-11") for each in found)


@pytest.mark.parametrize("typed", ["INC-999", "x", "1144", "nc-1", "##114"])
async def test_what_begins_nothing_is_completed_by_nothing(client, typed):
    assert await values(client, INCIDENT, "incident", typed) == []


@pytest.mark.parametrize(("ref", "argument"), NAMES)
async def test_severities_come_the_worst_first_and_by_prefix_in_any_case(client, ref, argument):
    assert await values(client, ref, argument) == SEVERITIES
    assert await values(client, ref, argument, "m") == ["Major", "Minor"]
    assert await values(client, ref, argument, "mA") == ["Major"]


@pytest.mark.parametrize(("ref", "argument"), ALERTS)
async def test_alerts_are_the_unresolved_ones_by_number(client, ref, argument):
    assert set(await values(client, ref, argument)) == UNRESOLVED
    assert await values(client, ref, argument, "4512") == ["4512"]
    assert await values(client, ref, argument, "#4512") == ["4512"]


@pytest.mark.parametrize(
    ("service", "completed"),
    [("incidentio", REFERENCES[0]), ("incidentio", NAMES[0]), ("ionhour", ALERTS[0])],
)
@pytest.mark.parametrize("kind", ["status", "refuse", "garbage", "cut_before"])
async def test_a_service_that_is_down_completes_nothing_and_the_next_try_asks_again(
    client, box: Sandbox, kind, service, completed
):
    box.fail(Fault(kind, service=service, status=503))
    assert await values(client, *completed) == []
    box.heal()
    assert await values(client, *completed)


async def test_a_service_that_hangs_is_not_waited_for(client, box: Sandbox):
    box.fail(Fault("hang_before", service="incidentio"))
    # A call would wait for 20 s.
    with anyio.fail_after(15):
        assert await values(client, INCIDENT, "incident") == []


@pytest.mark.parametrize("mode", VERSIONS)
async def test_without_a_key_nothing_is_completed(serve: Serve, mode):
    async with serve(mode, sandbox=None) as client:
        for ref, argument in REFERENCES + ALERTS + NAMES:
            assert await values(client, ref, argument) == []


@pytest.mark.parametrize("mode", VERSIONS)
async def test_at_most_a_hundred_are_listed_and_all_are_counted(serve: Serve, mode):
    async with serve(mode, sandbox=Sandbox(now=NOW, bulk=150)) as client:
        for ref, argument in (REFERENCES[0], ALERTS[0]):
            found = await completion(client, ref, argument)
            assert len(found.values) == 100
            assert found.has_more
            assert (found.total or 0) > 150
        narrow = await completion(client, INCIDENT, "incident", "114")
        assert (narrow.values, narrow.total, narrow.has_more) == (["INC-114"], 1, False)


async def test_typing_asks_each_service_once(client, box: Sandbox):
    for typed in ("", "1", "11", "114"):
        for ref, argument in REFERENCES:
            await values(client, ref, argument, typed)
        for ref, argument in ALERTS:
            await values(client, ref, argument, typed)
        for ref, argument in NAMES:
            await values(client, ref, argument, typed)
    assert sorted(request.path for request in box.requests) == ["/api/incidents", "/v1/severities", "/v2/incidents"]


async def test_an_unknown_argument_or_prompt_is_completed_by_nothing(client, box: Sandbox):
    assert await values(client, PromptReference(name="declare"), "nothing") == []
    assert await values(client, PromptReference(name="nothing"), "nothing") == []
    assert box.requests == []
