"""The sandbox: both services, their faults and the log of requests."""

from datetime import datetime
from typing import Literal

from . import incidentio, ionhour
from .engine.clock import Clock
from .engine.control import Control
from .engine.faults import Fault, FaultBook
from .engine.service import Json, Received, Service, collect_routes, collect_scopes, collect_timers
from .engine.transport import SandboxTransport
from .incidentio.account import IncidentIO
from .ionhour.workspace import Ionhour
from .seeds import seed
from .seeds.incidentio_on_call import add_plain_paths, add_plain_schedules
from .seeds.incidentio_setup import status

INCIDENTIO_KEY = "sandbox-incidentio-key"
IONHOUR_KEY = "sandbox-ionhour-key"


class Sandbox:
    """incident.io and Ionhour in memory, with the made-up incidents of one small company.

    Args:
        now: The aware instant that the seeds are relative to. The clock then stands still, except for one millisecond
            per event, and every run is the same. Without it the clock follows real time.
        bulk: How many plain incidents to add to each service, newer than all others, for paging.
    """

    def __init__(self, now: datetime | None = None, bulk: int = 0) -> None:
        self._clock = clock = Clock(now)
        self._faults = FaultBook()
        self.requests: list[Received] = []
        """Every request that reached one of the services, in order."""
        self.incidentio = IncidentIO(clock, INCIDENTIO_KEY, collect_routes(incidentio))
        self.incidentio.scopes = collect_scopes(incidentio)
        self.incidentio.timers = collect_timers(incidentio)
        self.ionhour = Ionhour(clock, IONHOUR_KEY, collect_routes(ionhour))
        seed(self.incidentio, self.ionhour, clock.now, bulk)
        self.incidentio_app = Service(self.incidentio, self._faults, self.requests)
        self.ionhour_app = Service(self.ionhour, self._faults, self.requests)
        services = {"incidentio": self.incidentio_app, "ionhour": self.ionhour_app}
        self.app = Control(services, self._faults, self.requests, clock)

    def transport(self, service: Literal["incidentio", "ionhour"]) -> SandboxTransport:
        """Return an httpx2 transport to one service, which fails as a network does."""
        return SandboxTransport(self.incidentio_app if service == "incidentio" else self.ionhour_app)

    def key(self, service: Literal["incidentio", "ionhour"]) -> str:
        """Return the bearer key that a service accepts."""
        return INCIDENTIO_KEY if service == "incidentio" else IONHOUR_KEY

    def writes(self, service: str | None = None) -> list[Received]:
        """Return the requests other than GET, of one service or of both."""
        return [row for row in self.requests if row.method != "GET" and service in {None, row.service}]

    def fail(self, fault: Fault) -> None:
        """Install a fault."""
        self._faults.add(fault)

    def heal(self) -> None:
        """Remove all faults."""
        self._faults.clear()

    def advance(self, seconds: float) -> None:
        """Move the clock of both services forward."""
        self._clock.advance(seconds)

    def add_closed_status(self, name: str) -> Json:
        """Add another status of category closed to the account, ranked after the others."""
        rank = max(row["rank"] for row in self.incidentio.statuses) + 1
        record = status(name, "closed", "Added for a test.", rank)
        self.incidentio.statuses.append(record)
        return record

    def add_schedules(self, count: int) -> list[Json]:
        """Add plain schedules, each with one person on call, and return them."""
        return add_plain_schedules(self.incidentio, self._clock.now, count)

    def add_paths(self, count: int) -> list[Json]:
        """Add plain escalation paths, each with one level that pages one person, and return them."""
        return add_plain_paths(self.incidentio, count)

    def state(self) -> Json:
        """Return the records of both services."""
        return {"incidentio": self.incidentio.state(), "ionhour": self.ionhour.state()}
