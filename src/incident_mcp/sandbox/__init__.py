"""incident.io and Ionhour in memory, written from their documents, to test and rehearse against.

`python -m incident_mcp.sandbox` serves both on a local port.
"""

from .box import INCIDENTIO_KEY, IONHOUR_KEY, Sandbox
from .faults import Fault
from .service import Received

__all__ = ["INCIDENTIO_KEY", "IONHOUR_KEY", "Fault", "Received", "Sandbox"]
