"""How long customers have been affected, in the situation: by the incident's own timestamps, else by its alerts."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from incident_mcp.sandbox import Fault, Sandbox
from tests.response.altered import NO_TIMESTAMPS, alter
from tests.response.seeded import alert, incident, line

pytestmark = pytest.mark.anyio

TOOL = "situation"


@pytest.fixture
def box() -> Sandbox:
    """The seeds, relative to the present: ages are taken by the real clock."""
    return Sandbox(now=datetime.now(UTC))


def at(ago: timedelta) -> str:
    return (datetime.now(UTC) - ago).strftime("%Y-%m-%dT%H:%M:%SZ")


def dated(value: Any) -> Any:
    """Return JSON with an instant for each time ago."""
    if isinstance(value, timedelta):
        return at(value)
    if isinstance(value, dict):
        return {name: dated(item) for name, item in value.items()}
    return [dated(item) for item in value] if isinstance(value, list) else value


def stamp(name: object, value: object) -> dict[str, Any]:
    return {"incident_timestamp": {"id": f"01TS{name}", "name": name, "rank": 1}, "value": value}


def stamps(**values: object) -> list[dict[str, Any]]:
    """Return timestamps by name, an underscore for a space; a value may be a time ago."""
    return [stamp(name.replace("_", " "), value and {"value": value}) for name, value in values.items()]


async def impact(connect: Any, reference: str) -> tuple[str | None, str | None]:
    async with connect() as call:
        rows = {row["reference"]: row for row in (await call.ok(TOOL))["incidents"]}
    return rows[reference].get("impact_for"), rows[reference].get("age")


HALF, TWO, FOUR = (timedelta(hours=hours, seconds=-30) for hours in (0.5, 2, 4))
"""Ago, half a minute less than that."""
LATER = timedelta(hours=-1)
# timestamps of INC-116, which is 80 minutes old and has none of its own; what is shown
CASES: list[tuple[Any, str | None]] = [
    (stamps(Impact_started=TWO), "1h59m"),
    (stamps(IMPACT_STARTED=TWO), "1h59m"),
    (stamps(impact__started_=TWO), "1h59m"),
    (stamps(Impact_started_at=TWO), "1h59m"),
    (stamps(Impact_started=FOUR, Impact_ended=TWO), "2h0m"),
    (stamps(Impact_started=FOUR, Resolved_at=TWO), "2h0m"),
    (stamps(Impact_started=FOUR, Resolved_at=HALF, impact_ENDED=TWO), "2h0m"),
    (stamps(Impact_started=FOUR, Impact_ended=None, Fixed_at=TWO), "3h59m"),
    ([*stamps(Impact_started=FOUR), stamp("Impact ended", {"value": None})], "3h59m"),
    ([*stamps(Impact_started=FOUR), stamp("Impact ended", {})], "3h59m"),
    (stamps(Impact_started=LATER), None),
    (stamps(Impact_started=FOUR, Impact_ended=LATER), None),
    (stamps(Impact_started=TWO, Impact_ended=FOUR), None),
    (stamps(Impact_ended=TWO), None),
    (stamps(Reported_at=TWO), None),
    (stamps(Impact_assessed=TWO), None),
    ([*stamps(Impact_started=FOUR), stamp("Impact ended", {"value": "an hour ago"})], None),
    ([*stamps(Impact_started=FOUR), stamp("Impact ended", TWO)], None),
    ([*stamps(Impact_started=FOUR), stamp("Impact ended", ["x"])], None),
    ([stamp("Impact started", {"value": "an hour ago"})], None),
    ([stamp("Impact started", TWO)], None),
    ([stamp(["Impact started"], {"value": TWO})], None),
    ([], None),
    (None, None),
    ("soon", None),
    ([None, 7, "x", {}], None),
]


@pytest.mark.parametrize(("timestamps", "shown"), CASES, ids=range(len(CASES)))
async def test_the_impact_lasts_from_its_start_to_its_end_and_is_not_shown_where_it_is_not_known(
    connect, box, timestamps, shown
):
    def change(body: Any) -> None:
        for row in body["incidents"]:
            if row["reference"] == "INC-116":
                row["incident_timestamp_values"] = dated(timestamps)

    alter(box, "/v2/incidents", change)
    assert await impact(connect, "INC-116") == (shown, "1h20m")


@pytest.mark.parametrize("instant", NO_TIMESTAMPS, ids=repr)
async def test_a_start_that_is_no_timestamp_shows_nothing(connect, box, instant):
    incident(box, "INC-116")["incident_timestamp_values"] = [stamp("Impact started", {"value": instant})]
    assert await impact(connect, "INC-116") == (None, "1h20m")


def linked(box: Sandbox, *numbers: int, **fields: Any) -> None:
    """Let INC-116, which is 80 minutes old, name alerts; the first of them has these fields."""
    incident(box, "INC-116")["summary"] = "\n".join(line(box, number) for number in numbers)
    alert(box, numbers[0]).update(fields)


async def test_without_timestamps_the_start_of_the_alert_counts(connect, box):
    linked(box, 4513, startedAt=at(TWO), recoveredAt=None, state="ACTIVE")
    assert await impact(connect, "INC-116") == ("1h59m", "1h20m")


async def test_the_incident_s_own_timestamp_counts_more_than_the_alert(connect, box):
    linked(box, 4513, startedAt=at(FOUR), state="ACTIVE")
    incident(box, "INC-116")["incident_timestamp_values"] = dated(stamps(Impact_started=TWO))
    assert await impact(connect, "INC-116") == ("1h59m", "1h20m")


async def test_of_several_alerts_the_first_start_and_the_last_recovery_count(connect, box):
    linked(box, 4513, 4514, startedAt=at(TWO), recoveredAt=at(timedelta(hours=1)), state="MONITORING")
    alert(box, 4514).update(startedAt=at(FOUR), recoveredAt=at(HALF), state="RESOLVED")
    assert (await impact(connect, "INC-116"))[0] == "3h30m"
    alert(box, 4514).update(state="ACTIVE")
    assert (await impact(connect, "INC-116"))[0] == "3h59m"


@pytest.mark.parametrize("start", [None, "soon", LATER, timedelta(minutes=10)])
async def test_an_alert_whose_start_does_not_date_the_impact_shows_nothing(connect, box, start):
    """One that began after the incident was declared was linked later: when the impact began is not known."""
    linked(box, 4513, startedAt=dated(start), state="ACTIVE")
    assert await impact(connect, "INC-116") == (None, "1h20m")


async def test_an_alert_that_could_not_be_read_leaves_the_impact_unknown(connect, box):
    linked(box, 4513, 4507, startedAt=at(TWO), state="ACTIVE")
    box.fail(Fault("status", path="/incidents/4507"))
    assert await impact(connect, "INC-116") == (None, "1h20m")
    box.heal()
    assert (await impact(connect, "INC-116"))[0] == "5h0m"


async def test_an_alert_that_the_ids_do_not_prove_does_not_count(connect, box):
    incident(box, "INC-116")["summary"] = line(box, 4513, alert(box, 4514)["publicId"])
    alert(box, 4513)["startedAt"] = at(TWO)
    assert await impact(connect, "INC-116") == (None, "1h20m")


async def test_a_status_of_no_known_category_leaves_an_impact_without_an_end_unknown(connect, box):
    def change(body: Any) -> None:
        for row in body["incidents"]:
            row["incident_timestamp_values"] = dated(stamps(Impact_started=TWO))
            row["incident_status"] = {"name": "Paused", "category": "paused"}

    alter(box, "/v2/incidents", change)
    assert (await impact(connect, "INC-116"))[0] is None


async def test_an_incident_in_full_has_the_impact_by_its_timestamps(connect, box):
    started = {"Impact started": at(TWO)}
    async with connect(sandbox=box) as call:
        open_one = await call.ok("incidentio_get_incident", incident="INC-114")
        plain = await call.ok("incidentio_get_incident", incident="INC-116")
        edited = await call.ok("incidentio_edit_incident", incident="INC-116", timestamps=started)
        again = await call.ok("incidentio_edit_incident", incident="INC-116", timestamps=started)
    assert open_one["impact_for"] == "2h25m"
    assert "impact_for" not in plain
    assert edited["impact_for"] == again["impact_for"] == "1h59m"


@pytest.mark.parametrize(("ended", "shown"), [(None, None), ("Impact_ended", "2h0m"), ("Resolved_at", "2h0m")])
async def test_a_closed_incident_has_an_impact_only_with_a_known_end(connect, box, ended, shown):
    def change(body: Any) -> None:
        row = body["incident"]
        row["incident_status"]["category"] = "closed"
        values = {"Impact_started": FOUR} | ({ended: TWO} if ended else {})
        row["incident_timestamp_values"] = dated(stamps(**values))

    alter(box, "/v2/incidents/{id}", change)
    async with connect() as call:
        answer = await call.ok("incidentio_get_incident", incident="INC-116")
    assert answer.get("impact_for") == shown
