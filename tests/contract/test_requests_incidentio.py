"""Every request to incident.io is the one that its own SDK builds from the same arguments."""

import inspect
from enum import Enum
from typing import Any

import pytest
from incident_io import models
from incident_io.api.catalog_v3 import catalog_v3_list_entries
from incident_io.api.custom_field_options_v1 import custom_field_options_v1_list
from incident_io.api.custom_fields_v2 import custom_fields_v2_list
from incident_io.api.incident_attachments_v1 import incident_attachments_v1_list
from incident_io.api.incident_roles_v2 import incident_roles_v2_list
from incident_io.api.incident_statuses_v1 import incident_statuses_v1_list
from incident_io.api.incident_timeline_items_v2 import incident_timeline_items_v2_list
from incident_io.api.incident_timestamps_v2 import incident_timestamps_v2_list
from incident_io.api.incident_types_v1 import incident_types_v1_list
from incident_io.api.incident_updates_v2 import incident_updates_v2_create, incident_updates_v2_list
from incident_io.api.incidents_v2 import incidents_v2_create, incidents_v2_edit, incidents_v2_list, incidents_v2_show
from incident_io.api.severities_v1 import severities_v1_list
from incident_io.api.users_v2 import users_v2_list
from incident_io.models import (
    CustomFieldEntryPayloadV2,
    CustomFieldValuePayloadV2,
    IncidentEditPayloadV2,
    IncidentRoleAssignmentPayloadV2,
    IncidentsCreatePayloadV2,
    IncidentsCreatePayloadV2Mode,
    IncidentsCreatePayloadV2Visibility,
    IncidentsEditPayloadV2,
    IncidentStatusV1Category,
    IncidentsV2ListCreatedAt,
    IncidentsV2ListCustomField,
    IncidentsV2ListFilterMode,
    IncidentsV2ListIncidentRole,
    IncidentsV2ListIncidentType,
    IncidentsV2ListMode,
    IncidentsV2ListSeverity,
    IncidentsV2ListSortBy,
    IncidentsV2ListStatus,
    IncidentsV2ListStatusCategory,
    IncidentsV2ListUpdatedAt,
    IncidentTimestampValuePayloadV2,
    IncidentUpdatesCreatePayloadV2,
    UserReferencePayloadV2,
)

from incident_mcp.sandbox import Sandbox
from tests.account import ENTRY, FIELD, INCIDENT, OPTION, ROLE, SEVERITY, STATUS, TIMESTAMP, TYPE, USER
from tests.contract.vendor import Wire, built, instants, sent, unknown_keys

pytestmark = pytest.mark.anyio

INC = INCIDENT["INC-114"]
FIELDS_GIVEN = {
    "Affected team": ["payments"],
    "Affected services": ["webhooks", OPTION["search"]],
    "Customer impact": ["Carts stay full"],
    "Runbook": ["https://runbooks.paysand.example/carts"],
    "errors per minute": ["12.5"],
    FIELD["Affected product"]: ["product-payouts"],
}
FIELDS_SENT = [
    CustomFieldEntryPayloadV2(
        custom_field_id=FIELD[name], values=[CustomFieldValuePayloadV2(**value) for value in values]
    )
    for name, values in (
        ("Affected team", [{"value_option_id": OPTION["Payments"]}]),
        ("Affected services", [{"value_option_id": OPTION["webhooks"]}, {"value_option_id": OPTION["search"]}]),
        ("Customer impact", [{"value_text": "Carts stay full"}]),
        ("Runbook", [{"value_link": "https://runbooks.paysand.example/carts"}]),
        ("Errors per minute", [{"value_numeric": "12.5"}]),
        ("Affected product", [{"value_catalog_entry_id": ENTRY["Payouts"]}]),
    )
]
ROLES_GIVEN = {"Incident Lead": "sam.okafor@paysand.example", "communications lead": "U04YUKI"}
ROLES_SENT = [
    IncidentRoleAssignmentPayloadV2(
        incident_role_id=ROLE["Incident Lead"], assignee=UserReferencePayloadV2(email="sam.okafor@paysand.example")
    ),
    IncidentRoleAssignmentPayloadV2(
        incident_role_id=ROLE["Communications Lead"], assignee=UserReferencePayloadV2(slack_user_id="U04YUKI")
    ),
]
TIMES_GIVEN = {"impact started": "2026-11-21T03:12:00+01:00"}
TIMES_SENT = [
    IncidentTimestampValuePayloadV2(
        incident_timestamp_id=TIMESTAMP["Impact started"], value=instants("2026-11-21T02:12:00+00:00")
    )
]
PUBLIC, STANDARD = IncidentsCreatePayloadV2Visibility.PUBLIC, IncidentsCreatePayloadV2Mode.STANDARD


