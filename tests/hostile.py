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


def longer(body: Any, rows: int) -> Any:
    """Return an answer whose list has this many rows: its own, and more with ids and references of their own."""
    if isinstance(body, dict):
        return {key: longer(value, rows) if isinstance(value, list) else value for key, value in body.items()}
    if not isinstance(body, list) or not body or not isinstance(body[0], dict):
        return body
    return body[:rows] + [_numbered(body[number % len(body)], number) for number in range(len(body), rows)]


def _numbered(row: dict[str, Any], number: int) -> dict[str, Any]:
    own = {"id": number + 1} if isinstance(row.get("id"), int) else {"id": f"{str(row.get('id'))[:-5]}{number:05}"}
    own |= {"reference": f"INC-{number + 1}"}
    return row | {key: value for key, value in own.items() if key in row}


def filled(kind: str, length: int) -> str:
    """Return a text of a kind."""
    unit = KINDS[kind]
    return (unit * (length // len(unit) + 1))[:length]
