"""The key's identity."""

from typing import Any

import pytest

from incident_mcp.sandbox import Fault, Sandbox
from tests.conftest import Caller, Connect

pytestmark = pytest.mark.anyio

EXAMPLES = {"incidentio_get_identity": {}}
TOOL = "incidentio_get_identity"


async def test_the_key_has_its_name_its_roles_and_its_teams(call: Caller) -> None:
    assert await call.ok(TOOL) == {
        "name": "Sandbox key",
        "roles": ["viewer", "incident_creator", "incident_editor", "post_incident_flow_opt_out", "global_access"],
        "team_roles": ["catalog_editor"],
        "teams": ["Payments"],
        "dashboard_url": "https://app.incident.io/sandbox",
    }


@pytest.mark.parametrize(
    ("odd", "shown"),
    [
        ({}, {"roles": [], "team_roles": [], "teams": []}),
        (
            {
                "roles": ["viewer", 7, "a new role"],
                "team_roles": None,
                "teams": [{"id": "01T"}, "x", {"name": "Search"}],
            },
            {"roles": ["viewer", "a new role"], "team_roles": [], "teams": ["01T", "Search"]},
        ),
    ],
)
async def test_what_cannot_be_read_is_left_out(
    connect: Connect, box: Sandbox, odd: dict[str, Any], shown: dict[str, Any]
) -> None:
    box.fail(Fault("replace", status=200, path="/v1/identity$", body={"identity": {"name": "CI", **odd}}))
    async with connect() as call:
        assert await call.ok(TOOL) == {"name": "CI", **shown}


async def test_a_wrong_key_is_named_as_the_reason(connect: Connect, box: Sandbox) -> None:
    box.fail(Fault("status", path="/v1/identity$", status=401))
    async with connect() as call:
        assert "incident.io answered 401" in await call.error(TOOL)
