"""Ionhour's checks, dependencies and maintenance windows in the sandbox: what the pages document of requests."""

import pytest

from incident_mcp.sandbox import Sandbox

pytestmark = pytest.mark.anyio


async def ids(client, path, **query):
    reply = await client.get(path, params=query)
    assert reply.status_code == 200, reply.text
    return [row["id"] for row in reply.json()["items"]]


@pytest.mark.parametrize(
    ("path", "query", "expected"),
    [
        ("/checks", {}, [201, 202, 203, 204, 205, 206, 207, 208]),
        ("/checks", {"projectId": 13}, [205, 206, 208]),
        ("/checks", {"checkMode": "outbound", "workspaceId": 1}, [201, 202, 204]),
        ("/checks", {"workspaceId": 2}, []),
        ("/checks", {"limit": 3, "page": 2}, [204, 205, 206]),
        ("/dependencies", {"workspaceId": 1}, [31, 32, 33]),
        ("/dependencies", {"workspaceId": 1, "orderBy": "name", "order": "DESC"}, [31, 33, 32]),
        ("/dependencies", {"workspaceId": 2}, []),
        ("/maintenance-windows", {"workspaceId": 1}, [60, 61, 62, 63]),
        ("/maintenance-windows", {"workspaceId": 1, "state": "active"}, [61]),
        ("/maintenance-windows", {"workspaceId": 2}, []),
    ],
)
async def test_each_filter_returns_its_rows(ionhour, path, query, expected):
    assert await ids(ionhour, path, **query) == expected


@pytest.mark.parametrize(
    ("path", "query", "message"),
    [
        ("/checks", {"status": "PAUSED"}, "property status should not exist"),
        ("/checks", {"checkMode": "SIDEWAYS"}, "checkMode must be one of the following values: INBOUND, OUTBOUND"),
        ("/dependencies", {}, "workspaceId must be a number not less than 0"),
        ("/dependencies", {"workspaceId": 1, "name": "x"}, "property name should not exist"),
        ("/maintenance-windows", {}, "workspaceId must be a number not less than 0"),
        ("/maintenance-windows", {"workspaceId": 1, "page": 2}, "property page should not exist"),
    ],
)
async def test_what_is_not_documented_is_rejected(ionhour, path, query, message):
    reply = await ionhour.get(path, params=query)
    assert reply.status_code == 400
    assert reply.json()["message"] == [message]


async def test_a_page_has_ten_rows_unless_a_limit_is_given(box: Sandbox, ionhour):
    box.ionhour.rows["checks"] *= 3
    assert (await ionhour.get("/checks")).json()["limit"] == 10
    assert (await ionhour.get("/dependencies", params={"workspaceId": 1})).json()["limit"] == 10


@pytest.mark.parametrize("path", ["/checks/999", "/dependencies/999"])
async def test_what_does_not_exist_is_a_404(ionhour, path):
    assert (await ionhour.get(path)).status_code == 404
    assert (await ionhour.get(path.replace("999", "x"))).status_code == 400


async def test_one_outbound_check_has_its_configuration_and_a_dependency_its_checks(ionhour):
    check = (await ionhour.get("/checks/201")).json()
    assert check["outboundConfig"]["method"] == "GET"
    assert check["token"]
    assert "outboundConfig" not in (await ionhour.get("/checks")).json()["items"][0]
    dependency = (await ionhour.get("/dependencies/31")).json()
    assert [row["id"] for row in dependency["checks"]] == [201, 202]


async def test_a_window_changes_its_state_with_the_clock(box: Sandbox, ionhour):
    async def states():
        reply = await ionhour.get("/maintenance-windows", params={"workspaceId": 1})
        return [row["state"] for row in reply.json()["items"]]

    assert await states() == ["COMPLETED", "ACTIVE", "SCHEDULED", "CANCELLED"]
    box.advance(21.5 * 3600)
    assert await states() == ["COMPLETED", "COMPLETED", "ACTIVE", "CANCELLED"]
