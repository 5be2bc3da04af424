"""Every write by every fault: at most one effect, the outcome told as what it is, and a journal that is true."""

from dataclasses import dataclass, replace
from pathlib import Path

import anyio
import pytest

from incident_mcp.sandbox import Fault, Sandbox
from tests.reliability.conftest import BRIEF, IMPATIENT, Serve, until
from tests.reliability.effects import WRITES, Word, WriteCase, rows, word

pytestmark = pytest.mark.anyio


@dataclass(frozen=True)
class FaultCase:
    name: str
    fault: Fault
    carried_out: bool = False
    """The write takes effect although its answer is lost."""
    never_sent: bool = False
    """The service did not take it, and said so or was not reached."""
    again: bool = True
    """One passing fault is got over within the call."""

    def __str__(self) -> str:
        return self.name


FAULTS = [
    FaultCase("cut before the write", Fault("cut_before")),
    FaultCase("cut after the write", Fault("cut_after"), carried_out=True),
    FaultCase("hang before the write", Fault("hang_before")),
    FaultCase("hang after the write", Fault("hang_after"), carried_out=True),
    FaultCase("500", Fault("status", status=500)),
    FaultCase("502 with HTML", Fault("html", status=502)),
    FaultCase("503", Fault("status", status=503)),
    FaultCase("429, wait shortly", Fault("status", status=429, headers={"Retry-After": "0.01"}), never_sent=True),
    FaultCase(
        "429, wait an hour", Fault("status", status=429, headers={"Retry-After": "3600"}), never_sent=True, again=False
    ),
    FaultCase("connection refused", Fault("refuse"), never_sent=True),
    FaultCase("garbage", Fault("garbage"), carried_out=True, again=False),
    FaultCase("truncated JSON", Fault("truncated"), carried_out=True, again=False),
]
matrix = [pytest.param(case, fault, id=f"{case}-{fault}") for case in WRITES for fault in FAULTS]


def strike(case: WriteCase, fault: FaultCase, times: int | None) -> Fault:
    return replace(fault.fault, method=case.method, path=case.path, times=times)


def expected(case: WriteCase, fault: FaultCase, *, passing: bool) -> Word:
    if case.effect.bodiless and fault.name == "truncated JSON":
        return "done"  # its answer is empty: half of it is as good
    if passing and fault.again:
        return "unknown" if case.effect.keyless and fault.name == "hang before the write" else "done"
    if fault.never_sent:
        return "not sent"
    return "done" if case.effect.looks and fault.carried_out else "unknown"


def journal_says(case: WriteCase, told: Word) -> list[tuple[str, str]]:
    state = {"done": "done", "unknown": "unknown"}.get(told)
    return [(case.tool, state)] if case.effect.journalled and state else []


@pytest.mark.parametrize(("case", "fault"), matrix)
async def test_a_lasting_fault_is_told_truly_and_a_later_equal_call_ends_with_one_effect(
    case: WriteCase, fault: FaultCase, box: Sandbox, serve: Serve, state: Path
) -> None:
    async with serve(IMPATIENT if "hang" in fault.name else BRIEF) as call:
        box.fail(strike(case, fault, times=None))
        result = await call.perform(case.tool, **case.arguments)
        told, effects = word(result), case.count(box.state())
        journal = rows(state)
        box.heal()
        again = word(await call.perform(case.tool, **case.arguments))

    assert told == expected(case, fault, passing=False)
    assert effects == (1 if fault.carried_out else 0)
    assert journal == journal_says(case, told)
    assert case.count(box.state()) == 1
    assert again == (case.word_when_gone if case.effect.deletes and effects else "done")
    assert rows(state) == journal_says(case, "unknown" if case.effect.finds and effects else "done")


@pytest.mark.parametrize(("case", "fault"), matrix)
async def test_a_passing_fault_is_got_over_with_one_effect(
    case: WriteCase, fault: FaultCase, box: Sandbox, serve: Serve, state: Path
) -> None:
    async with serve(IMPATIENT if "hang" in fault.name else BRIEF) as call:
        box.fail(strike(case, fault, times=1))
        told = word(await call.perform(case.tool, **case.arguments))

    assert told == expected(case, fault, passing=True)
    assert case.count(box.state()) == (1 if told == "done" or fault.carried_out else 0)
    assert rows(state) == journal_says(case, told)


@pytest.mark.parametrize("case", WRITES, ids=str)
async def test_a_refusal_is_reported_as_one_sent_once_and_forgotten(
    case: WriteCase, box: Sandbox, serve: Serve, state: Path
) -> None:
    status = 422
    async with serve() as call:
        box.fail(Fault("status", status=status, method=case.method, path=case.path))
        told = word(await call.perform(case.tool, **case.arguments))
        sent = sum(row.method == case.method and row.status == status for row in box.requests)

    assert (told, sent) == ("refused", 1)
    assert case.count(box.state()) == 0
    assert rows(state) == []


