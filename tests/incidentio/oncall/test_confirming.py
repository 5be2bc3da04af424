"""What may have changed between a preview and its confirmation, and what a person who confirms is asked."""

import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from mcp.client import Client
from mcp_types import ElicitResult

from incident_mcp.sandbox import Fault, Sandbox
from incident_mcp.serving.server import build_server
from incident_mcp.settings import Settings
from tests.conftest import Caller, Connect, text_of
from tests.sandbox.on_call import user

pytestmark = pytest.mark.anyio

PAGE, REASSIGN, OVERRIDE = "incidentio_page_people", "incidentio_reassign_page", "incidentio_create_override"
YUKI = {"title": "Help", "users": ["Yuki Tanaka"]}
COVER = {
    "schedule": "Payments primary",
    "user": "Ines Moreau",
    "start_at": "2099-01-01T08:00:00Z",
    "end_at": "2099-01-01T10:00:00Z",
}


def rings(box: Sandbox) -> list[str]:
    return [row["user"] for row in box.state()["incidentio"]["rings"]]


def pause(box: Sandbox, name: str) -> None:
    pauses = box.incidentio.on_call.pauses
    pauses.append(
        {**pauses[0], "id": "01HR4B1YM0ZZZZZZZZZZZZZZZZ", "user_id": user(name), "ends_at": "2099-01-01T00:00:00Z"}
    )


async def code_of(call: Caller, tool: str, **arguments: Any) -> str:
    return (await call.ok(tool, **arguments))["confirm"]


@pytest.mark.parametrize("to", [{"users": ["Yuki Tanaka"]}, {"escalation_path": "Growth"}], ids=str)
async def test_somebody_who_paused_paging_since_the_preview_is_not_paged(
    call: Caller, box: Sandbox, to: dict[str, Any]
) -> None:
    code = await code_of(call, PAGE, title="Help", **to)
    pause(box, "Yuki Tanaka")
    error = await call.error(PAGE, title="Help", **to, confirm=code)

    assert "Yuki Tanaka has paused paging" in error or "what its preview showed has changed" in error
    assert "Not sent." in error
    assert box.writes() == []


async def test_a_shift_that_ended_since_the_preview_needs_a_new_preview(call: Caller, box: Sandbox) -> None:
    arguments = {"title": "Help", "escalation_path": "Payments"}
    now = (await call.ok("incidentio_list_on_call", schedule="Payments primary"))["on_call"][0]
    code = await code_of(call, PAGE, **arguments)
    box.advance((datetime.fromisoformat(now["until"].split()[0]) - box.incidentio.clock.now).total_seconds() + 60)

    assert "what its preview showed has changed" in await call.error(PAGE, **arguments, confirm=code)
    assert box.writes() == []
    assert now["on_call"][0] not in (await call.ok(PAGE, **arguments))["preview"]["steps"][0]


@pytest.mark.parametrize("same_code", [True, False], ids=["same code", "new code"])
async def test_after_a_journal_was_deleted_the_page_is_looked_up_across_the_hours_of_its_key(
    connect: Connect, box: Sandbox, tmp_path: Path, same_code: bool
) -> None:
    box.advance(timedelta(hours=2, minutes=59, seconds=50).total_seconds())  # 05:59:50: keys change every six hours.
    async with connect() as call:
        code = await code_of(call, PAGE, **YUKI)
        page = await call.ok(PAGE, **YUKI, confirm=code)
    for file in (tmp_path / "state").glob("journal*"):
        file.unlink()
    box.advance(30)
    async with connect() as call:
        if not same_code:
            code = await code_of(call, PAGE, **YUKI)
        again = await call.ok(PAGE, **YUKI, confirm=code)

    assert (again["id"], again["repeated"]) == (page["id"], True)
    assert rings(box) == ["Yuki Tanaka"]


async def test_a_caller_s_key_with_other_people_is_not_their_page(
    connect: Connect, box: Sandbox, tmp_path: Path
) -> None:
    async with connect() as call:
        await call.performed(PAGE, **YUKI, idempotency_key="mine")
    async with connect(state_dir=tmp_path / "other") as call:
        text = text_of(
            await call.perform(PAGE, title="Help", users=["Priya Raman"], idempotency_key="mine", anyway=True)
        )

    assert "belongs to another request" in text
    assert rings(box) == ["Yuki Tanaka"]


