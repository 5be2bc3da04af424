"""declare_from_ionhour from processes that die, and from two at once: one incident, one note."""

from collections.abc import Iterator

import pytest
from mcp import Client

from incident_mcp.serving.server import build_server
from tests.conftest import text_of
from tests.response.served import Served, Spawned, served

pytestmark = pytest.mark.anyio

TOOL = "declare_from_ionhour"
# where the process dies: before or after this request is carried out, and what it did before
STEPS = [
    ("hang_before", "GET", "/incident-notes/"),
    ("hang_after", "GET", "/v2/incidents"),
    ("hang_before", "POST", "/v2/incidents"),
    ("hang_after", "POST", "/v2/incidents"),
    ("hang_before", "POST", "/incident-notes/"),
    ("hang_after", "POST", "/incident-notes/"),
    ("hang_before", "POST", "/acknowledge"),
    ("hang_after", "POST", "/acknowledge"),
]
FREE = iter(range(4600, 4640))
"""Alerts that no test has used yet."""


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Served]:
    with served(bulk=40) as running:
        yield running


@pytest.fixture(autouse=True)
def healed(sandbox: Served) -> Iterator[None]:
    yield
    sandbox.heal()


@pytest.mark.parametrize("step", STEPS, ids=" ".join)
async def test_killed_between_any_two_steps_and_run_again_it_is_one_incident_and_one_note(sandbox, tmp_path, step):
    kind, method, path = step
    number = next(FREE)
    # The first server is killed while its request hangs; the second finds the same state folder.
    sandbox.fail(kind=kind, method=method, path=path, times=1)
    before = len(sandbox.requests())
    first = Spawned(sandbox, tmp_path)
    first.call(TOOL, ionhour_incident_id=number, acknowledge=True)
    while not any(
        row["method"] == method and path in row["path"] and row["status"] is None for row in sandbox.requests()[before:]
    ):
        pass
    first.kill()
    sandbox.heal()
    async with Client(build_server(sandbox.settings(tmp_path))) as client:
        again = await client.call_tool(TOOL, {"ionhour_incident_id": number, "acknowledge": True})
        assert not again.is_error, text_of(again)
        third = await client.call_tool(TOOL, {"ionhour_incident_id": number, "acknowledge": True})
    (reference,) = sandbox.declared(number)
    (note,) = sandbox.notes(number)
    assert note.startswith(f"Declared in incident.io as {reference}: ")
    assert again.structured_content["incident"]["reference"] == reference
    assert third.structured_content["incident"]["reference"] == reference
    assert [row["outcome"] for row in third.structured_content["steps"]] == ["done before"] * 3
    (alert,) = [row for row in sandbox.state()["ionhour"]["incidents"] if row["id"] == number]
    assert alert["acknowledgedAt"]


@pytest.mark.parametrize("folders", [("same", "same"), ("one", "other")], ids=["one folder", "two machines"])
def test_two_processes_at_once_make_one_incident_and_one_note(sandbox, tmp_path, folders):
    number = next(FREE)
    # Both look before either writes.
    sandbox.fail(kind="delay", seconds=0.5, method="POST", path="/v2/incidents", times=2)
    sandbox.fail(kind="delay", seconds=0.5, method="POST", path="/incident-notes/", times=2)
    both = [Spawned(sandbox, tmp_path / folder) for folder in folders]
    for each in both:
        each.call(TOOL, ionhour_incident_id=number, acknowledge=True)
    told = [each.hear(2) for each in both]
    for each in both:
        each.kill()
    (reference,) = sandbox.declared(number)
    assert [answer["structuredContent"]["incident"]["reference"] for answer in told] == [reference] * 2
    assert len(sandbox.notes(number)) == 1


async def test_with_one_services_key_the_situation_tells_its_half_and_names_the_others_variable(sandbox, tmp_path):
    halves = {"incidentio": ("incidents", "IONHOUR_API_KEY"), "ionhour": ("ionhour_incidents", "INCIDENTIO_API_KEY")}
    for service, (rows, variable) in halves.items():
        async with Client(build_server(sandbox.settings(tmp_path, service))) as client:
            told = (await client.call_tool("situation", {"limit": 3})).structured_content
        assert len(told[rows]) == 3
        assert [variable in problem for problem in told["problems"]] == [True]
        assert "not_declared" not in told.get("gaps", {})
        assert "links" not in told


async def test_with_one_services_key_the_timeline_tells_its_part(sandbox, tmp_path):
    async with Client(build_server(sandbox.settings(tmp_path, "incidentio"))) as client:
        told = (await client.call_tool("incident_timeline", {"incident": "INC-114"})).structured_content
        refused = await client.call_tool("incident_timeline", {"ionhour_incident_id": 4512})
    assert {row["source"] for row in told["entries"]} == {"incident.io"}
    assert told["problems"] == ["Ionhour alert 4512: there is no key for Ionhour."]
    assert "pass incident instead" in text_of(refused)
    async with Client(build_server(sandbox.settings(tmp_path, "ionhour"))) as client:
        told = (await client.call_tool("incident_timeline", {"ionhour_incident_id": 4512})).structured_content
    assert {row["source"] for row in told["entries"]} == {"Ionhour"}
    assert "no key for incident.io" in told["problems"][0]