def create(**fields: Any) -> Wire:
    body = IncidentsCreatePayloadV2(**{"visibility": PUBLIC, "mode": STANDARD, **fields})
    return built(incidents_v2_create, body=body)


def edit(incident: str, *, notify: bool = False, **fields: Any) -> Wire:
    body = IncidentsEditPayloadV2(incident=IncidentEditPayloadV2(**fields), notify_incident_channel=notify)
    return built(incidents_v2_edit, incident, body=body)


def update(**fields: Any) -> Wire:
    return built(incident_updates_v2_create, body=IncidentUpdatesCreatePayloadV2(**fields))


# tool, arguments, the SDK's request
CASES: list[tuple[str, dict[str, Any], Wire]] = [
    ("incidentio_list_severities", {}, built(severities_v1_list)),
    ("incidentio_list_statuses", {}, built(incident_statuses_v1_list)),
    ("incidentio_list_statuses", {"category": "live"}, built(incident_statuses_v1_list)),
    ("incidentio_list_types", {}, built(incident_types_v1_list)),
    ("incidentio_get_incident", {"incident": "INC-114"}, built(incidents_v2_show, "114")),
    ("incidentio_get_incident", {"incident": INC}, built(incidents_v2_show, INC)),
    ("incidentio_list_incidents", {}, built(incidents_v2_list)),
    (
        "incidentio_list_incidents",
        {"limit": 7, "after": INC, "sort_by": "created_at_oldest_first"},
        built(incidents_v2_list, page_size=7, after=INC, sort_by=IncidentsV2ListSortBy.CREATED_AT_OLDEST_FIRST),
    ),
    (
        "incidentio_list_incidents",
        {"status_category": ["live", "triage"], "mode": ["standard", "test"], "severity_gte": "major"},
        built(
            incidents_v2_list,
            status_category=IncidentsV2ListStatusCategory.from_dict({"one_of": ["live", "triage"]}),
            mode=IncidentsV2ListMode.from_dict({"one_of": ["standard", "test"]}),
            severity=IncidentsV2ListSeverity.from_dict({"gte": [SEVERITY["Major"]]}),
        ),
    ),
    (
        "incidentio_list_incidents",
        {
            "status": ["fixing", STATUS["Monitoring"]],
            "severity": ["Minor", "Critical"],
            "severity_lte": "Critical",
            "incident_type": ["production", "Data"],
            "custom_fields": {"Affected team": ["Payments", "Platform"], "Affected product": [ENTRY["Payouts"]]},
            "created_at_gte": "2026-11-01",
            "created_at_lte": "2026-11-21T03:00:00+01:00",
            "updated_at_gte": "2026-11-02",
            "updated_at_lte": "2026-11-20T03:00:00Z",
        },
        built(
            incidents_v2_list,
            status=IncidentsV2ListStatus.from_dict({"one_of": [STATUS["Fixing"], STATUS["Monitoring"]]}),
            severity=IncidentsV2ListSeverity.from_dict(
                {"one_of": [SEVERITY["Minor"], SEVERITY["Critical"]], "lte": [SEVERITY["Critical"]]}
            ),
            incident_type=IncidentsV2ListIncidentType.from_dict({"one_of": [TYPE["Production"], TYPE["Data"]]}),
            custom_field=IncidentsV2ListCustomField.from_dict(
                {
                    FIELD["Affected team"]: {"one_of": [OPTION["Payments"], OPTION["Platform"]]},
                    FIELD["Affected product"]: {"one_of": [ENTRY["Payouts"]]},
                }
            ),
            created_at=IncidentsV2ListCreatedAt.from_dict({"gte": ["2026-11-01"], "lte": ["2026-11-21T02:00:00Z"]}),
            updated_at=IncidentsV2ListUpdatedAt.from_dict({"gte": ["2026-11-02"], "lte": ["2026-11-20T03:00:00Z"]}),
        ),
    ),
    (
        "incidentio_list_incidents",
        {
            "status_not_in": ["fixing", STATUS["Monitoring"]],
            "status_category_not_in": ["closed", "declined"],
            "severity_not_in": ["minor"],
            "incident_type_not_in": ["Data", TYPE["Production"]],
            "custom_fields_not_in": {"Affected team": ["Payments", "Platform"], "Affected product": ["payouts"]},
        },
        built(
            incidents_v2_list,
            status=IncidentsV2ListStatus.from_dict({"not_in": [STATUS["Fixing"], STATUS["Monitoring"]]}),
            status_category=IncidentsV2ListStatusCategory.from_dict({"not_in": ["closed", "declined"]}),
            severity=IncidentsV2ListSeverity.from_dict({"not_in": [SEVERITY["Minor"]]}),
            incident_type=IncidentsV2ListIncidentType.from_dict({"not_in": [TYPE["Data"], TYPE["Production"]]}),
            custom_field=IncidentsV2ListCustomField.from_dict(
                {
                    FIELD["Affected team"]: {"not_in": [OPTION["Payments"], OPTION["Platform"]]},
                    FIELD["Affected product"]: {"not_in": [ENTRY["Payouts"]]},
                }
            ),
        ),
    ),
    (
        "incidentio_list_incidents",
        {
            "status_category": ["live"],
            "severity_gte": "Critical",
            "incident_role": {"lead": ["sam.okafor@paysand.example", "Priya Raman"], "Reporter": ["U04INES"]},
            "created_at_range": "2026-11-01 ~ 2026-11-21",
            "updated_at_range": "2026-11-02T00:00:00Z~2026-11-20T00:00:00+02:00",
            "filter_mode": "ANY",
        },
        built(
            incidents_v2_list,
            filter_mode=IncidentsV2ListFilterMode.ANY,
            status_category=IncidentsV2ListStatusCategory.from_dict({"one_of": ["live"]}),
            severity=IncidentsV2ListSeverity.from_dict({"gte": [SEVERITY["Critical"]]}),
            incident_role=IncidentsV2ListIncidentRole.from_dict(
                {
                    ROLE["Incident Lead"]: {"one_of": [USER["Sam Okafor"], USER["Priya Raman"]]},
                    ROLE["Reporter"]: {"one_of": [USER["Ines Moreau"]]},
                }
            ),
            created_at=IncidentsV2ListCreatedAt.from_dict({"date_range": ["2026-11-01~2026-11-21"]}),
            updated_at=IncidentsV2ListUpdatedAt.from_dict(
                {"date_range": ["2026-11-02T00:00:00Z~2026-11-19T22:00:00Z"]}
            ),
        ),
    ),
    (
        "incidentio_create_incident",
        {"name": "Carts", "severity": "minor", "idempotency_key": "k"},
        create(name="Carts", severity_id=SEVERITY["Minor"], idempotency_key="k"),
    ),
    (
        "incidentio_create_incident",
        {
            "name": "Carts",
            "severity": "Major",
            "summary": "Stay full",
            "incident_type": "data",
            "status": "Investigating",
            "visibility": "private",
            "mode": "test",
            "custom_fields": FIELDS_GIVEN,
            "roles": ROLES_GIVEN | {"Reporter": USER["Ines Moreau"]},
            "timestamps": TIMES_GIVEN,
            "slack_channel_name": "carts",
            "slack_team_id": "T04PAYSAND",
            "idempotency_key": "Carts, verbatim: ü/#",
        },
        create(
            name="Carts",
            severity_id=SEVERITY["Major"],
            summary="Stay full",
            incident_type_id=TYPE["Data"],
            incident_status_id=STATUS["Investigating"],
            visibility=IncidentsCreatePayloadV2Visibility.PRIVATE,
            mode=IncidentsCreatePayloadV2Mode.TEST,
            custom_field_entries=FIELDS_SENT,
            incident_role_assignments=[
                *ROLES_SENT,
                IncidentRoleAssignmentPayloadV2(
                    incident_role_id=ROLE["Reporter"], assignee=UserReferencePayloadV2(id=USER["Ines Moreau"])
                ),
            ],
            incident_timestamp_values=TIMES_SENT,
            slack_channel_name_override="carts",
            slack_team_id="T04PAYSAND",
            idempotency_key="Carts, verbatim: ü/#",
        ),
    ),
    ("incidentio_edit_incident", {"incident": "#inc-114", "summary": "s"}, edit("114", summary="s")),
    (
        "incidentio_edit_incident",
        {
            "incident": INC,
            "name": "n",
            "summary": "s",
            "severity": "minor",
            "status": "monitoring",
            "call_url": "https://meet.example.com/x",
            "slack_channel_name": "c",
            "custom_fields": FIELDS_GIVEN | {"Customer impact": []},
            "roles": ROLES_GIVEN,
            "timestamps": TIMES_GIVEN,
            "notify_incident_channel": True,
        },
        edit(
            INC,
            notify=True,
            name="n",
            summary="s",
            severity_id=SEVERITY["Minor"],
            incident_status_id=STATUS["Monitoring"],
            call_url="https://meet.example.com/x",
            slack_channel_name_override="c",
            custom_field_entries=[
                CustomFieldEntryPayloadV2(custom_field_id=entry.custom_field_id, values=[])
                if entry.custom_field_id == FIELD["Customer impact"]
                else entry
                for entry in FIELDS_SENT
            ],
            incident_role_assignments=ROLES_SENT,
            incident_timestamp_values=TIMES_SENT,
        ),
    ),
    (
        "incidentio_edit_incident",
        {
            "incident": "114",
            "clear": [
                "summary",
                "call_url",
                "roles.lead",
                "roles.Communications Lead",
                "timestamps.Impact started",
                "custom_fields.Affected team",
                "custom_fields.Customer impact",
            ],
            "custom_fields": {"Affected product": []},
        },
        edit(
            "114",
            summary="",
            call_url="",
            incident_role_assignments=[
                IncidentRoleAssignmentPayloadV2(incident_role_id=ROLE["Incident Lead"]),
                IncidentRoleAssignmentPayloadV2(incident_role_id=ROLE["Communications Lead"]),
            ],
            incident_timestamp_values=[
                IncidentTimestampValuePayloadV2(incident_timestamp_id=TIMESTAMP["Impact started"])
            ],
            custom_field_entries=[
                CustomFieldEntryPayloadV2(custom_field_id=FIELD[name], values=[])
                for name in ("Affected product", "Affected team", "Customer impact")
            ],
        ),
    ),
    ("incidentio_close_incident", {"incident": "114"}, edit("114", notify=True, incident_status_id=STATUS["Closed"])),
    (
        "incidentio_close_incident",
        {"incident": "114", "status": "closed", "notify_incident_channel": False},
        edit("114", incident_status_id=STATUS["Closed"]),
    ),
    (
        "incidentio_post_update",
        {
            "incident": "INC-114",
            "message": "m",
            "status": "monitoring",
            "severity": "Major",
            "idempotency_key": "k",
        },
        update(
            incident_id=INC,
            message="m",
            to_incident_status_id=STATUS["Monitoring"],
            to_severity_id=SEVERITY["Major"],
            idempotency_key="k",
        ),
    ),
    (
        "incidentio_post_update",
        {"incident": INC, "message": "m", "idempotency_key": "k"},
        update(incident_id=INC, message="m", idempotency_key="k"),
    ),
    ("incidentio_list_updates", {}, built(incident_updates_v2_list)),
    (
        "incidentio_list_updates",
        {"incident": "inc-114", "limit": 2},
        built(incident_updates_v2_list, incident_id=INC, page_size=2),
    ),
]
BODIES = {
    "/v2/incidents": IncidentsCreatePayloadV2,
    "/v2/incident_updates": IncidentUpdatesCreatePayloadV2,
    "edit": IncidentsEditPayloadV2,
}
LOOKUPS = {
    "/v2/custom_fields": built(custom_fields_v2_list),
    "/v2/incident_roles": built(incident_roles_v2_list),
    "/v2/incident_timestamps": built(incident_timestamps_v2_list),
    "/v1/severities": built(severities_v1_list),
    "/v1/incident_statuses": built(incident_statuses_v1_list),
    "/v1/incident_types": built(incident_types_v1_list),
    "/v2/users": built(users_v2_list, page_size=10_000),
}
LISTED = {"incidentio_list_updates": "/v2/incident_updates"}
"""The request that a tool's case is about, where it is not its last."""


