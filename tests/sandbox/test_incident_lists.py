"""Filters and pages of incident.io's lists."""

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incident_mcp.sandbox import INCIDENTIO_KEY, Sandbox
from incident_mcp.sandbox.engine.clock import account_ulid

pytestmark = pytest.mark.anyio

SEVERITY = {name: account_ulid(name) for name in ("Minor", "Major", "Critical")}
LEAD, TEAM, SERVICES, PRODUCT = (
    account_ulid(name) for name in ("Incident Lead", "Affected team", "Affected services", "Affected product")
)
ALL_MODES = [("mode[one_of]", mode) for mode in ("standard", "retrospective", "test", "tutorial")]


async def numbers(client, *query):
    reply = await client.get("/v2/incidents", params=[*query, ("page_size", "250")])
    assert reply.status_code == 200, reply.text
    body = reply.json()
    assert body["pagination_meta"] == {"page_size": 250, "total_record_count": len(body["incidents"])}
    return [int(row["reference"].removeprefix("INC-")) for row in body["incidents"]]


async def test_the_newest_come_first_and_test_and_tutorial_incidents_are_hidden(incidentio):
    shown = await numbers(incidentio)

    assert shown == [117, 116, 114, 113, 112, 111, 110, 109, 108, 107, 106, 105, 104, 102, 101]
    assert await numbers(incidentio, ("sort_by", "created_at_oldest_first")) == shown[::-1]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (ALL_MODES, list(range(117, 100, -1))),
        ([("mode[one_of]", "test")], [115]),
        ([("status_category[one_of]", "live")], [116, 114, 112, 111, 110]),
        ([("status_category[one_of]", "triage"), ("status_category[one_of]", "paused")], [117, 109]),
        (
            [("status_category[not_in]", "live"), ("status_category[not_in]", "closed")],
            [117, 113, 109, 107, 106, 105, 104],
        ),
        ([("status[one_of]", account_ulid("Fixing"))], [114, 110]),
        ([("status[one_of]", account_ulid("Fixing")), ("status[one_of]", account_ulid("Paused"))], [114, 110, 109]),
        (
            [("status[not_in]", account_ulid("Closed")), ("status[not_in]", account_ulid("Fixing"))],
            [117, 116, 113, 112, 111, 109, 107, 106, 105, 104],
        ),
        ([("severity[one_of]", SEVERITY["Critical"])], [114, 107, 101]),
        ([("severity[gte]", SEVERITY["Major"])], [114, 112, 111, 108, 107, 106, 105, 101]),
        ([("severity[gte]", SEVERITY["Major"]), ("severity[lte]", SEVERITY["Major"])], [112, 111, 108, 106, 105]),
        ([("severity[lte]", SEVERITY["Minor"])], [116, 113, 110, 109, 102]),
        ([("severity[not_in]", value) for value in SEVERITY.values()], [117, 104]),
        ([("incident_type[one_of]", account_ulid("Data"))], [110, 109]),
        ([("incident_type[not_in]", account_ulid("Production"))], [111, 110, 109]),
        ([("created_at[gte]", "2026-11-19T23:30:00Z")], [117, 116, 114, 113]),
        ([("created_at[gte]", "2026-11-20T01:30:00+01:00")], [117, 116, 114]),
        ([("created_at[lte]", "2026-11-01")], [102, 101]),
        ([("created_at[date_range]", "2026-11-05~2026-11-12")], [106, 105, 104]),
        (
            [("created_at[lte]", "2026-11-19T23:00:00Z"), ("created_at[gte]", "2026-11-19T00:30:00.500Z")],
            [112, 111],
        ),
        ([("created_at[date_range]", "2026-11-19T23:30:00Z~2026-11-20T02:00:00+01:00")], [114, 113]),
        ([("updated_at[gte]", "2026-11-20")], [117, 116, 114, 113, 112]),
        ([("updated_at[gte]", "2026-11-20T01:50:00Z")], [117, 116, 112]),
        ([("updated_at[lte]", "2026-11-07")], [104, 102, 101]),
        ([("updated_at[date_range]", "2026-11-05~2026-11-10")], [105, 104, 101]),
        ([("updated_at[date_range]", "2026-11-20T01:00:00Z~2026-11-20T02:00:00Z")], [114, 113, 112]),
        ([(f"custom_field[{TEAM}][one_of]", account_ulid("Affected team: Growth"))], [116, 106]),
        ([(f"custom_field[{SERVICES}][one_of]", account_ulid("Affected services: webhooks"))], [114]),
        ([(f"custom_field[{PRODUCT}][one_of]", account_ulid("Payouts"))], [112, 101]),
        (
            [
                (f"custom_field[{PRODUCT}][one_of]", account_ulid("Payouts")),
                (f"custom_field[{PRODUCT}][one_of]", account_ulid("Hosted Checkout")),
            ],
            [112, 107, 101],
        ),
        (
            [(f"custom_field[{PRODUCT}][not_in]", account_ulid("Payouts")), ("severity[gte]", SEVERITY["Critical"])],
            [114, 107],
        ),
        ([(f"incident_role[{LEAD}][one_of]", account_ulid("Ines Moreau"))], [111, 101]),
        (
            [
                (f"incident_role[{LEAD}][one_of]", account_ulid("Ines Moreau")),
                (f"incident_role[{LEAD}][one_of]", account_ulid("Sam Okafor")),
            ],
            [114, 111, 107, 101],
        ),
        ([(f"incident_role[{LEAD}][is_blank]", "true")], [117, 116, 113, 105, 104, 102]),
        ([(f"incident_role[{LEAD}][is_blank]", "false"), ("status_category[one_of]", "live")], [114, 112, 111, 110]),
        ([(f"incident_role[{LEAD}][is_set]", "true"), ("status_category[one_of]", "live")], [116]),
        ([("page_size", ""), ("sort_by", ""), ("mode[one_of]", "tutorial")], [103]),
        (
            [
                ("filter_mode", "any"),
                ("status_category[one_of]", "paused"),
                ("severity[gte]", SEVERITY["Critical"]),
            ],
            [114, 109, 107, 101],
        ),
        (
            [
                ("filter_mode", "any"),
                (f"custom_field[{PRODUCT}][one_of]", account_ulid("Hosted Checkout")),
                (f"incident_role[{LEAD}][one_of]", account_ulid("Ines Moreau")),
                ("created_at[gte]", "2026-11-20T02:00:00Z"),
            ],
            [117, 111, 107, 101],
        ),
        ([("filter_mode", "any")], [117, 116, 114, 113, 112, 111, 110, 109, 108, 107, 106, 105, 104, 102, 101]),
        ([("filter_mode", "all"), ("status_category[one_of]", "live"), ("severity[gte]", SEVERITY["Critical"])], [114]),
    ],
)
async def test_each_documented_filter_returns_its_incidents(incidentio, query, expected):
    assert await numbers(incidentio, *query) == expected


