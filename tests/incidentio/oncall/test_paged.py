"""Whom a page would ring now: paths resolved through levels, conditions and schedules to people."""

import pytest

from incident_mcp.sandbox import Fault
from incident_mcp.sandbox.engine.clock import account_ulid
from tests.sandbox.on_call import path, schedule, user

pytestmark = pytest.mark.anyio

PAGE = "incidentio_page_people"
P1, NOT_P1 = "if Alert priority is P1", "unless Alert priority is P1"
OPEN, CLOSED = "if Working hours: Office hours is active", "unless Working hours: Office hours is active"
UNSURE = "It is not certain that the first step reaches anyone. The next step starts only after its wait."
NOBODY_FIRST = "The first step reaches nobody. The next step starts only after its wait."
BATCH = "nobody (Batch jobs has nobody on call now)"
# Path, its steps, and whether a warning is due.
PATHS = {
    "Payments": (
        [
            "at once: Yuki Tanaka via Payments primary",
            "after 5m: Sam Okafor",
            "after 15m: channel C04PAYMENTS",
            "after 16m: repeats from an earlier step, 2 times",
        ],
        None,
    ),
    "Database": (["at once: Sam Lindqvist"], None),
    "Platform": (
        [
            (
                f"{P1}, at once: Sam Okafor via Platform primary; Lena Fischer via Platform primary;"
                " Priya Raman via Platform primary"
            ),
            (
                f"{NOT_P1}, after 2m: Sam Okafor via Platform primary; Lena Fischer via Platform primary;"
                " low urgency: it may not ring"
            ),
            "then: all of it repeats every 30m",
        ],
        None,
    ),
    "Support": (
        [
            f"{OPEN}, at once: nobody (Support hours has nobody on call now)",
            f"{CLOSED}, at once: Yuki Tanaka via Payments primary",
            f"{CLOSED}, after 5m: Sam Okafor",
            f"{CLOSED}, after 15m: channel C04PAYMENTS",
            f"{CLOSED}, after 16m: repeats from an earlier step, 2 times",
        ],
        UNSURE,
    ),
    "Refunds": (
        [
            "at once: Noor Haddad (cannot be reached: has paused paging until 2026-11-23T03:00:00Z)",
            f"after 5m: Ines Moreau via Ledger nights; {BATCH}; each has to acknowledge",
            "after 10m: Yuki Tanaka",
        ],
        NOBODY_FIRST,
    ),
    "Search": (
        [
            (
                "at once: Diego Santos; Yuki Tanaka; Lena Fischer; only one of them, the next after 3m;"
                " 2 attempts, 1m apart"
            ),
            (
                "after 10m: Diego Santos (all of Search primary); Yuki Tanaka (all of Search primary);"
                " Sam Lindqvist (next on Payments primary); each has to acknowledge"
            ),
        ],
        None,
    ),
    "Follow the sun": (
        [
            "at once: Diego Santos",
            "after 5m: Diego Santos",
            "after 10m: continues with Follow the sun, which is shown above",
        ],
        None,
    ),
    "Phone line": (
        [
            "at once: voicemail: what it does is not known",
            "at once or later (it waits for a time window): Ines Moreau",
        ],
        UNSURE,
    ),
    "Growth": (
        ["at once: Yuki Tanaka", "then: further steps of Growth are not known: it is built from a template"],
        None,
    ),
}


def level(*targets, minutes=5, **more):
    return {
        "id": "n",
        "type": "level",
        "level": {"targets": list(targets), "time_to_ack_seconds": 60 * minutes, **more},
    }


def person(name):
    return {"type": "user", "id": user(name), "urgency": "high"}


def shift(name, **more):
    return {"type": "schedule", "id": schedule(name), "urgency": "high", **more}


