"""What is meant is sent: a repeat is recognised only as long as nothing else was done to the same thing."""

import contextlib
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from incident_mcp.sandbox import Fault, Sandbox
from incident_mcp.writing.journal.sqlite import SqliteJournal
from tests.conftest import Caller, text_of
from tests.reliability.conftest import Serve
from tests.reliability.effects import CREATE, CREATE_NOTE, POST_UPDATE, WriteCase, word

pytestmark = pytest.mark.anyio

Call = tuple[str, dict[str, Any]]


def status(box: Sandbox, reference: str) -> str:
    return next(row for row in box.incidentio.incidents if row["reference"] == reference)["incident_status"]["name"]


def edit(**fields: Any) -> Call:
    return "incidentio_edit_incident", {"incident": "INC-114", **fields}


def update(**fields: Any) -> Call:
    return "incidentio_post_update", {"incident": "INC-114", **fields}


@pytest.mark.parametrize("there", [edit, update])
@pytest.mark.parametrize("back", [edit, update])
async def test_a_status_moved_there_and_back_and_there_again_ends_there(
    there: Any, back: Any, box: Sandbox, serve: Serve
) -> None:
    async with serve() as call:
        for tool, arguments in (there(status="Fixing"), back(status="Monitoring"), there(status="Fixing")):
            assert "repeated" not in await call.ok(tool, **arguments)
    assert status(box, "INC-114") == "Fixing"


async def test_the_incident_may_be_named_by_its_id_in_between(box: Sandbox, serve: Serve) -> None:
    incident = next(row["id"] for row in box.incidentio.incidents if row["reference"] == "INC-114")
    async with serve() as call:
        await call.ok("incidentio_post_update", incident="114", message="A.")
        await call.ok("incidentio_edit_incident", incident=incident, call_url="https://meet.example/1")
        assert "repeated" not in await call.ok("incidentio_post_update", incident="114", message="A.")
        assert "repeated" in await call.ok("incidentio_post_update", incident=incident, message="A.")


@pytest.mark.parametrize("shared", [True, False], ids=["one process", "two processes"])
async def test_a_call_that_waits_for_its_turn_meanwhile_is_still_a_repeat(
    shared: bool, box: Sandbox, serve: Serve, state: Path
) -> None:
    async with serve() as one, serve() as two:
        other = one if shared else two
        await one.ok(CREATE_NOTE.tool, **CREATE_NOTE.arguments)
        with contextlib.closing(sqlite3.connect(state / "journal.sqlite3")) as db:
            ((intent,),) = db.execute("SELECT intent FROM writes").fetchall()
        answers: list[dict[str, Any]] = []

        async def again() -> None:
            answers.append(await other.ok(CREATE_NOTE.tool, **CREATE_NOTE.arguments))

        holder = SqliteJournal(lambda: state)
        async with anyio.create_task_group() as tasks, holder.lock(intent, anyio.current_time() + 10):
            tasks.start_soon(again)
            await anyio.wait_all_tasks_blocked()
            # Made after the waiting call was asked for.
            await one.ok(CREATE_NOTE.tool, **CREATE_NOTE.arguments | {"body": "Something else."})
            assert answers == []
        holder.close()
        assert answers[0]["repeated"] is True
        # One that is asked for now is meant.
        assert "repeated" not in await other.ok(CREATE_NOTE.tool, **CREATE_NOTE.arguments)
    assert CREATE_NOTE.count(box.state()) == 2


async def test_a_note_posted_deleted_and_posted_again_is_there(serve: Serve) -> None:
    note = {"incident_id": 4514, "body": "Looking."}
    async with serve() as call:
        first = await call.ok("ionhour_create_note", **note)
        await call.ok("ionhour_delete_note", incident_id=4514, note_id=first["id"])
        again = await call.ok("ionhour_create_note", **note)
        notes = (await call.ok("ionhour_list_notes", incident_id=4514))["notes"]
    assert "repeated" not in again
    assert [row["id"] for row in notes if row["body"] == "Looking."] == [again["id"]]


async def test_a_note_that_somebody_else_deleted_is_posted_again(box: Sandbox, serve: Serve) -> None:
    note = {"incident_id": 4514, "body": "Looking."}
    async with serve() as call:
        first = await call.ok("ionhour_create_note", **note)
        next(row for row in box.ionhour.notes if row["id"] == first["id"])["deletedAt"] = "2026-11-21T03:00:00Z"
        assert "repeated" not in await call.ok("ionhour_create_note", **note)