async def test_a_comparison_takes_one_severity(incidentio):
    query = [("severity[gte]", SEVERITY["Minor"]), ("severity[gte]", SEVERITY["Major"])]

    assert (await incidentio.get("/v2/incidents", params=query)).status_code == 422


async def test_not_in_a_custom_field_keeps_incidents_that_have_no_value(incidentio):
    key = f"custom_field[{TEAM}][not_in]"

    kept = await numbers(
        incidentio, *[(key, account_ulid(f"Affected team: {name}")) for name in ("Payments", "Growth")]
    )

    assert 114 in kept
    assert 117 in kept
    assert 116 not in kept


@pytest.mark.parametrize(
    "query",
    [
        ("severity", "Major"),
        ("severity[is]", SEVERITY["Major"]),
        ("severity[one_of]", "Major"),
        ("severity_gte", SEVERITY["Major"]),
        ("severity[one_of][0]", SEVERITY["Major"]),
        ("status_category[one_of]", "active"),
        ("mode[not_in]", "test"),
        ("created_at[gt]", "2026-01-01"),
        ("created_at[gte]", "yesterday"),
        ("created_at[gte]", "2026-02-30"),
        ("created_at[date_range]", "2026-01-01"),
        (f"custom_field[{TEAM}][gte]", "x"),
        ("custom_field[x][one_of]", "x"),
        (f"custom_field[{PRODUCT}][one_of]", "Payouts"),
        (f"custom_field[{PRODUCT}][one_of]", "product-payouts"),
        (f"incident_role[{LEAD}][one_of]", "nobody"),
        (f"incident_role[{LEAD}][is_blank]", "maybe"),
        (f"incident_role[{LEAD}][not_in]", account_ulid("Ines Moreau")),
        ("incident_role[lead][is_blank]", "true"),
        ("page", "2"),
        ("sort_by", "name"),
        ("filter_mode", "or"),
        ("page_size", "0"),
        ("page_size", "251"),
        ("page_size", "all"),
        ("after", "01FDAG4SAP5TYPT98WGR2N7W91"),
    ],
)
async def test_a_misspelt_query_is_rejected_by_name(incidentio, query):
    reply = await incidentio.get("/v2/incidents", params=[query])

    assert reply.status_code == 422
    [error] = reply.json()["errors"]
    assert error["source"]["field"] == query[0]
    assert query[0] in error["message"]


