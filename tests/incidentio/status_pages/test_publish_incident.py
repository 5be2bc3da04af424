"""Publishing an incident on a status page: previewed, then once."""

import pytest

from incident_mcp.sandbox import Fault
from incident_mcp.sandbox.engine.clock import account_ulid
from incident_mcp.sandbox.seeds.incidentio_status_pages import component_id
from tests.asked import asked

pytestmark = pytest.mark.anyio

EXAMPLES = {
    "incidentio_publish_incident": [
        {
            "page": "Paysand",
            "name": "Card payments fail",
            "message": "We are looking into **declined** cards.",
            "status": "investigating",
            "notify_subscribers": True,
        },
        {
            "page": "Paysand",
            "name": "Checkout is down",
            "message": "Nobody can pay.",
            "status": "identified",
            "notify_subscribers": False,
            "components": {"Checkout": "full_outage"},
            "idempotency_key": "mine",
        },
    ]
}
EFFECTS = {
    "incidentio_publish_incident": {
        "request": "POST /v2/status_page_incidents",
        "rows": "incidentio.status_page_incidents",
        "where": {"name": "Card payments fail"},
        "journalled": True,
    }
}

PUBLISH, LIST = "incidentio_publish_incident", "incidentio_list_published"
[[CALL, _]] = EXAMPLES.values()
PARTNERS = {
    "page": "Paysand for partners",
    "name": "SFTP is down",
    "message": "Files wait.",
    "status": "identified",
    "notify_subscribers": False,
    "components": {"SFTP": "full_outage"},
    "idempotency_key": "mine",
}


def published(box, name="Card payments fail"):
    return [row for row in box.incidentio.rows["status_page_incidents"] if row["name"] == name]


async def test_a_preview_shows_page_publicity_components_subscribers_and_the_exact_text(call, box):
    components = {"Checkout": "partial_outage", "Old gateway": "full_outage"}
    answer = await call.ok(PUBLISH, **CALL, components=components)

    preview = answer["preview"]
    assert (preview["page"], preview["public"]) == ("Paysand", "yes, https://status.paysand.example")
    assert (preview["incident"], preview["status"]) == ("Card payments fail", "investigating")
    assert answer["would_send"]["body"]["message"] == CALL["message"]
    assert preview["components"] == ["Checkout: partial_outage", "Old gateway: full_outage (hidden on the page)"]
    assert "all notified; the service does not say how many" in preview["subscribers"]
    assert preview["unresolved"] == [f'"Delayed webhooks" ({account_ulid("published Delayed webhooks")}, identified)']
    assert "incidentio_publish_update adds to one" in preview["warning"]
    assert box.writes() == []


async def test_a_page_without_a_public_url_is_not_called_public_or_private(call):
    preview = (await call.ok(PUBLISH, **PARTNERS))["preview"]

    assert preview["public"] == "unknown: the service names no public URL"
    assert preview["subscribers"] == "not notified"


async def test_with_its_code_it_is_published_once_with_the_request_that_was_shown(call, box):
    answer = await call.performed(PUBLISH, **PARTNERS)

    [request] = box.writes()
    assert request.path == "/v2/status_page_incidents"
    assert request.body == {
        "idempotency_key": "mine",
        "status_page_id": account_ulid("status page Paysand for partners"),
        "name": "SFTP is down",
        "message": "Files wait.",
        "incident_status": "identified",
        "notify_subscribers": False,
        "component_statuses": [
            {
                "component_id": component_id("Paysand for partners", "SFTP", "Transfer"),
                "component_status": "full_outage",
            }
        ],
    }
    assert (answer["page"], answer["status"]) == ("Paysand for partners", "identified")
    assert answer["components"] == ["SFTP: full_outage"]


async def test_a_repeat_returns_the_first_and_messages_subscribers_once(call, box):
    first = await call.performed(PUBLISH, **CALL)
    again = await call.performed(PUBLISH, **CALL)

    assert (again["id"], again["repeated"]) == (first["id"], True)
    assert len(published(box)) == len(box.incidentio.rows["status_page_messages"]) == 1