async def test_a_write_to_another_thing_ends_nothing(serve: Serve) -> None:
    async with serve() as call:
        await call.ok("incidentio_post_update", incident="INC-114", message="A.")
        await call.ok("incidentio_post_update", incident="INC-110", message="B.")
        await call.ok("ionhour_create_note", incident_id=4514, body="Looking.")
        assert (await call.ok("incidentio_post_update", incident="INC-114", message="A."))["repeated"] is True


@pytest.mark.parametrize("between", [{"dry_run": True}, {"status": "nonsense"}])
async def test_what_was_not_sent_ends_nothing(between: dict[str, Any], box: Sandbox, serve: Serve) -> None:
    async with serve() as call:
        await call.ok("incidentio_post_update", incident="INC-114", message="A.")
        await call.result("incidentio_post_update", incident="INC-114", message="B.", **between)
        box.fail(Fault("status", status=422, method="POST"))
        await call.error("incidentio_edit_incident", incident="INC-114", name="Refused")
        box.heal()
        assert (await call.ok("incidentio_post_update", incident="INC-114", message="A."))["repeated"] is True


async def test_a_declaration_after_its_incident_was_closed_is_put_to_the_caller(box: Sandbox, serve: Serve) -> None:
    async with serve() as call:
        first = await call.ok(CREATE.tool, **CREATE.arguments)
        await call.ok("incidentio_close_incident", incident=first["reference"])
        refused = await call.error(CREATE.tool, **CREATE.arguments)
        assert f"despite={first['reference']}" in refused
        assert "Closed" in refused
        again = await call.ok(CREATE.tool, **CREATE.arguments, despite=first["reference"])
        repeated = await call.ok(CREATE.tool, **CREATE.arguments, despite=first["reference"])
    assert again["id"] != first["id"]
    assert (repeated["id"], repeated["repeated"]) == (again["id"], True)
    assert CREATE.count(box.state()) == 2


IDENTICAL: list[tuple[str, list[dict[str, Any]]]] = [
    (
        "incidentio_create_incident",
        [
            {
                "name": "Refunds fail",
                "severity": "Minor",
                "summary": "Since noon.",
                "roles": {"Incident Lead": "sam.okafor@paysand.example", "comms": "yuki.tanaka@paysand.example"},
                "custom_fields": {"Affected services": ["ledger", "search"], "Errors per minute": "1.5"},
            },
            {
                "custom_fields": {"Errors per minute": "1.50", "Affected services": ["search", "ledger"]},
                "roles": {"Communications Lead": "Yuki.Tanaka@paysand.example", "lead": "SAM.okafor@paysand.example"},
                "summary": " Since noon.\n",
                "severity": "minor",
                "name": "  Refunds fail ",
                "incident_type": "",
                "timestamps": {},
                "mode": " Standard",
                "visibility": None,
                "idempotency_key": "null",
            },
        ],
    ),
    (
        "incidentio_post_update",
        [
            {"incident": "INC-114", "message": "Rolling back.", "status": "Fixing"},
            {"status": " fixing ", "message": "Rolling back.\r\n", "incident": "https://app.incident.io/incidents/114"},
            {"incident": 114.0, "message": " Rolling back. ", "status": "FIXING", "severity": "undefined"},
        ],
    ),
    (
        "ionhour_create_note",
        [
            {"incident_id": 4514, "body": "One.\nTwo."},
            {"body": "One.\r\nTwo.\n", "incident_id": "4514"},
            {"incident_id": [4514.0], "body": ["One.\nTwo.  "]},
        ],
    ),
]


@pytest.mark.parametrize(("tool", "calls"), IDENTICAL, ids=[tool for tool, _ in IDENTICAL])
async def test_arguments_that_mean_the_same_are_one_intent(
    tool: str, calls: list[dict[str, Any]], box: Sandbox, serve: Serve
) -> None:
    async with serve() as call:
        answers = [await call.ok(tool, **arguments) for arguments in calls]
    assert [answer.get("repeated", False) for answer in answers] == [False, *[True] * (len(calls) - 1)]
    assert len({answer["id"] for answer in answers}) == 1
    assert len(box.writes()) == 1


KEYED = [
    ("incidentio_create_incident", {"name": "Refunds fail", "severity": "Minor"}, {"name": "Logins fail"}),
    ("incidentio_create_incident", {"name": "Refunds fail", "severity": "Minor"}, {"severity": "Major"}),
    ("incidentio_post_update", {"incident": "INC-114", "message": "One."}, {"message": "Two."}),
    ("incidentio_post_update", {"incident": "INC-114", "message": "One."}, {"incident": "INC-110"}),
]


