"""Records of Ionhour checks. Ionhour documents the fields of a request and the statuses, and no answer."""

import re
from typing import Annotated, cast
from urllib.parse import urlsplit

from pydantic import AfterValidator, AliasChoices, AliasPath, BeforeValidator, Field, ValidationInfo, model_validator

from incident_mcp.ionhour.records import IonhourRecord
from incident_mcp.ionhour.search import Searched
from incident_mcp.records.record import Instant, Json, Name, Texts, Whole, is_foreign

_PING = re.compile("[/]ping[/]", re.IGNORECASE)
"""In the address to which a check's signals are sent: the token follows it."""


def _public_address(value: object) -> object:
    """Return an address without what may be a credential: user, password, query; None for a ping's address."""
    if not isinstance(value, str):
        return value
    address = urlsplit(value)
    if not address.hostname or _PING.search(value):
        return None
    host = address.netloc.rpartition("@")[2]
    return f"{address.scheme}://{host}{address.path}{'?…' if address.query else ''}"


Address = Annotated[str, BeforeValidator(_public_address)]
"""An address without user, password and query."""


class CheckRow(IonhourRecord):
    """A check in a list. Its token is omitted on purpose: a ping to it fakes a recovery."""

    id: int
    name: Name | None = None
    status: str | None = None
    """NEW, OK, LATE, DOWN, PAUSED (raises no alerts), RESUMED, or a newer one."""
    project: Name | None = Field(default=None, validation_alias=AliasPath("project", "name"))
    check_mode: str | None = None
    """INBOUND waits for signals, OUTBOUND probes an address."""
    dependency_impacted: Annotated[bool, AfterValidator(lambda impacted: impacted or None)] | None = None
    """True if something that it depends on is down."""
    last_ping_at: Instant | None = None
    next_due_at: Instant | None = None


class Check(CheckRow):
    """A check in full."""

    name: str | None = None
    project: str | None = Field(default=None, validation_alias=AliasPath("project", "name"))
    project_id: int | None = Field(default=None, validation_alias=AliasChoices(AliasPath("project", "id"), "projectId"))
    interval_seconds: Whole | None = None
    grace_seconds: Whole | None = None
    down_severity: str | None = None
    late_severity: str | None = None
    url: Address | None = None
    check_type: str | None = None
    method: str | None = None
    expected_status_min: Whole | None = None
    expected_status_max: Whole | None = None
    timeout_ms: Whole | None = None
    fail_after_consecutive: Whole | None = None
    resolve_after_consecutive_success: Whole | None = None
    regions: Texts | None = None

    @model_validator(mode="before")
    @classmethod
    def _with_outbound_config(cls, value: object, info: ValidationInfo) -> object:
        if not isinstance(value, dict) or not is_foreign(info):
            return cast("object", value)
        check = cast("Json", value)
        return _without_token(
            _outbound_config(check) | {name: item for name, item in check.items() if item is not None}
        )


_OUTBOUND = {
    "url",
    "checkType",
    "method",
    "expectedStatusMin",
    "expectedStatusMax",
    "timeoutMs",
    "failAfterConsecutive",
    "resolveAfterConsecutiveSuccess",
    "regions",
}


def _outbound_config(check: Json) -> Json:
    """Return what an outbound check is configured with; the key is not documented: the object with a timeout has it."""
    configs = [cast("Json", inner) for inner in check.values() if isinstance(inner, dict) and "timeoutMs" in inner]
    return {name: configs[0][name] for name in _OUTBOUND & configs[0].keys()} if len(configs) == 1 else {}


def _without_token(check: Json) -> Json:
    """Return a check without its address if that has the token in it."""
    token = check.get("token")
    if isinstance(token, str) and token and token in str(check.get("url")):
        return {name: value for name, value in check.items() if name != "url"}
    return check


class Checks(Searched):
    """A list of checks."""

    MARK = "ionhour_get_check shows one in full."
    checks: list[CheckRow]
