"""Notes: added, read, edited and deleted only by their author."""

import pytest

pytestmark = pytest.mark.anyio

EXAMPLES = {
    "ionhour_list_notes": {"incident_id": 4512},
    "ionhour_create_note": {"incident_id": 4514, "body": "Looking."},
    "ionhour_update_note": {"incident_id": 4512, "note_id": 704, "body": "Corrected."},
    "ionhour_delete_note": {"incident_id": 4507, "note_id": 702},
}
EFFECTS = {
    "ionhour_create_note": {
        "request": "POST /api/incident-notes/4514",
        "rows": "ionhour.notes",
        "where": {"body": "Looking."},
        "journalled": True,
        "looks": True,
        "keyless": True,
    },
    "ionhour_update_note": {
        "request": "PATCH /api/incident-notes/4512/704",
        "rows": "ionhour.notes",
        "where": {"body": "Corrected."},
        "looks": True,
    },
    "ionhour_delete_note": {
        "request": "DELETE /api/incident-notes/4507/702",
        "rows": "ionhour.notes",
        "where": {"id": 702, "deletedAt": ...},
        "deletes": True,
    },
}

LIST, CREATE = "ionhour_list_notes", "ionhour_create_note"
UPDATE, DELETE = "ionhour_update_note", "ionhour_delete_note"
MINE, THEIRS = 704, 705
"""Two notes on incident 4512."""
PLANS = [
    (CREATE, {"incident_id": 4512, "body": "b"}, "POST", "/incident-notes/4512", {"body": "b"}),
    (
        UPDATE,
        {"incident_id": 4512, "note_id": MINE, "body": "b"},
        "PATCH",
        f"/incident-notes/4512/{MINE}",
        {"body": "b"},
    ),
    (DELETE, {"incident_id": 4512, "note_id": MINE}, "DELETE", f"/incident-notes/4512/{MINE}", None),
]


async def test_a_note_lives_from_create_to_delete(call):
    created = await call.ok(CREATE, incident_id=4514, body="Root cause: pool exhausted.")
    note = {"incident_id": 4514, "note_id": created["id"]}
    edited = await call.ok(UPDATE, **note, body="Root cause: pool too small.")
    assert edited["id"] == created["id"]
    listed = await call.ok(LIST, incident_id=4514)
    assert [row["body"] for row in listed["notes"]] == ["Root cause: pool too small."]
    assert await call.ok(DELETE, **note) == {**note, "deleted": True}
    assert (await call.ok(LIST, incident_id=4514))["notes"] == []


@pytest.mark.parametrize("enveloped", [True, False])
async def test_notes_are_listed_with_the_ids_that_edit_and_delete_take(call, box, enveloped):
    box.ionhour.enveloped = enveloped
    told = await call.ok(LIST, incident_id=4512)
    assert [(row["id"], row["author"]) for row in told["notes"]] == [(MINE, "7"), (THEIRS, "12")]
    assert told["has_more"] is False


async def test_only_the_author_may_edit_or_delete_and_the_error_says_so(call, box):
    for tool, more in ((UPDATE, {"body": "mine now"}), (DELETE, {})):
        error = await call.error(tool, incident_id=4512, note_id=THEIRS, **more)
        assert "Ionhour answered 403" in error
        assert "Only a note's author" in error
        assert "nothing was changed" in error
    assert len(box.writes()) == 2
    assert THEIRS in [row["id"] for row in (await call.ok(LIST, incident_id=4512))["notes"]]


@pytest.mark.parametrize("empty", ["", " ", "\n\t ", "\u2003"])
async def test_an_empty_note_is_refused_here(call, box, empty):
    for tool, more in ((CREATE, {}), (UPDATE, {"note_id": MINE})):
        assert "body" in await call.error(tool, incident_id=4512, body=empty, **more)
    assert box.requests == []


async def test_a_text_is_sent_as_it_was_given_but_for_blank_lines_and_space_around_it(call, box):
    text = '  {"json": ["?"]}\n\n<b>ü</b> 🚨 \u202e null'
    await call.ok(CREATE, incident_id=4512, body=f" \n{text} \n")
    assert box.writes()[0].body == {"body": text}


async def test_deleting_is_described_as_hidden_but_retained(call):
    (tool,) = [tool for tool in (await call.client.list_tools()).tools if tool.name == DELETE]
    assert "hides it" in tool.description
    assert "retains it" in tool.description
    assert tool.annotations.destructive_hint


async def test_a_note_that_does_not_exist_is_said_not_to(call):
    assert "Note with ID 99 not found" in await call.error(UPDATE, incident_id=4512, note_id=99, body="b")
    assert "Note with ID 99 not found" in await call.error(DELETE, incident_id=4512, note_id=99)


async def test_a_dry_run_answers_the_exact_request_and_writes_nothing(call, box):
    for tool, arguments, method, path, body in PLANS:
        told = await call.ok(tool, **arguments, dry_run=True)
        expected = {"service": "Ionhour", "method": method, "path": path}
        assert told == {"dry_run": True, "would_send": expected | ({"body": body} if body else {})}
    assert box.requests == []


async def test_html_in_a_note_is_told_as_text(call, box):
    box.ionhour.notes[-1]["body"] = "<p>One</p><script>alert(1)</script><p>Two &amp; three</p>"
    told = await call.ok(LIST, incident_id=box.ionhour.notes[-1]["incidentId"])
    assert told["notes"][-1]["body"] == "One\nTwo & three"


@pytest.mark.parametrize("lists_unknown", [False, True])
async def test_the_notes_of_no_incident_are_an_error_even_where_the_service_lists_none(connect, box, lists_unknown):
    box.ionhour.lists_unknown = lists_unknown
    async with connect() as call:
        assert "Incident with ID 99 not found" in await call.error(LIST, incident_id=99)
        assert (await call.ok(LIST, incident_id=4514))["notes"] == []


async def test_who_is_not_the_author_reads_that_and_no_word_on_the_keys_permissions(call):
    said = await call.error("ionhour_delete_note", incident_id=4512, note_id=705)
    assert "Only a note's author" in said
    assert "IONHOUR_API_KEY" not in said