@pytest.mark.parametrize("lost", [False, True], ids=["journal there", "journal gone"])
@pytest.mark.parametrize(("tool", "arguments", "change"), KEYED)
async def test_a_key_that_belongs_to_another_request_is_never_answered_as_if_it_were_this_one(
    tool: str, arguments: dict[str, Any], change: dict[str, Any], lost: bool, box: Sandbox, serve: Serve, tmp_path: Path
) -> None:
    async def other(call: Caller) -> Any:
        return await call.result(tool, **arguments | change, idempotency_key="mine")

    async with serve() as call:
        first = await call.ok(tool, **arguments, idempotency_key="mine")
        writes = len(box.writes())
        if not lost:
            told = text_of(await other(call))
            # The same name is put to the caller first.
            assert "belongs to another request" in told or ("severity" in change and first["reference"] in told)
            assert len(box.writes()) == writes
            return
    box.advance(30)
    async with serve(state=tmp_path / "elsewhere") as call:
        result = await other(call)
    if "severity" in change:
        # The same name: put to the caller.
        assert first["reference"] in text_of(result)
        return
    assert result.structured_content["repeated"] is True
    assert "another" in result.structured_content["note"]
    assert result.structured_content["id"] == first["id"]


async def test_a_repeat_with_a_callers_key_is_marked(serve: Serve) -> None:
    async with serve() as call:
        for tool, arguments, _ in KEYED[::2]:
            first = await call.ok(tool, **arguments, idempotency_key=tool)
            again = await call.ok(tool, **arguments, idempotency_key=tool)
            assert "repeated" not in first
            assert (again["repeated"], again["id"]) == (True, first["id"])


async def test_an_edit_is_not_repeated_and_a_lost_one_is_sent_again_without_notifying(
    box: Sandbox, serve: Serve
) -> None:
    arguments = {"incident": "INC-110", "severity": "Critical", "notify_incident_channel": True}
    async with serve() as call:
        first = await call.ok("incidentio_edit_incident", **arguments)
        again = await call.ok("incidentio_edit_incident", **arguments)
        assert ("repeated" in first, again["repeated"]) == (False, True)
        assert len(box.writes()) == 1
        box.fail(Fault("cut_before", method="POST", times=1))
        assert word(await call.result("incidentio_edit_incident", **arguments | {"severity": "Minor"})) == "done"
    assert [row.body["notify_incident_channel"] for row in box.writes()] == [True, True, False]


@pytest.mark.parametrize("hidden", [("id",), ("createdAt", "updatedAt"), ("id", "createdAt", "updatedAt")])
async def test_a_lost_note_is_found_in_a_list_without_ids_or_instants(
    hidden: tuple[str, ...], box: Sandbox, serve: Serve
) -> None:
    listed = box.ionhour.routes["GET", "/api/incident-notes/{id}"]

    def bare(call: Any) -> Any:
        reply = listed(call)
        rows = reply.body["items"] if isinstance(reply.body, dict) else reply.body
        rows = [{name: value for name, value in row.items() if name not in hidden} for row in rows]
        return replace(reply, body=rows)

    box.ionhour.routes["GET", "/api/incident-notes/{id}"] = bare
    mine = next(row for row in box.ionhour.notes if row["incidentId"] == 4512)
    older = {**mine, "id": 9001, "incidentId": 4514, "body": "Looking.", "createdAt": "2026-11-07T03:00:00.000Z"}
    box.ionhour.notes.append(older)
    async with serve() as call:
        box.fail(Fault("cut_after", method="POST", times=1))
        await call.ok("ionhour_create_note", incident_id=4514, body="Looking.")
    assert sum(row["body"] == "Looking." and row["incidentId"] == 4514 for row in box.ionhour.notes) == 2


@pytest.mark.parametrize("old", [True, False], ids=["of two weeks ago", "of a minute ago"])
async def test_another_persons_note_of_the_same_words_is_not_taken_for_the_lost_one(
    old: bool, box: Sandbox, serve: Serve
) -> None:
    at = "2026-11-07T03:00:00.000Z" if old else "2026-11-21T02:55:00.000Z"
    mine = next(row for row in box.ionhour.notes if row["incidentId"] == 4512)
    box.ionhour.notes.append({**mine, "id": 9001, "incidentId": 4514, "body": "Looking.", "createdAt": at})
    async with serve() as call:
        box.fail(Fault("cut_before", method="POST", times=1))
        answer = await call.ok("ionhour_create_note", incident_id=4514, body="Looking.")
    assert answer["id"] != 9001
    assert sum(row["body"] == "Looking." and row["incidentId"] == 4514 for row in box.ionhour.notes) == 2


THERE_AND_BACK = [update(status="Fixing"), update(status="Monitoring"), update(status="Fixing")]


