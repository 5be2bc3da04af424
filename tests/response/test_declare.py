"""An incident out of an alert: what is written, how the severity is chosen, and what is told step by step."""

from datetime import UTC, datetime
from functools import partial
from typing import Any

import anyio
import pytest
from mcp import Client

from incident_mcp.sandbox import Fault, Sandbox
from incident_mcp.sandbox.engine.clock import account_ulid
from incident_mcp.serving.server import build_server
from incident_mcp.settings import Settings
from incident_mcp.transport.service import Limits
from tests.account import SEVERITY
from tests.conftest import Caller, text_of

pytestmark = pytest.mark.anyio

EXAMPLES = {
    "declare_from_ionhour": [
        {"ionhour_incident_id": 4510, "note": False},
        {"ionhour_incident_id": 4514, "acknowledge": True},
    ],
}
EFFECTS = {
    "declare_from_ionhour": {
        "request": "POST /v2/incidents",
        "rows": "incidentio.incidents",
        "where": {"name": "checkout-web is impacted by Stripe API"},
        "journalled": True,
        "finds": True,
    },
}

TOOL = "declare_from_ionhour"
FRESH, DECLARED, RESOLVED = 4514, 4512, 4501


def alert(box: Sandbox, number: int) -> dict[str, Any]:
    return next(row for row in box.ionhour.incidents if row["id"] == number)


def outcomes(told: dict[str, Any]) -> list[str]:
    return [step["outcome"] for step in told["steps"]]


def made(box: Sandbox) -> list[dict[str, Any]]:
    return [row for row in box.incidentio.incidents if int(row["reference"][4:]) > 117]


def notes(box: Sandbox, number: int = FRESH) -> list[str]:
    return [row["body"] for row in box.ionhour.notes if row["incidentId"] == number and "deletedAt" not in row]


async def test_an_alert_becomes_an_incident_with_its_facts_a_link_and_a_note(call, box):
    told = await call.ok(TOOL, ionhour_incident_id=FRESH)
    declaration, note = box.writes()
    public_id = alert(box, FRESH)["publicId"]
    assert declaration.body == {
        "idempotency_key": f"ionhour-{public_id}",
        "name": "checkout-api is down",
        "summary": "checkout-api is down\nProject: Checkout\nCheck: checkout-api\nReason: SERVICE_DOWN\n"
        "Since: 2026-11-21T02:48:00Z\nLast success: 2026-11-21T02:47:00Z\n\n"
        f"Ionhour incident 4514 ({public_id})",
        "visibility": "public",
        "mode": "standard",
        "severity_id": SEVERITY["Critical"],
    }
    assert note.path.endswith("/incident-notes/4514")
    link = "https://app.incident.io/sandbox/incidents/118"
    assert note.body == {"body": f"Declared in incident.io as INC-118: {link}"}
    assert told == {
        "incident": {
            "id": told["incident"]["id"],
            "reference": "INC-118",
            "name": "checkout-api is down",
            "status": "Investigating",
            "severity": "Critical",
            "permalink": link,
        },
        "ionhour_incident": 4514,
        "severity_by": "P1, by rank: 3 of 3, 3 being the most severe",
        "steps": [
            {"step": "declare", "outcome": "done"},
            {"step": "note", "outcome": "done"},
            {"step": "acknowledge", "outcome": "not asked for"},
        ],
        "similar_open": ['INC-116 "search-api is down" (Investigating)'],
    }
    situation = await call.ok("situation")
    assert {"incident": "INC-118", "ionhour_incident": 4514} in situation["links"]


async def test_what_is_given_goes_before_what_the_alert_says_and_the_link_stays(call, box):
    told = await call.ok(
        TOOL,
        ionhour_incident_id=FRESH,
        name="Carts",
        severity="minor",
        summary="Ours.",
        incident_type="data",
        visibility="private",
        mode="test",
        note=False,
    )
    (write,) = box.writes()
    assert write.body["summary"] == f"Ours.\n\nIonhour incident 4514 ({alert(box, FRESH)['publicId']})"
    assert (write.body["name"], write.body["visibility"], write.body["mode"]) == ("Carts", "private", "test")
    assert told["incident"]["severity"] == "Minor"
    assert told["severity_by"] == "as asked for"
    assert outcomes(told) == ["done", "not asked for", "not asked for"]


