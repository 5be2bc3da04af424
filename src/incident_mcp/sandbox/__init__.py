"""incident.io and Ionhour in memory, written from their documents, for tests and rehearsals.

`python -m incident_mcp.sandbox` serves both on a local port.
"""

from .box import INCIDENTIO_KEY, IONHOUR_KEY, Sandbox
from .engine.faults import Fault
from .engine.service import Received

__all__ = ["INCIDENTIO_KEY", "IONHOUR_KEY", "Fault", "Received", "Sandbox"]