# A gateway may redirect, or answer whatever it likes, after the service has acted.
GATEWAYS = {
    "301": {"status": 301, "headers": {"Location": "https://elsewhere.example"}, "body": ""},
    "302": {"status": 302, "headers": {"Location": "/login"}, "body": "<html>Sign in</html>"},
    "303": {"status": 303, "body": ""},
    "304": {"status": 304, "body": ""},
    "307": {"status": 307, "headers": {"Location": "https://elsewhere.example"}, "body": ""},
    "308": {"status": 308, "body": ""},
    "200 success false": {"status": 200, "body": {"success": False}},
    "200 ok false": {"status": 200, "body": {"ok": False, "message": "not now"}},
    "200 error": {"status": 200, "body": {"error": "queue is full"}},
    "201 of something else": {"status": 201, "body": {"data": {"accepted": True}}},
    "202 and nothing": {"status": 202, "body": ""},
    "200 and a list": {"status": 200, "body": []},
    "200 and null": {"status": 200, "body": b"null"},
    "502": {"status": 502, "body": "<html>bad gateway</html>"},
    "599": {"status": 599, "body": ""},
}


@pytest.mark.parametrize("acted", [True, False], ids=["acted", "not acted"])
@pytest.mark.parametrize("gateway", GATEWAYS)
@pytest.mark.parametrize("case", WRITES, ids=str)
async def test_an_answer_that_proves_nothing_leaves_the_outcome_open_and_a_repeat_ends_with_one_effect(
    case: WriteCase, gateway: str, acted: bool, box: Sandbox, serve: Serve
) -> None:
    async with serve() as call:
        kind = "replace" if acted else "status"
        box.fail(Fault(kind, method=case.method, path=case.path, **GATEWAYS[gateway]))
        told = word(await call.perform(case.tool, **case.arguments))
        effects = case.count(box.state())
        box.heal()
        again = word(await call.perform(case.tool, **case.arguments))

    assert effects == int(acted)
    # An answer without a body is all that the service promises.
    proves = case.effect.bodiless and gateway in (
        "201 of something else",
        "202 and nothing",
        "200 and a list",
        "200 and null",
    )
    if not proves:
        assert told == ("done" if case.effect.looks and acted else "unknown")
        assert again == (case.word_when_gone if case.effect.deletes and acted else "done")
        assert case.count(box.state()) == 1


@pytest.mark.parametrize("kind", ["hang_before", "hang_after"])
@pytest.mark.parametrize("case", WRITES, ids=str)
async def test_a_cancelled_call_leaves_the_journal_true_and_an_equal_one_ends_with_one_effect(
    case: WriteCase, kind: str, box: Sandbox, serve: Serve, state: Path
) -> None:
    async with serve(replace(BRIEF, attempt=0.2)) as call:
        box.fail(Fault(kind, method=case.method, path=case.path))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: call.perform(case.tool, **case.arguments))
            await until(lambda: any(row.method == case.method and row.status is None for row in box.requests))
            tasks.cancel_scope.cancel()
        wanted = journal_says(case, "unknown")
        await until(lambda: rows(state) == wanted)
        effects = case.count(box.state())
        box.heal()
        again = word(await call.perform(case.tool, **case.arguments))

    assert effects == (1 if kind == "hang_after" else 0)
    assert case.count(box.state()) == 1
    assert again == (case.word_when_gone if case.effect.deletes and effects else "done")
    assert rows(state) == journal_says(case, "unknown" if case.effect.finds and effects else "done")


@pytest.mark.parametrize("mode", ["legacy", "auto"])
@pytest.mark.parametrize("case", WRITES, ids=str)
async def test_equal_calls_at_once_in_one_process_have_one_effect(
    case: WriteCase, mode: str, box: Sandbox, serve: Serve
) -> None:
    results = []
    async with serve(mode=mode) as call, anyio.create_task_group() as tasks:

        async def one() -> None:
            results.append(await call.perform(case.tool, **case.arguments))

        for _ in range(4):
            tasks.start_soon(one)
    told = [word(result) for result in results]

    assert case.count(box.state()) == 1
    if case.effect.deletes:
        case.check_deleted_by_one_of(told)
    else:
        assert told == ["done"] * 4
    if case.effect.journalled:
        # One of them did it; the others tell its record.
        assert len({result.structured_content.get("id") for result in results}) == 1
