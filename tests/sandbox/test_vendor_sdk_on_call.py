"""incident.io's own SDK against the sandbox's schedules, paths, escalations and notification methods."""

from datetime import UTC, datetime

import pytest
from incident_io import models
from incident_io.api.escalations_v2 import (
    escalations_v2_cancel_escalation,
    escalations_v2_check_escalation_permissions,
    escalations_v2_create,
    escalations_v2_list,
    escalations_v2_list_paths,
    escalations_v2_reassign_escalation,
    escalations_v2_respond_escalation,
    escalations_v2_show,
    escalations_v2_show_path,
)
from incident_io.api.on_call_notification_pauses_v2 import (
    on_call_notification_pauses_v2_list,
    on_call_notification_pauses_v2_show,
)
from incident_io.api.schedules_v2 import (
    schedules_v2_create_override,
    schedules_v2_destroy_override,
    schedules_v2_list,
    schedules_v2_list_overrides,
    schedules_v2_list_schedule_entries,
    schedules_v2_show,
    schedules_v2_show_override,
)
from incident_io.api.users_v2 import users_v2_list_notification_methods, users_v2_list_notification_rules

from incident_mcp.sandbox.engine.clock import account_ulid

from .on_call import path, schedule, user
from .vendor_sdk import ask, sdk_client

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 11, 20, 3, tzinfo=UTC)
LEDGER = schedule("Ledger nights")


@pytest.fixture
async def sdk(box):
    async with sdk_client(box) as client:
        yield client


LISTS = [
    (schedules_v2_list, models.SchedulesListResultV2, {}),
    (schedules_v2_list, models.SchedulesListResultV2, {"page_size": 10_000}),
    (schedules_v2_list_overrides, models.SchedulesListOverridesResultV2, {"schedule_id": LEDGER}),
    (schedules_v2_list_schedule_entries, models.SchedulesListScheduleEntriesResultV2, {"schedule_id": LEDGER}),
    (
        schedules_v2_list_schedule_entries,
        models.SchedulesListScheduleEntriesResultV2,
        {"schedule_id": schedule("Platform primary"), "entry_window_end": datetime(2027, 1, 1, tzinfo=UTC)},
    ),
    (escalations_v2_list_paths, models.EscalationsListPathsResultV2, {}),
    (escalations_v2_list, models.EscalationsListResultV2, {}),
    (on_call_notification_pauses_v2_list, models.OnCallNotificationPausesListResultV2, {}),
]


@pytest.mark.parametrize(("operation", "kind", "arguments"), LISTS)
async def test_every_list_parses_and_has_no_undocumented_key(sdk, operation, kind, arguments):
    await ask(operation, sdk, kind, **arguments)


async def test_every_seeded_record_parses(box, sdk):
    account = box.incidentio
    for row in account.on_call.schedules:
        await ask(schedules_v2_show, sdk, models.SchedulesShowResultV2, id=row["id"])
    for row in account.on_call.paths:
        await ask(escalations_v2_show_path, sdk, models.EscalationsShowPathResultV2, id=row["id"])
    for row in account.rows["escalations"]:
        await ask(escalations_v2_show, sdk, models.EscalationsShowResultV2, id=row["id"])
    for row in account.on_call.pauses:
        kind = models.OnCallNotificationPausesShowResultV2
        await ask(on_call_notification_pauses_v2_show, sdk, kind, id=row["id"])


async def test_the_methods_and_rules_of_every_user_parse(box, sdk):
    for row in box.incidentio.users:
        kind = models.UsersListNotificationMethodsResultV2
        await ask(users_v2_list_notification_methods, sdk, kind, user_id=row["id"])
        kind = models.UsersListNotificationRulesResultV2
        await ask(users_v2_list_notification_rules, sdk, kind, user_id=row["id"])


