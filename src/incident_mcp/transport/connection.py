"""The HTTP connection to a service: its proxy and certificates, and why no connection was made."""

import errno
import os
import re
import socket
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.cookiejar import CookieJar
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any, cast
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx2

from incident_mcp import __version__
from incident_mcp.records.record import shorten
from incident_mcp.records.text import inert

KEPT_OPEN_SECONDS = 120.0
"""Idle connections stay open this long: a model thinks between two calls."""
_CERTIFICATE_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
_WRONG_HOST, _OUT_OF_DATE = (62, 64), (9, 10)
"""OpenSSL's codes: the certificate is for another host or address; it is not valid yet, or has expired."""
_NO_TLS = {"WRONG_VERSION_NUMBER", "UNKNOWN_PROTOCOL", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"}
"""OpenSSL's names, by version, for a response that is not TLS."""


class UnusableError(Exception):
    """A proxy or certificate setting is unusable; the text names it."""


@dataclass(frozen=True)
class Route:
    """How a service is reached.

    Attributes:
        host: Its host name.
        variable: The variable that sets its address.
        proxy: The setting that names the proxy; None without one.
    """

    host: str
    variable: str
    proxy: str | None = None


class Progress:
    """How far a request got: the client reports each step here."""

    def __init__(self) -> None:
        self.left: bool | None = None
        """Whether a part of it may have left for the service; None if the steps are not followed."""
        self.through = False
        """Whether the proxy opened a tunnel to the service."""

    def follow(self) -> "Progress":
        """Start to follow the steps."""
        self.left = False
        return self

    async def __call__(self, step: str, info: Mapping[str, Any]) -> None:
        """Note a step."""
        if step == "http11.send_request_headers.started":
            # A proxy is first asked for a tunnel, which carries nothing of the request.
            self.left = info["request"].method != b"CONNECT"
        elif step in ("proxy.start_tls.started", "socks.start_tls.started"):
            self.through = True


@dataclass(frozen=True)
class NoConnection:
    """The reason why a request never left."""

    why: str
    step: str = ""
    """What to do about it."""
    passing: bool = False
    """Whether another attempt may get through."""


def is_loopback(host: str) -> bool:
    """Return whether a host name or address is this machine."""
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ip_address(name)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback


def find_proxy(url: str) -> tuple[str, str] | None:
    """Return the proxy for an address, and the environment variable (or the system's settings) that names it.

    None for a loopback address: a key that is sent there in plain http would pass the proxy in clear text.
    """
    split = urlsplit(url)
    host = split.hostname or ""
    proxies = getproxies()
    scheme = next((name for name in (split.scheme, "all") if proxies.get(name)), None)
    if scheme is None or is_loopback(host) or _is_bypassed(host, split.port or 443):
        return None
    named_by = _first_set(f"{scheme}_proxy", f"{scheme}_PROXY".upper()) or "the system's proxy settings"
    return _with_scheme(proxies[scheme].strip()), named_by


def _with_scheme(proxy: str) -> str:
    return proxy if "://" in proxy else f"http://{proxy}"


def _first_set(*names: str) -> str | None:
    """Return the first environment variable that is set."""
    return next((name for name in names if os.environ.get(name)), None)


def _is_bypassed(host: str, port: int) -> bool:
    """Return whether NO_PROXY matches a host: by name, suffix, `*.example.com` or network."""
    if proxy_bypass(f"{host}:{port}"):
        return True
    excepted = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    return any(_matches(host, entry.strip().lower()) for entry in excepted.split(","))


def _matches(host: str, entry: str) -> bool:
    if entry.startswith("*."):
        return host.endswith(entry[1:])
    try:
        return ip_address(host) in ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        return False


def make_client(url: str, timeout: httpx2.Timeout, at_once: int) -> tuple[httpx2.AsyncClient, str | None]:
    """Return the client for a service's address, and the setting that names its proxy.

    Raises:
        UnusableError: A proxy or certificate setting cannot be used.
    """
    limits = httpx2.Limits(max_connections=at_once, keepalive_expiry=KEPT_OPEN_SECONDS)
    found = find_proxy(url)
    proxy, named = (_proxy(*found), found[1]) if found else (None, None)
    try:
        transport = httpx2.AsyncHTTPTransport(proxy=proxy, limits=limits)
    except ImportError:
        raise UnusableError(
            f"{named} names a SOCKS proxy, for which the Python package socksio is needed. Install incident-mcp with"
            " its extra `socks`, or name an http proxy."
        ) from None
    except OSError as error:
        used = [name for name in _CERTIFICATE_VARIABLES if os.environ.get(name)]
        # Of an SSLError, which is an OSError, `strerror` is a sentence with places in OpenSSL's code.
        why = error.reason if isinstance(error, ssl.SSLError) else error.strerror
        raise UnusableError(
            f"{' or '.join(used) or 'the system certificate store'} cannot be used ({why or type(error).__name__})."
            " Name a file of CA certificates in PEM form, or unset it to use the system's."
        ) from None
    return with_transport(transport, timeout), named


class _NoCookies(CookieJar):
    """Stores no cookies: they would tie later requests to a session, and malformed ones warn or fail."""

    def extract_cookies(self, response: object, request: object) -> None:
        """Keep nothing of a response."""


def with_transport(transport: httpx2.AsyncBaseTransport, timeout: httpx2.Timeout) -> httpx2.AsyncClient:
    """Return a client on a transport."""
    return httpx2.AsyncClient(
        transport=transport,
        timeout=timeout,
        follow_redirects=False,
        cookies=_NoCookies(),
        headers={"User-Agent": f"incident-mcp/{__version__}", "Accept": "application/json"},
    )


def _proxy(address: str, named: str) -> httpx2.Proxy:
    try:
        proxy = httpx2.Proxy(address)
    except (ValueError, httpx2.InvalidURL):
        proxy = None
    if proxy is None or not re.fullmatch(r"[^%]+", proxy.url.host):
        # The value is not repeated: it may hold a password.
        raise UnusableError(
            f"{named} is no usable proxy address. It takes one like http://proxy.example:3128, with user:password@"
            " before the host if the proxy asks for them."
        )
    return proxy


_NEVER_LEFT = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.ProxyError,
    httpx2.UnsupportedProtocol,
    httpx2.InvalidURL,
)
"""Exceptions that every transport raises before a request leaves."""
_OF_THE_NETWORK = (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError, OverflowError)
"""Exceptions of a client that the network may have caused."""


