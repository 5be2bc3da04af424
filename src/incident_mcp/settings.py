"""Settings from the environment: which services, which tools, where the state lies."""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar
from urllib.parse import SplitResult, urlsplit

from pydantic import SecretStr

from incident_mcp.errors import SettingError

INCIDENTIO_URL = "https://api.incident.io"
IONHOUR_URL = "https://api.ionhour.com/api"

KEY_VARIABLES = {"incidentio": "INCIDENTIO_API_KEY", "ionhour": "IONHOUR_API_KEY"}
URL_VARIABLES = {"incidentio": "INCIDENTIO_API_URL", "ionhour": "IONHOUR_API_URL"}

SECRET_BYTES = 32
CONFIRM = ("never", "destructive", "writes")
IGNORED_ARGUMENTS = ("sessionId", "toolCallId", "action", "chatInput", "random_string")
"""What workflow builders and some hosts are known to add to every call."""

_PLACEHOLDER = re.compile(
    r"\$\{.*\}|\$\(.*\)|\$(env:)?\w+|%[^%\s]+%|\{+[^{}]*\}+|<[^<>@]*>"
    r"|null|none|nil|undefined|x{3,}|\*+|\.{3,}|…|-+|change[ _-]?me|replace[ _-]?me|todo"
    r"|(enter |paste |insert )?your[ _-][\w .-]*?(key|token|secret|id)([ _-]here)?",
    re.IGNORECASE,
)
"""What stands for a value that nobody filled in: a host's variable, a language's nothing, a README's words."""
_BY_HOST = re.compile(r"\$\{user_config\.[^}]*\}")
"""What a host leaves of an optional setting, which is no mistake of a person."""
_QUOTES = "\"'`\u2018\u2019\u201c\u201d\u00ab\u00bb"
_OURS = ("INCIDENTIO_", "INCIDENT_API_KEY", "INCIDENT_MCP_", "IONHOUR_")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_YES, _NO = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the environment asks for; `from_env` reads and checks it."""

    incidentio_key: SecretStr | None = None
    incidentio_url: str = INCIDENTIO_URL
    ionhour_key: SecretStr | None = None
    ionhour_url: str = IONHOUR_URL
    ionhour_workspace_id: int | None = None
    read_only: bool = False
    toolsets: tuple[str, ...] | None = None
    """None: those that are offered by default."""
    state_dir: Path | None = None
    """None: the platform's state folder."""
    discovery: bool = True
    """Whether tools that are not listed can be found and called."""
    sandbox: bool = False
    max_declares: int = 5
    """Incidents declared in 10 minutes; 0: any number."""
    max_writes: int = 30
    """Other writes in 10 minutes; 0: any number."""
    audit_log: Path | None = None
    record: Path | None = None
    """File to which requests, answers and calls are written, redacted."""
    stale_minutes: int = 60
    """After how long without an update an open incident counts as missing one."""
    confirm: str = "never"
    """Which writes need a person's confirmation: never, destructive, writes."""
    person: str = ""
    """Who calls, where several people share a server, whatever they are named; empty on stdio."""
    person_shown: str = ""
    """The same with the present name, for the audit log."""
    role: str | None = None
    """What that person may do: reader, responder or pager; None: all that the other settings allow."""
    me: str | None = None
    """Email of the person behind the incident.io key: `me` in every person argument."""
    signing_key: SecretStr | None = None
    """Behind confirmation codes; None: one in the state folder."""
    ignore_arguments: tuple[str, ...] = IGNORED_ARGUMENTS
    """Arguments that hosts add to every call."""
    unfilled: Mapping[str, str] = field(default_factory=dict[str, str], compare=False)
    """Variables that hold something and count as not set, and why."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str], *, sandbox: bool = False) -> "Settings":
        """Read the settings; a blank value or a placeholder counts as unset.

        Raises:
            SettingError: A value cannot be used; the text names the variable and what it takes.
        """
        env, unfilled = filled_in(environ)
        return cls(
            incidentio_key=key_in(env, "INCIDENTIO_API_KEY") or key_in(env, "INCIDENT_API_KEY"),
            incidentio_url=checked_url("INCIDENTIO_API_URL", env.get("INCIDENTIO_API_URL", INCIDENTIO_URL)),
            ionhour_key=key_in(env, "IONHOUR_API_KEY"),
            ionhour_url=_ionhour_url(env.get("IONHOUR_API_URL", IONHOUR_URL)),
            ionhour_workspace_id=_number(env, "IONHOUR_WORKSPACE_ID", 0) or None,
            read_only=_switch(env, "INCIDENT_MCP_READ_ONLY"),
            toolsets=words_in(env, "INCIDENT_MCP_TOOLSETS", None),
            state_dir=path_in(env, "INCIDENT_MCP_STATE_DIR"),
            discovery=_switch(env, "INCIDENT_MCP_DISCOVERY", default="1"),
            sandbox=sandbox or _switch(env, "INCIDENT_MCP_SANDBOX"),
            max_declares=_number(env, "INCIDENT_MCP_MAX_DECLARES", 5),
            max_writes=_number(env, "INCIDENT_MCP_MAX_WRITES", 30),
            audit_log=path_in(env, "INCIDENT_MCP_AUDIT_LOG"),
            record=path_in(env, "INCIDENT_MCP_RECORD"),
            stale_minutes=_number(env, "INCIDENT_MCP_STALE_MINUTES", 60),
            confirm=choice_in(env, "INCIDENT_MCP_CONFIRM", CONFIRM),
            me=_email(env, "INCIDENT_MCP_ME"),
            signing_key=_secret(env, "INCIDENT_MCP_SECRET"),
            ignore_arguments=words_in(env, "INCIDENT_MCP_IGNORE_ARGUMENTS", IGNORED_ARGUMENTS),
            unfilled=unfilled,
        )

    def key(self, service: str) -> SecretStr | None:
        """Return a service's key."""
        return {"incidentio": self.incidentio_key, "ionhour": self.ionhour_key}[service]

    def why_no_key(self, service: str) -> str:
        """Return why a service has no key; empty if it has one."""
        if self.key(service) is not None:
            return ""
        names = [KEY_VARIABLES[service], *(["INCIDENT_API_KEY"] if service == "incidentio" else [])]
        found = [f"{name} {self.unfilled[name]}" for name in names if name in self.unfilled]
        return found[0] if found else f"{names[0]} is not set"


