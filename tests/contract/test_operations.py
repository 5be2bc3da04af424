"""No call that a tool can make is outside the two services' documents."""

import ast
import re
from pathlib import Path

import pytest

import incident_mcp
from tests.account import INCIDENT

pytestmark = pytest.mark.anyio

# What the operations pages document; of the vendor's own document, the lists that turn names into ids (people and
# catalog entries among them) and the two that an incident's story is read from.
DOCUMENTED = {
    "GET /v1/severities",
    "GET /v1/incident_statuses",
    "GET /v1/incident_types",
    "POST /v2/incidents",
    "GET /v2/incidents/{}",
    "GET /v2/incidents",
    "POST /v2/incidents/{}/actions/edit",
    "POST /v2/incident_updates",
    "GET /v2/incident_updates",
    "GET /v2/custom_fields",
    "GET /v1/custom_field_options",
    "GET /v2/incident_roles",
    "GET /v2/incident_timestamps",
    "GET /v2/incident_timeline_items",
    "GET /v1/incident_attachments",
    "GET /v2/users",
    "GET /v3/catalog_entries",
    "GET /api/incidents",
    "GET /api/incidents/{}",
    "POST /api/incidents/{}/acknowledge",
    "GET /api/incident-events/{}",
    "GET /api/incident-notes/{}",
    "POST /api/incident-notes/{}",
    "PATCH /api/incident-notes/{}/{}",
    "DELETE /api/incident-notes/{}/{}",
}
ULID = INCIDENT["INC-114"]
CALLS = (
    ("situation", {}),
    ("incident_timeline", {"incident": "INC-114"}),
    ("incident_timeline", {"incident": "INC-116"}),
    ("declare_from_ionhour", {"ionhour_incident_id": 4514, "acknowledge": True}),
    ("incidentio_list_severities", {}),
    ("incidentio_list_statuses", {}),
    ("incidentio_list_types", {}),
    (
        "incidentio_create_incident",
        {
            "name": "Carts",
            "severity": "Minor",
            "custom_fields": {"Affected team": ["Payments"], "Affected product": ["Payouts"]},
            "roles": {"Incident Lead": "Sam Okafor"},
            "timestamps": {"Impact started": "2026-11-21T02:00:00Z"},
        },
    ),
    ("incidentio_get_incident", {"incident": "INC-114"}),
    ("incidentio_list_incidents", {"status_category": ["live"]}),
    ("incidentio_edit_incident", {"incident": ULID, "summary": "s"}),
    ("incidentio_post_update", {"incident": "114", "message": "m"}),
    ("incidentio_list_updates", {"incident": "114"}),
    ("incidentio_close_incident", {"incident": "114"}),
    ("incidentio_close_incident", {"incident": "112", "message": "m"}),
    ("ionhour_list_incidents", {}),
    ("ionhour_get_incident", {"incident_id": 4514}),
    ("ionhour_acknowledge_incident", {"incident_id": 4514}),
    ("ionhour_list_events", {"incident_id": 4514}),
    ("ionhour_list_notes", {"incident_id": 4512}),
    ("ionhour_create_note", {"incident_id": 4512, "body": "b"}),
    ("ionhour_update_note", {"incident_id": 4512, "note_id": 704, "body": "b"}),
    ("ionhour_delete_note", {"incident_id": 4512, "note_id": 704}),
)


async def test_every_tool_calls_documented_operations_and_every_one_of_them_is_called(connect, box):
    async with connect() as call:
        listed = {tool.name for tool in (await call.client.list_tools()).tools}
        assert listed == {name for name, _ in CALLS}
        for tool, arguments in CALLS:
            await call.ok(tool, **arguments)
    ids = rf"(?<=/)({ULID}|\d+)(?=/|$)"
    assert {f"{row.method} {re.sub(ids, '{}', row.path)}" for row in box.requests} == DOCUMENTED


def test_every_path_in_the_source_is_a_documented_one():
    folder = Path(incident_mcp.__file__).parent
    texts = {
        node.value
        for service in ("incidentio", "ionhour", "response")
        for file in (folder / service).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.match(r"/[a-z]", node.value)
    }
    paths = {operation.partition(" ")[2].removeprefix("/api") for operation in DOCUMENTED}
    assert {re.sub(r"\{\w+\}", "{}", text) for text in texts} == paths