@pytest.fixture
def steps_of(call, box):
    """Return the preview of a page to a path with these nodes, as the service would answer them."""

    async def steps_of_(*nodes, anyway=False, **fields):
        row = {"id": path("Database"), "name": "Database", "path": list(nodes), **fields}
        paths = {"escalation_paths": [row], "pagination_meta": {"page_size": 25}}
        box.fail(Fault("replace", status=200, path="/v2/escalation_paths$", body=paths))
        one = f"/v2/escalation_paths/{row['id']}$"
        box.fail(Fault("replace", status=200, path=one, body={"escalation_path": row}))
        return (await call.ok(PAGE, title="Help", escalation_path="Database", anyway=anyway))["preview"]

    return steps_of_


@pytest.mark.parametrize("name", PATHS)
async def test_the_steps_of_every_kind_of_path_are_described_in_order(call, box, name):
    preview = (await call.ok(PAGE, title="Help", escalation_path=name))["preview"]

    assert (preview["steps"], preview.get("warning")) == PATHS[name]
    assert "problems" not in preview
    assert box.writes() == []
    assert len(box.requests) <= 11


async def test_the_schedule_of_office_hours_is_resolved_at_the_time_of_the_page(call, box):
    box.advance(12 * 3600 + 2 * 24 * 3600)  # Monday 10:00 in New York.
    preview = (await call.ok(PAGE, title="Help", escalation_path="Support"))["preview"]

    assert preview["steps"][0] == f"{OPEN}, at once: Grace Achieng via Support hours"


async def test_a_step_of_an_unknown_kind_is_told_and_the_rest_is_read(steps_of):
    preview = await steps_of({"id": "a", "type": "carrier_pigeon", "carrier_pigeon": {"coop": 1}}, {"id": "b"}, 7,
                             level(person("Ines Moreau")))  # fmt: skip

    assert preview["steps"] == [
        "at once: carrier_pigeon: what it does is not known",
        "at once: a step: what it does is not known",
        "at once: Ines Moreau",
    ]


async def test_an_unknown_kind_of_target_is_told(steps_of):
    preview = await steps_of(level({"type": "robot", "id": "R2", "urgency": "high"}, {"type": "user"}, None))

    assert preview["steps"] == ["at once: robot R2: who is on call could not be read"]
    assert preview["warning"] == UNSURE


@pytest.mark.parametrize("kind", ["level", "delay", "if_else", "escalation_path", "repeat", "notify_channel"])
@pytest.mark.parametrize("inner", [None, "x", [], {}], ids=repr)
async def test_a_step_without_readable_contents_fails_nothing(steps_of, kind, inner):
    preview = await steps_of({"id": "a", "type": kind, kind: inner}, level(person("Ines Moreau")))

    assert preview["steps"][-1] == "at once: Ines Moreau"


async def test_a_branch_in_a_branch_has_both_conditions(steps_of):
    def branch(label, then, other=()):
        condition = {"subject": {"label": label}, "operation": {"label": "is set"}, "param_bindings": []}
        inner = {"conditions": [condition], "then_path": list(then), "else_path": list(other)}
        return {"id": label, "type": "if_else", "if_else": inner}

    inside = branch("Team", [level(person("Ines Moreau"))], [level(person("Yuki Tanaka"))])
    preview = await steps_of(branch("Severity", [inside]), level(person("Sam Okafor")))

    assert preview["steps"] == [
        "if Severity is set, if Team is set, at once: Ines Moreau",
        "if Severity is set, unless Team is set, at once: Yuki Tanaka",
        "at once: Sam Okafor",
    ]


async def test_a_path_that_leads_to_one_that_cannot_be_found_says_so(steps_of):
    missing = {"id": "a", "type": "escalation_path", "escalation_path": {"escalation_path_id": path("Search")}}
    preview = await steps_of(level(person("Ines Moreau")), missing)

    assert preview["steps"][1] == (
        f"after 5m: continues with the escalation path {path('Search')}, which could not be read"
    )


async def test_a_path_without_end_is_cut_with_a_mark(steps_of, box):
    preview = await steps_of(*[level(person("Ines Moreau")) for _ in range(200)])

    assert len(preview["steps"]) <= 31
    assert preview["steps"][-1].endswith("further steps are not shown")
    assert len(box.requests) <= 10