SCALES = {
    1: ["S1", "S1", "S1", "S1"],
    2: ["S2", "S2", "S1", "S1"],
    3: ["S3", "S2", "S2", "S1"],
    4: ["S4", "S3", "S2", "S1"],
    5: ["S5", "S4", "S2", "S1"],
    6: ["S6", "S4", "S3", "S1"],
}


@pytest.mark.parametrize("count", SCALES)
async def test_p1_to_p4_are_laid_over_the_accounts_scale_by_rank(connect, box, count):
    ranks = [(number * 7) % 10 + 20 * number for number in range(1, count + 1)]
    rows = [{"id": account_ulid(f"s{n}"), "name": f"S{n}", "rank": rank} for n, rank in enumerate(ranks, 1)]
    box.incidentio.severities[:] = rows[::-1]
    chosen = []
    async with connect() as call:
        for severity in ("P1", "P2", "P3", "P4"):
            alert(box, FRESH)["severity"] = severity
            told = await call.ok(TOOL, ionhour_incident_id=FRESH, dry_run=True)
            body = told["would_send"]["body"]
            chosen.append(next(row["name"] for row in rows if row["id"] == body["severity_id"]))
            assert f"of {count}" in told["severity_by"]
    assert chosen == SCALES[count]


@pytest.mark.parametrize(("severity", "name"), [("CRITICAL", "Critical"), ("warning", "Major"), ("p4", "Minor")])
async def test_the_older_severity_words_have_a_place_too(connect, box, severity, name):
    alert(box, FRESH)["severity"] = severity
    async with connect() as call:
        told = await call.ok(TOOL, ionhour_incident_id=FRESH)
    assert told["incident"]["severity"] == name


@pytest.mark.parametrize("severity", ["P0", "P5", "SEV-1", "", None])
async def test_an_unknown_severity_is_refused_with_those_to_pass_and_one_given_will_do(connect, box, severity):
    alert(box, FRESH)["severity"] = severity
    async with connect() as call:
        error = await call.error(TOOL, ionhour_incident_id=FRESH)
        assert "pass severity, one of Minor, Major, Critical" in error
        assert not box.writes()
        assert (await call.ok(TOOL, ionhour_incident_id=FRESH, severity="Major"))["incident"]["severity"] == "Major"


async def test_an_account_without_severities_says_so(connect, box):
    box.incidentio.severities.clear()
    async with connect() as call:
        assert "(the account has none)" in await call.error(TOOL, ionhour_incident_id=FRESH)
    assert not box.writes()


async def test_a_dry_run_shows_every_request_and_writes_nothing(call, box):
    told = await call.ok(TOOL, ionhour_incident_id=FRESH, acknowledge=True, dry_run=True)
    assert told["would_send"]["path"] == "/v2/incidents"
    assert told["would_send"]["body"]["idempotency_key"] == f"ionhour-{alert(box, FRESH)['publicId']}"
    assert outcomes(told) == ["would be done"] * 3
    assert told["steps"][1]["would_send"]["body"] == {"body": "Declared in incident.io as (its reference): (its link)"}
    assert told["steps"][2]["would_send"] == {
        "service": "Ionhour",
        "method": "POST",
        "path": "/incidents/4514/acknowledge",
    }
    assert (told["dry_run"], told["note"]) == (True, "Nothing was written.")
    assert "incident" not in told
    assert not box.writes()


async def test_a_dry_run_of_a_declared_alert_shows_what_is_left(connect, box):
    async with connect() as call:
        told = await call.ok(TOOL, ionhour_incident_id=DECLARED, dry_run=True)
        assert outcomes(told) == ["done before", "done before", "not asked for"]
        assert (told["incident"]["reference"], told["dry_run"]) == ("INC-114", True)
        box.ionhour.notes.clear()
        told = await call.ok(TOOL, ionhour_incident_id=DECLARED, dry_run=True)
    assert outcomes(told) == ["done before", "would be done", "not asked for"]
    body = told["steps"][1]["would_send"]["body"]["body"]
    assert body == "Declared in incident.io as INC-114: https://app.incident.io/sandbox/incidents/114"
    assert "would_send" not in told
    assert not box.writes()