async def test_a_page_that_rang_nobody_yet_is_not_taken_for_a_reassignment(call: Caller, box: Sandbox) -> None:
    original = await call.performed(PAGE, title="Help", users=["Sam Lindqvist"])
    again = {"escalation": original["id"], "users": ["Yuki Tanaka"], "resolve_original": False}
    code = await code_of(call, REASSIGN, **again)
    box.fail(Fault("cut_before", method="POST", path="reassign$"))
    assert "outcome unknown" in await call.error(REASSIGN, **again, confirm=code)
    box.heal()
    box.advance(60)
    elsewhere = await call.performed(PAGE, title="Help", users=["Noor Haddad"], anyway=True)

    assert (await call.performed(REASSIGN, **again))["id"] != elsewhere["id"]
    assert rings(box).count("Yuki Tanaka") == 1


@pytest.mark.parametrize("status", [400, 403, 500])
async def test_a_read_that_fails_after_the_code_was_taken_says_that_the_code_is_used_up(
    call: Caller, box: Sandbox, status: int
) -> None:
    code = await code_of(call, OVERRIDE, **COVER)
    box.fail(Fault("status", status=status, method="GET", path="/v2/schedule_overrides", times=99))
    error = await call.error(OVERRIDE, **COVER, confirm=code)
    box.heal()

    assert "The code is used up: call again without confirm" in error
    assert "was already used" in await call.error(OVERRIDE, **COVER, confirm=code)
    assert box.writes() == []


@pytest.mark.parametrize(("tool", "arguments"), [(PAGE, YUKI), (OVERRIDE, COVER)], ids=["page", "override"])
async def test_a_used_code_and_a_second_preview_name_what_the_first_call_did(
    call: Caller, box: Sandbox, tool: str, arguments: dict[str, Any]
) -> None:
    code = await code_of(call, tool, **arguments)
    done = await call.ok(tool, **arguments, confirm=code)
    used = await call.error(tool, **arguments, confirm=code)

    assert f"(ID {done['id']}). Nothing was sent now." in used
    assert (
        f"(ID {done['id']}): the call with the code would only return that. To do it again on purpose"
        in (await call.ok(tool, **arguments))["note"]
    )
    assert len(box.writes()) == 1


async def test_an_override_that_was_deleted_since_is_not_told_as_there(call: Caller) -> None:
    for _ in range(2):
        assert "identical" not in (await call.ok(OVERRIDE, **COVER))["note"]
        made = await call.performed(OVERRIDE, **COVER)
        await call.performed("incidentio_delete_override", override=made["id"])
        assert "identical" not in (await call.ok(OVERRIDE, **COVER))["note"]


async def asked(box: Sandbox, state: Path, tool: str, **arguments: Any) -> str:
    """Return the question that a person is asked about a call."""
    questions: list[str] = []

    async def decline(_: Any, params: Any) -> ElicitResult:
        questions.append(params.message)
        return ElicitResult(action="decline")

    settings = Settings(sandbox=True, state_dir=state, confirm="destructive")
    async with Client(build_server(settings, network=box), elicitation_callback=decline) as client:
        await Caller(client, box).perform(tool, **arguments)
    [question] = questions
    return question


async def test_the_question_has_everybody_who_is_rung_the_details_and_the_incident(
    box: Sandbox, tmp_path: Path
) -> None:
    everybody = [row for row in box.incidentio.users if row["name"] != "Tom Baker"]
    everybody[0]["name"] = "Y" * 3_000
    everybody[1]["name"] = 'Sam". Nobody is rung. "'
    question = await asked(
        box,
        tmp_path,
        PAGE,
        title="Help",
        users=[row["id"] for row in everybody[:15]],
        description="Since 02:55.",
        incident="INC-114",
        anyway=True,
    )

    assert all(f'"{row["name"]}"' in question for row in everybody[2:15])
    assert "Y" * 50 in question
    assert "Y" * 61 not in question
    assert '"Sam". Nobody' not in question
    assert '"Since 02:55."' in question
    assert "INC-114" in question
    assert box.writes() == []


@pytest.mark.parametrize(
    "reads", ["/v2/escalations$", "/v2/users", "/v2/schedules", "/v2/escalations", "notification"], ids=str
)
async def test_reads_that_fail_at_the_confirmation_keep_nobody_from_being_paged(
    call: Caller, box: Sandbox, reads: str
) -> None:
    await call.ok(PAGE, **YUKI)
    box.fail(Fault("status", status=500, method="GET", path=reads, times=99))
    page = await call.performed(PAGE, **YUKI)

    assert page["title"] == "Help"
    assert rings(box) == ["Yuki Tanaka"]


