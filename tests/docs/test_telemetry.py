"""docs/telemetry.md names every metric with its labels, and every attribute of a span."""

import re

from opentelemetry.sdk.metrics import MeterProvider

from incident_mcp.serving.telemetry.destinations import ENDPOINT, METRICS, METRICS_ENDPOINT, TRACES_ENDPOINT
from incident_mcp.serving.telemetry.measures import Measures
from tests.spawned import ROOT

TEXT = (ROOT / "docs/telemetry.md").read_text("utf-8")


def test_every_metric_is_documented_and_no_other():
    measures = Measures(MeterProvider(shutdown_on_exit=False), "")
    names = {instrument.name for instrument in vars(measures).values() if hasattr(instrument, "name")}
    assert len(names) == 10
    section = TEXT.partition("## Metrics")[2]
    assert set(re.findall(r"^\| `(incident_mcp\.[a-z_.]+)`", section, re.MULTILINE)) == names


def test_the_settings_are_documented():
    assert all(f"`{name}" in TEXT for name in (ENDPOINT, TRACES_ENDPOINT, METRICS_ENDPOINT, METRICS))