async def test_an_alert_whose_note_names_an_incident_answers_with_that_incident(call, box):
    told = await call.ok(TOOL, ionhour_incident_id=DECLARED, acknowledge=True)
    assert told["incident"]["reference"] == "INC-114"
    assert told["steps"][0] == {"step": "declare", "outcome": "done before", "why": "known by the alert's note"}
    assert outcomes(told) == ["done before"] * 3
    assert not box.writes()


async def test_an_alert_that_only_a_summary_names_gets_its_note_and_no_second_incident(connect, box):
    box.ionhour.notes.clear()
    async with connect() as call:
        told = await call.ok(TOOL, ionhour_incident_id=DECLARED)
    assert told["incident"]["reference"] == "INC-114"
    assert told["steps"][0]["why"] == "known by the incident's summary"
    assert outcomes(told) == ["done before", "done", "not asked for"]
    assert [write.path for write in box.writes()] == ["/api/incident-notes/4512"]


async def test_a_sentence_about_an_incident_is_no_declaration(connect, box):
    for body in ("Declared in incident.io as INC-116? Not yet.", "See: Declared in incident.io as INC-116", "INC-116"):
        box.ionhour.add_note(alert(box, FRESH), 12, body, datetime.now(UTC))
    async with connect() as call:
        told = await call.ok(TOOL, ionhour_incident_id=FRESH)
    assert told["incident"]["reference"] == "INC-118"


async def test_a_note_that_names_an_unreadable_incident_declares_nothing(connect, box):
    box.ionhour.add_note(alert(box, FRESH), 12, "Declared in incident.io as INC-900", datetime.now(UTC))
    async with connect() as call:
        error = await call.error(TOOL, ionhour_incident_id=FRESH)
    assert "declared as INC-900" in error
    assert "not sent" in error
    assert not box.writes()


async def test_a_resolved_alert_is_refused_unless_it_is_recorded_afterwards(call, box):
    for mode in ("standard", "test"):
        assert "only mode=retrospective" in await call.error(TOOL, ionhour_incident_id=RESOLVED, mode=mode)
    assert not box.writes()
    told = await call.ok(TOOL, ionhour_incident_id=RESOLVED, mode="retrospective", acknowledge=True)
    assert box.writes()[0].body["mode"] == "retrospective"
    assert outcomes(told)[:2] == ["done", "done"]


async def test_a_resolved_alert_needs_no_acknowledgement(connect):
    async with connect() as call:
        told = await call.ok(TOOL, ionhour_incident_id=4503, mode="retrospective", acknowledge=True)
    assert told["steps"][2] == {"step": "acknowledge", "outcome": "not needed", "why": "The alert is resolved."}
    assert "note" not in told


async def test_the_alert_is_acknowledged_when_asked(call, box):
    told = await call.ok(TOOL, ionhour_incident_id=FRESH, acknowledge=True)
    assert outcomes(told) == ["done"] * 3
    assert alert(box, FRESH)["acknowledgedBy"] == 7


async def test_called_again_it_answers_the_same_incident_and_writes_nothing(call, box):
    first = await call.ok(TOOL, ionhour_incident_id=FRESH, acknowledge=True)
    sent = len(box.writes())
    again = await call.ok(TOOL, ionhour_incident_id=FRESH, acknowledge=True, name="Another name", severity="Minor")
    assert again["incident"] == first["incident"]
    assert outcomes(again) == ["done before"] * 3
    assert len(box.writes()) == sent
    assert len(made(box)) == len(notes(box)) == 1