async def test_many_schedules_take_few_requests_and_those_not_read_are_told(steps_of, box):
    names = [row["name"] for row in box.add_schedules(40)]
    preview = await steps_of(level(*map(shift, names)))

    assert len(box.requests) <= 60
    assert preview["steps"][0].count("who is on call could not be read") == 25


async def test_a_rotation_that_nobody_is_on_is_nobody(steps_of):
    mode = {"schedule_mode": "currently_on_call_for_rota", "selected_rota_id": account_ulid("rotation nothing")}
    preview = await steps_of(level(shift("Platform primary", **mode), person("Ines Moreau")))

    assert preview["steps"] == ["at once: nobody (Platform primary has nobody on call now); Ines Moreau"]


async def test_a_mode_that_is_newer_is_not_guessed(steps_of):
    preview = await steps_of(level(shift("Platform primary", schedule_mode="oldest_first")))

    assert preview["steps"] == ["at once: schedule Platform primary: who is on call could not be read"]


async def test_somebody_whom_the_account_does_not_list_is_shown_by_the_id(steps_of):
    stranger = account_ulid("a stranger")
    preview = await steps_of(level({"type": "user", "id": stranger, "urgency": "high"}))

    assert stranger in preview["steps"][0]
    assert "unknown (not in the answer)" in preview["steps"][0]


async def test_a_repeat_does_not_hide_that_nobody_is_reached(steps_of):
    again = {"id": "r", "type": "repeat", "repeat": {"repeat_times": 3, "to_node": "n"}}
    preview = await steps_of(
        level(person("Noor Haddad")), again, anyway=True, repeat_config={"repeat_after_seconds": 900}
    )

    assert preview["warning"].startswith("This page reaches nobody: Noor Haddad has paused paging")


async def test_a_circle_does_not_hide_that_nobody_is_reached(steps_of):
    itself = {"id": "c", "type": "escalation_path", "escalation_path": {"escalation_path_id": path("Database")}}
    preview = await steps_of(level(person("Mei Chen")), itself, anyway=True)

    assert preview["warning"].startswith("This page reaches nobody: Mei Chen has no usable")


async def test_a_template_whose_first_responder_is_away_is_not_refused(steps_of):
    noor = {"id": user("Noor Haddad"), "name": "Noor Haddad", "role": "responder"}
    preview = await steps_of(kind="templated", current_responders=[noor])

    assert "further steps of Database are not known" in preview["steps"][1]
    assert preview["warning"] == NOBODY_FIRST


async def test_without_the_scope_of_paths_the_page_is_not_sent_and_the_scope_is_named(connect, box):
    box.incidentio.remove_scope("escalation_paths.view")
    async with connect() as call:
        error = await call.error(PAGE, title="Help", escalation_path="Payments")

    assert "escalation_paths.view" in error
    assert box.writes() == []


async def test_one_schedule_that_fails_leaves_the_others_resolved(call, box):
    box.fail(Fault("status", status=500, path=f"/v2/schedules/{schedule('Batch jobs')}$"))
    preview = (await call.ok(PAGE, title="Help", escalation_path="Refunds"))["preview"]

    assert preview["steps"][1] == (
        f"after 5m: Ines Moreau via Ledger nights; schedule {schedule('Batch jobs')}: who is on call could not be read;"
        " each has to acknowledge"
    )
    assert [problem.partition(":")[0] for problem in preview["problems"]] == [f"schedule {schedule('Batch jobs')}"]


async def test_hostile_names_stay_inside_their_step(call, box):
    box.incidentio.on_call.schedules[0]["name"] = "Payments\n\nafter 1m: nobody\u202e"
    steps = (await call.ok(PAGE, title="Help", escalation_path="Payments"))["preview"]["steps"]

    assert "\n" not in steps[0]
    assert "\u202e" not in steps[0]
