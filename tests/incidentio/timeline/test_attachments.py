"""Attachments: listed by title and link, and attached once, although the API has no idempotency key for them."""

import pytest

from incident_mcp.sandbox import Fault
from incident_mcp.sandbox.incidentio.attachments import RESOURCE_TYPES
from tests.account import INCIDENT

pytestmark = pytest.mark.anyio

EXAMPLES = {
    "incidentio_list_attachments": {"incident": "INC-114"},
    "incidentio_add_attachment": [
        {"incident": "INC-114", "url": "https://runbooks.paysand.example/queues", "title": "Runbook of the queue"},
        {"incident": "INC-112", "external_id": "55121", "resource_type": "zendesk_ticket"},
        {"incident": "INC-112", "url": "https://runbooks.paysand.example/payouts"},
    ],
}
EFFECTS = {
    "incidentio_add_attachment": [
        {
            "request": "POST /v1/incident_attachments",
            "rows": "incidentio.attachments",
            "where": {"resource": {"permalink": "https://runbooks.paysand.example/queues"}, "incident_id": "INC-114"},
            "journalled": True,
            "looks": True,
            "keyless": True,
        },
        {
            "request": "POST /v1/incident_attachments",
            "rows": "incidentio.attachments",
            "where": {"resource": {"external_id": "55121"}, "incident_id": "INC-112"},
            "journalled": True,
            "looks": True,
            "keyless": True,
        },
    ]
}

LIST, ADD = "incidentio_list_attachments", "incidentio_add_attachment"
PULL = {"incident": "114", "url": "https://github.com/paysand/webhooks/pull/81", "resource_type": "github_pull_request"}


def attached(box):
    return box.incidentio.rows["attachments"]


async def test_attachments_are_listed_by_title_and_link(call):
    [link] = (await call.ok(LIST, incident="INC-114"))["incident_attachments"]
    [ticket] = (await call.ok(LIST, incident="INC-112"))["incident_attachments"]

    assert link == {
        "id": link["id"],
        "title": "Webhook delivery dashboard",
        "resource_type": "arbitrary_url",
        "permalink": "https://grafana.paysand.example/d/webhooks",
    }
    assert (ticket["external_id"], ticket["resource_type"]) == ("55120", "zendesk_ticket")


async def test_a_link_is_attached_as_it_was_passed(call, box):
    answer = await call.ok(ADD, incident="114", url="https://a.example/x?y=z", title="Why")

    [request] = box.writes()
    resource = {"resource_type": "arbitrary_url", "url": "https://a.example/x?y=z", "title": "Why"}
    assert request.body == {"incident_id": INCIDENT["INC-114"], "resource": resource}
    assert (answer["title"], answer["permalink"]) == ("Why", "https://a.example/x?y=z")


async def test_a_dry_run_attaches_nothing(call, box):
    answer = await call.ok(ADD, **PULL, dry_run=True)

    assert answer["would_send"]["body"]["resource"]["url"] == PULL["url"]
    assert box.writes() == []


@pytest.mark.parametrize(
    "same",
    [
        PULL,
        PULL | {"url": PULL["url"] + "/"},
        {"incident": "INC-114", "url": "https://grafana.paysand.example/d/webhooks", "title": "Another title"},
        {"incident": "INC-112", "external_id": "55120", "resource_type": "ZENDESK_TICKET"},
    ],
)
async def test_what_is_attached_already_is_not_attached_twice_whoever_did_it(call, box, same):
    if "github.com" in same.get("url", ""):
        await call.ok(ADD, **PULL)
    before, writes = len(attached(box)), len(box.writes())

    answer = await call.ok(ADD, **same)
    assert answer["repeated"]
    assert answer["note"] == "It is attached to this incident already: nothing was sent."
    assert (len(attached(box)), len(box.writes())) == (before, writes)


async def test_what_was_removed_since_is_attached_again(call, box):
    first = await call.ok(ADD, **PULL)
    attached(box).pop()

    again = await call.ok(ADD, **PULL)
    assert again["id"] != first["id"]
    assert "repeated" not in again