async def test_when_nothing_names_the_alert_any_more_its_name_does_and_the_key_keeps_it_one(connect, box, tmp_path):
    async with connect(state_dir=tmp_path / "one") as call:
        await call.ok(TOOL, ionhour_incident_id=FRESH, note=False)
    # Neither note nor summary names the alert any more, and another machine has no journal of it.
    made(box)[0]["summary"] = "rewritten by somebody"
    async with connect(state_dir=tmp_path / "two") as call:
        error = await call.error(TOOL, ionhour_incident_id=FRESH, severity="Minor")
        assert error.startswith('This looks already declared: INC-118 "checkout-api is down"')
        assert len(box.writes()) == 1
        answer = await call.ok(TOOL, ionhour_incident_id=FRESH, severity="Minor", despite=["INC-118"])
    assert answer["incident"]["reference"] == "INC-118"
    assert len(made(box)) == 1


def declared_by_hand(box: Sandbox, name: str, **fields: Any) -> dict[str, Any]:
    """Put an incident of this name beside the alert, made by a person who knows nothing of Ionhour."""
    seed = next(row for row in box.incidentio.incidents if row["reference"] == "INC-116")
    box.incidentio.incidents.append(
        seed | {"id": account_ulid(name), "reference": "INC-118", "name": name, "summary": "Looking."} | fields
    )
    return box.incidentio.incidents[-1]


async def test_one_outage_declared_by_hand_and_from_its_alert_at_the_same_moment_is_declared_once(
    connect, box, tmp_path
):
    # Each looks before the other is sent, unless the whole of both takes turns.
    box.fail(Fault("delay", method="POST", path="^/v2/incidents$", seconds=0.3))
    texts = list[str]()

    async def keep(call: Caller, tool: str, **arguments: Any) -> None:
        texts.append(text_of(await call.result(tool, **arguments)))

    async with (
        connect(state_dir=tmp_path) as one,
        connect(state_dir=tmp_path) as two,
        anyio.create_task_group() as go,
    ):
        go.start_soon(partial(keep, one, TOOL, ionhour_incident_id=FRESH))
        go.start_soon(
            partial(keep, two, "incidentio_create_incident", name="[P1] Checkout API outage", severity="Critical")
        )
    assert len(made(box)) == 1
    assert sum(text.startswith("This looks already declared: INC-118") for text in texts) == 1


async def test_an_open_incident_with_a_name_alike_is_named_and_nothing_is_sent(call, box):
    declared_by_hand(box, "[P1] Checkout API outage")
    for arguments in ({}, {"dry_run": True}, {"acknowledge": True}, {"despite": ["INC-114"]}):
        error = await call.error(TOOL, ionhour_incident_id=FRESH, **arguments)
        assert error == (
            'This looks already declared: INC-118 "[P1] Checkout API outage" (Investigating)'
            " https://app.incident.io/sandbox/incidents/116. Post an update there with incidentio_post_update, or raise"
            " its severity. If this is another outage, declare it with despite=INC-118. Not sent."
        )
    assert not box.writes()
    assert "acknowledgedAt" not in alert(box, FRESH) or alert(box, FRESH)["acknowledgedAt"] is None


async def test_the_name_that_is_passed_is_the_one_that_is_compared(call, box):
    declared_by_hand(box, "Checkout API outage")
    answer = await call.ok(TOOL, ionhour_incident_id=FRESH, name="Carts stay full")
    assert answer["incident"]["reference"] == "INC-119"


@pytest.mark.parametrize("despite", ["INC-118", "118", "inc 118", "https://app.incident.io/sandbox/incidents/118"])
async def test_despite_the_look_alike_all_of_it_is_done(connect, box, despite):
    declared_by_hand(box, "Checkout API outage")
    async with connect() as call:
        planned = await call.ok(TOOL, ionhour_incident_id=FRESH, acknowledge=True, despite=[despite], dry_run=True)
        assert outcomes(planned) == ["would be done"] * 3
        assert not box.writes()
        answer = await call.ok(TOOL, ionhour_incident_id=FRESH, acknowledge=True, despite=[despite])
        again = await call.ok(TOOL, ionhour_incident_id=FRESH, acknowledge=True)
    assert answer["incident"]["reference"] == "INC-119"
    assert outcomes(answer) == ["done"] * 3
    assert outcomes(again) == ["done before"] * 3
    assert len(box.writes()) == 3
    assert len(notes(box)) == 1


