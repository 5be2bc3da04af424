"""The way to a service: the HTTP client with its proxy and certificates, and why no connection was made."""

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
"""How long an idle connection stays open: a model thinks between two calls."""
_CERTIFICATE_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
_WRONG_HOST, _OUT_OF_DATE = (62, 64), (9, 10)
"""OpenSSL's codes: the certificate is for another host or address; it is not valid yet, or no more."""
_NO_TLS = {"WRONG_VERSION_NUMBER", "UNKNOWN_PROTOCOL", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"}
"""OpenSSL's names, by version, for an answer that is no TLS."""


class UnusableError(Exception):
    """A setting with which no client can be made; the text names the setting."""


@dataclass(frozen=True)
class Route:
    """How a service is reached.

    Attributes:
        host: Its host name.
        variable: The variable that sets its address.
        proxy: What names the proxy; None without one.
    """

    host: str
    variable: str
    proxy: str | None = None


class Progress:
    """How far a request got, as the client reports each step of it here."""

    def __init__(self) -> None:
        self.left: bool | None = None
        """Whether a part of it may have left for the service; None where the steps are not followed."""
        self.through = False
        """Whether the proxy opened a tunnel to the service."""

    def follow(self) -> "Progress":
        """Begin to follow the steps."""
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
    """Why a request never left."""

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
    """Return the proxy for an address and what names it: a variable of the environment, or the system's settings.

    None for a loopback address: a key sent there in plain http would pass the proxy readable.
    """
    split = urlsplit(url)
    host = split.hostname or ""
    if is_loopback(host):
        return None
    proxies = getproxies()
    for scheme in (split.scheme, "all"):
        if proxy := proxies.get(scheme):
            if _is_bypassed(host, split.port or 443):
                return None
            variable = next(
                (name for name in (f"{scheme}_proxy", f"{scheme}_PROXY".upper()) if os.environ.get(name)),
                "the system's proxy settings",
            )
            return proxy.strip() if "://" in proxy else f"http://{proxy.strip()}", variable
    return None


def _is_bypassed(host: str, port: int) -> bool:
    """Return whether NO_PROXY names a host; beside names and suffixes it may hold `*.example.com` and networks."""
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
    """Make the client for a service's address; return it, and what names its proxy.

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
    """Reads no cookies: none may turn later requests into those of a session, and odd ones warn or fail."""

    def extract_cookies(self, response: object, request: object) -> None:
        """Keep nothing of a response."""


def with_transport(transport: httpx2.AsyncBaseTransport, timeout: httpx2.Timeout) -> httpx2.AsyncClient:
    """Make a client on a transport."""
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
"""What is raised before a request leaves, whatever the transport."""
_OF_THE_NETWORK = (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError, OverflowError)
"""What a client raises that may be no error of our own."""


def explain_failure(error: Exception, route: Route, progress: Progress) -> NoConnection | None:
    """Return why a request never left; None if a part of it may have."""
    if progress.left is None and not isinstance(error, _OF_THE_NETWORK):
        return None
    left = isinstance(error, httpx2.HTTPError | TimeoutError) if progress.left is None else progress.left
    if left and not isinstance(error, _NEVER_LEFT):
        return None
    if isinstance(error, httpx2.ProxyError):
        return _refused_by_proxy(str(error), route)
    proxied = route.proxy if not progress.through else None
    whom = f"the proxy that {proxied} names" if proxied else route.host
    check = f"Check {proxied or route.variable}."
    for cause in _causes(error):
        if found := _known(cause, whom, check, route):
            return found
    kind = type(error).__name__
    late = isinstance(error, httpx2.TimeoutException | TimeoutError)
    why = f"{whom} did not answer in time ({kind})" if late else f"no connection to {whom} was made ({kind})"
    return NoConnection(why, _reach(check, route), passing=True)


def _known(cause: BaseException, whom: str, check: str, route: Route) -> NoConnection | None:  # noqa: PLR0911  # a table
    """Return what one cause of a failure means, None if it says no more than its name."""
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
    """Return a failure and all that led to it; several addresses of a host fail in a group."""
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
    used = next((name for name in _CERTIFICATE_VARIABLES if os.environ.get(name)), None)
    if used:
        return NoConnection(why, f"The certificates of {used} are used: check it, or unset it to use the system's.")
    step = "If a company proxy signs certificates, set SSL_CERT_FILE to a file with its CA certificate (PEM)."
    return NoConnection(why, step)


def _reach(check: str, route: Route) -> str:
    if route.proxy or is_loopback(route.host):
        return check
    return f"{check} If this network needs a proxy, set HTTPS_PROXY."