@pytest.mark.parametrize(("tool", "arguments", "expected"), CASES, ids=[f"{n}-{c[0]}" for n, c in enumerate(CASES)])
async def test_a_tools_request_is_the_one_that_the_vendors_sdk_builds(connect, box, tool, arguments, expected):
    async with connect() as call:
        await call.ok(tool, **arguments)
    request = next(row for row in reversed(box.requests) if LISTED.get(tool, row.path) == row.path)
    assert sent(request) == expected
    if request.body is not None:
        payload = BODIES.get(request.path, BODIES["edit"]).from_dict(request.body)
        assert unknown_keys(payload) == []
        assert instants(payload.to_dict()) == instants(request.body)


@pytest.mark.parametrize("message", [None, "Done."])
async def test_closing_is_an_edit_or_with_a_message_an_update(connect, box, message):
    async with connect() as call:
        await call.ok("incidentio_close_incident", incident="114", **({"message": message} if message else {}))
    (write,) = box.writes()
    key = (write.body or {}).get("idempotency_key")
    expected = (
        update(incident_id=INC, message=message, to_incident_status_id=STATUS["Closed"], idempotency_key=key)
        if message
        else edit("114", notify=True, incident_status_id=STATUS["Closed"])
    )
    assert sent(write) == expected


async def test_every_look_up_of_a_name_is_the_one_that_the_vendors_sdk_builds(connect, box):
    tool, arguments, _ = next(case for case in CASES if "roles" in case[1])
    roles = arguments["roles"] | {"communications lead": "Yuki Tanaka"}
    async with connect() as call:
        await call.ok(tool, **arguments | {"roles": roles})
    # Options and catalog entries are looked up field by field.
    several = ("/v1/custom_field_options", "/v3/catalog_entries")
    seen = {row.path: sent(row) for row in box.requests if row.method == "GET" and row.path not in several}
    assert seen == LOOKUPS
    assert [sent(row) for row in box.requests if row.path in several] == [
        *(
            built(custom_field_options_v1_list, custom_field_id=FIELD[name], page_size=250)
            for name in ("Affected team", "Affected services")
        ),
        catalog_entries(identifier="product-payouts"),
    ]


