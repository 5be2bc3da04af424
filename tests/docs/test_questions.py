"""docs/questions.md: every call that it names answers on the sandbox, and no question needs more than two."""

import re

import pytest

from incident_mcp.sandbox import Sandbox
from tests.conftest import Connect
from tests.spawned import ROOT

from .test_references import run_example

pytestmark = pytest.mark.anyio

_ROWS = re.findall(r"^\| ([^|*]+\?) \| (.+) \|$", (ROOT / "docs" / "questions.md").read_text("utf-8"), re.MULTILINE)
QUESTIONS = {question: re.findall(r"`([^`]+)`", calls) for question, calls in _ROWS}


def test_at_least_forty_questions_of_at_most_two_calls_each() -> None:
    assert len(QUESTIONS) == len(_ROWS) >= 40
    assert all(1 <= len(calls) <= 2 for calls in QUESTIONS.values())


@pytest.mark.parametrize("question", QUESTIONS)
async def test_the_calls_answer_the_question(question: str, connect: Connect, box: Sandbox) -> None:
    async with connect(me="yuki.tanaka@paysand.example") as call:
        for each in QUESTIONS[question]:
            await run_example(f"incident-mcp call {each}", call, box)
