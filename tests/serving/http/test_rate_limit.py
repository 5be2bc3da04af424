"""The services' rate limit over replicas: one bucket, however many processes use it."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.serving.http.by_hand import answer, call, result
from tests.serving.http.cluster import Cluster, cluster
from tests.serving.http.people import Person, with_static_token
from tests.serving.http.test_chaos import RATE, most_over

pytestmark = pytest.mark.team
LEFT = 5
"""What incident.io reports as remaining."""
CALLS = 60


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cluster, Person]]:
    folder = tmp_path_factory.mktemp("rates")
    person = with_static_token(folder / "tokens.json", "ci", "reader")
    settings = {"INCIDENT_MCP_SECRET": os.urandom(32).hex(), "INCIDENT_MCP_TOKENS_FILE": str(folder / "tokens.json")}
    with cluster(folder, settings) as running:
        yield running, person


def test_replicas_share_what_incidentio_reports_as_remaining(team: tuple[Cluster, Person]) -> None:
    running, person = team
    shown = result(call(running.replicas[0].url, person, "incidentio_get_incident", incident="INC-114"))
    for replica in running.replicas:
        result(call(replica.url, person, "incidentio_get_incident", incident="INC-114"))
    low: dict[str, Any] = {
        "kind": "replace",
        "status": 404,
        "headers": {"X-RateLimit-Remaining": str(LEFT)},
        "times": 1,
    }
    running.services.fail({**low, "body": {"type": "not_found", "status": 404, "errors": []}})
    call(running.replicas[0].url, person, "incidentio_get_incident", incident="INC-114")
    before = len(running.services.arrivals()["incidentio"])
    with ThreadPoolExecutor(15) as pool:
        jobs = [
            pool.submit(call, running.replicas[number % 3].url, person, "incidentio_get_incident", incident="INC-114")
            for number in range(CALLS)
        ]
        answers = [answer(job.result())["result"]["structuredContent"]["reference"] for job in jobs]
    assert answers == [shown["reference"]] * CALLS
    arrivals = running.services.arrivals()["incidentio"][before:]
    assert len(arrivals) >= CALLS
    # Were the allowance not shared, two of three calls would be there at once, and the others as fast as they are here.
    assert most_over(arrivals, LEFT, RATE) < CALLS / 3
