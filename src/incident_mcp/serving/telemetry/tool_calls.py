"""Tool calls as spans and metrics."""

import time
from collections.abc import Collection, Generator
from contextlib import contextmanager

import anyio
from mcp_types import CallToolResult
from opentelemetry.trace import Span, SpanKind, Tracer, get_current_span

from incident_mcp.records.record import Json
from incident_mcp.serving.telemetry.measures import Measures
from incident_mcp.tooling import aliases
from incident_mcp.tooling.caller import Around, Perform
from incident_mcp.tooling.tools import ToolResult, shipped_tools
from incident_mcp.writing.journal.protocol import Journal

UNKNOWN = "unknown"
KNOWN = frozenset(tool.name for tool in shipped_tools())
_CALL_OTHERS = ("use_read_tool", "use_write_tool")


def known_name(name: object, known: Collection[str] = KNOWN) -> str:
    """Return the name of a tool as a label; "unknown" for any other text."""
    current = aliases.TOOLS.get(name, name) if isinstance(name, str) else ""
    return current if current in known else UNKNOWN


def _called(name: str, arguments: Json) -> str:
    """Return the tool that is called, also by one that calls others."""
    inner = known_name(arguments.get("tool")) if name in _CALL_OTHERS else UNKNOWN
    return known_name(name) if inner == UNKNOWN else inner


class ObservedCalls:
    """Makes spans and metrics of a caller's calls, outside of what records or replays them.

    Args:
        tracer: Makes a span of a call that has none; None: there are no spans.
        measures: The metrics.
        around: Records or replays the calls.
        journal: The caller's journal, whose failures are counted.
    """

    def __init__(
        self, tracer: Tracer | None, measures: Measures, around: Around | None, journal: Journal | None = None
    ) -> None:
        self._tracer = tracer
        self._measures = measures
        self._around = around
        self._journal = journal
        self._in_trouble = False

    async def __call__(self, name: str, arguments: Json, perform: Perform) -> ToolResult:
        """Call a tool, and count the call by its outcome."""
        tool = _called(name, arguments)
        began, outcome = time.monotonic(), "error"
        with self._span(tool) as span:
            try:
                around = self._around
                result = await (around(name, arguments, perform) if around else perform(name, arguments))
                outcome = _outcome(result)
            except anyio.get_cancelled_exc_class():
                outcome = "cancelled"
                raise
            finally:
                span.set_attribute("incident_mcp.tool.outcome", outcome)
                self._measures.tool_calls.add(1, {"tool": tool, "outcome": outcome})
                self._measures.tool_seconds.record(time.monotonic() - began, {"tool": tool})
                self._look_at_journal()
        return result

    def _look_at_journal(self) -> None:
        """Count a failure of the journal once, until it works again."""
        journal = self._journal
        in_trouble = journal is not None and bool(journal.trouble or journal.unreadable or journal.lost)
        if in_trouble and not self._in_trouble:
            self._measures.journal_failures.add(1)
        self._in_trouble = in_trouble

    @contextmanager
    def _span(self, tool: str) -> Generator[Span]:
        """Use the span that the SDK made of the request; without one, make a span."""
        span = get_current_span()
        if self._tracer is None or span.is_recording():
            span.set_attribute("gen_ai.tool.name", tool)
            span.update_name(f"tools/call {tool}")
            yield span
            return
        attributes = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": tool}
        with self._tracer.start_as_current_span(
            f"tools/call {tool}",
            kind=SpanKind.SERVER,
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as made:
            yield made


def _outcome(result: ToolResult) -> str:
    if not isinstance(result, CallToolResult):
        return "question"
    return "error" if result.is_error else "ok"
