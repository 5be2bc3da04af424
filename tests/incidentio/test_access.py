"""What a 403, 404 or 405 means for a request about one incident: private ones, and an operation that is new."""

import pytest

from incident_mcp.sandbox import Fault, Sandbox
from tests.account import INCIDENT
from tests.conftest import Connect

pytestmark = pytest.mark.anyio

READS = [
    ("incidentio_get_incident", {"incident": "INC-114"}),
    ("incidentio_list_updates", {"incident": "INC-114"}),
    ("incident_timeline", {"incident": "INC-114"}),
]
WRITES = [
    ("incidentio_post_update", {"incident": "INC-114", "message": "Looking."}),
    ("incidentio_edit_incident", {"incident": INCIDENT["INC-114"], "summary": "Looking."}),
    ("incidentio_close_incident", {"incident": "INC-114"}),
    ("incidentio_close_incident", {"incident": "INC-114", "message": "Done."}),
]


@pytest.mark.parametrize(("tool", "arguments"), READS + WRITES)
@pytest.mark.parametrize(
    ("status", "says"),
    [
        (403, "needs the scope incidents.view. For a private incident it also needs access to private incidents"),
        (404, "this key may not see it: a private incident is hidden from a key without access to private incidents"),
    ],
)
async def test_a_refusal_to_read_one_incident_says_what_private_means(
    tool: str, arguments: dict[str, str], status: int, says: str, connect: Connect, box: Sandbox
) -> None:
    box.fail(Fault("status", status=status, path="^/v2/incidents/"))
    async with connect() as call:
        text = await call.error(tool, **arguments)
    assert says in text
    assert "INCIDENTIO_API_KEY" in text or status == 404


@pytest.mark.parametrize("status", [403, 404, 405])
@pytest.mark.parametrize(("tool", "arguments"), [WRITES[0], WRITES[3]])
async def test_a_refusal_to_post_an_update_says_what_it_means_there(
    tool: str, arguments: dict[str, str], status: int, connect: Connect, box: Sandbox
) -> None:
    box.fail(Fault("status", status=status, method="POST", path="^/v2/incident_updates"))
    async with connect() as call:
        text = await call.error(tool, **arguments)
    if status == 403:
        assert "needs the scope incident_updates.create" in text
        assert "private incidents" in text
    else:
        assert "newer than the rest of the API and may not be offered for this account" in text
        assert "incidentio_edit_incident" in text
    assert text.count("Outcome: refused, nothing was changed.") == 1


@pytest.mark.parametrize(("tool", "arguments"), WRITES[1:3])
async def test_a_refused_edit_names_its_scopes_and_private_incidents(
    tool: str, arguments: dict[str, str], connect: Connect, box: Sandbox
) -> None:
    box.fail(Fault("status", status=403, path="/actions/edit"))
    async with connect() as call:
        text = await call.error(tool, **arguments)
    assert "needs the scope incidents.view, incidents.update_" in text
    assert "private incidents" in text
