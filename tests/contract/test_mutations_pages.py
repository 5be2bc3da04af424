"""A malformed part of an answer about post-mortems or status pages changes no other field of the tool's answer.

Required is the id, and the name of a page; everything else may be missing or of any type.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from incident_io import models

from tests.contract.mutations import Bench, Case, Key, Tally, listed, run_mutations
from tests.contract.vendor import example

pytestmark = pytest.mark.anyio

ULID, PAGE = "01GDZEW57FDA1K4S63MGMQ5DS9", "01FCNDV6P870EA6S7TK1DSYDG0"
DOCUMENT = f"/v1/postmortem_documents/{ULID}"
LIST, SHOW, CONTENT, SET = (
    ("GET", "/v1/postmortem_documents"),
    ("GET", DOCUMENT),
    ("GET", f"{DOCUMENT}/content"),
    ("PUT", DOCUMENT),
)
PAGES, PUBLISHED = ("GET", "/v2/status_pages"), ("GET", "/v2/status_page_incidents")
STRUCTURE = ("GET", f"/v2/status_page_structures/{PAGE}")
PAGE_FIELDS = {"pagination_meta": "after", "pagination_meta.after": "after"}


def same(*names: str) -> dict[str, str]:
    return {name: name for name in names}


DOCUMENT_FIELDS = same("title", "status", "type", "document_url", "exported_urls", "created_at", "updated_at")
ROW_FIELDS = same("title", "status", "created_at", "updated_at") | {
    "incident_id": "incident",
    "type": "type document_url",
}
TEXT_FIELDS = {
    **DOCUMENT_FIELDS,
    **same("incident_id"),
    **dict.fromkeys(("editors", "editors.name"), "editors"),
    # An external document has a remark in place of its text.
    "type": "type markdown note",
}
PUBLISHED_FIELDS = {
    **same("name", "published_at"),
    "incident_status": "status",
    **dict.fromkeys(
        (
            "component_impacts",
            *(f"component_impacts.{name}" for name in ("component_id", "component_status", "end_at")),
        ),
        "components",
    ),
    **dict.fromkeys(
        ("updates", *(f"updates.{name}" for name in ("id", "incident_status", "message", "published_at"))),
        "updates earlier_updates",
    ),
}


def rows(result: type, key: str) -> dict[str, Any]:
    """Return a page of three rows."""
    answer = example(result)
    [row] = answer[key]
    return answer | {key: [row | {"id": f"{ULID[:-1]}{number}"} for number in (1, 2, 3)]}


def cases() -> Iterator[Case]:
    structure = example(models.StatusPagesShowStatusPageStructureResultV2)
    answers: dict[Key, Any] = {
        LIST: rows(models.PostmortemDocumentsListResultV1, "postmortem_documents"),
        SHOW: example(models.PostmortemDocumentsShowResultV1),
        CONTENT: example(models.PostmortemDocumentsShowContentResultV1),
        SET: example(models.PostmortemDocumentsUpdateStatusResultV1),
        PAGES: example(models.StatusPagesListStatusPagesResultV2),
        PUBLISHED: rows(models.StatusPagesListStatusPageIncidentsResultV2, "status_page_incidents"),
        STRUCTURE: structure,
        ("GET", "/v2/incidents"): {"incidents": []},
    }
    base: dict[str, Any] = {"answers": answers, "identity": frozenset({"id"})}
    key = "postmortem_documents"
    where = base | {"record": (key, 1), "place": f"{key}[{ULID[:-1]}2].", "envelope": PAGE_FIELDS}
    yield Case(tool="incidentio_list_post_mortems", target=LIST, derived=ROW_FIELDS, arguments={"limit": 3}, **where)
    one = base | {"record": ("postmortem_document",)}
    arguments = {"post_mortem": ULID}
    yield Case(tool="incidentio_read_post_mortem", target=SHOW, derived=TEXT_FIELDS, arguments=arguments, **one)
    derived, arguments = DOCUMENT_FIELDS | {"incident_id": "incident"}, arguments | {"status": "completed"}
    yield Case(tool="incidentio_set_post_mortem", target=SET, derived=derived, arguments=arguments, **one)
    key = "status_page_incidents"
    where = base | {"record": (key, 1), "place": f"{key}[{ULID[:-1]}2].", "envelope": PAGE_FIELDS}
    arguments = {"page": PAGE, "limit": 3}
    yield Case(
        tool="incidentio_list_published", target=PUBLISHED, derived=PUBLISHED_FIELDS, arguments=arguments, **where
    )


@pytest.mark.parametrize("case", list(cases()), ids=lambda case: f"{case.tool} {case.target[1]}")
async def test_one_malformed_part_of_an_answer_changes_no_other_field(connect, case):
    tally = Tally()
    async with Bench(connect) as bench:
        wrong = await run_mutations(bench, case, tally, 1)
    print(tally.line(case.tool))
    assert not wrong, f"{tally.line(case.tool)}{listed(wrong)}"
