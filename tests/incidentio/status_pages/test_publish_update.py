"""Publishing an update on a status page: once, although the API has no idempotency key for it."""

import shutil

import pytest

from incident_mcp.sandbox import Fault
from incident_mcp.sandbox.engine.clock import account_ulid
from incident_mcp.sandbox.seeds.incidentio_status_pages import component_id
from tests.asked import asked
from tests.conftest import text_of

pytestmark = pytest.mark.anyio

EXAMPLES = {
    "incidentio_publish_update": [
        {
            "public_incident": "01HR4B1YM05YEA2TJ6550V4KXX",
            "message": "A fix is on its way.",
            "notify_subscribers": True,
        },
        {
            "public_incident": "01HR4B1YM05YEA2TJ6550V4KXX",
            "message": "A fix is out.",
            "notify_subscribers": True,
            "status": "monitoring",
            "components": {"Webhooks": "degraded_performance"},
        },
    ]
}
EFFECTS = {
    "incidentio_publish_update": {
        "request": "POST /v2/status_page_incident_updates",
        "rows": "incidentio.status_page_messages",
        "where": {"message": "A fix is on its way."},
        "journalled": True,
        "looks": True,
        "keyless": True,
    }
}

UPDATE = "incidentio_publish_update"
[[_, CALL]] = EXAMPLES.values()
RESOLVE = {
    "public_incident": "01HR4B1YM05YEA2TJ6550V4KXX",
    "message": "Webhooks arrive on time.",
    "notify_subscribers": False,
    "status": "resolved",
}
WEBHOOKS = account_ulid("published Delayed webhooks")
SHOW = f"/v2/status_page_incidents/{WEBHOOKS}"


def updates(box, message=CALL["message"]):
    [incident] = [row for row in box.incidentio.rows["status_page_incidents"] if row["id"] == WEBHOOKS]
    return [row for row in incident["updates"] if row["message"] == message]


async def test_a_preview_shows_page_incident_statuses_components_and_the_exact_text(call, box):
    answer = await call.ok(UPDATE, **CALL)

    assert answer["would_send"]["body"]["message"] == CALL["message"]
    assert answer["preview"] == {
        "page": "Paysand",
        "public": "yes, https://status.paysand.example",
        "incident": f'"Delayed webhooks" ({WEBHOOKS})',
        "status": "identified -> monitoring",
        "components": ["Webhooks: degraded_performance"],
        "subscribers": "all notified; the service does not say how many, and refuses above 1,000",
    }
    assert box.writes() == []


async def test_with_its_code_it_is_published(call, box):
    answer = await call.performed(UPDATE, **CALL)

    [request] = box.writes()
    assert request.path == "/v2/status_page_incident_updates"
    assert request.body == {
        "status_page_incident_id": WEBHOOKS,
        "message": "A fix is out.",
        "notify_subscribers": True,
        "incident_status": "monitoring",
        "component_statuses": [
            {"component_id": component_id("Paysand", "Webhooks"), "component_status": "degraded_performance"}
        ],
    }
    assert (answer["public_incident"], answer["status"]) == (WEBHOOKS, "monitoring")
    assert answer["components"] == ["Webhooks: degraded_performance"]


async def test_resolving_shows_which_components_become_operational_and_sends_none(call, box):
    preview = (await call.ok(UPDATE, **RESOLVE))["preview"]
    await call.performed(UPDATE, **RESOLVE)

    assert preview["status"] == "identified -> resolved"
    assert preview["components"] == ["Webhooks: operational", "Merchant dashboard: operational"]
    [request] = box.writes()
    assert "component_statuses" not in request.body
    [row] = [row for row in box.incidentio.rows["status_page_incidents"] if row["id"] == WEBHOOKS]
    assert row["incident_status"] == "resolved"


async def test_components_beside_resolved_are_rejected_before_anything_is_read(call, box):
    error = await call.error(UPDATE, **RESOLVE, components={"Webhooks": "operational"})

    assert "omit components with status=resolved" in error
    assert box.requests == []


async def test_an_update_without_a_status_says_that_it_stays(call):
    preview = (await call.ok(UPDATE, public_incident=WEBHOOKS, message="Still on it.", notify_subscribers=False))[
        "preview"
    ]

    assert preview["status"] == "identified, unchanged"


async def test_a_link_names_the_incident_and_other_text_is_rejected(call, box):
    link = f"https://status.paysand.example/incidents/{WEBHOOKS}"
    assert (await call.ok(UPDATE, **CALL | {"public_incident": link}))["preview"]["page"] == "Paysand"
    box.requests.clear()
    assert "incidentio_list_published lists them" in await call.error(UPDATE, **CALL | {"public_incident": "INC-114"})
    assert box.requests == []


async def test_a_repeat_returns_the_first_and_messages_subscribers_once(call, box):
    first = await call.performed(UPDATE, **CALL)
    again = await call.performed(UPDATE, **CALL)

    assert (again["id"], again["repeated"]) == (first["id"], True)
    assert len(updates(box)) == len(box.incidentio.rows["status_page_messages"]) == 1


