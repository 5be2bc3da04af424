"""The ASGI layer that requires sign-in, and the metadata that tells clients where to sign in (RFC 6750, RFC 9728)."""

import json
import re
from collections.abc import Callable, Iterable
from typing import Protocol
from urllib.parse import quote, urlsplit

from starlette.authentication import AuthCredentials
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from incident_mcp.serving.http.sdk import AccessToken, AuthContextMiddleware, AuthenticatedUser
from incident_mcp.serving.http.sign_in.problems import IdentityProviderDown
from incident_mcp.serving.http.sign_in.roles import ROLES

WELL_KNOWN = "/.well-known/oauth-protected-resource"
MAX_HEADER = 8_192 + 16
"""Bytes of an Authorization header: the longest token and the scheme."""
RETRY_SECONDS = 5
UNAUTHORIZED = "unauthorized"
_BEARER = re.compile(rb"bearer +([a-z0-9._~+/-]+=*) *", re.IGNORECASE)
_URL = "/:?#[]@!$&'()*+,;=%"
"""Characters of a URL that stay as they are; a quote or a backslash would end a header's quoted string."""


class Verifier(Protocol):
    """What decides on a token."""

    async def verify_token(self, token: str) -> AccessToken | None:
        """Return whose token it is, None if it is not valid.

        Raises:
            IdentityProviderDown: It cannot be decided now.
        """
        ...


def require_sign_in(
    app: ASGIApp, sign_in: Verifier, *, public_url: str, refused: Callable[[str], None] = lambda _: None
) -> ASGIApp:
    """Return an app that passes on only requests with a valid token and a role.

    The request that is passed on carries the principal in `scope["user"]`, and no longer the token.

    Args:
        app: What is served to those who signed in.
        sign_in: Decides on tokens.
        public_url: The address of the server as clients use it.
        refused: Told of each request that is not passed on, by the error's fixed word.
    """
    return _RequireSignIn(AuthContextMiddleware(app), sign_in, _metadata_url(public_url), refused)


class _Refusal(Exception):
    """The request is not passed on."""

    def __init__(self, status: int, error: str | None, description: str) -> None:
        super().__init__(description)
        self.status = status
        self.error = error
        self.description = description


class _RequireSignIn:
    def __init__(self, app: ASGIApp, sign_in: Verifier, metadata_url: str, refused: Callable[[str], None]) -> None:
        self._app = app
        self._sign_in = sign_in
        self._metadata_url = metadata_url
        self._refused = refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        try:
            principal = await self._principal(scope)
        except _Refusal as refusal:
            self._refused(refusal.error or UNAUTHORIZED)
            await self._refuse(refusal)(scope, receive, send)
            return
        await self._app(_signed_in(scope, principal), receive, send)

    async def _principal(self, scope: Scope) -> AccessToken:
        token = _bearer_token(scope["headers"])
        try:
            principal = await self._sign_in.verify_token(token)
        except IdentityProviderDown:
            raise _Refusal(
                503, "temporarily_unavailable", "The identity provider cannot be reached. Try again shortly."
            ) from None
        if principal is None:
            raise _Refusal(401, "invalid_token", "The token is not valid or has expired. Sign in again.")
        if not principal.scopes:
            raise _Refusal(
                403, "insufficient_scope", f"The token carries none of the roles {', '.join(ROLES)}. Ask for one."
            )
        return principal

    def _refuse(self, refusal: _Refusal) -> Response:
        body = {"error": refusal.error or UNAUTHORIZED, "error_description": refusal.description}
        headers = {"Cache-Control": "no-store"}
        if refusal.status == 503:  # noqa: PLR2004  # HTTP statuses are plainest as themselves
            headers["Retry-After"] = str(RETRY_SECONDS)
        else:
            headers["WWW-Authenticate"] = self._challenge(refusal)
        return JSONResponse(body, refusal.status, headers)

    def _challenge(self, refusal: _Refusal) -> str:
        parameters = {"scope": " ".join(ROLES), "resource_metadata": self._metadata_url}
        if refusal.error:  # RFC 6750, 3.1: no error code where no token was sent
            parameters = {"error": refusal.error, "error_description": refusal.description, **parameters}
        return "Bearer " + ", ".join(f'{name}="{value}"' for name, value in parameters.items())


def _bearer_token(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Return the token of a request.

    Raises:
        _Refusal: There is none, or more than one.
    """
    values = [value for name, value in headers if name.lower() == b"authorization"]
    if len(values) > 1:
        raise _Refusal(400, "invalid_request", "Send exactly one Authorization header.")
    if not values or values[0][:7].rstrip().lower() != b"bearer":
        raise _Refusal(401, None, "Sign in, and send the token as `Authorization: Bearer`.")
    found = _BEARER.fullmatch(values[0]) if len(values[0]) <= MAX_HEADER else None
    if found is None:
        raise _Refusal(401, "invalid_token", "The Authorization header holds no well-formed bearer token.")
    return found[1].decode("ascii")


def _signed_in(scope: Scope, principal: AccessToken) -> Scope:
    headers = [(name, value) for name, value in scope["headers"] if name.lower() != b"authorization"]
    user = AuthenticatedUser(principal)
    return {**scope, "headers": headers, "user": user, "auth": AuthCredentials(principal.scopes)}


def _metadata_url(public_url: str) -> str:
    url = urlsplit(public_url)
    return quote(f"{url.scheme}://{url.netloc}{WELL_KNOWN}{url.path.rstrip('/')}", safe=_URL)


def metadata_route(public_url: str, issuer: str | None) -> Route:
    """Return the route of the metadata document (RFC 9728), at the path for `public_url` and at the root.

    Args:
        public_url: The address of the server as clients use it.
        issuer: The identity provider; None if only static tokens are accepted.
    """
    document: dict[str, object] = {
        "resource": public_url,
        "authorization_servers": [issuer] if issuer else [],
        "scopes_supported": list(ROLES),
        "bearer_methods_supported": ["header"],
        "resource_name": "incident-mcp",
    }
    if not issuer:
        del document["authorization_servers"]  # RFC 9728, 3.2: no empty lists
    content = json.dumps(document).encode()
    paths = {"", "/", urlsplit(public_url).path.rstrip("/")}

    async def metadata(request: Request) -> Response:
        if request.path_params["path"] not in paths:
            return JSONResponse({"error": "not_found"}, 404)
        return Response(content, media_type="application/json", headers={"Cache-Control": "public, max-age=3600"})

    return Route(f"{WELL_KNOWN}{{path:path}}", metadata, methods=["GET"])