@pytest.mark.parametrize("fresh", [False, True], ids=["one state folder", "a fresh one each"])
@pytest.mark.parametrize("lost", [False, True], ids=["answered", "first reply lost"])
async def test_a_move_there_and_back_ends_there_whatever_became_of_the_first_one(
    lost: bool, fresh: bool, box: Sandbox, serve: Serve, tmp_path: Path
) -> None:
    for number, (tool, arguments) in enumerate(THERE_AND_BACK):
        if lost and not number:
            box.fail(Fault("cut_after", method="POST", path="/v2/incident_updates$"))
        async with serve(state=tmp_path / (str(number) if fresh else "state")) as call:
            await call.result(tool, **arguments)
        box.heal()
        box.advance(3)
    assert status(box, "INC-114") == "Fixing"


async def test_what_a_person_undid_since_is_done_again(box: Sandbox, serve: Serve) -> None:
    close = {"incident": "INC-116", "message": "All is well again."}
    async with serve() as call:
        await call.ok("incidentio_close_incident", **close)
        incident = next(row for row in box.incidentio.incidents if row["reference"] == "INC-116")
        incident["incident_status"] = next(row for row in box.incidentio.statuses if row["name"] == "Fixing")
        again = await call.ok("incidentio_close_incident", **close)
    assert again["status"] == status(box, "INC-116") == "Closed"


async def test_two_moves_at_once_and_the_first_again_ends_with_the_first(box: Sandbox, serve: Serve) -> None:
    async with serve() as call, anyio.create_task_group() as tasks:
        box.fail(Fault("delay", seconds=0.2, method="POST", path="/v2/incident_updates$", times=1, after=1))
        tasks.start_soon(lambda: call.ok("incidentio_post_update", incident="INC-114", status="Fixing"))
        tasks.start_soon(lambda: call.ok("incidentio_post_update", incident="INC-114", status="Monitoring"))
    async with serve() as call:
        await call.ok("incidentio_post_update", incident="INC-114", status="Fixing")
    assert status(box, "INC-114") == "Fixing"


@pytest.mark.parametrize("case", [CREATE, POST_UPDATE], ids=str)
async def test_a_service_that_forgets_its_keys_makes_no_second_one_after_a_lost_reply(
    case: WriteCase, box: Sandbox, serve: Serve
) -> None:
    async with serve() as call:
        box.fail(Fault("cut_after", method="POST", path=case.path))
        assert word(await call.perform(case.tool, **case.arguments)) == "unknown"
        box.heal()
        box.incidentio.done.clear()
        assert word(await call.perform(case.tool, **case.arguments)) == "done"
    assert case.count(box.state()) == 1


async def test_a_key_reused_at_once_elsewhere_is_not_reported_as_done(serve: Serve, tmp_path: Path) -> None:
    for change in ({"message": "Two."}, {"status": "Monitoring"}):
        async with serve(state=tmp_path / "one") as call:
            await call.ok("incidentio_post_update", incident="INC-114", message="One.", idempotency_key=str(change))
        async with serve(state=tmp_path / "other") as call:
            arguments = {"incident": "INC-114", "message": "One.", **change}
            answer = await call.ok("incidentio_post_update", **arguments, idempotency_key=str(change))
        assert "differs from the request" in answer["note"]


async def test_look_alikes_at_once_from_two_processes_are_one(box: Sandbox, serve: Serve) -> None:
    names = ["Ledger export broken", "ledger export broken", "Ledger export is broken."]
    results = []
    async with serve() as one, serve() as other, anyio.create_task_group() as tasks:

        async def declare(call: Caller, name: str) -> None:
            results.append(await call.result(CREATE.tool, name=name, severity="Minor"))

        for call, name in zip((one, other, one), names, strict=True):
            tasks.start_soon(declare, call, name)
    assert sum(row["name"].casefold().startswith("ledger export") for row in box.incidentio.incidents) == 1
    assert (
        sorted(word(result) if not result.is_error else "refused" for result in results) == ["done"] + ["refused"] * 2
    )


async def test_a_note_that_the_service_changed_is_left_open_and_not_posted_twice(box: Sandbox, serve: Serve) -> None:
    posted = box.ionhour.routes["POST", "/api/incident-notes/{id}"]

    def changing(call: Any) -> Any:
        body = {"body": f"<p>{call.body['body'].replace('  ', ' ').replace(chr(10), '<br>')}</p>"}
        return posted(replace(call, body=body))

    box.ionhour.routes["POST", "/api/incident-notes/{id}"] = changing
    async with serve() as call:
        box.fail(Fault("cut_after", method="POST", times=1))
        told = await call.result("ionhour_create_note", incident_id=4514, body="One  two\nthree.")
    assert word(told) == "unknown"
    assert "nearly the same text" in text_of(told)
    assert len(box.writes()) == 1
