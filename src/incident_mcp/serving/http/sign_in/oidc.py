"""Sign-in with JWT access tokens of an identity provider (RFC 9068).

RFC 9068 distinguishes access tokens from ID tokens by the header `typ: at+jwt`. Common identity providers send `JWT` or
nothing, which is accepted too; such a token is rejected if it has a claim that only ID tokens and logout tokens have.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import jwt

from incident_mcp.errors import SettingError
from incident_mcp.records.clock import unix_now
from incident_mcp.records.record import shorten
from incident_mcp.records.text import inert
from incident_mcp.serving.http.sdk import AccessToken
from incident_mcp.serving.http.sign_in.jwks import Jwks
from incident_mcp.serving.http.sign_in.keys import MAX_KID, TYPES, VerificationKey
from incident_mcp.serving.http.sign_in.roles import read_role, scopes_of
from incident_mcp.transport.documents import is_fetchable

MAX_TOKEN = 8_192
"""Characters of a token."""
LEEWAY_SECONDS = 60
"""By which the clocks of the identity provider and this server may differ, for `nbf` and `iat`."""
_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_ACCESS_TOKEN = ("at+jwt", "application/at+jwt")
_ANY_JWT = ("jwt", "application/jwt", None)
_NEVER_ACCESS = ("at_hash", "c_hash", "s_hash", "nonce", "events")
"""Claims of ID tokens and logout tokens."""
_KINDS = ("typ", "token_use")
"""Claims by which Keycloak and Cognito distinguish their tokens."""
_OTHER_KINDS = ("id", "refresh", "offline", "logout")
"""Their values, in lower case."""
_MAX_ID = 255
"""Characters of a subject or client id."""
_MAX_NAME = 100


@dataclass(frozen=True)
class OidcSettings:
    """The identity provider, and what its tokens must contain."""

    issuer: str
    audience: str
    jwks_url: str | None = None
    """None: the issuer's metadata names it."""
    algorithms: tuple[str, ...] = ("RS256", "PS256", "ES256", "EdDSA")
    role_claim: str = "roles"
    """Dots walk nested objects."""

    def check(self) -> None:
        """Check the settings.

        Raises:
            SettingError: One cannot be used.
        """
        if not is_fetchable(self.issuer) or "?" in self.issuer:
            raise SettingError("INCIDENT_MCP_OIDC_ISSUER takes the https address of the identity provider.")
        if self.jwks_url is not None and not is_fetchable(self.jwks_url):
            raise SettingError("INCIDENT_MCP_OIDC_JWKS_URL takes an https address.")
        if not self.audience:
            raise SettingError("INCIDENT_MCP_OIDC_AUDIENCE is empty: any token of the issuer would be accepted.")
        if not self.algorithms or not set(self.algorithms) <= set(TYPES):
            raise SettingError(f"INCIDENT_MCP_OIDC_ALGORITHMS takes a list of {', '.join(TYPES)}.")
        if not self.role_claim:
            raise SettingError("INCIDENT_MCP_ROLE_CLAIM is empty: it takes the name of a claim, such as `roles`.")


class JwtVerifier:
    """Decides on the identity provider's tokens.

    Args:
        settings: The identity provider.
        jwks: Its keys; None: they are fetched as the settings say.

    Raises:
        SettingError: A setting cannot be used.
    """

    def __init__(self, settings: OidcSettings, jwks: Jwks | None = None) -> None:
        settings.check()
        self._settings = settings
        self._jwks = jwks or Jwks(settings.issuer, settings.jwks_url, settings.algorithms)

    async def verify(self, token: str) -> AccessToken | None:
        """Return whose token it is, None if it is not valid.

        Raises:
            IdentityProviderDown: It cannot be decided now.
        """
        header = _read_header(token)
        if header is None or header["alg"] not in self._settings.algorithms:
            return None
        claims = await self._verified(token, header.get("kid"), header["alg"])
        if claims is None or not _is_access_token(header, claims):
            return None
        return self._principal(claims)

    async def ready(self) -> str | None:
        """Return why tokens cannot be checked, None if they can."""
        return await self._jwks.ready()

    async def close(self) -> None:
        """End what runs in the background."""
        await self._jwks.close()

    async def _verified(self, token: str, kid: str | None, algorithm: str) -> dict[str, Any] | None:
        """Return the claims of a token, None if no key signed it or they cannot be used."""
        for find in (self._jwks.find, self._jwks.find_replaced):
            for key in await find(kid, algorithm):
                with suppress(jwt.InvalidSignatureError):
                    return self._read_claims(token, key)
        return None

    def _read_claims(self, token: str, key: VerificationKey) -> dict[str, Any] | None:
        try:
            claims = jwt.decode(
                token,
                key.key,
                algorithms=[key.algorithm],
                audience=self._settings.audience,
                issuer=self._settings.issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iss", "aud", "sub"], "enforce_minimum_key_length": True},
            )
        except jwt.InvalidSignatureError:
            raise
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
            return None
        # PyJWT grants the leeway to `exp` as well, and accepts numbers in quotes.
        are_dates = all(type(claims.get(name, 0)) in (int, float) for name in ("exp", "nbf", "iat"))
        return claims if are_dates and claims["exp"] > unix_now() else None

    def _principal(self, claims: Mapping[str, Any]) -> AccessToken | None:
        subject = _identifier(claims.get("sub"))
        if subject is None:
            return None
        role = read_role(claims, self._settings.role_claim)
        client = _identifier(claims.get("client_id")) or _identifier(claims.get("azp")) or subject
        return AccessToken(
            token="",
            client_id=client,
            scopes=scopes_of(role),
            expires_at=int(claims["exp"]),
            subject=subject,
            claims={"iss": self._settings.issuer, "role": role, "name": _name(claims) or shorten(inert(subject), 100)},
        )


def _read_header(token: str) -> dict[str, Any] | None:
    """Return the header of a token that is worth a look-up of its key, None otherwise.

    Keys and addresses of keys in the header (`jwk`, `jku`, `x5c`, `x5u`) are not used.
    """
    if len(token) > MAX_TOKEN or not _COMPACT.fullmatch(token):
        return None
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, RecursionError):
        return None
    kind, kid = header.get("typ"), header.get("kid")
    if not (kind is None or isinstance(kind, str)) or "crit" in header or "b64" in header:
        return None
    if not isinstance(header.get("alg"), str) or (isinstance(kid, str) and len(kid) > MAX_KID):
        return None
    return header if (kind.lower() if kind else None) in (*_ACCESS_TOKEN, *_ANY_JWT) else None


def _is_access_token(header: Mapping[str, Any], claims: Mapping[str, Any]) -> bool:
    kind = header.get("typ")
    if kind and kind.lower() in _ACCESS_TOKEN:
        return True
    kinds = {str(claims.get(name)).lower() for name in _KINDS}
    return not kinds & set(_OTHER_KINDS) and not any(name in claims for name in _NEVER_ACCESS)


def _identifier(value: object) -> str | None:
    """Return a subject or client id, None if it is empty, too long or has characters that are not displayed."""
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_ID:
        return None
    return value if value.isprintable() and value.strip() == value else None


def _name(claims: Mapping[str, Any]) -> str | None:
    """Return the name to show, on one line and without markup."""
    for claim in ("preferred_username", "email", "name"):
        value = claims.get(claim)
        if isinstance(value, str) and (shown := inert(value[:1_000])):
            return shorten(shown, _MAX_NAME)
    return None
