"""Filters: each goes out as the vendor's query, by ids, and finds what it names."""

import pytest

from tests.account import ENTRY, FIELD, OPTION, ROLE, SEVERITY, STATUS, TYPE, USER

pytestmark = pytest.mark.anyio

LIST = "incidentio_list_incidents"
OPEN = {"status_category": ["live"]}
TEAM, PRODUCT = f"custom_field[{FIELD['Affected team']}]", f"custom_field[{FIELD['Affected product']}]"
LEAD = f"incident_role[{ROLE['Incident Lead']}]"
# Arguments, the query that they become, and what is found.
FILTERS = [
    (
        {"status_category_not_in": ["closed", "live", "triage", "merged", "declined", "canceled"]},
        [("status_category[not_in]", "closed"), ("status_category[not_in]", "live")],
        {"INC-106", "INC-107", "INC-109"},
    ),
    (
        OPEN | {"status_not_in": ["fixing", "Monitoring"]},
        [("status[not_in]", STATUS["Fixing"]), ("status[not_in]", STATUS["Monitoring"])],
        {"INC-111", "INC-116"},
    ),
    (
        OPEN | {"severity_not_in": "minor"},
        [("severity[not_in]", SEVERITY["Minor"])],
        {"INC-111", "INC-112", "INC-114"},
    ),
    (
        OPEN | {"incident_type_not_in": ["Production"]},
        [("incident_type[not_in]", TYPE["Production"])],
        {"INC-110", "INC-111"},
    ),
    (
        OPEN | {"custom_fields_not_in": {"affected team": ["Payments", "platform"]}},
        [(f"{TEAM}[not_in]", OPTION["Payments"]), (f"{TEAM}[not_in]", OPTION["Platform"])],
        {"INC-110", "INC-111", "INC-116"},
    ),
    (
        OPEN | {"custom_fields_not_in": {"Affected product": "settlements"}},
        [(f"{PRODUCT}[not_in]", ENTRY["Payouts"])],
        {"INC-110", "INC-111", "INC-114", "INC-116"},
    ),
    (
        OPEN | {"incident_role": {"lead": ["Yuki Tanaka", "ines.moreau@paysand.example"]}},
        [(f"{LEAD}[one_of]", USER["Yuki Tanaka"]), (f"{LEAD}[one_of]", USER["Ines Moreau"])],
        {"INC-110", "INC-111"},
    ),
    (
        {"created_at_range": "2026-11-17~2026-11-18"},
        [("created_at[date_range]", "2026-11-17~2026-11-18")],
        {"INC-109"},
    ),
    (
        {"created_at_range": " 2026-11-18T00:00:00+02:00 ~ 2026-11-20T00:00:00Z ", "incident_type": "data"},
        [("created_at[date_range]", "2026-11-17T22:00:00Z~2026-11-20T00:00:00Z")],
        {"INC-110"},
    ),
    (
        {"updated_at_range": "2026-10-01~2026-11-02"},
        [("updated_at[date_range]", "2026-10-01~2026-11-02")],
        {"INC-102"},
    ),
    (
        {"status": ["Triage"], "severity": ["Critical"], "filter_mode": "any"},
        [("status[one_of]", STATUS["Triage"]), ("severity[one_of]", SEVERITY["Critical"]), ("filter_mode", "any")],
        {"INC-101", "INC-107", "INC-114", "INC-117"},
    ),
    (
        {"status": ["Triage"], "severity": ["Critical"], "filter_mode": "all"},
        [("status[one_of]", STATUS["Triage"]), ("severity[one_of]", SEVERITY["Critical"])],
        set(),
    ),
]


@pytest.mark.parametrize(("arguments", "query", "found"), FILTERS, ids=[repr(row[0]) for row in FILTERS])
async def test_a_filter_goes_out_as_the_vendors_query_and_finds_what_it_names(connect, box, arguments, query, found):
    async with connect() as call:
        told = await call.ok(LIST, **arguments)
    sent = box.requests[-1].query
    assert [pair for pair in query if pair not in sent] == []
    assert ("filter_mode", "all") not in sent
    assert {row["reference"] for row in told["incidents"]} == found
    assert told["total"] == len(found)


async def test_without_filters_only_the_order_and_the_page_size_are_sent(call, box):
    await call.ok(LIST)
    assert box.requests[-1].query == [("sort_by", "created_at_newest_first"), ("page_size", "25")]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"status_not_in": ["Open"]}, "Unknown status 'Open'"),
        ({"severity_not_in": ["SEV0"]}, "Unknown severity 'SEV0'"),
        ({"incident_type_not_in": ["Outage"]}, "Unknown incident_type 'Outage'"),
        ({"custom_fields_not_in": {"Team": ["x"]}}, "Unknown custom field 'Team'"),
        ({"incident_role": {"boss": ["Yuki Tanaka"]}}, "Unknown role 'boss'"),
        ({"created_at_range": "2026-11-01"}, "created_at_range takes two dates like 2026-11-01~2026-11-21"),
        ({"filter_mode": "either"}, "filter_mode"),
    ],
)
async def test_a_filter_that_names_nothing_is_refused_before_anything_is_listed(connect, box, arguments, says):
    async with connect() as call:
        assert says in await call.error(LIST, **arguments)
    assert "/v2/incidents" not in [request.path for request in box.requests]