def explain_failure(error: Exception, route: Route, progress: Progress) -> NoConnection | None:
    """Return why a request never left; None if a part of it may have."""
    if _may_have_left(error, progress):
        return None
    if isinstance(error, httpx2.ProxyError):
        return _refused_by_proxy(str(error), route)
    proxied = None if progress.through else route.proxy
    whom = f"the proxy that {proxied} names" if proxied else route.host
    check = f"Check {proxied or route.variable}."
    known = (_known(cause, whom, check, route) for cause in _causes(error))
    return next(filter(None, known), None) or _unknown(error, whom, _reach(check, route))


def _may_have_left(error: Exception, progress: Progress) -> bool:
    """Return whether a part of the request may have left, or the error has another cause than the network."""
    if isinstance(error, _NEVER_LEFT):
        return False
    if progress.left is not None:
        return progress.left
    return isinstance(error, httpx2.HTTPError | TimeoutError) or not isinstance(error, _OF_THE_NETWORK)


def _unknown(error: Exception, whom: str, step: str) -> NoConnection:
    kind = type(error).__name__
    late = isinstance(error, httpx2.TimeoutException | TimeoutError)
    why = f"{whom} did not answer in time ({kind})" if late else f"no connection to {whom} was made ({kind})"
    return NoConnection(why, step, passing=True)


def _known(cause: BaseException, whom: str, check: str, route: Route) -> NoConnection | None:  # noqa: PLR0911  # a table
    """Return the reason that one cause of a failure implies, None if it is not known."""
    match cause:
        case ssl.SSLCertVerificationError():
            return _untrusted(cause, whom, check)
        case ssl.SSLError() if cause.reason in _NO_TLS:
            return NoConnection(f"{whom} does not speak TLS at that port", check)
        case socket.gaierror():
            return NoConnection(
                f"the name of {whom} does not resolve", _reach(check, route), passing=cause.errno == socket.EAI_AGAIN
            )
        case ConnectionRefusedError():
            return NoConnection(f"{whom} refused the connection, so nothing answers at that port", check, passing=True)
        case OSError(errno=errno.ENETUNREACH | errno.EHOSTUNREACH):
            return NoConnection(f"there is no way to {whom} from this network", _reach(check, route), passing=True)
        case httpx2.InvalidURL() | httpx2.UnsupportedProtocol() | ValueError() | OverflowError():
            return NoConnection(f"the address of {whom} is not usable", check)
        case _:
            return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield a failure and all its causes; several addresses of a host fail in a group."""
    seen: set[int] = set()
    left: list[BaseException | None] = [error]
    while left:
        cause = left.pop(0)
        if cause is None or id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        left += [cause.__cause__, cause.__context__]
        if isinstance(cause, BaseExceptionGroup):
            left += cast("BaseExceptionGroup[BaseException]", cause).exceptions


def _refused_by_proxy(reason: str, route: Route) -> NoConnection:
    named = route.proxy or "the environment"
    reason = shorten(inert(reason), 100)
    why = f"the proxy that {named} names refused to connect to {route.host} ({reason})"
    if reason.startswith("407"):
        return NoConnection(why, f"Put the proxy's user and password into {named}: http://user:password@host:port.")
    return NoConnection(why, f"Check {named}, or let NO_PROXY name {route.host} if it is reached without a proxy.")


def _untrusted(cause: ssl.SSLCertVerificationError, whom: str, check: str) -> NoConnection:
    why = f"the certificate of {whom} is not trusted ({shorten(cause.verify_message, 150)})"
    if cause.verify_code in _WRONG_HOST:
        return NoConnection(why, check)
    if cause.verify_code in _OUT_OF_DATE:
        return NoConnection(why, "Check this machine's clock.")
    if used := _first_set(*_CERTIFICATE_VARIABLES):
        return NoConnection(why, f"The certificates of {used} are used: check it, or unset it to use the system's.")
    step = "If a company proxy signs certificates, set SSL_CERT_FILE to a file with its CA certificate (PEM)."
    return NoConnection(why, step)


def _reach(check: str, route: Route) -> str:
    if route.proxy or is_loopback(route.host):
        return check
    return f"{check} If this network needs a proxy, set HTTPS_PROXY."