@pytest.mark.parametrize("other", [{"incident": "112"}, {"url": PULL["url"] + "1"}, {"resource_type": "jira_issue"}])
async def test_another_resource_or_incident_is_another_attachment(call, box, other):
    await call.ok(ADD, **PULL)
    await call.ok(ADD, **PULL | other)

    assert len(box.writes()) == 2


@pytest.mark.parametrize("fault", ["cut_after", "garbage", "truncated"])
async def test_a_lost_reply_never_attaches_twice(call, box, fault):
    before = len(attached(box))
    box.fail(Fault(fault, method="POST", times=1))

    await call.result(ADD, **PULL)
    await call.ok(ADD, **PULL)
    assert len(attached(box)) == before + 1


async def test_after_a_lost_reply_a_link_that_the_service_changed_leaves_the_outcome_open(call, box):
    create = box.incidentio.routes["POST", "/v1/incident_attachments"]

    def changing(request):
        reply = create(request)
        resource = reply.body["incident_attachment"]["resource"]
        resource |= {"permalink": "https://github.com/elsewhere/81", "external_id": "81"}
        return reply

    box.incidentio.routes["POST", "/v1/incident_attachments"] = changing
    box.fail(Fault("cut_after", method="POST", times=1))

    error = await call.error(ADD, **PULL)
    assert "There is a new attachment of this type" in error
    assert "outcome unknown" in error
    assert len(box.writes()) == 1


async def test_without_the_scope_to_look_nothing_is_attached(call, box):
    box.incidentio.remove_scope("attachments.view")

    error = await call.error(ADD, **PULL)
    assert "it needs the scope attachments.view" in error
    assert "Outcome: not sent" in error
    assert box.writes() == []


async def test_a_refusal_says_what_the_type_needs(call, box):
    box.fail(Fault("status", method="POST", status=422))

    assert "resource_type arbitrary_url takes any url" in await call.error(ADD, **PULL)


WRONG = [
    ({}, "Pass either url or external_id"),
    ({"url": "https://a.example", "external_id": "1", "resource_type": "jira_issue"}, "Pass either url or external_id"),
    ({"external_id": "1"}, "resource_type: pass one of pager_duty_incident"),
    ({"url": "https://a.example", "resource_type": "github"}, "resource_type: pass one of"),
    ({"url": "https://a.example", "resource_type": "scrubbed"}, "resource_type: pass one of"),
    ({"external_id": "1", "resource_type": "arbitrary_url"}, "arbitrary_url takes url"),
    ({"url": "https://a.example", "resource_type": "jira_issue", "title": "T"}, "title is only for"),
]


@pytest.mark.parametrize(("arguments", "why"), WRONG)
async def test_what_names_no_resource_is_refused_before_anything_is_sent(call, box, arguments, why):
    assert why in await call.error(ADD, incident="INC-114", **arguments)
    assert box.requests == []


async def test_every_type_that_the_service_knows_can_be_attached(call):
    error = await call.error(ADD, incident="INC-114", url="https://a.example", resource_type="?")

    known = error.partition("pass one of ")[2].partition(". Not sent")[0].split(", ")
    assert sorted([*known, "scrubbed"]) == sorted(RESOURCE_TYPES)


async def test_ten_thousand_attachments_are_cut_and_that_is_said(call, box):
    resource = {"resource_type": "arbitrary_url", "external_id": "x", "permalink": "https://a.example", "title": "T"}
    rows = ({"id": f"A{n:05}", "incident_id": INCIDENT["INC-114"], "resource": resource} for n in range(10_000))
    attached(box).extend(rows)

    answer = await call.ok(LIST, incident="INC-114")
    assert f"{10_001 - len(answer['incident_attachments'])} rows are omitted" in answer["cut"]


async def test_an_attachment_that_cannot_be_read_is_counted(call, box):
    attached(box).append({"incident_id": INCIDENT["INC-114"], "resource": {}})

    answer = await call.ok(LIST, incident="INC-114")
    assert (len(answer["incident_attachments"]), answer["unreadable"]) == (1, 1)
