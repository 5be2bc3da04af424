"""What the tests of the on-call half share."""

from typing import Any

import httpx2

from incident_mcp.sandbox import INCIDENTIO_KEY, Sandbox
from incident_mcp.sandbox.engine.clock import account_ulid


def connect(box: Sandbox) -> httpx2.AsyncClient:
    """Return a client of a sandbox's incident.io."""
    return httpx2.AsyncClient(
        transport=box.transport("incidentio"),
        base_url="https://api.incident.io",
        headers={"Authorization": f"Bearer {INCIDENTIO_KEY}"},
    )


def user(name: str) -> str:
    """Return the id of a user."""
    return account_ulid(name)


def schedule(name: str) -> str:
    """Return the id of a schedule."""
    return account_ulid(f"schedule {name}")


def path(name: str) -> str:
    """Return the id of an escalation path."""
    return account_ulid(f"path {name}")


async def page(client: httpx2.AsyncClient, key: str = "k", **body: Any) -> httpx2.Response:
    """Create an escalation."""
    return await client.post("/v2/escalations", json={"title": "Help", "idempotency_key": key, **body})


async def paged(client: httpx2.AsyncClient, **body: Any) -> str:
    """Create an escalation and return its id."""
    reply = await page(client, **body)
    assert reply.status_code == 201, reply.text
    return reply.json()["escalation"]["id"]


async def escalation(client: httpx2.AsyncClient, escalation_id: str) -> dict[str, Any]:
    """Read an escalation."""
    return (await client.get(f"/v2/escalations/{escalation_id}")).json()["escalation"]


async def status(client: httpx2.AsyncClient, escalation_id: str) -> str:
    """Read the status of an escalation."""
    return (await escalation(client, escalation_id))["status"]


def rings(box: Sandbox) -> list[str]:
    """Return who has been rung, in order, as `minute:second name`."""
    return [f"{row['at'][14:19]} {row['user']}" for row in box.state()["incidentio"]["rings"]]


def problems(reply: httpx2.Response) -> list[str]:
    """Return the messages of a 422."""
    assert reply.status_code == 422, reply.text
    return [error["message"] for error in reply.json()["errors"]]


async def respond(client: httpx2.AsyncClient, escalation_id: str, **body: Any) -> httpx2.Response:
    """Respond to an escalation."""
    return await client.post(f"/v2/escalations/{escalation_id}/actions/respond", json=body)


def events(row: dict[str, Any]) -> list[str]:
    """Return the history of an escalation, in words."""
    return [event["event"] for event in row["events"]]


def seeded(box: Sandbox, title: str) -> str:
    """Return the id of a seeded escalation."""
    return next(row["id"] for row in box.incidentio.rows["escalations"] if row["title"] == title)