async def test_an_override_goes_through_the_sdk_and_back(sdk):
    body = models.SchedulesCreateOverridePayloadV2(
        schedule_id=LEDGER,
        rotation_id=account_ulid("rotation Ledger nights"),
        layer_id=account_ulid("layer Ledger nights: Layer 1"),
        start_at=NOW.replace(hour=8),
        end_at=NOW.replace(hour=10),
        user=models.UserReferencePayloadV2(email="yuki.tanaka@paysand.example"),
    )
    kind = models.SchedulesCreateOverrideResultV2
    override = (await ask(schedules_v2_create_override, sdk, kind, status=201, body=body)).override

    assert override.user.name == "Yuki Tanaka"
    shown = await ask(schedules_v2_show_override, sdk, models.SchedulesShowOverrideResultV2, id=override.id)
    assert shown.override == override
    reply = await schedules_v2_destroy_override.asyncio_detailed(client=sdk, id=override.id)
    assert (reply.status_code, reply.content) == (204, b"")


async def test_a_page_goes_through_the_sdk_from_beginning_to_end(box, sdk):
    body = models.EscalationsCreatePayloadV2(
        title="Help",
        idempotency_key="sdk",
        user_ids=[user("Yuki Tanaka")],
        incident_id=box.incidentio.incidents[0]["id"],
    )
    kind = models.EscalationsCreateResultV2
    first = (await ask(escalations_v2_create, sdk, kind, status=201, body=body)).escalation

    found = await escalations_v2_list.asyncio(
        client=sdk,
        idempotency_key=models.EscalationsV2ListIdempotencyKey.from_dict({"is": ["sdk"]}),
        status=models.EscalationsV2ListStatus.from_dict({"one_of": ["triggered", "acked"]}),
    )
    assert [row.id for row in found.escalations] == [first.id]

    body = models.EscalationsCheckEscalationPermissionsPayloadV2(user_ids=[user("Yuki Tanaka")])
    kind = models.EscalationsCheckEscalationPermissionsResultV2
    checked = await ask(escalations_v2_check_escalation_permissions, sdk, kind, escalation_id=first.id, body=body)
    assert checked.response_options[0].available_actions == ["ack", "nack", "snooze"]

    body = models.EscalationsReassignEscalationPayloadV2(escalation_path_id=path("Payments"))
    kind = models.EscalationsReassignEscalationResultV2
    arguments = {"escalation_id": first.id, "body": body}
    second = (await ask(escalations_v2_reassign_escalation, sdk, kind, status=201, **arguments)).escalation
    error = await ask(escalations_v2_reassign_escalation, sdk, models.ErrorResponse, status=422, **arguments)
    assert error.type_ == "validation_error"

    snooze = models.EscalationRespondSnoozeDetailsPayloadV2(snooze_until=NOW.replace(hour=4))
    body = models.EscalationsRespondEscalationPayloadV2.from_dict(
        {"response": "snooze", "snooze_details": snooze.to_dict()}
    )
    reply = await escalations_v2_respond_escalation.asyncio_detailed(client=sdk, escalation_id=second.id, body=body)
    assert (reply.status_code, reply.content) == (200, b"")
    reply = await escalations_v2_cancel_escalation.asyncio_detailed(client=sdk, id=second.id)
    assert (reply.status_code, reply.content) == (200, b"")
    shown = await ask(escalations_v2_show, sdk, models.EscalationsShowResultV2, id=second.id)
    assert [event.event for event in shown.escalation.events] == ["triggered", "notified_users", "cancelled"]


async def test_a_throttled_page_parses_as_the_vendor_s_429(sdk):
    body = models.EscalationsCreatePayloadV2(title="Help", idempotency_key="sdk", user_ids=[user("Yuki Tanaka")])
    for _ in range(60):
        await escalations_v2_create.asyncio_detailed(client=sdk, body=body)

    error = await ask(escalations_v2_create, sdk, models.ErrorResponse, status=429, body=body)

    assert (error.type_, error.rate_limit.limit) == ("too_many_requests", 60)
