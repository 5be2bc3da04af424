"""Every request about follow-ups and actions is the one that incident.io's own SDK builds from the same arguments."""

from typing import Any

import pytest
from incident_io import models
from incident_io.api.actions_v3 import actions_v3_create, actions_v3_list, actions_v3_show, actions_v3_update
from incident_io.api.follow_ups_v3 import (
    follow_ups_v3_create,
    follow_ups_v3_create_from_link,
    follow_ups_v3_list,
    follow_ups_v3_show,
    follow_ups_v3_update,
)

from incident_mcp.sandbox.engine.clock import account_ulid
from tests.account import INCIDENT, USER
from tests.contract.vendor import Wire, built, sent

pytestmark = pytest.mark.anyio

RENEW = account_ulid("follow-up Renew certificates with the full chain, automatically")
TIMEOUT = account_ulid("action Put a **ten-second timeout** on all deliveries")
PAYMENTS = account_ulid("team Payments")
DATES = {"created_at_gte": "2026-11-20", "created_at_lte": "2026-11-21T03:00:00+01:00"}
SENT_DATES = {"gte": ["2026-11-20"], "lte": ["2026-11-21T02:00:00Z"]}
CREATED_AT = models.FollowUpsV3ListCreatedAt.from_dict(SENT_DATES)
TESTED = models.FollowUpsV3ListIncidentMode.TEST


def follow_ups(**arguments: Any) -> Wire:
    return built(follow_ups_v3_list, **arguments)


# tool, arguments, the SDK's requests
CASES: list[tuple[str, dict[str, Any], list[Wire]]] = [
    ("incidentio_list_follow_ups", {"limit": 3}, [follow_ups(page_size=3)]),
    (
        "incidentio_list_follow_ups",
        {"incident": "INC-107", "team": PAYMENTS, "after": RENEW, **DATES},
        [
            follow_ups(
                page_size=25,
                after=RENEW,
                incident_id=INCIDENT["INC-107"],
                assignee_team_id=PAYMENTS,
                created_at=CREATED_AT,
            )
        ],
    ),
    (
        "incidentio_list_follow_ups",
        {"incident": "INC-115"},
        [follow_ups(page_size=25, incident_id=INCIDENT["INC-115"], incident_mode=TESTED)],
    ),
    (
        "incidentio_create_follow_up",
        {
            "incident": "INC-114",
            "title": "Alert on queue depth",
            "description": "**Soon**",
            "user": "Sam Okafor",
            "team": "Payments",
            "labels": ["queue", "alerting"],
        },
        [
            follow_ups(page_size=250, incident_id=INCIDENT["INC-114"]),
            built(
                follow_ups_v3_create,
                body=models.FollowUpsCreatePayloadV3(
                    incident_id=INCIDENT["INC-114"],
                    title="Alert on queue depth",
                    description="**Soon**",
                    assignee_id=USER["Sam Okafor"],
                    assignee_team_id=PAYMENTS,
                    labels=["queue", "alerting"],
                ),
            ),
        ],
    ),
    (
        "incidentio_create_follow_up",
        {"incident": "INC-114", "url": "https://linear.app/paysand/issue/PAY-2301"},
        [
            follow_ups(page_size=250, incident_id=INCIDENT["INC-114"]),
            built(
                follow_ups_v3_create_from_link,
                body=models.FollowUpsCreateFromLinkPayloadV3(
                    incident_id=INCIDENT["INC-114"], url="https://linear.app/paysand/issue/PAY-2301"
                ),
            ),
        ],
    ),
    (
        "incidentio_update_follow_up",
        {"follow_up": RENEW, "status": "completed", "title": "Renew"},
        [
            built(follow_ups_v3_show, RENEW),
            built(
                follow_ups_v3_update,
                RENEW,
                body=models.FollowUpsUpdatePayloadV3(
                    title="Renew",
                    status=models.FollowUpsUpdatePayloadV3Status.COMPLETED,
                    assignee_id=USER["Sam Okafor"],
                    assignee_team_id=PAYMENTS,
                    follow_up_category_id=account_ulid("follow-up category Prevent"),
                    follow_up_priority_option_id=account_ulid("follow-up priority Urgent"),
                    labels=["tls"],
                ),
            ),
        ],
    ),
    (
        "incidentio_list_actions",
        {"incident": "INC-114", "limit": 2, "after": TIMEOUT, **DATES},
        [
            built(
                actions_v3_list,
                page_size=2,
                after=TIMEOUT,
                incident_id=INCIDENT["INC-114"],
                created_at=models.ActionsV3ListCreatedAt.from_dict(SENT_DATES),
            )
        ],
    ),
    (
        "incidentio_create_action",
        {"incident": "INC-114", "description": "Call the merchant", "user": "Sam Okafor"},
        [
            built(actions_v3_list, page_size=250, incident_id=INCIDENT["INC-114"]),
            built(
                actions_v3_create,
                body=models.ActionsCreatePayloadV3(
                    incident_id=INCIDENT["INC-114"], description="Call the merchant", assignee_id=USER["Sam Okafor"]
                ),
            ),
        ],
    ),
    (
        "incidentio_update_action",
        {"action": TIMEOUT, "status": "not_doing", "user": "Sam Okafor"},
        [
            built(actions_v3_show, TIMEOUT),
            built(
                actions_v3_update,
                TIMEOUT,
                body=models.ActionsUpdatePayloadV3(
                    description="Put a **ten-second timeout** on all deliveries",
                    status=models.ActionsUpdatePayloadV3Status.NOT_DOING,
                    assignee_id=USER["Sam Okafor"],
                ),
            ),
        ],
    ),
]
NAMES = ("/v2/incidents", "/v2/users", "/v3/teams")
"""Lists and records that names are looked up in."""


@pytest.mark.parametrize(("tool", "arguments", "expected"), CASES, ids=[f"{n}-{c[0]}" for n, c in enumerate(CASES)])
async def test_a_tools_requests_are_those_that_the_vendors_sdk_builds(connect, box, tool, arguments, expected):
    async with connect() as call:
        await call.ok(tool, **arguments)
    assert [sent(row) for row in box.requests if not row.path.startswith(NAMES)] == expected
