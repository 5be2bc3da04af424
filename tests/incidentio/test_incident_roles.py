"""Incident roles."""

import pytest

from incident_mcp.sandbox import Fault, Sandbox
from tests.account import ROLE
from tests.conftest import Caller, Connect

pytestmark = pytest.mark.anyio

EXAMPLES = {"incidentio_list_roles": {}}
TOOL = "incidentio_list_roles"


async def test_roles_are_listed_with_the_names_that_other_tools_take(call: Caller) -> None:
    lead, reporter, comms = (await call.ok(TOOL))["incident_roles"]
    assert lead["id"] == ROLE["Incident Lead"]
    assert (lead["name"], lead["shortform"], lead["role_type"]) == ("Incident Lead", "lead", "lead")
    assert lead["description"] == "Coordinates the response and decides."
    assert (reporter["role_type"], comms["role_type"]) == ("reporter", "custom")


async def test_without_the_scope_the_error_names_it(connect: Connect, box: Sandbox) -> None:
    box.fail(Fault("status", path="/v2/incident_roles$", status=403))
    async with connect() as call:
        assert "incident_roles.view" in await call.error(TOOL)


async def test_odd_rows_do_not_hide_the_others(connect: Connect, box: Sandbox) -> None:
    odd = [{"id": "01A", "name": "Bare"}, {"id": "01B", "name": "Odd", "shortform": [], "role_type": "a new kind"}, {}]
    box.fail(Fault("replace", status=200, path="/v2/incident_roles$", body={"incident_roles": odd}))
    async with connect() as call:
        answer = await call.ok(TOOL)
    assert answer["incident_roles"] == [
        {"id": "01A", "name": "Bare"},
        {"id": "01B", "name": "Odd", "role_type": "a new kind"},
    ]
    assert answer["unreadable"] == 1
