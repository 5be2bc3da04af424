"""What the environment asks of the team's server, beside the settings of every server."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr

from incident_mcp.errors import SettingError
from incident_mcp.serving.http.sign_in import OidcSettings
from incident_mcp.settings import Settings, checked_url, choice_in, filled_in, path_in, split_address, words_in

KEY_FILES = {"incidentio": "INCIDENTIO_API_KEY_FILE", "ionhour": "IONHOUR_API_KEY_FILE"}
PUBLIC_URL = "INCIDENT_MCP_PUBLIC_URL"
LOCAL_URL = "http://127.0.0.1:8000/mcp"
LOCAL_NAMES = ("127.0.0.1", "localhost", "::1")
LOCAL_HOSTS = ("127.0.0.1", "localhost", "[::1]")
_OIDC = (
    *("INCIDENT_MCP_OIDC_AUDIENCE", "INCIDENT_MCP_OIDC_JWKS_URL", "INCIDENT_MCP_OIDC_ALGORITHMS"),
    "INCIDENT_MCP_ROLE_CLAIM",
)
_OWN = (
    *(PUBLIC_URL, "INCIDENT_MCP_ALLOWED_HOSTS", "INCIDENT_MCP_ALLOWED_ORIGINS", "INCIDENT_MCP_TOKENS_FILE"),
    *("INCIDENT_MCP_OIDC_ISSUER", *_OIDC, *KEY_FILES.values(), "INCIDENT_MCP_KEYS_FILE", "INCIDENT_MCP_SECRET_FILE"),
    *("INCIDENT_MCP_WEBHOOK_SECRET", "INCIDENT_MCP_WEBHOOK_SECRET_FILE", "INCIDENT_MCP_REDIS_URL"),
    *("INCIDENT_MCP_AUDIT_LOG", "INCIDENT_MCP_LOG_FORMAT"),
)
"""A placeholder in one of these stops the start: without it the server would be less protected than meant."""
_HOST = re.compile(r"([\w.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?", re.IGNORECASE)
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#@*\s]+", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    """How the server is reached, who may sign in, and what its replicas share."""

    public_url: str = LOCAL_URL
    """The address of `/mcp` as clients use it: what tokens are issued for."""
    public_url_is_set: bool = False
    allowed_hosts: tuple[str, ...] = LOCAL_HOSTS
    """Values of the Host header; a name without a port stands for all ports."""
    allowed_origins: tuple[str, ...] = ()
    """Origins of web pages that may call the server."""
    tokens_file: Path | None = None
    oidc: OidcSettings | None = None
    keys_file: Path | None = None
    """Keys of each person's own."""
    key_files: Mapping[str, Path]
    """By service: a file that holds its key, and is read again when it changes."""
    secret_file: Path | None = None
    redis_url: SecretStr | None = None
    webhook_secret: SecretStr | None = None
    webhook_secret_file: Path | None = None
    log_format: str = "text"

    @property
    def has_sign_in(self) -> bool:
        """Whether callers have to sign in."""
        return self.tokens_file is not None or self.oidc is not None

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "ServerSettings":
        """Read the settings.

        Raises:
            SettingError: A value cannot be used, or the settings contradict each other.
        """
        env, unfilled = filled_in(environ)
        if names := [name for name in unfilled if name in _OWN]:
            raise SettingError(
                f"{names[0]} {unfilled[names[0]].partition(':')[0]}. Put its value there, or leave the variable out."
            )
        example = "https://incidents.example.com/mcp"
        public_url = checked_url(PUBLIC_URL, env.get(PUBLIC_URL, LOCAL_URL), example=example, carries="tokens")
        is_local = urlsplit(public_url).hostname in LOCAL_NAMES
        found = cls(
            public_url=public_url,
            public_url_is_set=PUBLIC_URL in env,
            allowed_hosts=_hosts(env, LOCAL_HOSTS if is_local else ()),
            allowed_origins=_origins(env),
            tokens_file=path_in(env, "INCIDENT_MCP_TOKENS_FILE"),
            oidc=_oidc(env, public_url),
            keys_file=path_in(env, "INCIDENT_MCP_KEYS_FILE"),
            key_files={slug: path for slug, name in KEY_FILES.items() if (path := path_in(env, name))},
            secret_file=path_in(env, "INCIDENT_MCP_SECRET_FILE"),
            redis_url=_secret(env, "INCIDENT_MCP_REDIS_URL"),
            webhook_secret=_secret(env, "INCIDENT_MCP_WEBHOOK_SECRET"),
            webhook_secret_file=path_in(env, "INCIDENT_MCP_WEBHOOK_SECRET_FILE"),
            log_format=choice_in(env, "INCIDENT_MCP_LOG_FORMAT", ("text", "json")),
        )
        _check(found, env)
        return found

    def check_reach(self, host: str) -> None:
        """Check that what is reachable from other machines is protected.

        Args:
            host: The address that the server is bound to.

        Raises:
            SettingError: It is not.
        """
        if host.lower() in LOCAL_NAMES:
            if not self.allowed_hosts:
                raise SettingError(
                    "The server would reject every request: set INCIDENT_MCP_ALLOWED_HOSTS to the names that clients"
                    " use, such as the one in INCIDENT_MCP_PUBLIC_URL."
                )
            return
        if not self.has_sign_in:
            raise SettingError(
                f"The server would be reachable from other machines ({host}) without sign-in. Set"
                " INCIDENT_MCP_TOKENS_FILE (`incident-mcp token new` makes one) or INCIDENT_MCP_OIDC_ISSUER, or bind it"
                " to 127.0.0.1."
            )
        if not self.allowed_hosts or self.allowed_hosts == LOCAL_HOSTS:
            raise SettingError(
                f"The server would be reachable from other machines ({host}) under any name. Set"
                " INCIDENT_MCP_ALLOWED_HOSTS to the names that clients use, such as incidents.example.com."
            )