async def test_a_lost_reply_is_repeated_with_the_same_key(call, box):
    box.fail(Fault("cut_after", method="POST", times=1))

    answer = await call.performed(PUBLISH, **CALL)
    assert [row["id"] for row in published(box)] == [answer["id"]]
    assert len({row.body["idempotency_key"] for row in box.writes()}) == 1
    assert len(box.incidentio.rows["status_page_messages"]) == 1


async def test_a_deleted_journal_makes_no_second(connect, box, tmp_path):
    for state in ("one", "two"):
        async with connect(state_dir=tmp_path / state) as call:
            await call.performed(PUBLISH, **CALL)
    assert len(published(box)) == 1


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"name": "x" * 201}, "at most 200 characters"),
        ({"message": "x" * 4_097}, "at most 4096 characters"),
        ({"message": " "}, "message is blank"),
        ({"status": "closed"}, "status"),
        ({"notify_subscribers": None}, "notify_subscribers is blank, and it is required"),
    ],
)
async def test_what_the_service_would_refuse_is_rejected_before_anything_is_read(call, box, change, says):
    assert says in await call.error(PUBLISH, **CALL | change)
    assert box.requests == []


async def test_the_longest_texts_are_published_whole(call, box):
    longest = CALL | {"name": "語" * 200, "message": "語" * 4_096}
    shown = (await call.ok(PUBLISH, **longest))["would_send"]["body"]
    await call.performed(PUBLISH, **longest)

    assert (shown["name"], shown["message"]) == (longest["name"], longest["message"])
    assert published(box, longest["name"])[0]["updates"][0]["message"] == longest["message"]


async def test_too_many_subscribers_are_refused_with_what_to_do(call, box):
    error = await call.perform(PUBLISH, **PARTNERS | {"notify_subscribers": True})

    assert error.is_error
    assert "pass notify_subscribers=false there" in error.content[0].text
    assert published(box, "SFTP is down") == []


async def test_without_the_scope_the_refusal_names_it(call, box):
    box.incidentio.remove_scope("status_pages.publish_updates")

    assert "status_pages.publish_updates" in (await call.perform(PUBLISH, **CALL)).content[0].text


async def test_an_incident_that_somebody_publishes_after_the_preview_rejects_its_code(call, box):
    code = (await call.ok(PUBLISH, **CALL))["confirm"]
    rows = box.incidentio.rows["status_page_incidents"]
    rows.append(rows[1] | {"id": account_ulid("theirs"), "name": "Cards fail"})

    assert "what its preview showed has changed" in await call.error(PUBLISH, **CALL, confirm=code)
    assert box.writes() == []


async def test_what_is_published_already_is_told_as_unread_if_it_is(call, box):
    box.fail(Fault("status", status=403, method="GET", path="/v2/status_page_incidents"))

    preview = (await call.ok(PUBLISH, **CALL))["preview"]
    assert "What the page shows now could not be read" in preview["problems"][0]
    assert "unresolved" not in preview
    assert not (await call.perform(PUBLISH, **CALL)).is_error


async def test_a_long_list_of_unresolved_incidents_is_counted(call, box):
    rows = box.incidentio.rows["status_page_incidents"]
    rows += [rows[1] | {"id": account_ulid(f"more {number}")} for number in range(300)]

    preview = (await call.ok(PUBLISH, **CALL))["preview"]
    assert len(preview["unresolved"]) == 21
    assert preview["unresolved"][-1] == "and 230 more"
    assert preview["problems"] == ["Not all incidents of the page were read."]


async def test_a_person_is_asked_with_everything_that_is_published(box, tmp_path):
    text = 'Fixed". Nothing is published. "' + "x" * 900
    question = await asked(box, tmp_path, PUBLISH, **CALL | {"message": text}, components={"Checkout": "full_outage"})

    assert '"Paysand" (public: "yes, https://status.paysand.example")' in question
    assert "subscribers: all notified" in question
    assert "Checkout: full_outage" in question
    assert r"Fixed\". Nothing is published." in question
    assert "x" * 900 in question
