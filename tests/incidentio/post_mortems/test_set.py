"""Moving a post-mortem to another status."""

import pytest

from incident_mcp.sandbox import Fault
from incident_mcp.sandbox.engine.clock import account_ulid
from tests.asked import asked

pytestmark = pytest.mark.anyio

EXAMPLES = {"incidentio_set_post_mortem": {"post_mortem": "01HR4B1YM0ASFM7FCGSNM8FNV9", "status": "in_review"}}
EFFECTS = {
    "incidentio_set_post_mortem": {
        "request": "PUT /v1/postmortem_documents/01HR4B1YM0ASFM7FCGSNM8FNV9",
        "rows": "incidentio.postmortem_documents",
        "where": {"id": "01HR4B1YM0ASFM7FCGSNM8FNV9", "status": "in_review"},
        "looks": True,
    }
}

SET = "incidentio_set_post_mortem"
SEARCH = account_ulid("post-mortem INC-106: Search finds nothing for German customers")


async def test_its_status_is_set_and_the_document_returned(call, box):
    answer = await call.ok(SET, post_mortem="INC-106", status="completed")

    [request] = box.writes()
    assert (request.method, request.path) == ("PUT", f"/v1/postmortem_documents/{SEARCH}")
    assert request.body == {"status": "completed"}
    assert (answer["id"], answer["status"]) == (SEARCH, "completed")


async def test_one_that_has_the_status_already_is_not_written(call, box):
    answer = await call.ok(SET, post_mortem=SEARCH, status="in_progress")

    assert answer["note"] == "It was already in_progress: nothing was sent."
    assert box.writes() == []


async def test_a_dry_run_answers_the_request_and_reads_nothing(call, box):
    answer = await call.ok(SET, post_mortem=SEARCH, status="in_progress", dry_run=True)

    assert answer["would_send"]["body"] == {"status": "in_progress"}
    assert box.requests == []


async def test_a_key_that_may_only_set_the_status_sets_it(call, box):
    box.incidentio.remove_scope("incidents.view")

    assert (await call.ok(SET, post_mortem=SEARCH, status="in_review"))["status"] == "in_review"


async def test_after_a_lost_reply_it_is_read_back_and_not_sent_again(call, box):
    box.fail(Fault("cut_after", method="PUT"))

    assert (await call.ok(SET, post_mortem=SEARCH, status="in_review"))["status"] == "in_review"
    assert len(box.writes()) == 1


async def test_without_the_scope_the_refusal_names_it(call, box):
    box.incidentio.remove_scope("in_app_postmortems.update_status")

    assert "in_app_postmortems.update_status" in await call.error(SET, post_mortem=SEARCH, status="in_review")


async def test_a_person_is_asked_with_the_document_s_title_and_both_statuses(box, tmp_path):
    question = await asked(box, tmp_path, SET, post_mortem=SEARCH, status="in_review")

    assert "INC-106: Search finds nothing for German customers" in question
    assert f"({SEARCH}, in_progress) to in_review" in question
