"""docs/reliability.md: each row's command names tests that exist."""

import re
import sys

import pytest

from tests.spawned import ROOT, run

DOCUMENT = (ROOT / "docs" / "reliability.md").read_text()
PROOFS = re.findall(r"`uv run pytest ([^`]+)` \|$", DOCUMENT, re.MULTILINE)


@pytest.fixture(scope="module")
def collected() -> list[str]:
    files = sorted({re.search(r"tests/[\w/.]*", proof)[0] for proof in PROOFS})
    return run(sys.executable, "-m", "pytest", "--collect-only", "-q", *files).stdout.splitlines()


def test_every_row_has_a_proof() -> None:
    rows = [line for line in DOCUMENT.splitlines() if line.startswith("| ") and not line.startswith("| Fault")]
    assert len(rows) == len(PROOFS) > 20


@pytest.mark.parametrize("proof", PROOFS)
def test_a_proof_names_tests_that_exist(proof: str, collected: list[str]) -> None:
    node, _, keyword = re.sub(r"--hypothesis-profile long ", "", proof).partition(" -k ")
    found = [line for line in collected if line.startswith(node) and keyword in line.partition("[")[2]]
    assert found, proof
