"""Resolving an alert: once, also if the reply is lost, and never where its source must do it."""

import pytest

from incident_mcp.sandbox import Fault
from incident_mcp.sandbox.engine.clock import account_ulid

pytestmark = pytest.mark.anyio

EXAMPLES = {"incidentio_resolve_alert": {"alert": "01HR4B1YM0X4GKVR9ENZ6CE2M9"}}
EFFECTS = {
    "incidentio_resolve_alert": {
        "request": "POST /v2/alerts/01HR4B1YM0X4GKVR9ENZ6CE2M9/actions/resolve",
        "rows": "incidentio.alerts",
        "where": {"id": "01HR4B1YM0X4GKVR9ENZ6CE2M9", "status": "resolved"},
        "looks": True,
    },
}

RESOLVE = "incidentio_resolve_alert"
LATENCY = account_ulid("alert Checkout latency above 3 seconds")


async def test_the_state_afterwards_is_the_service_s(call, box):
    answer = await call.ok(RESOLVE, alert="checkout-p99")

    assert answer == {
        "id": LATENCY,
        "title": "Checkout latency above 3 seconds",
        "status": "resolved",
        "resolved_at": "2026-11-21T03:00:00Z",
    }
    assert [(row.method, row.path, row.body) for row in box.writes()] == [
        ("POST", f"/v2/alerts/{LATENCY}/actions/resolve", None)
    ]


async def test_a_resolved_alert_stays_as_it_is(call):
    first = await call.ok(RESOLVE, alert="search-p95")

    assert first["resolved_at"] == "2026-11-21T02:58:00Z"
    assert await call.ok(RESOLVE, alert="search-p95") == first


async def test_an_alert_that_its_source_resolves_is_refused_with_the_place_to_do_it(call):
    error = await call.error(RESOLVE, alert="monitor-4411")

    assert "Alerts from Datadog can only be resolved in Datadog" in error
    assert "incidentio_get_alert has the link" in error
    assert "nothing was changed" in error


async def test_after_a_lost_reply_the_alert_is_read_and_not_resolved_again(call, box):
    box.fail(Fault("cut_after", method="POST", times=1))

    assert (await call.ok(RESOLVE, alert=LATENCY))["status"] == "resolved"
    assert len(box.writes()) == 1


async def test_confirmation_shows_the_title(connect, box):
    async with connect(confirm="destructive") as call:
        error = await call.error(RESOLVE, alert=LATENCY)
    assert "confirm" in error
    assert box.writes() == []
