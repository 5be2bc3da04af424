"""Spans, metrics and logs of the team's server.

Nothing that a caller or a service wrote leaves through them: no argument, name, body, query, id of a path, or key. Who
called is in none of them either: the audit log has it.
"""

from incident_mcp.serving.telemetry.logs import configure_json_logging
from incident_mcp.serving.telemetry.telemetry import Telemetry
from incident_mcp.serving.telemetry.trace_context import with_trace_context

__all__ = ["Telemetry", "configure_json_logging", "with_trace_context"]
