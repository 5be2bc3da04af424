"""The vendor's response examples of follow-ups and actions: the whole ones, and the leanest that are allowed."""

from typing import Any

import pytest
from incident_io import models

from tests.account import Scripted
from tests.contract.vendor import example, required_only

pytestmark = pytest.mark.anyio

ULID = "01FCNDV6P870EA6S7TK1DSYDG0"
ISSUE = example(models.FollowUpsUpdateResultV3)["follow_up"]["external_issue_reference"]["issue_permalink"]
INSTANT = "2021-08-17T13:28:57Z"
INCIDENT = {("GET", f"/v2/incidents/{ULID}"): models.IncidentsShowResultV2}
FOLLOW_UPS, ACTIONS = ("GET", "/v3/follow_ups"), ("GET", "/v3/actions")
# tool, its arguments, method, path to the SDK's result
CALLS: dict[str, tuple[dict[str, Any], dict[tuple[str, str], type]]] = {
    "incidentio_list_follow_ups": (
        {"incident": ULID, "limit": 1},
        {FOLLOW_UPS: models.FollowUpsListResultV3, **INCIDENT},
    ),
    "incidentio_update_follow_up": (
        {"follow_up": ULID, "title": "x"},
        {
            ("GET", f"/v3/follow_ups/{ULID}"): models.FollowUpsShowResultV3,
            ("PUT", f"/v3/follow_ups/{ULID}"): models.FollowUpsUpdateResultV3,
            **INCIDENT,
        },
    ),
    "incidentio_list_actions": ({"incident": ULID, "limit": 1}, {ACTIONS: models.ActionsListResultV3, **INCIDENT}),
    "incidentio_update_action": (
        {"action": ULID, "description": "x"},
        {
            ("GET", f"/v3/actions/{ULID}"): models.ActionsShowResultV3,
            ("PUT", f"/v3/actions/{ULID}"): models.ActionsUpdateResultV3,
            **INCIDENT,
        },
    ),
}
CREATED: dict[str, tuple[dict[str, Any], dict[tuple[str, str], Any]]] = {
    "incidentio_create_follow_up": (
        {"incident": ULID, "title": "x"},
        {("POST", "/v3/follow_ups"): models.FollowUpsCreateResultV3},
    ),
    "incidentio_create_action": (
        {"incident": ULID, "description": "x"},
        {("POST", "/v3/actions"): models.ActionsCreateResultV3},
    ),
}
ROWS = {"incidentio_list_follow_ups": "follow_ups", "incidentio_list_actions": "actions"}
NONE = {FOLLOW_UPS: {"follow_ups": []}, ACTIONS: {"actions": []}}


def whole(kind: type) -> Any:
    return example(kind)


def lean(kind: Any) -> Any:
    return required_only(kind.from_dict(example(kind))).to_dict()


async def answer_of(connect: Any, tool: str, form: Any, arguments: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return what a tool answers to the vendor's examples in one of their forms; of a list its first row."""
    given, answers = CALLS.get(tool) or CREATED[tool]
    network = Scripted({at: form(kind) for at, kind in (answers | INCIDENT).items()})
    network.answers = NONE | network.answers
    async with connect(sandbox=network) as call:
        answer = await call.ok(tool, **(arguments or given))
    return answer[ROWS[tool]][0] if tool in ROWS else answer


@pytest.mark.parametrize("tool", CALLS | CREATED)
async def test_the_leanest_answer_that_the_document_allows_is_read(connect, tool):
    found = await answer_of(connect, tool, lean)

    assert found["id"] == (await answer_of(connect, tool, whole))["id"] == ULID


async def test_a_follow_up_s_example_is_read_whole(connect):
    answer = await answer_of(connect, "incidentio_update_follow_up", whole)

    assert answer == {
        "id": ULID,
        "incident_id": ULID,
        "reference": "INC-123",
        "title": "Cat is stuck in the tree",
        "description": "Call the fire brigade",
        "status": "outstanding",
        "assignee": "Lisa Karlin Curtis",
        "assignee_team": "abc123",
        "category": "Infrastructure",
        "priority": "Urgent",
        "labels": ["bug", "urgent"],
        "issue": ISSUE,
        "creator": "Lisa Karlin Curtis",
        "created_at": INSTANT,
        "updated_at": INSTANT,
        "completed_at": INSTANT,
    }


async def test_an_action_s_example_is_read_whole(connect):
    answer = await answer_of(connect, "incidentio_update_action", whole)

    assert answer == {
        "id": ULID,
        "incident_id": ULID,
        "reference": "INC-123",
        "description": "Call the fire brigade",
        "status": "outstanding",
        "assignee": "Lisa Karlin Curtis",
        "creator": "Lisa Karlin Curtis",
        "created_at": INSTANT,
        "updated_at": INSTANT,
        "completed_at": INSTANT,
    }


async def test_an_unknown_status_and_a_deleted_one_are_shown(connect):
    for status in ("deleted", "blocked"):

        def with_status(kind: type, status: str = status) -> Any:
            answer = example(kind)
            for row in answer.get("follow_ups", ()):
                row["status"] = status
            return answer

        assert (await answer_of(connect, "incidentio_list_follow_ups", with_status))["status"] == status
