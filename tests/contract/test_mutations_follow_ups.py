"""A malformed part of an answer about follow-ups and actions changes no other field, as `test_mutations.py` shows.

Required is the id alone. The reading before an update is stricter: what could be lost by the update is refused.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from incident_io import models

from tests.conftest import text_of
from tests.contract.mutations import Bench, Case, Key, Network, Tally, listed, mutations, run_mutations
from tests.contract.vendor import example

pytestmark = pytest.mark.anyio

ULID = "01FCNDV6P870EA6S7TK1DSYDG0"
ID = frozenset({"id"})
SHOW = {name: ("GET", f"/v3/{name}s/{ULID}") for name in ("follow_up", "action")}
UPDATE = {name: ("PUT", f"/v3/{name}s/{ULID}") for name in ("follow_up", "action")}
CREATE = {name: ("POST", f"/v3/{name}s") for name in ("follow_up", "action")}
LIST = {name: ("GET", f"/v3/{name}s") for name in ("follow_up", "action")}
PAGE_FIELDS = {"pagination_meta": "after", "pagination_meta.after": "after"}
TEXT = {"follow_up": "title", "action": "description"}


def same(*names: str) -> dict[str, str]:
    return {name: name for name in names}


def below(field: str, *keys: str) -> dict[str, str]:
    return {field: field, **{f"{field}.{key}": field for key in keys}}


ROW_FIELDS = {
    "incident_id": "reference",
    **same("description", "status", "created_at"),
    **below("assignee", "name", "email", "id"),
}
FOLLOW_UP_ROW = {
    **ROW_FIELDS,
    **same("title"),
    **below("assignee_team", "name"),
    **below("priority", "name"),
    "external_issue_reference": "issue",
    "external_issue_reference.issue_permalink": "issue",
}
ACTORS = ("user", "user.name", "api_key", "api_key.name", "workflow", "workflow.name", "alert", "alert.title")
RECORD = {**same("updated_at", "completed_at"), **below("creator", *ACTORS), "incident_id": "incident_id reference"}
DERIVED = {
    "follow_up": {**FOLLOW_UP_ROW, **RECORD, **below("category", "name"), "labels": "labels"},
    "action": {**ROW_FIELDS, **RECORD},
}


def answers() -> dict[Key, Any]:
    found: dict[Key, Any] = {
        SHOW["follow_up"]: example(models.FollowUpsShowResultV3),
        SHOW["action"]: example(models.ActionsShowResultV3),
        UPDATE["follow_up"]: example(models.FollowUpsUpdateResultV3),
        UPDATE["action"]: example(models.ActionsUpdateResultV3),
        ("GET", f"/v2/incidents/{ULID}"): example(models.IncidentsShowResultV2),
        ("GET", "/v2/incidents"): {"incidents": []},
    }
    for name, result in (("follow_up", models.FollowUpsListResultV3), ("action", models.ActionsListResultV3)):
        answer = example(result)
        [row] = answer[f"{name}s"]
        rows = [row | {"id": f"{ULID[:-1]}{number}"} for number in (1, 2, 3)]
        found[LIST[name]] = answer | {f"{name}s": rows}
    return found


def cases() -> Iterator[Case]:
    for name in ("follow_up", "action"):
        base: dict[str, Any] = {"answers": answers(), "identity": ID}
        update = base | {"arguments": {name: ULID, TEXT[name]: "x"}, "record": (name,), "derived": DERIVED[name]}
        yield Case(tool=f"incidentio_update_{name}", target=UPDATE[name], **update)
        rows = base | {"record": (f"{name}s", 1), "place": f"{name}s[{ULID[:-1]}2].", "envelope": PAGE_FIELDS}
        rows |= {"arguments": {"limit": 3}}
        derived = FOLLOW_UP_ROW if name == "follow_up" else ROW_FIELDS
        yield Case(tool=f"incidentio_list_{name}s", target=LIST[name], derived=derived, **rows)


@pytest.mark.parametrize("case", list(cases()), ids=lambda case: f"{case.tool} {case.target[1]}")
async def test_one_malformed_part_of_an_answer_changes_no_other_field(connect, case):
    tally = Tally()
    async with Bench(connect) as bench:
        wrong = await run_mutations(bench, case, tally, 1)
    assert not wrong, f"{tally.line(case.tool)}{listed(wrong)}"


KEPT = {
    "title": "title",
    "description": "description",
    "status": "status",
    "assignee.id": "assignee_id",
    "assignee_team.id": "assignee_team_id",
    "category.id": "follow_up_category_id",
    "priority.id": "follow_up_priority_option_id",
    "labels": "labels",
}
"""Field of the request by field of the record."""
EVERY = {"follow_up": 4, "action": 2}
EMPTY = (None, "", [], {})


def value_at(record: Any, dotted: str) -> Any:
    for key in dotted.split("."):
        record = record.get(key) if isinstance(record, dict) else None
    return record


def is_kept(record: Any, body: dict[str, Any]) -> bool:
    """Return whether a request has every value of a record that it could remove; numbers may be sent as texts."""
    for dotted, name in KEPT.items():
        top, value = value_at(record, dotted.partition(".")[0]), value_at(record, dotted)
        if top in EMPTY or name in ("status", "title" if "title" in record else "description"):
            continue
        if body.get(name) is None or str(body[name]) != str(value):
            return False
    return True


@pytest.mark.parametrize("name", ["follow_up", "action"])
async def test_an_update_after_a_malformed_reading_keeps_everything_or_is_refused(connect, name):
    arguments = {name: ULID, TEXT[name]: "x", "status": "completed"}
    case = Case(
        tool=f"incidentio_update_{name}", answers=answers(), target=SHOW[name], record=(name,), derived=DERIVED[name]
    )
    network = Network({})
    sent = refused = 0
    async with connect(sandbox=network, max_writes=0) as call:
        # More requests than these would wait for the rate limit.
        for mutation in list(mutations(case))[:: EVERY[name]]:
            network.answers = case.answers | {case.target: mutation.answer}
            network.requests.clear()
            text = text_of(await call.result(case.tool, **arguments))
            bodies = [json.loads(request.content) for request in network.requests if request.method == "PUT"]
            where = (mutation.path, mutation.how, text)
            if bodies:
                sent += 1
                assert is_kept(mutation.answer[name], bodies[0]), where
            else:
                refused += 1
                assert "Not sent" in text or text.startswith("incident.io"), where
    print(f"{name}: {sent} sent with everything, {refused} refused")
    assert sent
    assert refused
