"""incident.io's own SDK against the sandbox's follow-ups and actions."""

import pytest
from incident_io import models
from incident_io.api.actions_v3 import actions_v3_create, actions_v3_list, actions_v3_show, actions_v3_update
from incident_io.api.follow_ups_v3 import (
    follow_ups_v3_create,
    follow_ups_v3_create_from_link,
    follow_ups_v3_list,
    follow_ups_v3_show,
    follow_ups_v3_update,
)

from .vendor_sdk import ask, sdk_client

pytestmark = pytest.mark.anyio


@pytest.fixture
async def sdk(box):
    async with sdk_client(box) as client:
        yield client


def incident(box, number):
    return next(row["id"] for row in box.incidentio.incidents if row["reference"] == f"INC-{number}")


async def test_every_row_parses_and_has_no_undocumented_key(box, sdk):
    for row in box.incidentio.rows["follow_ups"]:
        shown = await ask(follow_ups_v3_show, sdk, models.FollowUpsShowResultV3, id=row["id"])
        assert shown.follow_up.title == row["title"]
    for row in box.incidentio.rows["actions"]:
        shown = await ask(actions_v3_show, sdk, models.ActionsShowResultV3, id=row["id"])
        assert shown.action.description == row["description"]


async def test_pages_follow_each_other_and_hold_every_row_once(box, sdk):
    found, after = [], {}
    while True:
        page = await ask(follow_ups_v3_list, sdk, models.FollowUpsListResultV3, page_size=2, **after)
        found += [row.id for row in page.follow_ups]
        if not page.pagination_meta.after:
            break
        after = {"after": page.pagination_meta.after}
    tests = incident(box, 115)
    assert found == sorted(row["id"] for row in box.incidentio.rows["follow_ups"] if row["incident_id"] != tests)


async def test_a_mode_is_needed_for_those_of_a_test_incident(box, sdk):
    where = {"incident_id": incident(box, 115)}
    assert (await ask(follow_ups_v3_list, sdk, models.FollowUpsListResultV3, **where)).follow_ups == []
    where["incident_mode"] = models.FollowUpsV3ListIncidentMode.TEST
    assert len((await ask(follow_ups_v3_list, sdk, models.FollowUpsListResultV3, **where)).follow_ups) == 1


async def test_a_follow_up_is_created_and_updated(box, sdk):
    body = models.FollowUpsCreatePayloadV3(incident_id=incident(box, 114), title="Test", labels=["a"])
    made = await ask(follow_ups_v3_create, sdk, models.FollowUpsCreateResultV3, status=201, body=body)
    assert (made.follow_up.status, made.follow_up.labels) == ("outstanding", ["a"])

    done = models.FollowUpsUpdatePayloadV3Status.COMPLETED
    body = models.FollowUpsUpdatePayloadV3(title="Tested", status=done, labels=["a"])
    found = await ask(follow_ups_v3_update, sdk, models.FollowUpsUpdateResultV3, id=made.follow_up.id, body=body)
    assert (found.follow_up.title, found.follow_up.status) == ("Tested", "completed")
    assert found.follow_up.completed_at
    assert found.follow_up.updated_at > made.follow_up.updated_at


async def test_a_follow_up_of_an_issue_is_backdated_and_connected(box, sdk):
    url = "https://linear.app/paysand/issue/PAY-2301"
    body = models.FollowUpsCreateFromLinkPayloadV3(incident_id=incident(box, 114), url=url)
    kind = models.FollowUpsCreateFromLinkResultV3
    made = await ask(follow_ups_v3_create_from_link, sdk, kind, status=201, body=body)
    assert made.follow_up.external_issue_reference.issue_permalink == url
    assert made.follow_up.created_at < made.follow_up.updated_at


async def test_an_action_is_created_and_updated(box, sdk):
    body = models.ActionsCreatePayloadV3(incident_id=incident(box, 114), description="Test")
    made = await ask(actions_v3_create, sdk, models.ActionsCreateResultV3, status=201, body=body)
    listed = await ask(actions_v3_list, sdk, models.ActionsListResultV3, incident_id=incident(box, 114))
    assert made.action.id in [row.id for row in listed.actions]

    body = models.ActionsUpdatePayloadV3(description="Test", status=models.ActionsUpdatePayloadV3Status.NOT_DOING)
    found = await ask(actions_v3_update, sdk, models.ActionsUpdateResultV3, id=made.action.id, body=body)
    assert found.action.status == "not_doing"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v3/follow_ups", {"title": "x"}, 422),
        ("/v3/follow_ups", {"incident_id": "01NOTHING", "title": "x"}, 422),
        ("/v3/follow_ups/actions/create_from_link", {"url": "https://example.com/1"}, 422),
        ("/v3/actions", {"description": "x"}, 422),
    ],
)
async def test_what_the_document_requires_is_required(incidentio, path, body, status):
    assert (await incidentio.post(path, json=body)).status_code == status


async def test_deleting_by_status_and_an_unknown_follow_up_are_refused(box, incidentio):
    row = box.incidentio.rows["follow_ups"][0]
    body = {"title": row["title"], "status": "deleted"}
    assert (await incidentio.put(f"/v3/follow_ups/{row['id']}", json=body)).status_code == 422
    assert (await incidentio.put("/v3/follow_ups/01NOTHING", json=body)).status_code == 404
