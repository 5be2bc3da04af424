"""Plain text is not HTML: text in angle brackets is not lost, and links keep their address."""

import pytest

pytestmark = pytest.mark.anyio

PLAIN = [
    "Rolled back <checkout-api> to v1.2",
    "npm run <script> failed",
    "if a<b and c>d, see <https://x.example/a?b=1&c=2>",
    "Ask <ops@paysand.example> or <@U04SAMO>",
    "Map<String, List<Integer>> &amp; <T></T>",
    "use the <br> tag, <b>",
    "**Bold** and `<kbd>`",
]
HTML = {
    "<p>Rolled back <checkout-api> to v1.2</p>": "Rolled back <checkout-api> to v1.2",
    "<p>See <a href='https://x.example/run'>the runbook</a>.</p>": "See the runbook (https://x.example/run).",
    "<p>See <a href='https://x.example/run'>https://x.example/run</a></p>": "See https://x.example/run",
    "<p>a &lt;b&gt; &amp;amp;</p>": "a <b> &amp;",
    "<ul><li>one</li><li>two</li></ul>": "- one\n- two",
}


@pytest.mark.parametrize("text", [*PLAIN, *HTML], ids=repr)
async def test_a_summary_a_note_and_an_event_are_told_whole(connect, box, text):
    told = HTML.get(text, text)
    alert = box.ionhour.incidents[-1]
    alert["summary"] = text
    box.ionhour.notes.append({"id": 900, "incidentId": alert["id"], "body": text, "authorId": 12})
    box.ionhour.events.append({"id": 900, "incidentId": alert["id"], "type": "OPENED", "message": text})
    async with connect() as call:
        assert (await call.ok("ionhour_get_incident", incident_id=alert["id"]))["summary"] == told
        rows = (await call.ok("ionhour_list_incidents", detail=True))["incidents"]
        assert [row["summary"] for row in rows if row["id"] == alert["id"]] == [told]
        assert (await call.ok("ionhour_list_notes", incident_id=alert["id"]))["notes"][-1]["body"] == told
        events = (await call.ok("ionhour_list_events", incident_id=alert["id"]))["events"]
    assert events[-1]["message"] == text


@pytest.mark.parametrize("text", [*PLAIN, *HTML], ids=repr)
async def test_a_note_that_is_put_is_told_and_sent_as_it_was_passed(connect, box, text):
    async with connect() as call:
        created = await call.ok("ionhour_create_note", incident_id=4514, body=text)
    assert box.writes()[0].body == {"body": text}
    assert created["body"] == HTML.get(text, text)


@pytest.mark.parametrize("text", PLAIN, ids=repr)
async def test_the_summary_that_a_declaration_takes_from_an_alert_keeps_it(connect, box, text):
    box.ionhour.incidents[-1]["summary"] = text
    async with connect() as call:
        declared = await call.ok("declare_from_ionhour", ionhour_incident_id=4514)
        incident = await call.ok("incidentio_get_incident", incident=declared["incident"]["reference"])
    assert text in incident["summary"]
    assert text in box.writes("incidentio")[0].body["summary"]
