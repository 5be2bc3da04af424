"""Alerts: listed by filters, and read in full by whatever names one of them."""

import pytest

from incident_mcp.records.tokens import count_tokens
from incident_mcp.sandbox import Fault
from incident_mcp.sandbox.engine.clock import account_ulid

pytestmark = pytest.mark.anyio

EXAMPLES = {
    "incidentio_list_alerts": [
        {},
        {"status": "firing", "source": "Grafana", "tags": ["customer impacting"], "created_at_gte": "2026-11-20"},
        {"deduplication_key": "host-17", "created_at_lte": "2026-11-22"},
    ],
    "incidentio_get_alert": [
        {"alert": "01HR4B1YM0SV884NKM442W0SK6"},
        {"alert": "checkout-p99"},
        {"alert": "Webhook backlog above 4,000"},
    ],
}

LIST, GET = "incidentio_list_alerts", "incidentio_get_alert"
CHECKOUT = account_ulid("alert Checkout errors above 5 percent")
GRAFANA, DATADOG = account_ulid("alert source Grafana"), account_ulid("alert source Datadog")
# Arguments, the query's filters, and the keys of the alerts.
FILTERS = [
    ({"status": "resolved", "source": "grafana"}, [("status[one_of]", "resolved"), ("alert_source[one_of]", GRAFANA)],
     ["search-p95"]),
    ({"source": DATADOG}, [("alert_source[one_of]", DATADOG)], ["monitor-4411", "host-17"]),
    ({"deduplication_key": "host-17"}, [("deduplication_key[is]", "host-17")], ["host-17", "host-17"]),
    ({"tags": ["NOISY", "known issue"]}, [("tags[one_of]", "NOISY"), ("tags[one_of]", "known issue")],
     ["checkout-p99", "monitor-4411"]),
    ({"created_at_gte": "2026-11-20T01:00:00+01:00", "created_at_lte": "2026-11-20"},
     [("created_at[gte]", "2026-11-20T00:00:00Z"), ("created_at[lte]", "2026-11-20")], ["gist-81f3"]),
]  # fmt: skip


def add_alerts(box, count):
    """Add plain firing alerts, the newest first in a list."""
    rows = box.incidentio.rows["alerts"]
    model = next(row for row in rows if row["deduplication_key"] == "disk-db-1")
    for number in range(count):
        key = f"plain-{number:03}"
        at = f"2026-11-21T02:59:{number // 100:02}.{number % 100:02}0000Z"
        rows.append(model | {"id": account_ulid(key), "title": key, "deduplication_key": key, "created_at": at})


def queries(box, path="/v2/alerts"):
    return [row.query for row in box.requests if row.path == path]


@pytest.mark.parametrize(("arguments", "filters", "keys"), FILTERS)
async def test_filters_are_sent_as_documented_and_names_as_ids(call, box, arguments, filters, keys):
    answer = await call.ok(LIST, **arguments)

    assert queries(box) == [[*filters, ("page_size", "25")]]
    held = {row["id"]: row["deduplication_key"] for row in box.incidentio.rows["alerts"]}
    assert sorted(held[row["id"]] for row in answer["alerts"]) == sorted(keys)


async def test_a_row_has_the_name_of_its_source_and_no_attributes(call):
    answer = await call.ok(LIST, deduplication_key="monitor-4411")

    assert answer == {
        "alerts": [
            {
                "id": CHECKOUT,
                "title": "Checkout errors above 5 percent",
                "status": "firing",
                "source": "Datadog",
                "tags": ["customer impacting", "known issue"],
                "created_at": "2026-11-21T02:48:00Z",
            }
        ],
        "has_more": False,
    }


async def test_a_limit_above_a_page_reads_several_pages_of_fifty(call, box):
    add_alerts(box, 120)

    answer = await call.ok(LIST, limit=110)

    assert [dict(query)["page_size"] for query in queries(box)] == ["50", "50", "10"]
    assert len({row["id"] for row in answer["alerts"]}) == 110
    assert answer["has_more"] is True
    rest = await call.ok(LIST, limit=110, after=answer["after"])
    assert len(rest["alerts"]) == 120 + 13 - 110
    assert rest["has_more"] is False


async def test_twenty_five_alerts_cost_few_tokens(call, box):
    add_alerts(box, 40)

    assert count_tokens(await call.ok(LIST)) <= 1_900


async def test_an_unknown_source_is_rejected_with_the_candidates(call, box):
    error = await call.error(LIST, source="Prometheus")

    assert (
        "Unknown alert source 'Prometheus'. Pass one of: Datadog, Grafana, Synthetic probes, Secret scanner." in error
    )
    assert "Not sent." in error
    assert queries(box) == []


async def test_a_reversed_window_is_rejected(call, box):
    assert "so nothing can match" in await call.error(LIST, created_at_gte="2026-11-21", created_at_lte="2026-11-20")
    assert box.requests == []


