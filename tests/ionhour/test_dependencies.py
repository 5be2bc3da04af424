"""What Ionhour's checks depend on."""

import pytest
from mcp import Client
from pydantic import SecretStr

from incident_mcp.sandbox import Sandbox
from incident_mcp.serving.server import build_server
from incident_mcp.settings import Settings
from tests.conftest import NOW, text_of
from tests.response.altered import alter

pytestmark = pytest.mark.anyio

EXAMPLES = {
    "ionhour_list_dependencies": [{}, {"name_contains": "database", "limit": 5}, {"page": 2, "limit": 2}],
    "ionhour_get_dependency": {"dependency_id": 31},
}
LIST, GET = "ionhour_list_dependencies", "ionhour_get_dependency"


async def test_a_list_has_status_and_category(call, box):
    answer = await call.ok(LIST, limit=2)

    assert dict(box.requests[0].query) == {"workspaceId": "1", "page": "1", "limit": "2"}
    assert answer == {
        "dependencies": [
            {"id": 31, "name": "Stripe API", "status": "DOWN", "category": "API", "description": "Card payments"},
            {
                "id": 32,
                "name": "Bank SFTP",
                "status": "OK",
                "category": "STORAGE",
                "description": "Payout files for the bank",
            },
        ],
        "has_more": True,
        "page": 2,
        "total": 3,
    }


@pytest.mark.parametrize(("terms", "found"), [("postgres", [33]), ("DATABASE", [33]), ("payments", [31, 33])])
async def test_terms_are_searched_in_name_description_and_category(call, terms, found):
    answer = await call.ok(LIST, name_contains=terms)
    assert [row["id"] for row in answer["dependencies"]] == found
    assert (answer["looked_at"], answer["looked_at_all"]) == (3, True)


async def test_one_names_the_checks_that_it_affects(call, box):
    answer = await call.ok(GET, dependency_id=31)

    assert box.requests[0].path == "/api/dependencies/31"
    assert answer == {
        "id": 31,
        "name": "Stripe API",
        "status": "DOWN",
        "category": "API",
        "description": "Card payments",
        "url": "https://status.stripe.example",
        "checks": [
            {"id": 201, "name": "checkout-api", "status": "DOWN"},
            {"id": 202, "name": "checkout-web", "status": "OK"},
        ],
    }


async def test_a_check_that_cannot_be_read_is_counted(connect, box):
    def odd(body):
        body["checks"] = [body["checks"][0], None, {"id": "x", "name": "named"}, 7]

    alter(box, "/api/dependencies/{id}", odd)
    async with connect() as call:
        answer = await call.ok(GET, dependency_id=31)
    assert answer["checks"] == [{"id": 201, "name": "checkout-api", "status": "DOWN"}, {"name": "named"}]
    assert answer["unreadable"] == 2


@pytest.mark.parametrize("checks", [None, "many", {}])
async def test_checks_that_are_no_list_are_left_out(connect, box, checks):
    alter(box, "/api/dependencies/{id}", lambda body: body.update(checks=checks))
    async with connect() as call:
        answer = await call.ok(GET, dependency_id=31)
    assert "checks" not in answer
    assert answer["name"] == "Stripe API"


@pytest.mark.parametrize("tool", [LIST, "ionhour_list_maintenance"])
async def test_without_the_workspace_the_error_names_the_variable(tool, tmp_path):
    box = Sandbox(now=NOW)
    settings = Settings(ionhour_key=SecretStr("k"), toolsets=("checks",), state_dir=tmp_path)
    async with Client(build_server(settings, network=box)) as client:
        result = await client.call_tool(tool, {})
        assert result.is_error
        assert "set IONHOUR_WORKSPACE_ID to the number of the key's workspace" in text_of(result)
        assert box.requests == []
        checks = await client.call_tool("ionhour_list_checks", {})
    assert not checks.is_error
    assert "workspaceId" not in dict(box.requests[0].query)


@pytest.mark.parametrize("tool", [LIST, "ionhour_list_maintenance", "ionhour_list_checks"])
async def test_the_workspace_of_the_settings_is_sent(connect, box, tool):
    async with connect(ionhour_workspace_id=7) as call:
        await call.ok(tool)
    assert {dict(request.query)["workspaceId"] for request in box.requests} == {"7"}