async def walk(client, path, key, size, **query):
    rows, after, pages = [], {}, 0
    while True:
        body = (await client.get(path, params={"page_size": size, **query, **after})).json()
        rows += body[key]
        pages += 1
        if "after" not in body["pagination_meta"]:
            return rows, pages
        assert len(body[key]) == size
        after = {"after": body["pagination_meta"]["after"]}


@settings(max_examples=25, deadline=None)
@given(size=st.integers(1, 250), bulk=st.integers(0, 60))
async def test_pages_of_any_size_add_up_to_the_whole(size, bulk):
    box = Sandbox(bulk=bulk)
    async with httpx2.AsyncClient(
        transport=box.transport("incidentio"),
        base_url="https://api.incident.io",
        headers={"Authorization": f"Bearer {INCIDENTIO_KEY}"},
    ) as client:
        rows, pages = await walk(client, "/v2/incidents", "incidents", size)
        assert len({row["id"] for row in rows}) == len(rows) == 15 + bulk
        assert [row["created_at"] for row in rows] == sorted((row["created_at"] for row in rows), reverse=True)
        assert pages == -(-len(rows) // size)
        updates, _ = await walk(client, "/v2/incident_updates", "incident_updates", size)
        assert len({row["id"] for row in updates}) == len(updates) == len(box.incidentio.updates)


async def test_a_cursor_still_works_when_its_incident_has_left_the_selection(box, incidentio):
    query = {"status_category[one_of]": "live", "page_size": "2"}
    first = (await incidentio.get("/v2/incidents", params=query)).json()
    close = {"incident": {"incident_status_id": account_ulid("Closed")}, "notify_incident_channel": False}
    await incidentio.post("/v2/incidents/114/actions/edit", json=close)

    second = (await incidentio.get("/v2/incidents", params=query | {"after": first["pagination_meta"]["after"]})).json()

    assert [row["reference"] for row in first["incidents"]] == ["INC-116", "INC-114"]
    assert [row["reference"] for row in second["incidents"]] == ["INC-112", "INC-111"]
    assert len(box.requests) == 3


@pytest.mark.parametrize(
    ("path", "most"),
    [
        ("/v2/incident_updates", 250),
        ("/v2/users", 10_000),
        (f"/v1/custom_field_options?custom_field_id={TEAM}", 250),
        (f"/v3/catalog_entries?catalog_type_id={account_ulid('catalog type Product')}", 250),
    ],
)
async def test_each_list_has_its_own_largest_page(incidentio, path, most):
    fits = await incidentio.get(httpx2.URL(path).copy_merge_params({"page_size": most}))
    too_many = await incidentio.get(httpx2.URL(path).copy_merge_params({"page_size": most + 1}))

    assert (fits.status_code, too_many.status_code) == (200, 422)