async def test_without_the_scope_of_sources_the_id_is_shown_instead_of_the_name(connect, box):
    box.incidentio.remove_scope("alert_sources.view")
    async with connect() as call:
        answer = await call.ok(LIST, deduplication_key="monitor-4411")
        assert [row["source"] for row in answer["alerts"]] == [DATADOG]
        assert (await call.ok(GET, alert=CHECKOUT))["source"] == DATADOG
        assert "alert_sources.view" in await call.error(LIST, source="Grafana")


async def test_get_shows_all_that_is_documented_with_notes_but_no_link_to_their_images(call):
    answer = await call.ok(GET, alert=CHECKOUT)

    notes = answer.pop("notes")
    assert answer == {
        "id": CHECKOUT,
        "title": "Checkout errors above 5 percent",
        "status": "firing",
        "source": "Datadog",
        "source_url": "https://datadog.paysand.example/monitors/4411",
        "deduplication_key": "monitor-4411",
        "description": "The error rate of checkout-api has been above 5 % for five minutes.",
        "attributes": {
            "Priority": ["P1"],
            "Service": ["checkout-api"],
            "Team": ["Payments"],
            "Regions": ["eu-west-1"],
        },
        "tags": ["customer impacting", "known issue"],
        "alert_group_ids": [account_ulid("alert group Checkout")],
        "created_at": "2026-11-21T02:48:00Z",
        "updated_at": "2026-11-21T02:48:00Z",
    }
    assert [(note["creator"], note.get("images")) for note in notes] == [
        ("Yuki Tanaka", 1),
        ("Sandbox key (api key)", None),
    ]
    assert "signature" not in str(notes)


REFERENCES = [
    CHECKOUT,
    CHECKOUT.lower(),
    f" `{CHECKOUT}` ",
    f"https://app.incident.io/paysand/alerts/{CHECKOUT}?tab=notes",
    f"<https://app.incident.io/paysand/alerts/{CHECKOUT}|Checkout errors>",
    "monitor-4411",
    "checkout ERRORS above 5  percent",
]


@pytest.mark.parametrize("reference", REFERENCES)
async def test_an_alert_is_found_by_id_link_deduplication_key_or_title(call, reference):
    assert (await call.ok(GET, alert=reference))["id"] == CHECKOUT


async def test_an_id_or_link_takes_no_request_of_its_own(call, box):
    await call.ok(GET, alert=f"https://app.incident.io/paysand/alerts/{CHECKOUT}")

    assert queries(box) == []


@pytest.mark.parametrize("reference", ["host-17", "disk above 90 percent"])
async def test_an_ambiguous_key_or_title_is_rejected_with_the_candidates(call, box, reference):
    error = await call.error("incidentio_resolve_alert", alert=reference)

    assert error.count("(01") == 2
    assert error.endswith("Pass the ID. Not sent.")
    assert box.writes() == []


async def test_an_unknown_alert_is_rejected_with_the_firing_ones(call):
    error = await call.error(GET, alert="Search latency above 2 seconds")

    assert 'No alert has the deduplication key "Search latency above 2 seconds"' in error
    assert f'"Checkout errors above 5 percent" ({CHECKOUT}, firing)' in error
    assert error.endswith("Pass the ID. Not sent.")


async def test_a_title_is_rejected_while_not_all_firing_alerts_were_searched(call, box):
    add_alerts(box, 60)

    error = await call.error(GET, alert="plain-001x")
    assert "Only 50 firing alerts were searched for the title." in error
    assert (await call.ok(GET, alert="plain-001"))["title"] == "plain-001"


async def test_a_private_alert_is_hidden_without_global_access_and_the_error_says_so(connect, box):
    box.incidentio.missing_scopes.add("global_access")
    async with connect() as call:
        error = await call.error(GET, alert=account_ulid("alert Secret pushed to a public gist"))
        assert "a private alert is hidden" in error
        assert "global_access" in error
        titles = [row["title"] for row in (await call.ok(LIST))["alerts"]]
    assert "Secret pushed to a public gist" not in titles


async def test_notes_that_cannot_be_read_leave_the_alert(call, box):
    box.fail(Fault("status", path="alert_notes", status=403))
    answer = await call.ok(GET, alert=CHECKOUT)

    assert "notes" not in answer
    assert answer["note"].startswith("The notes could not be read: incident.io answered 403")


async def test_the_credentials_of_a_source_are_never_shown(call, box):
    assert "sandbox-token" in str(box.incidentio.rows["alert_sources"])
    for tool, arguments in [(LIST, {}), (GET, {"alert": CHECKOUT}), (LIST, {"source": "x"})]:
        assert "sandbox-token" not in (await call.result(tool, **arguments)).model_dump_json()
