"""What the sandboxed account is called and numbered, for tables that name both."""

from dataclasses import dataclass, field
from typing import Any, Literal

import httpx2

from incident_mcp.sandbox import Sandbox

from .conftest import NOW

_BOX = Sandbox(now=NOW)


def _ids(rows: list[dict[str, Any]], name: str = "name") -> dict[str, str]:
    return {row[name]: row["id"] for row in rows}


SEVERITY = _ids(_BOX.incidentio.severities)
STATUS = _ids(_BOX.incidentio.statuses)
TYPE = _ids(_BOX.incidentio.types)
FIELD = _ids(_BOX.incidentio.custom_fields)
OPTION = _ids(_BOX.incidentio.options, "value")
ROLE = _ids(_BOX.incidentio.roles)
TIMESTAMP = _ids(_BOX.incidentio.timestamps)
USER = _ids(_BOX.incidentio.users)
ENTRY = _ids(_BOX.incidentio.catalog_entries)
INCIDENT = _ids(_BOX.incidentio.incidents, "reference")


@dataclass
class Scripted:
    """A network that answers what it is told and keeps what it was asked."""

    answers: dict[tuple[str, str], Any]
    """(method, path) to the JSON to answer, or to a whole response."""
    requests: list[httpx2.Request] = field(default_factory=list[httpx2.Request])

    def key(self, service: Literal["incidentio", "ionhour"]) -> str:
        return f"key-of-{service}"

    def transport(self, service: Literal["incidentio", "ionhour"]) -> httpx2.AsyncBaseTransport:
        del service
        return httpx2.MockTransport(self._answer)

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        answer = self.answers.get((request.method, request.url.path))
        if isinstance(answer, httpx2.Response):
            return answer
        if answer is None:
            return httpx2.Response(404, json={"message": f"nothing is scripted for {request.url.path}"})
        return httpx2.Response(200, json=answer)