SET_AND_CLEARED: list[dict[str, Any]] = [
    {"summary": "s", "clear": ["summary"]},
    {"custom_fields": {"Affected team": ["Payments"]}, "clear": ["custom_fields.Affected team"]},
    {"custom_fields": {"Affected team": ["Payments"]}, "clear": ["custom_fields.affected TEAM"]},
    {"custom_fields": {"Affected team": ["Payments"]}, "clear": [f"custom_fields.{FIELD['Affected team']}"]},
    {"roles": {"lead": "U04YUKI"}, "clear": ["roles.lead"]},
    {"roles": {"lead": "U04YUKI"}, "clear": ["roles.Incident Lead"]},
    {"timestamps": TIMES_GIVEN, "clear": ["timestamps.Impact started"]},
]


@pytest.mark.parametrize("arguments", SET_AND_CLEARED, ids=str)
async def test_what_is_both_set_and_cleared_is_no_request(connect, box, arguments):
    async with connect() as call:
        error = await call.error("incidentio_edit_incident", incident="114", **arguments)
    assert "both set and cleared" in error or "names the same item twice" in error
    assert error.endswith("Not sent.")
    assert not box.writes()


PRODUCTS = next(
    row["catalog_type_id"] for row in Sandbox().incidentio.custom_fields if row["name"] == "Affected product"
)