@pytest.mark.parametrize("name", ["checkout-web is down", "checkout-api-2 is down", "checkout-api is down in EU"])
async def test_a_doubtful_one_is_declared_and_named_beside_the_record(call, box, name):
    declared_by_hand(box, name)
    for dry_run in (True, False):
        answer = await call.ok(TOOL, ionhour_incident_id=FRESH, dry_run=dry_run)
        assert f'INC-118 "{name}" (Investigating)' in answer["similar_open"]
    assert answer["incident"]["reference"] == "INC-119"


async def test_an_incident_of_the_same_alert_is_found_by_its_summary_whatever_its_name(call, box):
    line = f"Ionhour incident {FRESH} ({alert(box, FRESH)['publicId']})"
    declared_by_hand(box, "Nobody can pay", summary=f"Looking.\r\n{line}  \n\nMore.")
    answer = await call.ok(TOOL, ionhour_incident_id=FRESH, acknowledge=True)
    assert answer["incident"]["reference"] == "INC-118"
    assert answer["steps"][0]["why"] == "known by the incident's summary"
    assert outcomes(answer) == ["done before", "done", "done"]
    assert {write.service for write in box.writes()} == {"ionhour"}


async def test_an_open_incident_of_the_same_alert_is_found_though_the_alert_has_no_beginning(connect, box):
    line = f"Ionhour incident {FRESH} ({alert(box, FRESH)['publicId']})"
    declared_by_hand(box, "Nobody can pay", summary=line)
    alert(box, FRESH)["startedAt"] = None
    async with connect() as call:
        result = await call.result(TOOL, ionhour_incident_id=FRESH)
    assert "INC-118" in "".join(part.text for part in result.content)
    assert not box.writes("incidentio")


@pytest.mark.parametrize("mode", ["test", "retrospective"])
async def test_what_alerts_nobody_is_declared_beside_a_look_alike(connect, box, mode):
    declared_by_hand(box, "Checkout API outage")
    async with connect() as call:
        answer = await call.ok(TOOL, ionhour_incident_id=FRESH, mode=mode)
    assert answer["incident"]["reference"] == "INC-119"
    assert "similar_open" not in answer


async def test_when_open_incidents_cannot_be_listed_a_note_says_so(connect, box):
    # The first list looks for the alert; the second one for look-alikes.
    box.fail(Fault("status", service="incidentio", method="GET", path="^/v2/incidents$", status=403, after=1))
    async with connect() as call:
        answer = await call.ok(TOOL, ionhour_incident_id=FRESH)
    assert answer["note"].startswith("Could not check whether it is already declared: incident.io answered 403")
    assert outcomes(answer) == ["done", "done", "not asked for"]


async def test_an_alert_without_a_public_id_is_not_declared(connect, box):
    alert(box, FRESH)["publicId"] = None
    async with connect() as call:
        assert "has no public ID" in await call.error(TOOL, ionhour_incident_id=FRESH)
    assert not box.writes()


async def test_an_alert_with_nothing_but_an_id_can_be_declared(connect, box):
    bare = alert(box, FRESH)
    keep = {"id", "publicId", "state", "severity", "lastSuccessAt", "project", "checkId"}
    for key in set(bare) - keep:
        bare[key] = None
    async with connect() as call:
        told = await call.ok(TOOL, ionhour_incident_id=FRESH)
    assert told["incident"]["name"] == "Ionhour incident 4514"


QUICK = Limits(attempts=1)


async def with_fault(box: Sandbox, state: Any, *faults: Fault, **arguments: Any) -> tuple[Any, Any]:
    """Call with faults and again without, on one server; give both results."""
    async with Client(build_server(Settings(sandbox=True, state_dir=state), network=box, limits=QUICK)) as client:
        call = Caller(client, box)
        for fault in faults:
            box.fail(fault)
        first = await call.result(TOOL, ionhour_incident_id=FRESH, **arguments)
        box.heal()
        return first, await call.result(TOOL, ionhour_incident_id=FRESH, **arguments)


FAILING = ["status", "refuse", "cut_before", "cut_after", "garbage", "truncated"]