_SAFETY = ("INCIDENT_MCP_READ_ONLY", "INCIDENT_MCP_CONFIRM")
"""Switches that `$X` or `null` must not turn off: it stops the start, unless it is a form that hosts leave behind."""


def filled_in(environ: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the values of our variables, and why some of them count as not set."""
    env: dict[str, str] = {}
    unfilled: dict[str, str] = {}
    ours = {name: value.strip() for name, value in environ.items() if name.startswith(_OURS)}
    for name, text in ours.items():
        bare = text.strip(_QUOTES).strip()
        if not bare or _BY_HOST.fullmatch(bare):
            continue
        if why := _why_unfilled(name, text, bare):
            unfilled[name] = why
        else:
            env[name] = bare if text[0] in _QUOTES and text[-1] in _QUOTES else text
    return env, unfilled


def _why_unfilled(name: str, text: str, bare: str) -> str | None:
    if _PLACEHOLDER.fullmatch(bare) and (name not in _SAFETY or bare.startswith("${")):
        return "holds a placeholder: it counts as not set"
    return "is in quotes: it counts as not set" if bare != text and name.endswith("_API_KEY") else None


def key_in(env: Mapping[str, str], name: str) -> SecretStr | None:
    """Return a key; None if it is not set.

    Raises:
        SettingError: No key has such characters.
    """
    value = env.get(name)
    if value is None:
        return None
    if not value.isascii() or not value.isprintable() or " " in value:
        raise SettingError(
            f"{name} holds a character that no API key has. Copy the key again, without quotes or line ends."
        )
    return SecretStr(value)


def _secret(env: Mapping[str, str], name: str) -> SecretStr | None:
    value = env.get(name)
    if value is not None and len(value.encode(errors="replace")) < SECRET_BYTES:
        raise SettingError(
            f"{name} is too short: it takes {SECRET_BYTES} bytes or more, for example from `openssl rand -hex 32`."
        )
    return None if value is None else SecretStr(value)


# None of these repeats the value: it may be a key that was pasted into the wrong variable.
def _number(env: Mapping[str, str], name: str, default: int) -> int:
    value = env.get(name, str(default))
    if not re.fullmatch(r"[0-9]{1,18}", value):
        raise SettingError(f"{name} takes a whole number.")
    return int(value)


def choice_in(env: Mapping[str, str], name: str, choices: tuple[str, ...]) -> str:
    """Return one of some words; the first if it is not set.

    Raises:
        SettingError: It is another word.
    """
    value = env.get(name, choices[0]).lower()
    if value not in choices:
        raise SettingError(f"{name} takes one of {', '.join(choices)}.")
    return value


_Default = TypeVar("_Default")


def words_in(env: Mapping[str, str], name: str, default: _Default) -> tuple[str, ...] | _Default:
    """Return the parts of a comma list."""
    return tuple(part.strip() for part in env[name].split(",") if part.strip()) if name in env else default


def _email(env: Mapping[str, str], name: str) -> str | None:
    value = env.get(name)
    if value is not None and not re.fullmatch(r"[^@\s<>]+@[^@\s<>]+", value):
        raise SettingError(f"{name} takes an email address.")
    return value


def path_in(env: Mapping[str, str], name: str) -> Path | None:
    """Return a path, with the home folder in place of `~`; None if it is not set."""
    if name not in env:
        return None
    path = Path(env[name])
    # Without a home folder the `~` stays: whatever uses the path then says so.
    with suppress(RuntimeError):
        path = path.expanduser()
    return path


def _switch(env: Mapping[str, str], name: str, default: str = "0") -> bool:
    value = env.get(name, default).lower()
    if value not in _YES + _NO:
        raise SettingError(f"{name} takes one of {', '.join(_YES + _NO)}.")
    return value in _YES


def split_address(url: str) -> SplitResult | None:
    """Return the parts of an http or https address, None if it is not one."""
    try:
        parts = urlsplit(url)
        # Reading the port checks it.
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        return None
    return parts if usable else None


def checked_url(name: str, value: str, *, example: str = INCIDENTIO_URL, carries: str = "the API key") -> str:
    """Return an address without its trailing slashes.

    Args:
        name: The variable.
        value: The address.
        example: A value, for the error.
        carries: What is sent there that nobody may read on the way.

    Raises:
        SettingError: It cannot be used.
    """
    url = value.rstrip("/")
    parts = split_address(url)
    if parts is None:
        raise SettingError(f"{name} takes an address like {example}, with https:// in front.")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise SettingError(f"{name} takes an address without user, password, query or fragment.")
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        raise SettingError(
            f"{name} is plain http: {carries} would be sent in clear text. Use https:// (http only to loopback)."
        )
    return url


def _ionhour_url(value: str) -> str:
    url = checked_url("IONHOUR_API_URL", value)
    if (urlsplit(url).hostname or "").startswith("mcp."):
        raise SettingError(
            f"IONHOUR_API_URL points to an MCP endpoint, which does not serve the REST API. Use {IONHOUR_URL}, or"
            " leave it unset."
        )
    # The vendor's own tools write this address with, without and with a doubled /api.
    return re.sub(r"(/+api)+$", "", url) + "/api"
