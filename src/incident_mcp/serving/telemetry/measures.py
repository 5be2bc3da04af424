"""The metrics. Each label takes few values, all of them known beforehand."""

import re

from opentelemetry.metrics import MeterProvider

SCOPE = "incident_mcp"
SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 45, 60)
MOST_REASONS = 20
_REASON = re.compile("[a-z][a-z0-9_]{0,39}", re.ASCII)


class Measures:
    """The instruments of a server.

    Args:
        provider: Makes them.
        version: The server's version.
    """

    def __init__(self, provider: MeterProvider, version: str) -> None:
        meter = provider.get_meter(SCOPE, version)
        self._reasons: set[str] = set()
        self.tool_calls = meter.create_counter("incident_mcp.tool.calls", "{call}", "Tool calls, by outcome.")
        self.tool_seconds = meter.create_histogram(
            "incident_mcp.tool.duration", "s", "Duration of tool calls.", explicit_bucket_boundaries_advisory=SECONDS
        )
        self.requests = meter.create_counter(
            "incident_mcp.api.requests", "{request}", "Attempts of requests to a service, by result."
        )
        self.request_seconds = meter.create_histogram(
            "incident_mcp.api.duration",
            "s",
            "Duration of attempts of requests to a service.",
            explicit_bucket_boundaries_advisory=SECONDS,
        )
        self.retries = meter.create_counter(
            "incident_mcp.api.retries", "{retry}", "Requests to a service that were repeated."
        )
        self.retry_wait = meter.create_counter(
            "incident_mcp.api.retry.wait", "s", "Seconds of waiting before a request was repeated."
        )
        self.rate_limit_wait = meter.create_counter(
            "incident_mcp.api.rate_limit.wait", "s", "Seconds that requests waited for a service's rate limit."
        )
        self.remaining = meter.create_gauge(
            "incident_mcp.api.rate_limit.remaining", "{request}", "Requests left, as the service last reported."
        )
        self.sign_ins_refused = meter.create_counter(
            "incident_mcp.sign_in.refused", "{request}", "Requests without a sign-in that is accepted, by reason."
        )
        self.journal_failures = meter.create_counter(
            "incident_mcp.journal.failures", "{failure}", "Failures to read or write the journal."
        )

    def bounded_reason(self, reason: str) -> str:
        """Return the reason as a label; "other" for what is no identifier, or one too many."""
        if not _REASON.fullmatch(reason) or (reason not in self._reasons and len(self._reasons) >= MOST_REASONS):
            return "other"
        self._reasons.add(reason)
        return reason
