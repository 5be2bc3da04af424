"""A network whose answers depend on the request."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx2

from tests.account import Scripted

Answer = Callable[[dict[str, str]], Any]


@dataclass
class Answering(Scripted):
    """Answers as `Scripted` does; an answer that is a function is called with the query."""

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        answer = self.answers.get((request.method, request.url.path))
        if not callable(answer):
            return super()._answer(request)
        self.requests.append(request)
        said = answer(dict(request.url.params))
        return said if isinstance(said, httpx2.Response) else httpx2.Response(200, json=said)

    def paths(self) -> list[str]:
        """The paths that were asked for, in order."""
        return [request.url.path for request in self.requests]
