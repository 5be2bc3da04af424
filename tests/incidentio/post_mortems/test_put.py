"""Storing a post-mortem: after a preview, and once, although the API has no idempotency key for it."""

import shutil

import pytest

from incident_mcp.sandbox import Fault
from incident_mcp.sandbox.engine.clock import account_ulid
from tests.account import INCIDENT
from tests.asked import asked
from tests.conftest import text_of

pytestmark = pytest.mark.anyio

EXAMPLES = {
    "incidentio_put_post_mortem": {
        "incident": "INC-112",
        "title": "INC-112: Payout files",
        "content": "## Summary\n\nThe bank changed its key.",
    }
}
EFFECTS = {
    "incidentio_put_post_mortem": {
        "request": "POST /v2/incidents/*/actions/import_postmortem_document",
        "rows": "incidentio.postmortem_documents",
        "where": {"title": "INC-112: Payout files"},
        "journalled": True,
        "looks": True,
        "keyless": True,
    }
}

PUT, LIST = "incidentio_put_post_mortem", "incidentio_list_post_mortems"
[CALL] = EXAMPLES.values()
CARDS = account_ulid("post-mortem INC-107: Card payments declined in the EU")


def stored(box, title=CALL["title"]):
    return [row for row in box.incidentio.rows["postmortem_documents"] if row["title"] == title]


async def test_a_preview_shows_incident_title_size_and_first_lines_and_stores_nothing(call, box):
    text = "# Report\n\n" + "\n".join(f"Line {number} " + "x" * 200 for number in range(50))
    answer = await call.ok(PUT, incident="INC-112", title="Report", content=text)

    preview = answer["preview"]
    assert preview["incident"] == "INC-112 Payout files are not picked up by the bank"
    assert (preview["title"], preview["characters"], preview["existing"]) == ("Report", len(text), [])
    assert preview["starts_with"][:2] == ["# Report", "Line 0 " + "x" * 112 + "…"]
    assert len(preview["starts_with"]) == 5
    assert answer["would_send"]["body"] == {"title": "Report", "content": text}
    assert box.writes() == []


async def test_with_its_code_the_document_is_stored_as_it_was_passed(call, box):
    answer = await call.performed(PUT, **CALL)

    [request] = box.writes()
    assert request.path == f"/v2/incidents/{INCIDENT['INC-112']}/actions/import_postmortem_document"
    assert request.body == {"title": CALL["title"], "content": CALL["content"]}
    assert (answer["incident"], answer["status"]) == ("INC-112", "in_progress")
    assert [row["id"] for row in (await call.ok(LIST, incident="INC-112"))["postmortem_documents"]] == [answer["id"]]


async def test_a_preview_names_what_exists_and_says_that_nothing_is_replaced(call, box):
    preview = (await call.ok(PUT, incident="INC-107", title="Another", content="x"))["preview"]

    assert len(preview["existing"]) == 2
    assert CARDS in preview["existing"][1]
    assert "adds another one and replaces nothing" in preview["warning"]
    assert box.writes() == []


@pytest.mark.parametrize(
    "title", ["INC-107: Card payments declined in the EU", " inc-107: card  payments DECLINED in the EU"]
)
async def test_a_title_that_the_incident_has_is_refused_with_the_document(call, box, title):
    error = await call.error(PUT, incident="INC-107", title=title, content="x")

    assert CARDS in error
    assert "pass another title" in error
    assert box.writes() == []


async def test_an_identical_call_returns_the_document_and_stores_no_second(call, box):
    first = await call.performed(PUT, **CALL)
    preview = await call.ok(PUT, **CALL)
    again = await call.ok(PUT, **CALL, confirm=preview["confirm"])

    assert "An identical call did this" in preview["note"]
    assert (again["id"], again["repeated"]) == (first["id"], True)
    assert len(stored(box)) == len(box.writes()) == 1


async def test_the_same_title_with_another_text_is_refused_right_after(call, box):
    await call.performed(PUT, **CALL)

    error = await call.error(PUT, **CALL | {"content": "Corrected."})
    assert "The API cannot replace its text" in error
    assert len(stored(box)) == 1


async def test_an_update_of_the_incident_in_between_makes_no_second(call, box):
    await call.performed(PUT, **CALL)
    await call.ok("incidentio_post_update", incident="INC-112", message="Post-mortem is there.")
    await call.performed(PUT, **CALL)

    assert len(stored(box)) == 1


@pytest.mark.parametrize("fault", ["cut_after", "garbage", "truncated"])
async def test_a_lost_reply_with_a_deleted_journal_never_makes_two(connect, box, tmp_path, fault):
    box.fail(Fault("status", status=401, method="GET", path="/v1/postmortem_documents", after=4))
    box.fail(Fault(fault, method="POST", times=1))
    async with connect() as call:
        told = text_of(await call.perform(PUT, **CALL))
    box.heal()
    shutil.rmtree(tmp_path / "state")
    async with connect() as call:
        again = text_of(await call.perform(PUT, **CALL))

    assert "Outcome" in told
    assert "already has a post-mortem with this title" in again
    assert len(stored(box)) == 1


async def test_a_document_that_appears_after_the_preview_rejects_its_code(call, box):
    code = (await call.ok(PUT, **CALL))["confirm"]
    rows = box.incidentio.rows["postmortem_documents"]
    rows.append(rows[0] | {"id": account_ulid("new"), "incident_id": INCIDENT["INC-112"], "title": "Theirs"})

    assert "what its preview showed has changed" in await call.error(PUT, **CALL, confirm=code)
    assert box.writes() == []


async def test_another_new_document_after_a_lost_reply_leaves_the_outcome_open(call, box):
    rows = box.incidentio.rows["postmortem_documents"]

    def store(call_):
        answer = original(call_)
        rows[-1]["title"] = "Renamed by the service"
        return answer

    at = ("POST", "/v2/incidents/{id}/actions/import_postmortem_document")
    original, box.incidentio.routes[at] = box.incidentio.routes[at], store
    box.fail(Fault("cut_after", method="POST"))

    told = text_of(await call.perform(PUT, **CALL))
    assert "it may be this one" in told
    assert "outcome unknown" in told
    assert len(box.writes()) == 1


async def test_what_cannot_be_looked_up_is_not_stored(call, box):
    box.incidentio.remove_scope("incidents.view")

    error = await call.error(PUT, **CALL | {"incident": INCIDENT["INC-112"]})
    assert "incidents.view" in error
    assert box.writes() == []


async def test_a_person_is_asked_with_title_size_and_first_lines(box, tmp_path):
    question = await asked(box, tmp_path, PUT, **CALL)

    assert 'of 37 characters for "INC-112 Payout files are not picked up by the bank"' in question
    assert 'titled "INC-112: Payout files", which starts with "## Summary, The bank changed its key."' in question