def catalog_entries(**more: Any) -> Wire:
    return built(catalog_v3_list_entries, catalog_type_id=PRODUCTS, page_size=250, **more)


async def test_a_catalog_entry_is_looked_up_by_its_identifier_and_then_by_its_name(connect, box):
    async with connect() as call:
        await call.error("incidentio_list_incidents", custom_fields={"Affected product": ["Pay outs"]})
    read = [sent(row) for row in box.requests if row.path == "/v3/catalog_entries"]
    assert read == [catalog_entries(identifier="Pay outs"), catalog_entries()]


LOOK_ALIKES = built(
    incidents_v2_list,
    page_size=250,
    filter_mode=IncidentsV2ListFilterMode.ANY,
    status_category=IncidentsV2ListStatusCategory.from_dict({"one_of": ["live", "triage", "paused"]}),
    created_at=IncidentsV2ListCreatedAt.from_dict({"gte": ["2026-11-21"]}),
)


@pytest.mark.parametrize("advanced", [0, 21 * 3600 + 20 * 60])
async def test_look_alikes_are_looked_for_in_one_request_that_the_vendors_sdk_builds(connect, box, advanced):
    """Open ones, or those since the day of half an hour ago: 20 minutes past midnight that is still the day before."""
    box.advance(advanced)
    async with connect() as call:
        await call.ok("incidentio_create_incident", name="Carts", severity="minor")
    assert [sent(row) for row in box.requests if (row.method, row.path) == ("GET", "/v2/incidents")] == [LOOK_ALIKES]


