"""Listing incidents: `test_filters.py` has what each filter sends."""

import inspect

import pytest

from incident_mcp.incidentio.incidents import list as list_module

pytestmark = pytest.mark.anyio

EXAMPLES = {
    "incidentio_list_incidents": [
        {},
        {"name_contains": "checkout api"},
        {"severity": ["Minor"], "custom_fields": {"Affected team": ["Payments"]}},
    ],
}

LIST = "incidentio_list_incidents"
LIVE = ["INC-110", "INC-111", "INC-112", "INC-114", "INC-116"]
FILTERS = [
    ({"status_category": ["live"]}, {*LIVE}),
    ({"status_category": "live"}, {*LIVE}),
    ({"status_category": ["live", "triage"]}, {*LIVE, "INC-117"}),
    ({"status": ["Fixing", "monitoring"]}, {"INC-110", "INC-112", "INC-114"}),
    ({"status_category": ["live"], "severity_gte": "Major"}, {"INC-111", "INC-112", "INC-114"}),
    ({"status_category": ["live"], "severity_lte": "Major"}, {"INC-110", "INC-111", "INC-112", "INC-116"}),
    ({"severity_gte": "Major", "severity_lte": "Major", "status": ["Fixing", "Monitoring"]}, {"INC-112"}),
    ({"severity": ["Critical"]}, {"INC-101", "INC-107", "INC-114"}),
    ({"incident_type": ["Data"]}, {"INC-109", "INC-110"}),
    ({"custom_fields": {"Affected team": ["Payments"], "Affected services": ["ledger"]}}, {"INC-101"}),
    ({"mode": ["test"]}, {"INC-115"}),
    ({"mode": ["tutorial", "test"]}, {"INC-103", "INC-115"}),
    ({"created_at_gte": "2026-11-21", "status_category": ["live"]}, {"INC-114", "INC-116"}),
    ({"updated_at_lte": "2026-11-02"}, {"INC-102"}),
    ({"status_category": ["paused", "learning"]}, {"INC-106", "INC-107", "INC-109"}),
    ({"status": ["Triage"], "severity_gte": "Minor"}, set()),
]


async def test_a_filter_finds_what_it_names(call):
    for filters, references in FILTERS:
        told = await call.ok(LIST, **filters)
        assert {row["reference"] for row in told["incidents"]} == references, filters
        assert told["total"] == len(references)
        assert not told["has_more"]


async def test_test_and_tutorial_incidents_are_hidden_unless_asked_for(call):
    shown = {row["reference"] for row in (await call.ok(LIST))["incidents"]}
    everything = await call.ok(LIST, mode=["standard", "retrospective", "test", "tutorial"])
    assert {row["reference"] for row in everything["incidents"]} - shown == {"INC-103", "INC-115"}
    (tool,) = [tool for tool in (await call.client.list_tools()).tools if tool.name == LIST]
    assert "Test and tutorial incidents are hidden" in tool.description


async def test_rows_are_lean_and_come_newest_first(call):
    told = await call.ok(LIST, status_category=["live"])
    assert [row["reference"] for row in told["incidents"]] == LIVE[::-1]
    assert told["incidents"][1] == {
        "reference": "INC-114",
        "name": "Webhook deliveries to merchants are delayed",
        "severity": "Critical",
        "status": "Fixing",
        "status_category": "live",
        "lead": "Sam Okafor",
        "created_at": "2026-11-21T00:50:00Z",
        "updated_at": "2026-11-21T01:45:00Z",
    }
    oldest = await call.ok(LIST, status_category=["live"], sort_by="created_at_oldest_first")
    assert [row["reference"] for row in oldest["incidents"]] == LIVE


async def test_a_long_name_is_cut_in_a_list_with_a_mark(call, box):
    box.incidentio.incidents[-1]["name"] = "x" * 500
    told = await call.ok(LIST, limit=1)
    assert told["incidents"][0]["name"] == "x" * 113 + "… [cut]"


async def test_hidden_characters_in_an_answer_are_shown(call, box):
    box.incidentio.incidents[-1]["name"] = "safe\u202eetirw"
    told = await call.ok(LIST, limit=1)
    assert told["incidents"][0]["name"] == "safe<U+202E>etirw"


async def test_a_part_of_a_name_in_any_case_finds_it_and_says_how_many_were_looked_at(call):
    told = await call.ok(LIST, name_contains="IS dow")
    assert {row["reference"] for row in told["incidents"]} == {"INC-108", "INC-116"}
    assert (told["looked_at"], told["looked_at_all"], told["has_more"]) == (15, True, False)
    assert (await call.ok(LIST, name_contains="is down", status_category=["live"]))["looked_at"] == 5


async def test_a_search_by_name_goes_on_where_it_ended(call):
    everything = await call.ok(LIST, name_contains="the")
    assert len(everything["incidents"]) > 4
    seen, after = [], {}
    while True:
        told = await call.ok(LIST, name_contains="the", limit=2, **after)
        seen += told["incidents"]
        if not told["has_more"]:
            break
        after = {"after": told["after"]}
    assert seen == everything["incidents"]


def test_every_argument_is_in_the_table_of_filters_or_is_no_filter():
    arguments = set(inspect.signature(list_module.incidentio_list_incidents).parameters)
    filters = {argument for argument, _, _ in list_module.FILTERS}
    assert arguments - filters == {"api", "settings", "name_contains", "limit", "after"}
