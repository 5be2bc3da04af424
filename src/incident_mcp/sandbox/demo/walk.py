"""What the steps of the demo share: calls, checks and output."""

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mcp import Client
from mcp_types import TextContent
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from incident_mcp.records.tokens import count_tokens

Json = dict[str, Any]

MOST_SHOWN = 200
"""Characters of an argument that are shown."""
LABEL = 9
"""Width of the column with `call` and the time."""


class StepError(Exception):
    """A step's check failed; the text says how."""


def expect(condition: bool, message: str) -> None:  # noqa: FBT001  # reads like assert, which -O would drop
    """Fail the step unless the condition holds."""
    if not condition:
        raise StepError(message)


@dataclass
class Walk:
    """The state of the demo, which each step reads and extends."""

    console: Console
    title: str = ""
    """The current step."""
    number: int = 0
    calls: int = 0
    rejections: int = 0
    tokens: int = 0
    """Of the calls and their answers."""
    list_tokens: int = 0
    """Of the list of tools."""
    declared: int = 0
    """Calls that declared an incident, according to their answers."""
    start_seconds: float = 0
    """Until the server listed its tools."""
    seconds: float = 0
    """Spent in tool calls."""
    took: float = 0
    """Seconds of the last call."""
    alert: Json = field(default_factory=dict[str, Any])
    """The Ionhour incident that the demo starts from."""
    incident: Json = field(default_factory=dict[str, Any])
    """The incident.io incident that was declared."""
    code: str = ""
    """The code of the page's preview."""
    cursor: str = ""
    """Of the first catch-up."""
    page: Json = field(default_factory=dict[str, Any])
    public: Json = field(default_factory=dict[str, Any])
    """The incident on the status page."""
    draft: Json = field(default_factory=dict[str, Any])
    """The draft of the post-mortem."""

    def begin(self, title: str, why: str) -> None:
        """Print the heading of a step."""
        self.number, self.title = self.number + 1, title
        self.console.print()
        self.console.rule(Text(f"{self.number}. {title}", style="bold cyan"), align="left", style="cyan")
        self.console.print(Text(why))

    def row(self, label: str, content: RenderableType) -> None:
        """Print content beside a label."""
        grid = Table.grid()
        grid.add_column(width=LABEL, style="dim")
        grid.add_column(ratio=1, overflow="fold")
        grid.add_row(label, content)
        self.console.print(Padding(grid, (0, 0, 0, 2)))

    def show(self, content: RenderableType) -> None:
        """Print the last call's answer beside its time."""
        self.row(f"{self.took * 1000:.0f} ms", content)


@dataclass
class Caller:
    """Calls the server's tools and prints each call."""

    client: Client
    walk: Walk

    async def __call__(self, tool: str, **arguments: Any) -> Json:  # noqa: ANN401  # the JSON edge
        """Call a tool that must succeed."""
        text, answer = await self._call(tool, arguments)
        if answer is None:
            raise StepError(text)
        return answer

    async def rejected(self, tool: str, **arguments: Any) -> str:  # noqa: ANN401  # the JSON edge
        """Call a tool that must reject its arguments, and return the error."""
        text, answer = await self._call(tool, arguments)
        expect(answer is None, f"{tool} accepted what it should reject.")
        self.walk.rejections += 1
        return text

    async def _call(self, tool: str, arguments: Json) -> tuple[str, Json | None]:
        """Return the answer's text, and its structured content unless it is an error."""
        walk = self.walk
        walk.row("call", _call_as_text(tool, arguments))
        walk.calls += 1
        began = time.perf_counter()
        result = await self.client.call_tool(tool, arguments)
        walk.took = time.perf_counter() - began
        walk.seconds += walk.took
        text = "\n".join(part.text for part in result.content if isinstance(part, TextContent))
        walk.tokens += count_tokens([tool, arguments]) + count_tokens(text)
        return text, None if result.is_error else result.structured_content or {}


def _call_as_text(tool: str, arguments: Json) -> Text:
    text = Text(tool, style="bold")
    for name, value in arguments.items():
        text.append(f" {name}=", style="not bold cyan")
        shown = json.dumps(value, ensure_ascii=False)
        text.append(shown if len(shown) <= MOST_SHOWN else f"{shown[:MOST_SHOWN]}…", style="not bold")
    return text


def table(rows: Iterable[Json], columns: Mapping[str, str]) -> Table:
    """Return a table of these keys of the rows under these headings; the last column takes the remaining width."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    *short, last = columns.values()
    for heading in short:
        table.add_column(heading, no_wrap=True)
    table.add_column(last, ratio=1, overflow="fold")
    for row in rows:
        table.add_row(*(Text(str(row.get(key, "-"))) for key in columns))
    return table


def facts(answer: Json, *keys: str) -> Table:
    """Return a table of these keys and their values, without keys that the answer lacks."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(ratio=1, overflow="fold")
    for key in keys:
        if key in answer:
            value = answer[key]
            grid.add_row(key, Text(value if isinstance(value, str) else json.dumps(value)))
    return grid
