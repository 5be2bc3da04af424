"""Many clients over replicas that are killed, with Redis that stops: answers are right, each write is done once.

Few calls in CI; `INCIDENT_MCP_CHAOS_CALLS=2000 uv run pytest -n0 -s tests/serving/http/test_chaos.py` for the full run.
"""

import json
import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from tests.serving.http.chaos import Caller, Ledger
from tests.serving.http.cluster import Cluster, Replica, cluster
from tests.serving.http.identity_provider import IdentityProvider, identity_provider
from tests.serving.http.people import LEGACY, MODERN, Person, with_jwt, with_static_token

pytestmark = [pytest.mark.team, pytest.mark.anyio]

CALLS = int(os.environ.get("INCIDENT_MCP_CHAOS_CALLS", "700"))
SEED = int(os.environ.get("INCIDENT_MCP_CHAOS_SEED", "12"))
SECONDS = max(100, CALLS // 8)
"""After which it counts as stuck."""
BURST, RATE = 1200, 20
"""incident.io's documented limit."""
LATE_SECONDS = 0.25
"""By how much a request may arrive later than it was sent: those behind it then seem to come too fast."""


@pytest.fixture
def provider() -> Iterator[IdentityProvider]:
    with identity_provider() as provider:
        yield provider


@pytest.fixture
def crowd(provider: IdentityProvider, tmp_path: Path) -> Iterator[tuple[Cluster, list[tuple[Person, str]]]]:
    """The cluster, and twenty people: ten of each protocol version, ten of each way to sign in."""
    tokens = tmp_path / "tokens.json"
    people = [with_static_token(tokens, f"static-{number}", _role(number)) for number in range(10)]
    settings = {
        "INCIDENT_MCP_SECRET": os.urandom(32).hex(),
        "INCIDENT_MCP_TOKENS_FILE": str(tokens),
        "INCIDENT_MCP_OIDC_ISSUER": provider.issuer,
        "INCIDENT_MCP_OIDC_AUDIENCE": "https://incidents.example.com/mcp",
    }
    with cluster(tmp_path, settings) as running:
        audience = settings["INCIDENT_MCP_OIDC_AUDIENCE"]
        people += [with_jwt(provider, audience, f"jwt-{number}", _role(number)) for number in range(10)]
        yield running, [(person, (LEGACY, MODERN)[number % 2]) for number, person in enumerate(people)]


def _role(number: int) -> str:
    return (*["pager"] * 3, *["responder"] * 5, *["reader"] * 2)[number]


class Disturbances:
    """Kills replicas and stops Redis while calls are made."""

    def __init__(self, running: Cluster, ledger: Ledger, chance: random.Random) -> None:
        self._cluster, self._ledger, self._chance = running, ledger, chance
        self.kills = 0
        self.over = False
        self.away: list[tuple[float, float]] = []

    async def kill_replicas(self) -> None:
        """Kill one after the other at random; two of three serve at any time.

        It ends with the calls: a note whose answer was lost waits 20 s for the lost request to land before it is sent
        again, longer than a replica lives here.
        """
        while self._ledger.counts["calls"] < CALLS:
            await anyio.sleep(self._chance.uniform(0.5, 2))
            replica = self._chance.choice(self._cluster.replicas)
            self._ledger.note(f"{replica.name} is killed")
            await anyio.to_thread.run_sync(self._restart, replica)
            self.kills += 1

    async def stop_redis(self) -> None:
        """At a quarter of the calls it stops and starts again, at a half it answers nothing for a while."""
        redis = self._cluster.redis
        await self._until(CALLS * 0.25)
        began = time.monotonic()
        self._ledger.note("Redis stops")
        await anyio.to_thread.run_sync(redis.end)
        await anyio.sleep(3)
        await anyio.to_thread.run_sync(redis.start)
        self._ledger.note("Redis is back")
        self.away.append((began, time.monotonic()))
        await self._until(CALLS * 0.5)
        began = time.monotonic()
        self._ledger.note("Redis hangs")
        redis.pause()
        await anyio.sleep(4)
        redis.resume()
        self._ledger.note("Redis is back")
        self.away.append((began, time.monotonic()))
        self.over = True

    async def lose_replies(self) -> None:
        """Let the services cut a reply now and then: not at the end, when few calls are left and each would be cut."""
        while self._ledger.counts["calls"] < CALLS:
            await anyio.sleep(self._chance.uniform(0.5, 2))
            fault = {"kind": self._chance.choice(["cut_after", "cut_before"]), "times": 1}
            self._ledger.note(f"a reply is lost: {fault['kind']}")
            await anyio.to_thread.run_sync(self._cluster.services.fail, fault)

    async def _until(self, calls: float) -> None:
        while self._ledger.counts["calls"] < calls:  # noqa: ASYNC110  # a count has no event
            await anyio.sleep(0.1)

    def _restart(self, replica: Replica) -> None:
        replica.kill()
        time.sleep(self._chance.uniform(0, 0.5))
        replica.start()


async def test_every_call_is_answered_rightly_and_every_write_is_done_once(
    crowd: tuple[Cluster, list[tuple[Person, str]]],
) -> None:
    running, people = crowd
    chance = random.Random(SEED)  # noqa: S311  # not a secret
    ledger = Ledger()
    disturbances = Disturbances(running, ledger, chance)
    began = time.monotonic()
    with anyio.move_on_after(SECONDS) as limit:
        async with anyio.create_task_group() as background:
            background.start_soon(disturbances.kill_replicas)
            background.start_soon(disturbances.stop_redis)
            background.start_soon(disturbances.lose_replies)
            async with anyio.create_task_group() as callers:
                for person, mode in people:
                    own = random.Random(chance.random())  # noqa: S311  # not a secret
                    caller = Caller(person, mode, running.url, ledger, own)
                    callers.start_soon(caller.run, lambda: ledger.counts["calls"] < CALLS or not disturbances.over)
            background.cancel_scope.cancel()
    seconds = time.monotonic() - began
    state = running.services.state()
    arrivals = running.services.arrivals()
    excess = max(most_over(instants, BURST, RATE) for instants in arrivals.values())
    print(json.dumps(_figures(ledger, disturbances, seconds, arrivals, excess), indent=1))
    stuck = [intent for intent in ledger.intents if not (intent.done or intent.abandoned)]
    assert not limit.cancelled_caught, [
        (intent.text, [line for line in intent.history if "killed" not in line and "reply" not in line])
        for intent in stuck
    ]
    assert ledger.wrong[:10] == []
    check_effects(ledger, state)
    assert [code for code, count in ledger.codes.items() if count > 1] == []
    assert excess <= LATE_SECONDS * RATE
    assert disturbances.kills
    assert len(disturbances.away) == 2


def _figures(
    ledger: Ledger, disturbances: Disturbances, seconds: float, arrivals: dict[str, list[float]], excess: float
) -> dict[str, Any]:
    return {
        **dict(sorted(ledger.counts.items())),
        "intents": Counter(intent.kind for intent in ledger.intents),
        "replicas killed": disturbances.kills,
        "Redis away, seconds": [round(end - begin, 1) for begin, end in disturbances.away],
        "seconds": round(seconds, 1),
        "requests to the services": {name: len(instants) for name, instants in arrivals.items()},
        "most over the rate limit": round(excess, 1),
    }


def most_over(instants: list[float], burst: float, rate: float) -> float:
    """Return by how many requests a token bucket was overdrawn at its worst; negative if it never was empty."""
    level, last, worst = burst, instants[0] if instants else 0.0, -burst
    for instant in sorted(instants):
        level = min(burst, level + (instant - last) * rate) - 1
        last = instant
        worst = max(worst, -level)
    return worst


def effects(state: dict[str, Any]) -> Counter[str]:
    """Return how often each text is in the sandbox, whatever it is of."""
    incidentio, ionhour = state["incidentio"], state["ionhour"]
    return (
        Counter(row["name"] for row in incidentio["incidents"])
        + Counter(row["message"] for row in incidentio["updates"] if row.get("message"))
        + Counter(row["title"] for row in incidentio["escalations"])
        + Counter(row["body"] for row in ionhour["notes"])
    )


def check_effects(ledger: Ledger, state: dict[str, Any]) -> None:
    """What is done is there once, what was left after "not sent" is not there, and there is nothing else."""
    found = effects(state)
    wrong = [
        f"{intent.text}: {found[intent.text]} times\n  " + "\n  ".join(intent.history)
        for intent in ledger.intents
        if found[intent.text] != (1 if intent.done else 0)
    ]
    assert not wrong, "\n".join(wrong)
    assert all(intent.done or intent.abandoned for intent in ledger.intents)
    assert "Forbidden" not in found
    made = [text for text in found if " of static-" in text or " of jwt-" in text]
    assert len(made) == sum(intent.done for intent in ledger.intents)
