"""Metrics: they equal an independent count, and what lacks the data is counted, not guessed."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from incident_mcp.sandbox import Fault
from incident_mcp.sandbox.engine.clock import rfc3339
from tests.response.altered import alter
from tests.response.seeded import incident

pytestmark = pytest.mark.anyio

EXAMPLES = {
    "incident_metrics": [
        {"since": "2026-10-01", "by": "severity"},
        {"since": "2026-10-01", "until": "2026-11-20T00:00:00Z"},
    ]
}
TOOL = "incident_metrics"
WINDOW = {"since": "2026-11-01T00:00:00Z", "until": "2026-11-21T03:00:00Z"}


def by_hand(values):
    """Median and p90 by sorting and counting."""
    known = sorted(value for value in values if value is not None)
    found = {"count": len(known)}
    if known:
        half = len(known) // 2
        middle = known[half] if len(known) % 2 else (known[half - 1] + known[half]) / 2
        enough = next(value for value in known if 10 * sum(each <= value for each in known) >= 9 * len(known))
        found |= {"median_seconds": round(middle), "p90_seconds": round(enough)}
    missing = sum(value is None for value in values)
    return found | ({"missing": missing} if missing else {})


def seconds(row, end):
    if not row.get(end):
        return None
    lasted = datetime.fromisoformat(row[end]) - datetime.fromisoformat(row["startedAt"])
    return lasted.total_seconds() if lasted >= timedelta() else None


def within(row):
    return WINDOW["since"] <= row["startedAt"].replace("+00:00", "Z")[:19] + "Z" < WINDOW["until"]


def scatter(box, count):
    """Give Ionhour random incidents of a few checks."""
    rng = random.Random(count)  # noqa: S311  # not a secret
    first = box.ionhour.incidents[0]
    start = datetime(2026, 10, 28, tzinfo=UTC)
    for number in range(count):
        began = start + timedelta(minutes=rng.randrange(40_000))
        row = {**first, "id": 9_000 + number, "publicId": f"P{number}", "severity": rng.choice(("P1", "P2", "P3"))}
        row |= {"check": {"id": 1, "name": rng.choice("abc")}, "startedAt": rfc3339(began), "state": "RESOLVED"}
        for end in ("acknowledgedAt", "resolvedAt"):
            row[end] = rfc3339(began + timedelta(seconds=rng.randrange(9_000))) if rng.random() < 0.8 else None
        box.ionhour.incidents.append(row)


@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 250])
async def test_ionhour_s_figures_equal_an_independent_count(call, box, count):
    scatter(box, count)
    answer = await call.ok(TOOL, **WINDOW)
    rows = [row for row in box.ionhour.incidents if within(row)]
    [told] = answer["ionhour"]
    assert told == {
        "group": "all",
        "incidents": len(rows),
        "acknowledge": by_hand([seconds(row, "acknowledgedAt") for row in rows]),
        "resolve": by_hand([seconds(row, "resolvedAt") for row in rows]),
    }


async def test_each_check_has_its_own_figures_and_incident_io_is_not_asked(call, box):
    scatter(box, 60)
    answer = await call.ok(TOOL, **WINDOW, by="check")
    groups = {row["group"]: row for row in answer["ionhour"]}
    for check in "abc":
        rows = [row for row in box.ionhour.incidents if within(row) and (row.get("check") or {}).get("name") == check]
        assert groups[check]["resolve"] == by_hand([seconds(row, "resolvedAt") for row in rows])
    assert groups["all"]["incidents"] == sum(row["incidents"] for row in answer["ionhour"]) - groups["all"]["incidents"]
    assert "incidentio" not in answer
    assert not any(request.service == "incidentio" for request in box.requests)


async def test_the_account_s_own_duration_metrics_come_before_its_timestamps(call, box):
    row = incident(box, "INC-114")
    row["duration_metrics"] = [
        {"duration_metric": {"id": "1", "name": "Time to acknowledge"}, "status": "success", "value_seconds": 240},
        {"duration_metric": {"id": "2", "name": "Time to resolve"}, "status": "calculating", "value_seconds": 5},
    ]
    groups = {each["group"]: each for each in (await call.ok(TOOL, since="2026-11-21", by="severity"))["incidentio"]}
    assert groups["Critical"]["acknowledge"] == {"count": 1, "median_seconds": 240, "p90_seconds": 240}
    assert groups["Critical"]["resolve"] == {"count": 0, "missing": 1}


async def test_timestamps_measure_from_when_it_was_reported(call):
    groups = {row["group"]: row for row in (await call.ok(TOOL, since="2026-10-01", by="severity"))["incidentio"]}
    assert groups["Critical"]["resolve"] == {
        "count": 1,
        "median_seconds": 86_400,
        "p90_seconds": 86_400,
        "missing": groups["Critical"]["incidents"] - 1,
    }


async def test_drills_and_what_was_declined_or_merged_are_not_counted(call, box):
    answer = await call.ok(TOOL, since="2026-10-01")
    counted = [
        row
        for row in box.incidentio.incidents
        if row["mode"] == "standard" and row["incident_status"]["category"] in ("live", "learning", "paused", "closed")
    ]
    assert answer["incidentio"][-1]["incidents"] == len(counted)


async def test_the_window_is_cut_to_the_second(call, box):
    began = box.ionhour.incidents[0]["startedAt"]
    instant = datetime.fromisoformat(began).replace(microsecond=0)
    after = rfc3339(instant + timedelta(seconds=1))
    [before] = (await call.ok(TOOL, since="2026-10-01", until=after))["ionhour"]
    [without] = (await call.ok(TOOL, since="2026-10-01", until=rfc3339(instant)))["ionhour"]
    assert before["incidents"] == without["incidents"] + 1


async def test_teams_go_by_name(call):
    groups = [row["group"] for row in (await call.ok(TOOL, since="2026-10-01", by="team"))["incidentio"]]
    assert groups == ["Payments", "none", "all"]


@pytest.mark.parametrize("until", ["9999-12-31", "2026-11-22T03:00:00Z", "2999-01-01"])
async def test_a_window_may_end_in_the_future(call, until):
    ends = await call.ok(TOOL, since="2026-10-01", until=until)
    assert ends["incidentio"] == (await call.ok(TOOL, since="2026-10-01"))["incidentio"]


@pytest.mark.parametrize("value", [10**400, 1e308, -1, True, "5", None, [], {}])
async def test_what_is_no_duration_counts_as_missing(call, box, value):
    metric = {"duration_metric": {"id": "1", "name": "Time to acknowledge"}, "status": "success"}
    alter(
        box,
        "/v2/incidents",
        lambda body: [row.update(duration_metrics=[metric | {"value_seconds": value}]) for row in body["incidents"]],
    )
    told = (await call.ok(TOOL, since="2026-10-01"))["incidentio"][-1]
    assert told["acknowledge"] == {"count": 0, "missing": told["incidents"]}


async def test_an_incident_whose_status_cannot_be_read_counts_and_one_without_a_start_is_named(call, box):
    before = (await call.ok(TOOL, since="2026-10-01"))["incidentio"][-1]["incidents"]
    listed = sum(row["mode"] == "standard" for row in box.incidentio.incidents)
    alter(box, "/v2/incidents", lambda body: [row.update(incident_status=None) for row in body["incidents"]])
    assert before < (await call.ok(TOOL, since="2026-10-01"))["incidentio"][-1]["incidents"] == listed
    alter(box, "/v2/incidents", lambda body: [row.update(created_at="soon") for row in body["incidents"]])
    answer = await call.ok(TOOL, since="2026-10-01")
    assert answer["incidentio"][-1]["incidents"] == 0
    assert f"{listed} of incident.io's incidents have no readable start and are not counted." in answer["problems"]


@pytest.mark.parametrize(
    "window", [{"since": "yesterday"}, {"since": "2026-11-02", "until": "2026-11-01"}, {"since": "2099-01-01"}]
)
async def test_a_window_that_is_none_is_rejected(call, box, window):
    assert "Not sent" in await call.error(TOOL, **window)
    assert box.requests == []


@pytest.mark.parametrize(("service", "left"), [("incidentio", "ionhour"), ("ionhour", "incidentio")])
async def test_a_service_that_is_down_is_named_and_the_other_is_measured(call, box, service, left):
    box.fail(Fault("status", service=service, status=500))
    answer = await call.ok(TOOL, since="2026-10-01")
    assert service not in answer
    assert answer[left]
    assert any("500" in problem for problem in answer["problems"])


async def test_more_than_a_thousand_incidents_are_said_not_to_be_all(call, box):
    scatter(box, 1_005)
    answer = await call.ok(TOOL, **WINDOW)
    assert any("Only 1000 of Ionhour's incidents" in problem for problem in answer["problems"])
