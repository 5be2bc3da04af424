"""docs/deploy.md and SECURITY.md name what exists, and every setting of the team's server is explained."""

import re

import pytest

from tests.spawned import ROOT

NAME = r"\b(?:INCIDENT_MCP_|INCIDENTIO_API_|IONHOUR_API_|IONHOUR_WORKSPACE_)[A-Z_]*[A-Z]\b"
FOUND = {name for path in (ROOT / "src").rglob("*.py") for name in re.findall(NAME, path.read_text("utf-8"))}


def text(document: str) -> str:
    return (ROOT / document).read_text("utf-8")


def in_table(document: str) -> set[str]:
    rows = re.findall(r"^\| (`[A-Z_`, ]+`) \|", text(document), re.MULTILINE)
    return {name for row in rows for name in re.findall(NAME, row)}


@pytest.mark.parametrize("document", ["docs/deploy.md", "SECURITY.md"])
def test_every_setting_that_a_document_names_exists(document: str) -> None:
    assert sorted(set(re.findall(NAME, text(document))) - FOUND) == []


def test_every_setting_is_in_one_of_the_two_tables() -> None:
    assert sorted(FOUND - in_table("README.md") - in_table("docs/deploy.md")) == []


def test_no_setting_is_in_both_tables() -> None:
    assert in_table("README.md") & in_table("docs/deploy.md") == set()


@pytest.mark.parametrize("document", ["docs/deploy.md", "SECURITY.md"])
def test_every_link_leads_somewhere(document: str) -> None:
    for link, _, heading in (link.partition("#") for link in re.findall(r"\]\(([^)]+)\)", text(document))):
        target = (ROOT / document).parent / link if link else ROOT / document
        assert target.exists(), link
        titles = re.findall(r"^#+ (.+)$", target.read_text("utf-8"), re.MULTILINE) if heading else []
        anchors = {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in titles}
        assert not heading or heading in anchors, f"{link}#{heading}"


def test_every_test_that_proves_a_defence_exists() -> None:
    rows = re.findall(r"^\| .+ \| .+ \| (`tests/.+`) \|$", text("SECURITY.md"), re.MULTILINE)
    named = [path for row in rows for path in re.findall(r"`(.+?)`", row)]
    assert len(rows) > 15
    assert [path for path in named if not (ROOT / path).exists()] == []