def _secret(env: Mapping[str, str], name: str) -> SecretStr | None:
    return SecretStr(env[name]) if name in env else None


def _hosts(env: Mapping[str, str], default: tuple[str, ...]) -> tuple[str, ...]:
    hosts = tuple(host.lower() for host in words_in(env, "INCIDENT_MCP_ALLOWED_HOSTS", default))
    if not all(_HOST.fullmatch(host) and split_address(f"http://{host}") for host in hosts):
        raise SettingError(
            "INCIDENT_MCP_ALLOWED_HOSTS takes names as in the Host header, such as incidents.example.com, [::1] or"
            " 127.0.0.1:8000: no addresses with https://, and no wildcards."
        )
    return hosts


def _origins(env: Mapping[str, str]) -> tuple[str, ...]:
    """Return the origins as browsers write them: in lower case, without a slash at the end and the usual port."""
    found = words_in(env, "INCIDENT_MCP_ALLOWED_ORIGINS", ())
    origins = tuple(_without_usual_port(origin.lower().removesuffix("/")) for origin in found)
    if not all(_ORIGIN.fullmatch(origin) for origin in origins):
        raise SettingError(
            "INCIDENT_MCP_ALLOWED_ORIGINS takes origins such as https://inspector.example.com: without a path, and no"
            " wildcards."
        )
    return origins


def _without_usual_port(origin: str) -> str:
    return origin.removesuffix(":443" if origin.startswith("https:") else ":80")


def _oidc(env: Mapping[str, str], public_url: str) -> OidcSettings | None:
    issuer = env.get("INCIDENT_MCP_OIDC_ISSUER")
    if issuer is None:
        lonely = [name for name in _OIDC if name in env]
        if lonely:
            raise SettingError(f"{lonely[0]} is set without INCIDENT_MCP_OIDC_ISSUER.")
        return None
    found = OidcSettings(
        issuer,
        env.get("INCIDENT_MCP_OIDC_AUDIENCE", public_url),
        env.get("INCIDENT_MCP_OIDC_JWKS_URL"),
        words_in(env, "INCIDENT_MCP_OIDC_ALGORITHMS", OidcSettings.algorithms),
        env.get("INCIDENT_MCP_ROLE_CLAIM", OidcSettings.role_claim),
    )
    found.check()
    return found


def _check(settings: ServerSettings, env: Mapping[str, str]) -> None:
    files = (*KEY_FILES.values(), "INCIDENT_MCP_SECRET_FILE", "INCIDENT_MCP_WEBHOOK_SECRET_FILE")
    pairs = [*((name, name.removesuffix("_FILE")) for name in files), ("INCIDENTIO_API_KEY_FILE", "INCIDENT_API_KEY")]
    for name, other in pairs:
        if name in env and other in env:
            raise SettingError(f"{name} and {other} are both set: set one of them.")
    if settings.redis_url and not {"INCIDENT_MCP_SECRET", "INCIDENT_MCP_SECRET_FILE"} & set(env):
        raise SettingError(
            "INCIDENT_MCP_REDIS_URL needs INCIDENT_MCP_SECRET (or _FILE), the same on every replica: without it a"
            " replica rejects the confirmation codes of the others. Make one with `openssl rand -hex 32`."
        )
    if settings.keys_file and not settings.has_sign_in:
        raise SettingError("INCIDENT_MCP_KEYS_FILE needs sign-in: without it, nobody is known.")


def server_settings(environ: Mapping[str, str]) -> tuple[Settings, ServerSettings]:
    """Read all settings of the team's server.

    Raises:
        SettingError: A value cannot be used.
    """
    settings = Settings.from_env(environ)
    if settings.record is not None:
        raise SettingError(
            "INCIDENT_MCP_RECORD records one person's calls: it is for stdio, not for the team's server."
        )
    return settings, ServerSettings.from_env(environ)
