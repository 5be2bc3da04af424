"""Reading the text of a post-mortem: whole, in parts if it is very long, and never instead of an error."""

import pytest

from incident_mcp.sandbox import Fault
from incident_mcp.sandbox.engine.clock import account_ulid

pytestmark = pytest.mark.anyio

EXAMPLES = {
    "incidentio_read_post_mortem": [
        {"post_mortem": "01HR4B1YM0ASFM7FCGSNM8FNV9"},
        {"post_mortem": "01HR4B1YM0ASFM7FCGSNM8FNV9", "offset": 10},
    ]
}

READ = "incidentio_read_post_mortem"
SEARCH = account_ulid("post-mortem INC-106: Search finds nothing for German customers")


async def test_it_is_read_with_its_text_and_who_edited_it(call):
    answer = await call.ok(READ, post_mortem=SEARCH)

    assert answer["markdown"].startswith("# INC-106: Search finds nothing for German customers\n\n## Summary")
    assert (answer["status"], answer["editors"]) == ("in_progress", ["Yuki Tanaka"])
    assert "note" not in answer


async def test_of_an_external_one_only_the_link_is_known_and_its_text_is_not_asked_for(call, box):
    answer = await call.ok(READ, post_mortem="INC-101")

    assert answer["document_url"] == "https://docs.example.com/postmortems/ledger-failover"
    assert "another service holds it" in answer["note"]
    assert "markdown" not in answer
    assert not [row for row in box.requests if row.path.endswith("/content")]


async def test_a_very_long_text_is_read_in_parts_that_join_to_the_whole(call, box):
    [content] = [row for row in box.incidentio.rows["postmortem_contents"] if row["id"] == SEARCH]
    content["markdown"] = "".join(f"Line {number} of the report.\n" for number in range(12_000))
    text, offset = "", 0
    while True:
        answer = await call.ok(READ, post_mortem=SEARCH, **({"offset": offset} if offset else {}))
        if "cut" not in answer:
            text += answer["markdown"]
            break
        text += answer["markdown"].removesuffix("…")
        assert f"incidentio_read_post_mortem with offset={len(text)} shows the rest" in answer["cut"]
        offset = len(text)
    assert text == content["markdown"]


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (Fault("status", status=403, path="/content$"), "in_app_postmortems.copy_as_markdown"),
        (Fault("status", status=404, path="/content$"), "could not be read"),
        (Fault("status", status=200, body={"markdown": None}, path="/content$"), "could not be read"),
        (Fault("status", status=200, body={"markdown": " "}, path="/content$"), "The document is empty."),
    ],
)
async def test_a_text_that_cannot_be_read_is_told_beside_the_link(call, box, fault, says):
    box.fail(fault)

    answer = await call.ok(READ, post_mortem=SEARCH)
    assert says in answer["note"]
    assert answer["document_url"].endswith(SEARCH)
    assert "markdown" not in answer


async def test_one_that_does_not_exist_is_an_error(call):
    assert "does not exist, or this key may not see it" in await call.error(READ, post_mortem=account_ulid("nothing"))
