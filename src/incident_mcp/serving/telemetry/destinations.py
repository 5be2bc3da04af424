"""Where spans and metrics go, from the environment."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from incident_mcp.errors import SettingError

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
TRACES_ENDPOINT = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
METRICS_ENDPOINT = "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"
METRICS = "INCIDENT_MCP_METRICS"
_HEADERS = tuple(f"OTEL_EXPORTER_OTLP_{signal}HEADERS" for signal in ("", "TRACES_", "METRICS_"))
_PROTOCOLS = tuple(f"OTEL_EXPORTER_OTLP_{signal}PROTOCOL" for signal in ("", "TRACES_", "METRICS_"))
_SWITCH = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


@dataclass(frozen=True)
class Destinations:
    """Where spans and metrics go; false if they go nowhere."""

    spans: str | None
    """Address of an OTLP/HTTP endpoint."""
    metrics: str | None
    """Address of an OTLP/HTTP endpoint."""
    prometheus: bool
    """Whether Prometheus can read the metrics from the server."""
    setting: str = ENDPOINT
    """The variable that asks for them."""

    def __bool__(self) -> bool:
        return bool(self.spans or self.metrics or self.prometheus)

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Destinations":
        """Read the destinations.

        Raises:
            SettingError: A value cannot be used; the text does not repeat it.
        """
        prometheus = _SWITCH.get(environ.get(METRICS, "").strip().lower() or "0")
        if prometheus is None:
            raise SettingError(f"{METRICS} takes one of {', '.join(_SWITCH)}.")
        if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
            return cls(None, None, prometheus=False)
        spans = _endpoint(environ, "TRACES", "/v1/traces")
        metrics = _endpoint(environ, "METRICS", "/v1/metrics")
        if spans or metrics:
            _check_exporter(environ)
        setting = next((name for name in (ENDPOINT, TRACES_ENDPOINT, METRICS_ENDPOINT) if _get(environ, name)), METRICS)
        return cls(spans, metrics, prometheus, setting)


def _get(environ: Mapping[str, str], name: str) -> str:
    return environ.get(name, "").strip()


def _endpoint(environ: Mapping[str, str], signal: str, path: str) -> str | None:
    """Return a signal's own endpoint, or the common one with the signal's path."""
    if _get(environ, f"OTEL_{signal}_EXPORTER").lower() == "none":
        return None
    own, common = f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT", _get(environ, ENDPOINT)
    if url := _get(environ, own):
        return _checked(own, url)
    return _checked(ENDPOINT, common).rstrip("/") + path if common else None


def _checked(name: str, url: str) -> str:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise SettingError(f"{name} takes an address like http://localhost:4318, with http:// or https:// in front.")
    return url


def _check_exporter(environ: Mapping[str, str]) -> None:
    for name in _PROTOCOLS:
        if _get(environ, name).lower() not in ("", "http/protobuf"):
            raise SettingError(f"{name} takes http/protobuf only: gRPC and JSON are not supported.")
    for name in _HEADERS:
        # The SDK would log one that it cannot read, which may be a key.
        if any("=" not in each for each in _get(environ, name).split(",") if each.strip()):
            raise SettingError(f"{name} takes name=value pairs, separated by commas.")
