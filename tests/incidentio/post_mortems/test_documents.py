"""Which post-mortems there are, and which one a text means."""

import pytest

from incident_mcp.sandbox import Fault
from incident_mcp.sandbox.engine.clock import account_ulid
from tests.account import INCIDENT

pytestmark = pytest.mark.anyio

EXAMPLES = {"incidentio_list_post_mortems": [{}, {"incident": "INC-107", "limit": 1}]}

LIST, READ = "incidentio_list_post_mortems", "incidentio_read_post_mortem"
SEARCH = account_ulid("post-mortem INC-106: Search finds nothing for German customers")
CARDS = account_ulid("post-mortem INC-107: Card payments declined in the EU")
ADDENDUM = account_ulid("post-mortem Addendum: what the card schemes saw")


async def test_all_are_listed_newest_first_with_the_references_of_their_incidents(call):
    answer = await call.ok(LIST)

    rows = [(row["incident"], row["type"], row["status"]) for row in answer["postmortem_documents"]]
    assert rows == [
        ("INC-108", "in_app", "completed"),
        ("INC-107", "in_app", "in_progress"),
        ("INC-107", "in_app", "in_review"),
        ("INC-106", "in_app", "in_progress"),
        ("INC-101", "external", "completed"),
    ]
    assert answer["has_more"] is False


async def test_only_an_external_one_shows_its_link_in_a_list(call):
    rows = (await call.ok(LIST))["postmortem_documents"]

    links = {row["incident"]: row["document_url"] for row in rows if "document_url" in row}
    assert links == {"INC-101": "https://docs.example.com/postmortems/ledger-failover"}


async def test_an_incident_s_own_are_listed_by_its_reference(call, box):
    answer = await call.ok(LIST, incident="INC-107")

    assert [row["id"] for row in answer["postmortem_documents"]] == [ADDENDUM, CARDS]
    assert all("incident" not in row for row in answer["postmortem_documents"])
    [request] = [row for row in box.requests if row.path == "/v1/postmortem_documents"]
    assert dict(request.query)["incident_id"] == INCIDENT["INC-107"]


async def test_the_cursor_leads_through_all_of_them(call):
    ids, after = [], {}
    while True:
        answer = await call.ok(LIST, limit=2, **after)
        ids += [row["id"] for row in answer["postmortem_documents"]]
        if not answer["has_more"]:
            break
        after = {"after": answer["after"]}
    assert len(ids) == len(set(ids)) == 5


async def test_without_readable_incidents_the_list_shows_their_ids(call, box):
    box.fail(Fault("status", status=403, path="/v2/incidents"))

    rows = (await call.ok(LIST))["postmortem_documents"]
    assert rows[0]["incident"] == INCIDENT["INC-108"]


@pytest.mark.parametrize(
    "text",
    [
        SEARCH,
        f"https://app.incident.io/sandbox/incidents/106/post-mortems/{SEARCH}",
        f"https://app.incident.io/sandbox/incidents/{INCIDENT['INC-106']}/post-mortems/{SEARCH}",
        "INC-106",
        "#inc-106",
    ],
)
async def test_a_document_is_named_by_its_id_its_link_or_the_incident_whose_only_one_it_is(call, text):
    assert (await call.ok(READ, post_mortem=text))["id"] == SEARCH


async def test_an_incident_with_several_is_ambiguous_and_one_without_has_none(call):
    error = await call.error(READ, post_mortem="INC-107")
    assert ADDENDUM in error
    assert CARDS in error
    assert "Pass the ID" in error
    assert "INC-112 has none that this key can read" in await call.error(READ, post_mortem="INC-112")


async def test_one_readable_row_beside_an_unreadable_one_is_not_the_only_one(call, box):
    rows = box.incidentio.rows["postmortem_documents"]
    [search] = [row for row in rows if row["id"] == SEARCH]
    rows.append(search | {"id": None, "created_at": "2026-01-01T00:00:00.000000Z"})

    assert "and others that were not read" in await call.error(READ, post_mortem="INC-106")


@pytest.mark.parametrize("text", ["106", "the search one", "01NOTHING"])
async def test_any_other_text_is_rejected_and_nothing_is_read(call, box, text):
    assert "incidentio_list_post_mortems lists them" in await call.error(READ, post_mortem=text)
    assert box.requests == []


async def test_without_the_scope_the_error_names_it(call, box):
    box.incidentio.remove_scope("incidents.view")

    assert "incidents.view" in await call.error(LIST)
