"""Text written to harm, put into the services' answers, one field or all of them."""

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import httpx2

from incident_mcp.sandbox import Sandbox

At = tuple[str, str, str]
"""Service, method and path of an answer."""
Place = tuple[str | int, ...]

KINDS = {
    "openings": "<a",
    "elements": "<b>x</b>",
    "an attribute that is not closed": "<a x='",
    "comments": "<!-->",
    "entities": "&amp;",
    "combining marks": "a\u0301\u0323",
    "joiners": "\u200d\u200c",
    "letters and hidden characters": "a\u200b",
    "text direction": "\u202e",
    "brackets": "[",
    "quotes": '"',
    "backslashes": "\\",
    "line feeds": "\n",
    "blanks": " \t",
    "digits": "1",
    "families": "👨‍👩‍👧",
    "references": "INC-1 ",
    "links": "Ionhour incident 1 (01HR4B1YM0EWRS7ZXGHC8AF6Y1)\n",
    "half characters": "\ud83d",
    "percent signs": "%6b",
    "pictures": "![x](http://x.example)",
    "words": "lorem ipsum ",
}
READS: list[tuple[str, dict[str, Any]]] = [
    ("situation", {}),
    ("incident_timeline", {"incident": "INC-114"}),
    ("incident_timeline", {"ionhour_incident_id": 4512}),
    ("incidentio_list_severities", {}),
    ("incidentio_list_statuses", {}),
    ("incidentio_list_types", {}),
    ("incidentio_get_incident", {"incident": "INC-114"}),
    ("incidentio_list_incidents", {}),
    ("incidentio_list_incidents", {"name_contains": "checkout api"}),
    ("incidentio_list_incidents", {"severity": ["Minor"], "custom_fields": {"Affected team": ["Payments"]}}),
    ("incidentio_list_updates", {}),
    ("incidentio_list_updates", {"incident": "INC-114"}),
    ("ionhour_list_incidents", {}),
    ("ionhour_list_incidents", {"detail": True}),
    ("ionhour_list_incidents", {"name_contains": "checkout"}),
    ("ionhour_get_incident", {"incident_id": 4512}),
    ("ionhour_list_events", {"incident_id": 4512}),
    ("ionhour_list_notes", {"incident_id": 4512}),
]
WRITES: list[tuple[str, dict[str, Any]]] = [
    ("incidentio_create_incident", {"name": "Everything burns at noon", "severity": "Minor"}),
    ("incidentio_edit_incident", {"incident": "INC-114", "summary": "Other words."}),
    ("incidentio_post_update", {"incident": "INC-114", "message": "Looking.", "status": "Monitoring"}),
    ("ionhour_create_note", {"incident_id": 4514, "body": "Looking."}),
    ("ionhour_acknowledge_incident", {"incident_id": 4514}),
    ("declare_from_ionhour", {"ionhour_incident_id": 4514, "severity": "Minor"}),
]


@dataclass
class Recording:
    """The sandbox as a network, whose answers are kept."""

    box: Sandbox
    answers: dict[At, tuple[int, bytes]] = field(default_factory=dict[At, tuple[int, bytes]])

    def key(self, service: Literal["incidentio", "ionhour"]) -> str:
        return self.box.key(service)

    def transport(self, service: Literal["incidentio", "ionhour"]) -> httpx2.AsyncBaseTransport:
        inner, answers = self.box.transport(service), self.answers

        class Transport(httpx2.AsyncBaseTransport):
            async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
                answer = await inner.handle_async_request(request)
                content = await answer.aread()
                answers.setdefault((service, request.method, request.url.path), (answer.status_code, content))
                return answer

        return Transport()


@dataclass
class Playing:
    """A network that repeats answers."""

    answers: dict[At, tuple[int, bytes]]

    def key(self, service: Literal["incidentio", "ionhour"]) -> str:
        return f"key-of-{service}"

    def transport(self, service: Literal["incidentio", "ionhour"]) -> httpx2.AsyncBaseTransport:
        def answer(request: httpx2.Request) -> httpx2.Response:
            status, content = self.answers.get((service, request.method, request.url.path), (404, b"{}"))
            return httpx2.Response(status, content=content)

        return httpx2.MockTransport(answer)


def places(value: object, place: Place = ()) -> Iterator[Place]:
    """Yield where the texts of JSON are."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from places(item, (*place, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from places(item, (*place, number))
    elif isinstance(value, str):
        yield place


def fields(body: object) -> dict[str, Place]:
    """Return the first place of each field of JSON."""
    found: dict[str, Place] = {}
    for place in places(body):
        found.setdefault("/".join("*" if isinstance(step, int) else step for step in place), place)
    return found


def put(body: Any, at: Iterator[Place] | list[Place], text: str) -> bytes:
    """Return JSON with a text at some places."""
    body = copy.deepcopy(body)
    for place in at:
        parent = body
        for step in place[:-1]:
            parent = parent[step]
        parent[place[-1]] = text
    return json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass")


def filled(kind: str, length: int) -> str:
    """Return a text of a kind."""
    unit = KINDS[kind]
    return (unit * (length // len(unit) + 1))[:length]