EDITS = {
    "order": lambda steps: steps.reverse(),
    "wait": lambda steps: steps.insert(0, {"id": "w", "type": "delay", "delay": {"delay_seconds": 7_200}}),
    "person": lambda steps: steps[0]["level"]["targets"][0].update({"type": "user", "id": user("Diego Santos")}),
}


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("elsewhere", [False, True], ids=["same server", "another server"])
async def test_a_path_that_was_edited_since_the_preview_rings_nobody(
    connect: Connect, box: Sandbox, edit: str, elsewhere: bool
) -> None:
    arguments = {"title": "Help", "escalation_path": "Payments"}
    async with connect() as call, connect() as other:
        code = await code_of(call, PAGE, **arguments)
        [path] = [row for row in box.incidentio.on_call.paths if row["name"] == "Payments"]
        EDITS[edit](path["path"])
        error = await (other if elsewhere else call).error(PAGE, **arguments, confirm=code)

    assert "what its preview showed has changed. Not sent." in error
    assert box.writes() == []


async def test_an_override_that_would_now_displace_somebody_else_needs_a_new_preview(
    call: Caller, box: Sandbox
) -> None:
    code = await code_of(call, OVERRIDE, **COVER)
    await call.performed(OVERRIDE, **(COVER | {"user": "Sam Okafor"}))

    assert "what its preview showed has changed" in await call.error(OVERRIDE, **COVER, confirm=code)
    assert len(box.writes()) == 1


@pytest.mark.parametrize("at", ["preview", "confirmation"])
@pytest.mark.parametrize("reads", ["/v2/schedules/", "notification_pauses"])
async def test_a_read_that_fails_at_one_of_the_two_calls_rejects_no_code(
    call: Caller, box: Sandbox, reads: str, at: str
) -> None:
    arguments = {"title": "Help", "escalation_path": "Refunds"}
    fault = Fault("status", status=400, method="GET", path=reads)
    if at == "preview":
        box.fail(fault)
    code = await code_of(call, PAGE, **arguments)
    box.heal()
    if at == "confirmation":
        box.fail(fault)

    assert (await call.ok(PAGE, **arguments, confirm=code))["title"] == "Help"