@pytest.mark.parametrize("kind", FAILING)
async def test_a_note_that_fails_is_told_and_calling_again_finishes(box, tmp_path, kind):
    fault = Fault(kind, service="ionhour", method="POST", path="incident-notes")
    first, second = await with_fault(box, tmp_path, fault, acknowledge=True)
    told, again = first.structured_content, second.structured_content
    assert not first.is_error
    assert told["incident"]["reference"] == "INC-118"
    # A reply that is lost after the note was put is found by looking.
    assert outcomes(told)[0] == outcomes(told)[2] == "done"
    if outcomes(told)[1] == "failed":
        assert "Ionhour" in told["steps"][1]["why"]
        assert "Call again with the same arguments to finish" in told["note"]
    assert outcomes(again)[0] == outcomes(again)[2] == "done before"
    assert again["incident"] == told["incident"]
    assert len(made(box)) == len(notes(box)) == 1


@pytest.mark.parametrize("kind", FAILING)
async def test_an_acknowledgement_that_fails_is_told_and_calling_again_finishes(box, tmp_path, kind):
    fault = Fault(kind, service="ionhour", method="POST", path="acknowledge")
    first, second = await with_fault(box, tmp_path, fault, acknowledge=True)
    # One whose answer was lost or cannot be read is read back.
    carried_out = kind in ("cut_after", "garbage", "truncated")
    assert outcomes(first.structured_content) == ["done", "done", "done" if carried_out else "failed"]
    assert outcomes(second.structured_content)[:2] == ["done before"] * 2
    assert outcomes(second.structured_content)[2] in ("done", "done before")
    assert alert(box, FRESH)["acknowledgedBy"] == 7
    assert len(made(box)) == len(notes(box)) == 1


@pytest.mark.parametrize("kind", FAILING)
async def test_a_declaration_that_fails_goes_no_further_and_calling_again_declares_once(box, tmp_path, kind):
    fault = Fault(kind, service="incidentio", method="POST", path="/v2/incidents")
    first, second = await with_fault(box, tmp_path, fault, acknowledge=True)
    assert first.is_error
    assert "Outcome: " in first.content[0].text
    assert {write.service for write in box.writes()[:1]} == {"incidentio"}
    assert second.structured_content["incident"]["reference"] == "INC-118"
    assert "failed" not in outcomes(second.structured_content)
    assert len(made(box)) == len(notes(box)) == 1


async def test_when_both_later_steps_fail_both_are_told(box, tmp_path):
    fault = Fault("status", service="ionhour", method="POST", status=403)
    first, second = await with_fault(box, tmp_path, fault, acknowledge=True)
    assert outcomes(first.structured_content) == ["done", "failed", "failed"]
    assert "403" in first.structured_content["steps"][2]["why"]
    assert outcomes(second.structured_content) == ["done before", "done", "done"]
    assert len(made(box)) == len(notes(box)) == 1


async def test_a_younger_twin_of_the_note_is_taken_back(connect, box):
    posted = box.ionhour.routes["POST", "/api/incident-notes/{id}"]

    def raced(request: Any) -> Any:
        box.ionhour.add_note(alert(box, FRESH), 7, request.body["body"], datetime.now(UTC))
        return posted(request)

    box.ionhour.routes["POST", "/api/incident-notes/{id}"] = raced
    async with connect(confirm="never") as call:
        told = await call.ok(TOOL, ionhour_incident_id=FRESH)
    assert outcomes(told)[1] == "done"
    assert [write.method for write in box.writes("ionhour")] == ["POST", "DELETE"]
    assert len(notes(box)) == 1


async def test_a_note_in_an_answer_without_an_id_is_no_trouble(connect, box):
    posted = box.ionhour.routes["POST", "/api/incident-notes/{id}"]

    def wordless(request: Any) -> Any:
        reply = posted(request)
        return type(reply)(201, {}, reply.headers)

    box.ionhour.routes["POST", "/api/incident-notes/{id}"] = wordless
    async with connect() as call:
        assert outcomes(await call.ok(TOOL, ionhour_incident_id=FRESH))[1] == "done"
    assert len(notes(box)) == 1