async def test_the_story_of_an_incident_is_read_as_the_vendors_sdk_reads_it(connect, box):
    async with connect() as call:
        await call.ok("incident_timeline", incident="INC-116")
    assert [sent(request) for request in box.requests if request.service == "incidentio"][1:] == [
        built(incident_attachments_v1_list, incident_id=INCIDENT["INC-116"]),
        built(incident_updates_v2_list, incident_id=INCIDENT["INC-116"], page_size=250),
        built(incident_timeline_items_v2_list, incident_id=INCIDENT["INC-116"], page_size=250),
    ]


async def test_the_choices_that_arguments_offer_are_all_the_vendors(connect):
    vendor = {
        "visibility": {*IncidentsCreatePayloadV2Visibility},
        "mode": {*IncidentsCreatePayloadV2Mode},
        "sort_by": {*IncidentsV2ListSortBy},
        "status_category": {*IncidentStatusV1Category},
        "category": {*IncidentStatusV1Category},
        "status_category_not_in": {*IncidentStatusV1Category},
        "filter_mode": {*IncidentsV2ListFilterMode},
    }
    async with connect() as call:
        tools = (await call.client.list_tools()).tools
    offered = {
        (tool.name, name): {*choices}
        for tool in tools
        if tool.name.startswith("incidentio_")
        for name, argument in tool.input_schema["properties"].items()
        if (choices := argument.get("enum") or argument.get("items", {}).get("enum"))
    }
    assert set(vendor) <= {name for _, name in offered}
    enums = [{*enum} for enum in vars(models).values() if inspect.isclass(enum) and issubclass(enum, Enum)]
    for (tool, name), choices in offered.items():
        assert any(choices <= values for values in ([vendor[name]] if name in vendor else enums)), (tool, name)