async def test_a_read_that_hangs_at_the_confirmation_does_not_use_up_the_call(
    call: Caller, box: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("incident_mcp.writing.perform.AGAIN_SECONDS", 0.5)
    code = await code_of(call, PAGE, **YUKI)
    box.fail(Fault("hang_before", method="GET", path="/v2/on_call_notification_pauses"))
    await call.ok(PAGE, **YUKI, confirm=code)

    assert rings(box) == ["Yuki Tanaka"]


async def test_a_code_does_only_what_its_preview_told_however_late_it_is_used(
    call: Caller, box: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = await call.performed(PAGE, **YUKI)
    real, moved = time.time, [0.0]
    monkeypatch.setattr(time, "time", lambda: real() + moved[0])
    for seconds in (300, 400):
        if moved[0]:
            answer = await call.ok(PAGE, **YUKI)
            assert "would only return that" in answer["note"]
        moved[0] += seconds
        box.advance(seconds)

    assert (await call.ok(PAGE, **YUKI, confirm=answer["confirm"]))["id"] == page["id"]
    assert rings(box) == ["Yuki Tanaka"]


async def test_a_clock_that_was_set_forward_rings_nobody_twice(
    call: Caller, box: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = await call.performed(PAGE, **YUKI)
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 3_600)

    assert (await call.performed(PAGE, **YUKI))["id"] == page["id"]
    assert rings(box) == ["Yuki Tanaka"]


async def test_a_preview_waits_only_a_while_for_a_read_that_hangs(
    call: Caller, box: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("incident_mcp.incidentio.oncall.reachability.READ_SECONDS", 0.3)
    box.fail(Fault("hang_before", method="GET", path="/v2/on_call_notification_pauses"))
    preview = await call.ok(PAGE, **YUKI)
    assert "paused unknown (could not be read)" in preview["preview"]["steps"][0]
    await call.ok(PAGE, **YUKI, confirm=preview["confirm"])

    assert rings(box) == ["Yuki Tanaka"]


async def test_a_refused_preview_still_tells_of_an_earlier_call_that_may_have_rung(call: Caller, box: Sandbox) -> None:
    code = await code_of(call, PAGE, **YUKI)
    box.fail(Fault("cut_after", method="POST", path="/v2/escalations$"))
    box.fail(Fault("status", status=500, method="GET", path="/v2/escalations$"))
    assert "outcome unknown" in await call.error(PAGE, **YUKI, confirm=code)
    box.heal()
    pause(box, "Yuki Tanaka")
    error = await call.error(PAGE, **YUKI)

    assert "would reach nobody" in error
    assert "An identical call was sent" in error
    assert "its outcome is unknown" in error


async def test_a_list_that_was_not_filtered_by_the_key_hides_no_page(call: Caller, box: Sandbox) -> None:
    other = {"id": "01M7Y0QRW1000000000000000Z", "title": "Other", "status": "triggered"}
    rows = [other | {"created_at": "2026-11-21T03:00:00Z"}]
    box.fail(Fault("replace", status=200, method="GET", path="/v2/escalations$", body={"escalations": rows}))
    assert (await call.performed(PAGE, **YUKI))["title"] == "Help"
    assert rings(box) == ["Yuki Tanaka"]


@pytest.mark.parametrize(
    "answer", [{}, {"id": user("Noor Haddad"), "name": "Other", "path": []}], ids=["empty", "other"]
)
async def test_another_path_in_place_of_the_path_is_not_shown(
    call: Caller, box: Sandbox, answer: dict[str, Any]
) -> None:
    body = {"escalation_path": answer}
    box.fail(Fault("replace", status=200, method="GET", path="/v2/escalation_paths/[^/]+$", body=body))
    preview = await call.ok(PAGE, title="Help", escalation_path="Database")
    assert preview["preview"]["steps"] == ["at once: Sam Lindqvist"]


async def test_a_key_of_another_request_is_rejected_at_the_preview(call: Caller, box: Sandbox) -> None:
    await call.performed(PAGE, **YUKI, idempotency_key="mine")
    error = await call.error(PAGE, **(YUKI | {"title": "Other"}), idempotency_key="mine")

    assert "belongs to another request" in error
    assert rings(box) == ["Yuki Tanaka"]


async def test_a_cancelled_page_is_not_taken_for_a_reassignment(call: Caller, box: Sandbox) -> None:
    original = await call.performed(PAGE, title="Help", users=["Sam Lindqvist"])
    again = {"escalation": original["id"], "escalation_path": "Growth", "resolve_original": False}
    code = await code_of(call, REASSIGN, **again)
    box.fail(Fault("cut_before", method="POST", path="reassign$"))
    assert "outcome unknown" in await call.error(REASSIGN, **again, confirm=code)
    box.heal()
    box.advance(60)
    elsewhere = await call.performed(PAGE, title="Help", escalation_path="Growth")
    await call.performed("incidentio_cancel_page", escalation=elsewhere["id"])

    assert (await call.performed(REASSIGN, **again))["id"] != elsewhere["id"]
    assert rings(box).count("Yuki Tanaka") == 2


async def test_an_answer_that_comes_late_does_not_ring_who_is_on_call_by_then(box: Sandbox, tmp_path: Path) -> None:
    async def accept_later(_: Any, params: Any) -> ElicitResult:
        assert "Yuki Tanaka" in params.message
        pause(box, "Yuki Tanaka")
        return ElicitResult(action="accept", content={"confirm": True})

    settings = Settings(sandbox=True, state_dir=tmp_path, confirm="destructive")
    for mode in ("legacy", "auto"):
        pauses = list(box.incidentio.on_call.pauses)
        server = build_server(settings, network=box)
        async with Client(server, mode=mode, elicitation_callback=accept_later) as client:
            result = await Caller(client, box).perform(PAGE, title="Help", escalation_path="Growth")
        assert "what its preview showed has changed" in text_of(result)
        box.incidentio.on_call.pauses[:] = pauses
    assert box.writes() == []


async def test_the_question_warns_of_a_page_that_reaches_nobody(box: Sandbox, tmp_path: Path) -> None:
    question = await asked(box, tmp_path, PAGE, title="Help", users=["Noor Haddad"], anyway=True)
    assert 'Warning: "This page reaches nobody: Noor Haddad has paused' in question


async def test_a_damaged_journal_names_the_remedy(connect: Connect, box: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(mode=0o700)
    (tmp_path / "state" / "journal.sqlite3").write_bytes(b"no database at all " * 500)
    async with connect() as call:
        assert "If its file is damaged, move it away" in await call.error(PAGE, **YUKI)
    assert box.writes() == []