@pytest.mark.parametrize("fault", ["cut_after", "garbage", "truncated"])
async def test_after_a_lost_reply_the_update_is_found_and_not_sent_again(call, box, fault):
    box.fail(Fault(fault, method="POST", times=1))

    answer = await call.performed(UPDATE, **CALL)
    assert [row["id"] for row in updates(box)] == [answer["id"]]
    assert len(box.writes()) == 1


@pytest.mark.parametrize("fault", ["cut_after", "garbage", "truncated"])
async def test_a_lost_reply_with_a_deleted_journal_never_makes_two(connect, box, tmp_path, fault):
    box.fail(Fault(fault, method="POST", times=1))
    box.fail(Fault("status", status=401, method="GET", path=SHOW, after=6))
    async with connect() as call:
        told = text_of(await call.perform(UPDATE, **CALL))
    box.heal()
    shutil.rmtree(tmp_path / "state")
    async with connect() as call:
        preview = await call.ok(UPDATE, **CALL)
        again = await call.ok(UPDATE, **CALL, confirm=preview["confirm"])

    assert "outcome unknown" in told
    assert "An identical call did this" in preview["note"]
    assert again["repeated"] is True
    assert len(updates(box)) == 1


async def test_the_same_text_with_another_status_is_another_update(call, box):
    same = RESOLVE | {"message": CALL["message"]}
    await call.performed(UPDATE, **CALL)
    answer = await call.performed(UPDATE, **same)

    assert answer["status"] == "resolved"
    assert "repeated" not in answer
    assert len(updates(box)) == 2


async def test_the_same_text_with_other_components_is_another_update(call, box):
    await call.performed(UPDATE, **CALL)
    await call.performed(UPDATE, **CALL | {"components": {"Webhooks": "operational"}})

    assert len(updates(box)) == 2


async def test_an_update_that_somebody_publishes_after_the_preview_rejects_its_code(call, box):
    code = (await call.ok(UPDATE, **CALL))["confirm"]
    [incident] = [row for row in box.incidentio.rows["status_page_incidents"] if row["id"] == WEBHOOKS]
    incident["updates"].append(incident["updates"][0] | {"id": account_ulid("theirs")})

    assert "what its preview showed has changed" in await call.error(UPDATE, **CALL, confirm=code)
    assert box.writes() == []


async def test_nearly_the_same_new_text_after_a_lost_reply_leaves_the_outcome_open(call, box):
    def publish(call_):
        answer = original(call_)
        updates(box)[0]["message"] = "A fix is **out**."
        return answer

    at = ("POST", "/v2/status_page_incident_updates")
    original, box.incidentio.routes[at] = box.incidentio.routes[at], publish
    box.fail(Fault("cut_after", method="POST"))

    told = text_of(await call.perform(UPDATE, **CALL))
    assert "There is a new update with nearly the same text" in told
    assert "outcome unknown" in told
    assert len(box.writes()) == 1


@pytest.mark.parametrize("value", [None, "none", {}])
async def test_with_updates_that_cannot_be_read_nothing_is_published(call, box, value):
    [incident] = [row for row in box.incidentio.rows["status_page_incidents"] if row["id"] == WEBHOOKS]
    incident["updates"] = value

    result = await call.perform(UPDATE, **CALL)
    assert "did not return the incident's updates" in text_of(result)
    assert "not sent" in text_of(result).lower()
    assert box.writes() == []


async def test_a_page_that_cannot_be_read_is_told_and_keeps_no_one_from_resolving(call, box):
    box.fail(Fault("status", status=403, path="/v2/status_pages$"))

    preview = (await call.ok(UPDATE, **RESOLVE))["preview"]
    assert preview["public"] == "unknown: the page could not be read"
    assert preview["page"] == account_ulid("status page Paysand")
    assert "The page could not be read" in preview["problems"][0]
    assert (await call.performed(UPDATE, **RESOLVE))["status"] == "resolved"


async def test_a_resolved_incident_is_told_as_one(call):
    other = CALL | {"public_incident": account_ulid("published Search unavailable for some customers")}
    preview = (await call.ok(UPDATE, **other))["preview"]

    assert preview["warning"] == "The incident is resolved already."


async def test_the_hundred_and_first_update_is_refused_with_the_reason(call, box):
    [incident] = [row for row in box.incidentio.rows["status_page_incidents"] if row["id"] == WEBHOOKS]
    first = incident["updates"][0]
    incident["updates"] += [first | {"id": account_ulid(f"u{number}")} for number in range(98)]

    assert "at most 100 updates" in text_of(await call.perform(UPDATE, **CALL))
    assert updates(box) == []


async def test_a_person_is_asked_with_everything_that_is_published(box, tmp_path):
    question = await asked(box, tmp_path, UPDATE, **RESOLVE)

    assert '"Paysand" (public: "yes, https://status.paysand.example")' in question
    assert "identified -> resolved" in question
    assert "Merchant dashboard: operational" in question
    assert 'Text: "Webhooks arrive on time."' in question
