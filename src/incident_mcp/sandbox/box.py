"""The sandbox: both services, their faults and the record of every request."""

from datetime import datetime
from typing import Literal

from . import incidentio, ionhour
from .clock import Clock, account_ulid
from .control import Front
from .faults import Fault, FaultBook
from .incidentio.account import status
from .service import Json, Received, Service
from .transport import SandboxTransport

INCIDENTIO_KEY = "sandbox-incidentio-key"
IONHOUR_KEY = "sandbox-ionhour-key"


class Sandbox:
    """incident.io and Ionhour in memory, seeded with the incidents of one small company.

    Args:
        now: The aware instant that the seeds are relative to. The clock then stands still, but for a millisecond for
            each thing that happens, and every run is the same. Without it the sandbox lives in the present.
        bulk: How many more plain incidents each service gets, the newest of all, for paging.
    """

    def __init__(self, now: datetime | None = None, bulk: int = 0) -> None:
        self._clock = clock = Clock(now)
        start = clock.now
        self._faults = FaultBook()
        self.requests: list[Received] = []
        """Every request that reached one of the services, in order."""
        self.ionhour = ionhour.Ionhour(clock, IONHOUR_KEY)
        self.ionhour.routes = ionhour.ionhour_routes(self.ionhour)
        ionhour.seed(self.ionhour, start)
        self.incidentio = incidentio.IncidentIO(clock, INCIDENTIO_KEY)
        self.incidentio.routes = incidentio.incidentio_routes(self.incidentio)
        links = {row["id"]: f"Ionhour incident {row['id']} ({row['publicId']})" for row in self.ionhour.incidents}
        incidentio.seed(self.incidentio, start, links)
        if bulk:
            incidentio.seed_bulk(self.incidentio, start, bulk)
            ionhour.seed_bulk(self.ionhour, start, bulk)
        self.incidentio_app = Service(self.incidentio, self._faults, self.requests)
        self.ionhour_app = Service(self.ionhour, self._faults, self.requests)
        services = {"incidentio": self.incidentio_app, "ionhour": self.ionhour_app}
        self.app = Front(services, self._faults, self.requests, self.state, clock)

    def transport(self, service: Literal["incidentio", "ionhour"]) -> SandboxTransport:
        """An httpx2 transport into one service, which fails as a network does."""
        return SandboxTransport(self.incidentio_app if service == "incidentio" else self.ionhour_app)

    def key(self, service: Literal["incidentio", "ionhour"]) -> str:
        """The bearer key that a service accepts."""
        return INCIDENTIO_KEY if service == "incidentio" else IONHOUR_KEY

    def writes(self, service: str | None = None) -> list[Received]:
        """The requests that were not GET, of one service or of both."""
        return [row for row in self.requests if row.method != "GET" and service in {None, row.service}]

    def fail(self, fault: Fault) -> None:
        """Install a fault."""
        self._faults.add(fault)

    def heal(self) -> None:
        """Remove all faults."""
        self._faults.clear()

    def advance(self, seconds: float) -> None:
        """Move the clock of both services on, also one that stands still."""
        self._clock.advance(seconds)

    def add_closed_status(self, name: str) -> Json:
        """Give the account another status of category closed, ranked after the others."""
        rank = max(row["rank"] for row in self.incidentio.statuses) + 1
        record = status(name, "closed", "Added for a test.", rank) | {"id": account_ulid(name)}
        self.incidentio.statuses.append(record)
        return record

    def state(self) -> Json:
        """The records of both services."""
        return {"incidentio": self.incidentio.state(), "ionhour": self.ionhour.state()}
